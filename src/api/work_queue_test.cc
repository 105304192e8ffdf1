#include "api/work_queue.h"

#include <gtest/gtest.h>

namespace kobuk::api {
namespace {

TEST(WorkQueue, HoldsAKeyOnceAndGivesItToOneWorker) {
  io::Loop loop;
  WorkQueue queue(loop);
  queue.add("a");
  queue.add("a");
  EXPECT_EQ(queue.size(), 1u);
  EXPECT_EQ(loop.run_until_done(queue.next()), "a");
  queue.add("a");
  EXPECT_EQ(queue.size(), 0u);  // still in work
  queue.done("a");
  EXPECT_EQ(loop.run_until_done(queue.next()), "a");
  queue.done("a");
  EXPECT_EQ(queue.size(), 0u);
}

TEST(WorkQueue, BringsARateLimitedKeyBackLater) {
  io::Loop loop;
  WorkQueue queue(loop);
  queue.add_rate_limited("a");
  EXPECT_EQ(queue.size(), 0u);
  EXPECT_EQ(loop.run_until_done(queue.next()), "a");
}

TEST(WorkQueue, TakesTheEarliestDelay) {
  io::Loop loop;
  WorkQueue queue(loop);
  queue.add_after("a", std::chrono::hours(1));
  queue.add_after("a", std::chrono::milliseconds(1));
  queue.add_after("a", std::chrono::hours(2));
  EXPECT_EQ(loop.run_until_done(queue.next()), "a");
}

TEST(WorkQueue, EndsItsWorkersWhenShutDown) {
  io::Loop loop;
  WorkQueue queue(loop);
  loop.post([&] { queue.shut_down(); });
  EXPECT_EQ(loop.run_until_done(queue.next()), std::nullopt);
  queue.add("a");
  EXPECT_EQ(queue.size(), 0u);
}

}  // namespace
}  // namespace kobuk::api
