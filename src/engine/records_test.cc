#include "engine/records.h"

#include <gtest/gtest.h>

#include "engine/testing/temporary_folder.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

class RecordsTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(records.open()); }
  ContainerRecord record(std::string id) {
    ContainerRecord out;
    out.id = std::move(id);
    out.name = "n";
    return out;
  }
  TemporaryFolder folder;
  io::Loop loop;
  Records records{loop, folder.path()};
};

TEST_F(RecordsTest, WhatWasPutIsLoaded) {
  ASSERT_TRUE(loop.run_until_done(records.put(record("aa"))));
  ASSERT_TRUE(records.put_status("aa", {.status = Status::kRunning}));
  NetworkRecord network{.id = "net", .name = "front", .driver = "bridge"};
  ASSERT_TRUE(loop.run_until_done(records.put(network)));
  VolumeRecord volume{.name = "data"};
  ASSERT_TRUE(loop.run_until_done(records.put(volume)));

  Records again(loop, folder.path());
  auto containers = again.load_containers();
  ASSERT_TRUE(containers);
  ASSERT_EQ(containers->size(), 1u);
  EXPECT_EQ(containers->front().record, record("aa"));
  EXPECT_EQ(containers->front().status.status, Status::kRunning);
  EXPECT_EQ(again.load_networks()->front(), network);
  EXPECT_EQ(again.load_volumes()->front(), volume);
  EXPECT_TRUE(sys::exists(folder / "volumes/data/_data"));
}

TEST_F(RecordsTest, RemovedMeansGone) {
  ASSERT_TRUE(loop.run_until_done(records.put(record("aa"))));
  ASSERT_TRUE(loop.run_until_done(records.remove_container("aa")));
  EXPECT_FALSE(sys::exists(folder / "containers/aa"));
  ASSERT_TRUE(loop.run_until_done(records.remove_container("aa"))) << "twice is fine";
}

TEST_F(RecordsTest, AFolderWithoutARecordIsTheRestOfACrashAndGoes) {
  ASSERT_TRUE(sys::make_directories(folder / "containers/half/upper"));
  ASSERT_TRUE(sys::make_directories(folder / "volumes/half/_data"));
  ASSERT_TRUE(records.load_containers()->empty());
  ASSERT_TRUE(records.load_volumes()->empty());
  EXPECT_FALSE(sys::exists(folder / "containers/half"));
  EXPECT_FALSE(sys::exists(folder / "volumes/half"));
}

TEST_F(RecordsTest, ADamagedRecordIsLeftForWhoeverCanMendIt) {
  ASSERT_TRUE(loop.run_until_done(records.put(VolumeRecord{.name = "data"})));
  ASSERT_TRUE(sys::write_file(folder / "volumes/data/volume.json", "{\"na"));
  ASSERT_TRUE(sys::write_file(folder / "volumes/data/_data/precious", "x"));
  EXPECT_TRUE(records.load_volumes()->empty());
  EXPECT_TRUE(sys::exists(folder / "volumes/data/_data/precious"));
}

TEST_F(RecordsTest, AFailedWriteLeavesTheOldRecord) {
  ASSERT_TRUE(loop.run_until_done(records.put(record("aa"))));
  records.before_write = [](const std::string&) { return Result<void>(fail(Code::kResourceExhausted, "no space left on device")); };
  ContainerRecord changed = record("aa");
  changed.name = "other";
  auto written = loop.run_until_done(records.put(changed));
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Code::kResourceExhausted);
  EXPECT_EQ(records.load_containers()->front().record.name, "n");
}

}  // namespace
}  // namespace kobuk::engine
