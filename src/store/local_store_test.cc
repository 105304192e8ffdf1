#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "store/local_store.h"
#include "store/record.h"
#include "store/testing/contract.h"

namespace kobuk::store {
namespace {

std::string name_of(const testing::TestParamInfo<StoreFactory>& info) { return info.param.name; }

INSTANTIATE_TEST_SUITE_P(
    Local, StoreContract,
    testing::Values(StoreFactory{"memory", [](io::Loop& loop, std::string) -> Result<std::unique_ptr<Store>> { return make_memory_store(loop); }},
                    StoreFactory{"embedded", [](io::Loop& loop, std::string folder) { return open_embedded_store(loop, folder); }}),
    name_of);

struct Folder {
  Folder() {
    char name[] = "/tmp/store_test.XXXXXX";
    path = mkdtemp(name);
  }
  ~Folder() { std::filesystem::remove_all(path); }
  std::string path;
};

Result<TxnResult> put_now(io::Loop& loop, Store& store, std::string key, std::string value) {
  return loop.run_until_done(store.txn({.then = {put(std::move(key), share(std::move(value)))}}));
}

TEST(EmbeddedStore, EverythingIsThereAgain) {
  Folder folder;
  Revision last = 0, lease = 0;
  {
    io::Loop loop;
    auto store = open_embedded_store(loop, folder.path);
    ASSERT_TRUE(store) << store.error().message();
    lease = *loop.run_until_done((*store)->grant(std::chrono::hours(1)));
    ASSERT_TRUE(put_now(loop, **store, "a", "1"));
    ASSERT_TRUE(put_now(loop, **store, "a", "2"));
    ASSERT_TRUE(put_now(loop, **store, "b", "x"));
    ASSERT_TRUE(loop.run_until_done((*store)->txn({.then = {erase(one_key("b"))}})));
    last = (*store)->revision();
    ASSERT_TRUE(loop.run_until_done((*store)->compact(last)));
  }
  io::Loop loop;
  auto store = open_embedded_store(loop, folder.path);
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ((*store)->revision(), last) << "though the deletion that made it has been compacted";
  auto all = loop.run_until_done((*store)->range({.range = with_prefix("")}));
  ASSERT_EQ(all->count, 1);
  EXPECT_EQ(*all->kvs[0].value, "2");
  EXPECT_EQ(all->kvs[0].version, 2);
  EXPECT_EQ(loop.run_until_done((*store)->range({.range = one_key("a"), .revision = 2})).error().code(), Code::kGone);
  EXPECT_TRUE(loop.run_until_done((*store)->keep_alive(lease)));
}

TEST(EmbeddedStore, OneProcessAtATime) {
  Folder folder;
  io::Loop loop;
  auto store = open_embedded_store(loop, folder.path);
  ASSERT_TRUE(store);
  auto second = open_embedded_store(loop, folder.path);
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code(), Code::kFailedPrecondition);
}

TEST(EmbeddedStore, ADamagedFileIsToldPlainly) {
  Folder folder;
  std::ofstream(folder.path + "/data.mdb") << std::string(8192, 'x');
  io::Loop loop;
  auto store = open_embedded_store(loop, folder.path);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), Code::kDataLoss);
  EXPECT_NE(store.error().message().find("restore it from a backup"), std::string::npos) << store.error().message();
}

