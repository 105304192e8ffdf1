#include "io/loop.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

namespace kobuk::io {
namespace {

using namespace std::chrono_literals;

Task<int> twice(Loop& loop, int n) {
  co_await loop.yield();
  co_return n * 2;
}
Task<int> sum(Loop& loop) {
  int a = co_await twice(loop, 2);
  int b = co_await twice(loop, 3);
  co_return a + b;
}

TEST(Loop, TasksReturnTheirResults) {
  Loop loop;
  EXPECT_EQ(loop.run_until_done(sum(loop)), 10);
}

TEST(Loop, RunEndsWhenNothingIsLeft) {
  Loop loop;
  loop.run();
  bool fired = false;
  loop.start_timer(1ms, [&] { fired = true; });
  loop.run();
  EXPECT_TRUE(fired);
}

TEST(Loop, TimersFireInOrderAndCanBeCancelled) {
  Loop loop;
  std::string order;
  loop.start_timer(2ms, [&] { order += 'b'; });
  loop.start_timer(1ms, [&] { order += 'a'; });
  auto id = loop.start_timer(1ms, [&] { order += 'x'; });
  loop.cancel_timer(id);
  loop.cancel_timer(id);
  loop.run();
  EXPECT_EQ(order, "ab");
}

Task<void> wait_for(Event& event, int& woken) {
  co_await event.wait();
  ++woken;
}

TEST(Event, WakesEverybodyOnce) {
  Loop loop;
  Event event(loop);
  int woken = 0;
  loop.spawn(wait_for(event, woken));
  loop.spawn(wait_for(event, woken));
  loop.start_timer(1ms, [&] { event.set(); });
  loop.run();
  EXPECT_EQ(woken, 2);
  loop.run_until_done(wait_for(event, woken));
  EXPECT_EQ(woken, 3) << "an event that is set does not wait";
}

TEST(Loop, DestroysTasksThatStillWait) {
  auto alive = std::make_shared<int>(0);
  {
    Loop loop;
    auto forever = [](Loop& on, std::shared_ptr<int> held) -> Task<void> {
      Event never(on);
      co_await never.wait();
      ++*held;
    };
    loop.spawn(forever(loop, alive));
    loop.start_timer(1ms, [&] { loop.stop(); });
    loop.run();
    EXPECT_EQ(alive.use_count(), 2);
  }
  EXPECT_EQ(alive.use_count(), 1);
  EXPECT_EQ(*alive, 0);
}

Task<std::string> offload_text(Loop& loop) {
  auto text = co_await loop.offload("test", [] { return std::string("from the pool"); });
  co_return text;
}

TEST(Loop, OffloadComesBackToTheLoop) {
  Loop loop;
  EXPECT_EQ(loop.run_until_done(offload_text(loop)), "from the pool");
}

TEST(Loop, OffloadedWorkOfADestroyedTaskIsForgotten) {
  std::atomic<bool> may_end{false};
  {
    Loop loop;
    TaskGroup group(loop);
    auto work = [](Loop& on, std::atomic<bool>& gate) -> Task<void> {
      auto wait = [&gate] { gate.wait(false); };
      co_await on.offload("test", wait);
    };
    group.spawn(work(loop, may_end));
    loop.start_timer(1ms, [&] { loop.stop(); });
    loop.run();
    std::thread release([&] {
      may_end = true;
      may_end.notify_all();
    });
    release.join();
  }
}

TEST(Loop, PostsComeFromOtherThreads) {
  Loop loop;
  int count = 0;
  Event done(loop);
  std::thread other([&] {
    for (int i = 0; i < 1000; ++i) {
      loop.post([&] {
        if (++count == 1000) done.set();
      });
    }
  });
  int woken = 0;
  loop.start_timer(1h, [] {});  // the loop would end while the thread has not begun
  auto until = [](Loop& on, Event& event, int& to) -> Task<void> {
    co_await wait_for(event, to);
    on.stop();
  };
  loop.run_until_done(until(loop, done, woken));
  other.join();
  EXPECT_EQ(count, 1000);
}

TEST(Loop, WatchesDescriptors) {
  Loop loop;
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  std::string got;
  ASSERT_TRUE(loop.watch_fd(ends[0], Loop::kRead, [&](unsigned) {
    char c = 0;
    ASSERT_EQ(read(ends[0], &c, 1), 1);
    got += c;
    if (c == 'z') loop.unwatch_fd(ends[0]);
  }));
  ASSERT_EQ(write(ends[1], "xyz", 3), 3);
  loop.run();
  EXPECT_EQ(got, "xyz");
  close(ends[0]);
  close(ends[1]);
  EXPECT_FALSE(loop.watch_fd(-1, Loop::kRead, [](unsigned) {}));
}

Task<bool> nap(Loop& loop, CancelToken token) {
  bool slept = co_await sleep_or_cancel(loop, 1h, token);
  co_return slept;
}

TEST(Cancel, EndsASleep) {
  Loop loop;
  CancelSource source;
  loop.start_timer(1ms, [&] { source.cancel(); });
  EXPECT_FALSE(loop.run_until_done(nap(loop, source.token())));
  EXPECT_FALSE(loop.run_until_done(nap(loop, source.token()))) << "cancelled before it began";
}

TEST(Cancel, AWithdrawnRegistrationIsNotCalled) {
  CancelSource source;
  int calls = 0;
  {
    auto gone = source.token().on_cancel([&] { ++calls; });
  }
  auto kept = source.token().on_cancel([&] { ++calls; });
  source.cancel();
  source.cancel();
  EXPECT_EQ(calls, 1);
}

Task<void> tick(Loop& loop, int& ended) {
  co_await loop.sleep(1ms);
  ++ended;
}
Task<int> join_three(Loop& loop) {
  TaskGroup group(loop);
  int ended = 0;
  for (int i = 0; i < 3; ++i) group.spawn(tick(loop, ended));
  co_await group.join();
  co_return ended;
}

TEST(TaskGroup, JoinsAll) {
  Loop loop;
  EXPECT_EQ(loop.run_until_done(join_three(loop)), 3);
}

TEST(TaskGroup, DestructionCancelsTheRest) {
  Loop loop;
  int ended = 0;
  {
    TaskGroup group(loop);
    group.spawn(tick(loop, ended));
    EXPECT_EQ(group.running(), 1u);
  }
  loop.run();
  EXPECT_EQ(ended, 0);
}

TEST(Loop, AStopBeforeRunIsNotLost) {
  Loop loop;
  bool fired = false;
  auto timer = loop.start_timer(1h, [&] { fired = true; });
  loop.stop();
  loop.run();
  loop.cancel_timer(timer);
  EXPECT_FALSE(fired);
}

Task<int> stopped_meanwhile(Loop& loop) {
  loop.stop();
  co_await loop.sleep(1ms);
  co_return 7;
}
TEST(Loop, AStopWhileATaskIsRunToItsEndEndsTheNextRun) {
  Loop loop;
  EXPECT_EQ(loop.run_until_done(stopped_meanwhile(loop)), 7);
  auto timer = loop.start_timer(1h, [] {});
  loop.run();
  loop.cancel_timer(timer);
}

}  // namespace
}  // namespace kobuk::io
