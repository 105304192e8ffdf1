#include "store/testing/contract.h"

#include <cstdlib>
#include <filesystem>

namespace kobuk::store {

using namespace std::chrono_literals;

void StoreContract::SetUp() {
  char name[] = "/tmp/store_test.XXXXXX";
  folder_ = mkdtemp(name);
  auto made = GetParam().make(loop_, folder_);
  ASSERT_TRUE(made) << made.error().message();
  store_ = std::move(*made);
}
void StoreContract::TearDown() {
  store_ = nullptr;
  std::filesystem::remove_all(folder_);
}
TxnResult StoreContract::must(TxnRequest request) {
  auto done = loop_.run_until_done(store_->txn(std::move(request)));
  EXPECT_TRUE(done) << done.error().message();
  return done ? *done : TxnResult{};
}
RangeResult StoreContract::get(KeyRange range, Revision revision, int64_t limit) {
  auto done = loop_.run_until_done(store_->range({.range = std::move(range), .revision = revision, .limit = limit}));
  EXPECT_TRUE(done) << done.error().message();
  return done ? *done : RangeResult{};
}
Revision StoreContract::put_text(std::string key, std::string value, LeaseId lease) {
  return must({.then = {put(std::move(key), share(std::move(value)), lease)}}).revision;
}

namespace {

io::Task<WatchBatch> next(Watch& watch) {
  auto batch = co_await watch.next();
  co_return batch ? *batch : WatchBatch{.revision = -static_cast<Revision>(batch.error().code()) - 1};
}

TEST_P(StoreContract, VersionsCountFromTheirCreation) {
  Revision first = put_text("a", "1");
  Revision second = put_text("a", "2");
  EXPECT_EQ(second, first + 1);
  auto found = get(one_key("a"));
  ASSERT_EQ(found.kvs.size(), 1u);
  EXPECT_EQ(*found.kvs[0].value, "2");
  EXPECT_EQ(found.kvs[0].create_revision, first);
  EXPECT_EQ(found.kvs[0].mod_revision, second);
  EXPECT_EQ(found.kvs[0].version, 2);
  EXPECT_EQ(found.revision, second);
  must({.then = {erase(one_key("a"))}});
  Revision third = put_text("a", "3");
  EXPECT_EQ(get(one_key("a")).kvs[0].create_revision, third);
  EXPECT_EQ(get(one_key("a")).kvs[0].version, 1);
}

TEST_P(StoreContract, RangesAreSortedAndLimited) {
  for (auto key : {"b/2", "a", "b/1", "c", "b/3"}) put_text(key, key);
  auto all = get(with_prefix("b/"), 0, 2);
  ASSERT_EQ(all.kvs.size(), 2u);
  EXPECT_EQ(all.kvs[0].key, "b/1");
  EXPECT_EQ(all.kvs[1].key, "b/2");
  EXPECT_EQ(all.count, 3);
  EXPECT_TRUE(all.more);
  EXPECT_EQ(get(with_prefix("")).count, 5);
  EXPECT_EQ(get({"b/2", std::string(1, '\0')}).count, 3);
  auto counted = loop_.run_until_done(store_->range({.range = with_prefix("b/"), .count_only = true}));
  EXPECT_EQ(counted->count, 3);
  EXPECT_TRUE(counted->kvs.empty());
}

TEST_P(StoreContract, OldRevisionsCanBeRead) {
  Revision first = put_text("a", "1");
  Revision second = put_text("b", "1");
  must({.then = {erase(one_key("a"))}});
  EXPECT_EQ(get(with_prefix(""), first).count, 1);
  EXPECT_EQ(get(with_prefix(""), second).count, 2);
  EXPECT_EQ(get(with_prefix("")).count, 1);
  EXPECT_EQ(loop_.run_until_done(store_->range({.range = one_key("a"), .revision = 1000})).error().code(), Code::kInvalid);
}

TEST_P(StoreContract, TransactionsCompareFirst) {
  EXPECT_TRUE(must(create_if_absent("a", share("1"))).succeeded);
  auto again = must(create_if_absent("a", share("2")));
  EXPECT_FALSE(again.succeeded);
  ASSERT_EQ(again.results.size(), 1u);
  ASSERT_EQ(again.results[0].range.kvs.size(), 1u);
  EXPECT_EQ(*again.results[0].range.kvs[0].value, "1");
  Revision at = again.results[0].range.kvs[0].mod_revision;
  EXPECT_TRUE(must(replace_if_unchanged("a", at, share("3"))).succeeded);
  EXPECT_FALSE(must(replace_if_unchanged("a", at, share("4"))).succeeded);
  EXPECT_FALSE(must(delete_if_unchanged("a", at)).succeeded);
  Compare value{.key = "a", .target = Compare::Target::kValue, .value = "3"};
  auto erased = must({.compares = {value}, .then = {erase(one_key("a"))}});
  EXPECT_TRUE(erased.succeeded);
  EXPECT_EQ(erased.results[0].deleted, 1);
  EXPECT_FALSE(must({.compares = {value}}).succeeded) << "an absent key never compares by value";
}

TEST_P(StoreContract, ATransactionIsOneRevision) {
  auto done = must({.then = {put("a", share("1")), put("b", share("2"))}});
  EXPECT_EQ(get(one_key("a")).kvs[0].mod_revision, done.revision);
  EXPECT_EQ(get(one_key("b")).kvs[0].mod_revision, done.revision);
  Revision before = store_->revision();
  EXPECT_EQ(must({.then = {erase(one_key("absent"))}}).revision, before) << "nothing changed";
  auto twice = loop_.run_until_done(store_->txn({.then = {put("a", share("1")), put("a", share("2"))}}));
  EXPECT_EQ(twice.error().code(), Code::kInvalid);
}

TEST_P(StoreContract, WatchesSeeEachChangeOnceInOrder) {
  Revision first = put_text("p/a", "1");
  auto watch = loop_.run_until_done(store_->watch({.range = with_prefix("p/"), .start = first, .previous = true}));
  ASSERT_TRUE(watch);
  put_text("q", "not mine");
  put_text("p/a", "2");
  must({.then = {erase(with_prefix("p/"))}});
  std::vector<Event> seen;
  while (seen.size() < 3) {
    auto batch = loop_.run_until_done(next(**watch));
    ASSERT_GT(batch.revision, 0);
    seen.insert(seen.end(), batch.events.begin(), batch.events.end());
  }
  EXPECT_EQ(*seen[0].kv.value, "1");
  EXPECT_EQ(seen[0].previous, nullptr);
  EXPECT_EQ(*seen[1].kv.value, "2");
  EXPECT_EQ(*seen[1].previous, "1");
  EXPECT_TRUE(seen[2].deleted);
  EXPECT_EQ(*seen[2].previous, "2");
  EXPECT_EQ(seen[2].kv.mod_revision, first + 3);
}

TEST_P(StoreContract, AWatchWaitsForWhatComes) {
  auto watch = loop_.run_until_done(store_->watch({.range = one_key("a")}));
  ASSERT_TRUE(watch);
  auto later = [](Store& store, io::Loop& loop) -> io::Task<void> {
    co_await loop.sleep(5ms);
    TxnRequest request{.then = {put("a", share("now"))}};
    auto done = co_await store.txn(std::move(request));
  };
  loop_.spawn(later(*store_, loop_));
  auto batch = loop_.run_until_done(next(**watch));
  ASSERT_EQ(batch.events.size(), 1u);
  EXPECT_EQ(*batch.events[0].kv.value, "now");
}

TEST_P(StoreContract, CompactionForgets) {
  Revision first = put_text("a", "1");
  put_text("a", "2");
  put_text("gone", "x");
  must({.then = {erase(one_key("gone"))}});
  Revision last = store_->revision();
  ASSERT_TRUE(loop_.run_until_done(store_->compact(last)));
  EXPECT_EQ(*get(one_key("a")).kvs[0].value, "2");
  EXPECT_EQ(loop_.run_until_done(store_->range({.range = one_key("a"), .revision = first})).error().code(), Code::kGone);
  EXPECT_EQ(loop_.run_until_done(store_->compact(first)).error().code(), Code::kGone);
  EXPECT_EQ(loop_.run_until_done(store_->compact(last + 100)).error().code(), Code::kInvalid);
  auto watch = loop_.run_until_done(store_->watch({.range = one_key("a"), .start = first}));
  if (watch) {
    EXPECT_EQ(loop_.run_until_done(next(**watch)).revision, -static_cast<Revision>(Code::kGone) - 1);
  } else {
    EXPECT_EQ(watch.error().code(), Code::kGone);
  }
  EXPECT_EQ(put_text("a", "3"), last + 1);
}

TEST_P(StoreContract, LeasesTakeTheirKeysAlong) {
  auto lease = loop_.run_until_done(store_->grant(1s));
  ASSERT_TRUE(lease);
  put_text("kept", "x");
  put_text("a", "x", *lease);
  EXPECT_TRUE(loop_.run_until_done(store_->keep_alive(*lease)));
  EXPECT_EQ(get(one_key("a")).kvs[0].lease, *lease);
  auto watch = loop_.run_until_done(store_->watch({.range = one_key("a")}));
  auto batch = loop_.run_until_done(next(**watch));
  ASSERT_EQ(batch.events.size(), 1u);
  EXPECT_TRUE(batch.events[0].deleted) << "ended by itself";
  EXPECT_EQ(get(with_prefix("")).count, 1);
  EXPECT_EQ(loop_.run_until_done(store_->revoke(*lease)).error().code(), Code::kNotFound);
  auto second = loop_.run_until_done(store_->grant(1h));
  put_text("b", "x", *second);
  EXPECT_TRUE(loop_.run_until_done(store_->revoke(*second)));
  EXPECT_EQ(get(one_key("b")).count, 0);
  auto unknown = loop_.run_until_done(store_->txn({.then = {put("c", share("x"), 424242)}}));
  EXPECT_EQ(unknown.error().code(), Code::kNotFound);
}

TEST_P(StoreContract, AQuietWatchOutlivesCompaction) {
  auto watch = loop_.run_until_done(store_->watch({.range = one_key("quiet")}));
  ASSERT_TRUE(watch);
  put_text("other", "1");
  put_text("other", "2");
  ASSERT_TRUE(loop_.run_until_done(store_->compact(store_->revision())));
  Revision at = put_text("quiet", "x");
  auto batch = loop_.run_until_done(next(**watch));
  ASSERT_EQ(batch.events.size(), 1u) << "it has missed nothing";
  EXPECT_EQ(batch.events[0].kv.mod_revision, at);
}

TEST_P(StoreContract, ATransactionReadsItsOwnWrites) {
  auto done = must({.then = {put("a", share("1")), read(one_key("a"))}});
  ASSERT_EQ(done.results.size(), 2u);
  ASSERT_EQ(done.results[1].range.kvs.size(), 1u);
  EXPECT_EQ(done.results[1].range.kvs[0].mod_revision, done.revision);
}

TEST_P(StoreContract, ImpossibleWritesAreRefused) {
  for (auto& bad : {put(std::string(kMaxKeyBytes + 1, 'k'), share("x")), put("", share("x")), put("a", nullptr)}) {
    auto done = loop_.run_until_done(store_->txn({.then = {bad}}));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), Code::kInvalid);
  }
  put_text(std::string(kMaxKeyBytes, 'k'), "x");
  EXPECT_EQ(get(with_prefix("")).count, 1);
}

// Many writers count one number up, each by compare: none of their successes is lost.
io::Task<void> count_up(Store& store, int times) {
  while (times > 0) {
    auto now = co_await store.range({.range = one_key("n")});
    int64_t n = now->kvs.empty() ? 0 : *parse_int(*now->kvs[0].value);
    Revision at = now->kvs.empty() ? 0 : now->kvs[0].mod_revision;
    TxnRequest request = replace_if_unchanged("n", at, share(cat(n + 1)));
    auto done = co_await store.txn(std::move(request));
    if (done->succeeded) --times;
  }
}
io::Task<void> count_together(io::Loop& loop, Store& store, int writers, int times) {
  io::TaskGroup group(loop);
  for (int i = 0; i < writers; ++i) group.spawn(count_up(store, times));
  co_await group.join();
}

TEST_P(StoreContract, ConcurrentWritersLoseNothing) {
  loop_.run_until_done(count_together(loop_, *store_, 8, 20));
  EXPECT_EQ(*get(one_key("n")).kvs[0].value, "160");
  EXPECT_EQ(get(one_key("n")).kvs[0].version, 160);
}

}  // namespace
}  // namespace kobuk::store