TEST(EmbeddedStore, AFullStoreRefusesAndLosesNothing) {
  Folder folder;
  std::string big(20'000, 'x');
  int written = 0;
  {
    io::Loop loop;
    auto store = open_embedded_store(loop, folder.path, 1 << 20);
    ASSERT_TRUE(store);
    for (; written < 200; ++written) {
      auto done = put_now(loop, **store, cat("k", written), big);
      if (done) continue;
      EXPECT_EQ(done.error().code(), Code::kResourceExhausted) << done.error().message();
      break;
    }
    ASSERT_LT(written, 200);
    EXPECT_EQ(loop.run_until_done((*store)->range({.range = one_key(cat("k", written))}))->count, 0) << "not half there";
    EXPECT_EQ(loop.run_until_done((*store)->range({.range = with_prefix("")}))->count, written);
  }
  io::Loop loop;
  auto store = open_embedded_store(loop, folder.path, 8 << 20);
  ASSERT_TRUE(store);
  EXPECT_EQ(loop.run_until_done((*store)->range({.range = with_prefix("")}))->count, written);
  EXPECT_TRUE(put_now(loop, **store, "more", big)) << "with a larger bound it goes on";
}

// A child writes and tells of each acknowledged write; it is killed at any moment, and every one must be there.
io::Task<void> write_and_tell(Store& store, int from, int to_fd) {
  for (int i = from; i < 1'000'000; i += 8) {
    TxnRequest request{.then = {put(cat("k", i), share(cat("v", i)))}};
    auto done = co_await store.txn(std::move(request));
    if (!done || ::write(to_fd, &i, sizeof i) != sizeof i) _exit(1);
  }
}

TEST(EmbeddedStore, KilledWritersLoseNothingAcknowledged) {
  for (int round = 0; round < 5; ++round) {
    Folder folder;
    int ends[2];
    ASSERT_EQ(pipe(ends), 0);
    pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      io::Loop loop;
      auto store = open_embedded_store(loop, folder.path);
      if (!store) _exit(1);
      for (int writer = 0; writer < 8; ++writer) loop.spawn(write_and_tell(**store, writer, ends[1]));
      loop.run();
      _exit(1);
    }
    close(ends[1]);
    std::vector<int> told;
    int number = 0;
    while (told.size() < 200u + 100u * static_cast<unsigned>(round) && ::read(ends[0], &number, sizeof number) == sizeof number) told.push_back(number);
    kill(child, SIGKILL);
    while (::read(ends[0], &number, sizeof number) == sizeof number) told.push_back(number);
    waitpid(child, nullptr, 0);
    close(ends[0]);
    ASSERT_GE(told.size(), 200u);
    io::Loop loop;
    auto store = open_embedded_store(loop, folder.path);
    ASSERT_TRUE(store) << store.error().message();
    for (int i : told) {
      auto found = loop.run_until_done((*store)->range({.range = one_key(cat("k", i))}));
      ASSERT_EQ(found->count, 1) << i;
      EXPECT_EQ(*found->kvs[0].value, cat("v", i));
    }
  }
}

// The n-th commit fails, for every n: no change of it is seen afterwards, and writing goes on.
class FailingOnce final : public Durability {
 public:
  FailingOnce(io::Loop& loop, int at) : loop_(loop), left_(at) {}
  io::Task<Result<void>> commit(CommitBatch) override {
    co_await loop_.yield();
    if (left_-- == 0) co_return fail(Code::kResourceExhausted, "no space left on device");
    co_return Result<void>();
  }

 private:
  io::Loop& loop_;
  int left_;
};

io::Task<void> put_one(Store& store, int i, std::vector<int>& good) {
  TxnRequest request{.then = {put(cat("k", i), share("v"))}};
  auto done = co_await store.txn(std::move(request));
  if (done) good.push_back(i);
}
io::Task<void> put_many(io::Loop& loop, Store& store, std::vector<int>& good) {
  io::TaskGroup group(loop);
  for (int i = 0; i < 20; ++i) {
    group.spawn(put_one(store, i, good));
    if (i % 4 == 0) co_await loop.yield();
  }
  co_await group.join();
}

TEST(LocalStore, AFailedCommitHasNotHappened) {
  for (int at = 0; at < 6; ++at) {
    io::Loop loop;
    LocalStore store(loop, std::make_unique<FailingOnce>(loop, at));
    std::vector<int> good;
    loop.run_until_done(put_many(loop, store, good));
    auto all = loop.run_until_done(store.range({.range = with_prefix("")}));
    EXPECT_EQ(all->count, static_cast<int64_t>(good.size())) << "commit " << at;
    for (int i : good) EXPECT_EQ(loop.run_until_done(store.range({.range = one_key(cat("k", i))}))->count, 1);
    EXPECT_TRUE(put_now(loop, store, "after", "x"));
  }
}

TEST(Record, RefusesDamage) {
  Change change{.kv = {.key = "k", .value = share("v"), .create_revision = 2, .mod_revision = 3, .version = 2, .lease = 7}};
  std::string key = record_key(3, "k"), record = encode_change(change);
  auto back = decode_change(key, record);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->kv.mod_revision, 3);
  EXPECT_EQ(*back->kv.value, "v");
  EXPECT_EQ(back->kv.lease, 7);
  EXPECT_FALSE(decode_change(key.substr(0, 8), record));
  EXPECT_FALSE(decode_change(key, record.substr(0, 20)));
  record[0] = 9;
  EXPECT_EQ(decode_change(key, record).error().code(), Code::kDataLoss);
  EXPECT_LT(record_key(255, "z"), record_key(256, "a")) << "records lie in the order of their revisions";
}

}  // namespace
}  // namespace kobuk::store
