#include <gtest/gtest.h>
#include <lmdb.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "store/local_store.h"

namespace kobuk::store {
namespace {

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

// Every write to a file fails while this lives, as on a full disk.
class NoRoom {
 public:
  NoRoom() {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit none{.rlim_cur = 0, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &none);
  }
  ~NoRoom() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, SIG_DFL);
  }

 private:
  rlimit before_{};
};

TEST(EmbeddedStore, ACompactionThatFailedBringsNothingBack) {
  Folder folder;
  {
    io::Loop loop;
    auto store = open_embedded_store(loop, folder.path);
    ASSERT_TRUE(store);
    ASSERT_TRUE(put_now(loop, **store, "a", "1"));
    ASSERT_TRUE(put_now(loop, **store, "a", "2"));
    Revision first = (*store)->revision();
    {
      NoRoom full;
      ASSERT_FALSE(loop.run_until_done((*store)->compact(first)));
    }
    EXPECT_TRUE(loop.run_until_done((*store)->range({.range = one_key("a"), .revision = first - 1}))) << "it has not happened";
    ASSERT_TRUE(loop.run_until_done((*store)->txn({.then = {erase(one_key("a"))}})));
    ASSERT_TRUE(loop.run_until_done((*store)->compact((*store)->revision())));
  }
  io::Loop loop;
  auto store = open_embedded_store(loop, folder.path);
  ASSERT_TRUE(store) << store.error().message();
  EXPECT_EQ(loop.run_until_done((*store)->range({.range = with_prefix("")}))->count, 0) << "deleted keys stay deleted";
}

TEST(EmbeddedStore, AFullStoreCanBeEmptied) {
  Folder folder;
  io::Loop loop;
  auto store = open_embedded_store(loop, folder.path, 1 << 20);
  ASSERT_TRUE(store);
  std::string value(2'000, 'x');
  int written = 0;
  while (written < 2'000 && put_now(loop, **store, cat("k", written % 10), value)) ++written;
  ASSERT_LT(written, 2'000);
  auto erased = loop.run_until_done((*store)->txn({.then = {erase(with_prefix("k"))}}));
  ASSERT_TRUE(erased) << erased.error().message();
  auto compacted = loop.run_until_done((*store)->compact((*store)->revision()));
  ASSERT_TRUE(compacted) << compacted.error().message();
  EXPECT_TRUE(put_now(loop, **store, "k", value));
}

TEST(EmbeddedStore, AFullDiskIsNamedAndLosesNothing) {
  Folder folder;
  if (mount("none", folder.path.c_str(), "tmpfs", 0, "size=512k") != 0) GTEST_SKIP() << "needs root: mounts a small disk";
  {
    io::Loop loop;
    auto store = open_embedded_store(loop, cat(folder.path, "/store"));
    ASSERT_TRUE(store) << store.error().message();
    int acknowledged = 0;
    Result<TxnResult> last = put_now(loop, **store, "k0", "v");
    for (; last && acknowledged < 1'000; last = put_now(loop, **store, cat("k", acknowledged), std::string(2'000, 'x'))) ++acknowledged;
    ASSERT_FALSE(last) << "it never filled up";
    EXPECT_EQ(last.error().code(), Code::kResourceExhausted);
    EXPECT_NE(last.error().message().find("no space left"), std::string::npos) << last.error().message();
    EXPECT_EQ(loop.run_until_done((*store)->range({.range = with_prefix("k")}))->count, acknowledged);
    ASSERT_EQ(mount("none", folder.path.c_str(), "tmpfs", MS_REMOUNT, "size=4m"), 0);
    EXPECT_TRUE(put_now(loop, **store, "k", "with room again"));
    store->reset();
    store = open_embedded_store(loop, cat(folder.path, "/store"));
    ASSERT_TRUE(store) << store.error().message();
    EXPECT_EQ(loop.run_until_done((*store)->range({.range = with_prefix("k")}))->count, acknowledged + 1);
  }
  EXPECT_EQ(umount(folder.path.c_str()), 0);
}

TEST(EmbeddedStore, ADatabaseOfSomethingElseIsLeftAlone) {
  Folder folder;
  MDB_env* env = nullptr;
  MDB_txn* txn = nullptr;
  MDB_dbi dbi = 0;
  ASSERT_EQ(mdb_env_create(&env), 0);
  ASSERT_EQ(mdb_env_set_maxdbs(env, 2), 0);
  ASSERT_EQ(mdb_env_open(env, folder.path.c_str(), 0, 0600), 0);
  ASSERT_EQ(mdb_txn_begin(env, nullptr, 0, &txn), 0);
  ASSERT_EQ(mdb_dbi_open(txn, "others", MDB_CREATE, &dbi), 0);
  ASSERT_EQ(mdb_txn_commit(txn), 0);
  mdb_env_close(env);
  io::Loop loop;
  auto store = open_embedded_store(loop, folder.path);
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), Code::kDataLoss) << store.error().message();
}

// Commits take a turn each, and fail while `full`.
class SlowCommits final : public Durability {
 public:
  SlowCommits(io::Loop& loop, const bool& full) : loop_(loop), full_(full) {}
  io::Task<Result<void>> commit(CommitBatch) override {
    co_await loop_.yield();
    if (full_) co_return fail(Code::kResourceExhausted, "no space left on device");
    co_return Result<void>();
  }

 private:
  io::Loop& loop_;
  const bool& full_;
};

