// Every write of a record fails once: what was asked for is then either done or undone, and the engine goes on.
// Needs root and busybox-static.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "engine/core.h"
#include "engine/testing/world.h"

namespace kobuk::engine::testing {
namespace {

struct Life {
  int done = 0;  // steps that were said to have succeeded
  std::string error;
};

io::Task<Life> live(Core& core, std::string image_id) {
  Life out;
  ContainerRecord record;
  record.name = "faulty", record.image = "busybox", record.image_id = image_id;
  record.args = {"sleep", "1000"}, record.env = {"PATH=/bin"};
  record.network_mode = "bridge", record.endpoints = {{.network = "bridge"}};
  record.mounts = {{.type = MountType::kVolume, .source = "anonymous-of-faulty", .destination = "/data", .anonymous = true}};
  auto made = co_await core.create(std::move(record));
  if (!made) co_return Life{0, made.error().message()};
  EntryPtr entry = *made;
  out.done = 1;
  auto started = co_await core.start(entry);
  if (!started) co_return Life{1, started.error().message()};
  auto renamed = co_await core.rename(entry, "other");
  if (!renamed) co_return Life{2, renamed.error().message()};
  auto stopped = co_await core.stop(entry, std::nullopt, Duration{});
  if (!stopped) co_return Life{3, stopped.error().message()};
  RemoveOptions options{.force = false, .volumes = true};
  auto removed = co_await core.remove(entry, options);
  if (!removed) co_return Life{4, removed.error().message()};
  co_return Life{5, ""};
}

io::Task<void> remove_all(Core& core) {
  std::vector<EntryPtr> all;
  for (const auto& [id, entry] : core.entries()) all.push_back(entry);
  for (const EntryPtr& entry : all) {
    RemoveOptions options{.force = true, .volumes = true};
    auto removed = co_await core.remove(entry, options);
    EXPECT_TRUE(removed) << removed.error().message();
  }
}

TEST(CoreFaults, TheNthWriteFails) {
  if (!missing().empty()) GTEST_SKIP() << missing();
  if (!enter_own_network()) GTEST_SKIP() << "a network namespace of its own can't be made here";
  World world;
  io::Loop loop;
  auto opened = loop.run_until_done(Core::open(loop, world.options()));
  ASSERT_TRUE(opened) << opened.error().message();
  Core& core = **opened;
  auto image = loop.run_until_done(core.images().import(world.busybox_tar(), "busybox:latest", "{}"));
  ASSERT_TRUE(image) << image.error().message();

  int failing = 1;
  for (bool all_done = false; !all_done; ++failing) {
    int writes = 0;
    core.records().before_write = [&](const std::string& path) -> Result<void> {
      if (++writes == failing) return fail(Code::kResourceExhausted, "write ", path, ": No space left on device");
      return {};
    };
    Life life = loop.run_until_done(live(core, image->id));
    core.records().before_write = nullptr;
    all_done = writes < failing;
    if (life.done < 5) EXPECT_NE(life.error.find("No space left on device"), std::string::npos) << failing << ": " << life.error;
    // A failed creation leaves nothing; later steps leave a container that can be removed.
    if (life.done == 0) {
      EXPECT_TRUE(core.entries().empty()) << failing;
      EXPECT_TRUE(core.volumes().empty()) << failing;
    }
    loop.run_until_done(remove_all(core));
    EXPECT_TRUE(core.volumes().empty()) << failing;
    EXPECT_TRUE(core.networks().attachments().empty()) << failing;
    auto folders = core.runtime().list();
    EXPECT_TRUE(folders && folders->empty()) << failing;
  }
  EXPECT_GT(failing, 6) << "fewer writes than a life has";
  auto removed = loop.run_until_done(core.remove_everything());
  EXPECT_TRUE(removed);
  opened->reset();
  for (const std::string& left : world.leftovers()) ADD_FAILURE() << "left behind: " << left;
}

}  // namespace
}  // namespace kobuk::engine::testing