io::Task<void> write_on(Store& store, int writer, int& written, const bool& stop) {
  while (!stop && written < 5'000) {
    TxnRequest request{.then = {put(cat("w", writer), share("x"))}};
    auto done = co_await store.txn(std::move(request));
    if (done) ++written;
  }
}
io::Task<void> read_while_writing(io::Loop& loop, Store& store, int& written, bool& stop) {
  io::TaskGroup group(loop);
  for (int i = 0; i < 4; ++i) group.spawn(write_on(store, i, written, stop));
  while (written < 10) co_await loop.yield();
  auto found = co_await store.range({.range = with_prefix("w")});
  EXPECT_EQ(found->count, 4);
  auto lost = co_await store.txn(create_if_absent("w1", share("mine")));
  EXPECT_TRUE(lost && !lost->succeeded);
  auto compacted = co_await store.compact(store.revision());
  EXPECT_TRUE(compacted);
  stop = true;
  co_await group.join();
}

TEST(LocalStore, ReadersDoNotWaitForWritersToPause) {
  io::Loop loop;
  bool full = false, stop = false;
  int written = 0;
  LocalStore store(loop, std::make_unique<SlowCommits>(loop, full));
  loop.run_until_done(read_while_writing(loop, store, written, stop));
  EXPECT_LT(written, 100);
}

io::Task<void> put_one(Store& store, std::string key, LeaseId lease, Result<void>& out) {
  TxnRequest request{.then = {put(std::move(key), share("x"), lease)}};
  auto done = co_await store.txn(std::move(request));
  out = done ? Result<void>() : Result<void>(fail(done.error()));
}
io::Task<void> revoke_one(Store& store, LeaseId lease, Result<void>& out) { out = co_await store.revoke(lease); }
io::Task<void> revoke_and_put(io::Loop& loop, Store& store, LeaseId lease, Result<void>& revoked, Result<void>& written) {
  io::TaskGroup group(loop);
  group.spawn(revoke_one(store, lease, revoked));
  group.spawn(put_one(store, "late", lease, written));
  co_await group.join();
}

TEST(LocalStore, NoKeyJoinsALeaseThatEnds) {
  io::Loop loop;
  bool full = false;
  LocalStore store(loop, std::make_unique<SlowCommits>(loop, full));
  auto lease = loop.run_until_done(store.grant(std::chrono::hours(1)));
  ASSERT_TRUE(lease);
  Result<void> revoked, written;
  full = true;
  loop.run_until_done(revoke_and_put(loop, store, *lease, revoked, written));
  EXPECT_FALSE(revoked);
  full = false;
  EXPECT_TRUE(loop.run_until_done(store.keep_alive(*lease))) << "it has not ended";
  loop.run_until_done(revoke_and_put(loop, store, *lease, revoked, written));
  EXPECT_TRUE(revoked);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code(), Code::kNotFound);
  EXPECT_EQ(loop.run_until_done(store.range({.range = one_key("late")}))->count, 0);
}

io::Task<void> change_at_random(io::Loop& loop, Store& store, unsigned seed, bool& full) {
  for (int i = 0; i < 60; ++i) {
    seed = seed * 1103515245 + 12345;
    unsigned dice = seed >> 16;
    full = dice % 11 == 0;
    std::string key = cat("k", dice / 16 % 5);
    if (dice % 16 < 9) {
      TxnRequest request{.then = {put(key, share(cat(i)))}};
      auto done = co_await store.txn(std::move(request));
    } else if (dice % 16 < 14) {
      TxnRequest request{.then = {erase(one_key(key))}};
      auto done = co_await store.txn(std::move(request));
    } else {
      auto done = co_await store.compact(store.revision());
    }
    if (dice % 3 == 0) co_await loop.yield();
  }
}
io::Task<void> follow(Watch& watch, std::map<std::string, std::string>& copy, Revision& last) {
  while (true) {
    auto batch = co_await watch.next();
    if (!batch) {
      ADD_FAILURE() << batch.error().message();
      co_return;
    }
    for (const Event& event : batch->events) {
      EXPECT_GE(event.kv.mod_revision, last);
      last = event.kv.mod_revision;
      if (event.deleted) {
        EXPECT_EQ(copy.erase(event.kv.key), 1u);
      } else {
        copy[event.kv.key] = *event.kv.value;
      }
    }
    if (copy.contains("end")) co_return;
  }
}
io::Task<void> change_and_follow(io::Loop& loop, Store& store, Watch& watch, unsigned seed, bool& full, std::map<std::string, std::string>& copy) {
  io::TaskGroup followers(loop), writers(loop);
  Revision last = 0;
  followers.spawn(follow(watch, copy, last));
  for (unsigned i = 0; i < 4; ++i) writers.spawn(change_at_random(loop, store, seed * 4 + i, full));
  co_await writers.join();
  full = false;
  TxnRequest request{.then = {put("end", share(""))}};
  auto done = co_await store.txn(std::move(request));
  EXPECT_TRUE(done);
  co_await followers.join();
}

// Whatever fails and is compacted meanwhile: who follows by watch has what a reader has.
TEST(LocalStore, AFollowerHasWhatAReaderHas) {
  for (unsigned seed = 1; seed <= 50; ++seed) {
    io::Loop loop;
    bool full = false;
    LocalStore store(loop, std::make_unique<SlowCommits>(loop, full));
    auto watch = loop.run_until_done(store.watch({.range = with_prefix("")}));
    ASSERT_TRUE(watch);
    std::map<std::string, std::string> copy, read;
    loop.run_until_done(change_and_follow(loop, store, **watch, seed, full, copy));
    auto all = loop.run_until_done(store.range({.range = with_prefix("")}));
    for (const KeyValue& kv : all->kvs) read[kv.key] = *kv.value;
    ASSERT_EQ(copy, read) << "seed " << seed;
  }
}

}  // namespace
}  // namespace kobuk::store
