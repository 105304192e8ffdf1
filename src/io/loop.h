// Loop: one thread's event loop. Roles run on one Loop; nothing they own needs a lock.
//
//   Loop loop;
//   loop.spawn(serve(loop));
//   loop.run();                       // until stop(), or nothing is left to wait for
//
// Only post() and stop() may be called from other threads. Blocking work goes to offload(), with a reason that is
// counted; work that changes namespaces never does (sys has its own processes for that).
#pragma once

#include <coroutine>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/task.h"

namespace kobuk::io {

class Loop {
 public:
  struct Options {
    const Clock* clock = &system_clock();
    unsigned offload_threads = 4;  // started when first needed, ended after 10 idle seconds
  };
  Loop();
  explicit Loop(Options options);
  ~Loop();  // destroys every task that is still spawned
  Loop(const Loop&) = delete;

  void run();
  void stop();  // any thread, and signal handlers' successors; before run(): it returns at once
  void post(std::function<void()> work);       // any thread; runs on the loop, in order
  // Starts the task on the next turn; the Loop owns it until it ends.
  void spawn(Task<void> task);
  // Runs the loop until the task ends: for tests, start-up and command-line programs. A stop() meanwhile ends the
  // next run().
  template <class T>
  T run_until_done(Task<T> task);

  // Timers: fires once, on the loop; cancel() of a fired or unknown id is nothing.
  using TimerId = uint64_t;
  TimerId start_timer(Duration after, std::function<void()> fire);
  void cancel_timer(TimerId id);
  auto sleep(Duration duration);               // co_await loop.sleep(1s)
  auto yield();                                // co_await loop.yield(): lets others run

  // Readiness of a descriptor (level triggered): `ready` is called on the loop until unwatch().
  enum Interest : unsigned { kRead = 1, kWrite = 2 };
  Result<void> watch_fd(int fd, unsigned interest, std::function<void(unsigned ready)> ready);
  void unwatch_fd(int fd);

  // Runs `work` on the bounded pool and returns its result on the loop. reason: a short constant for metrics.
  template <class F>
  Task<std::invoke_result_t<F>> offload(const char* reason, F work);

  WallTime now() const { return clock_->wall(); }
  MonoTime mono() const { return clock_->mono(); }
  const Clock& clock() const { return *clock_; }
  struct Impl;  // epoll, timers and the pool: defined in loop.cc, used by io/*.cc only
  Impl& impl() { return *impl_; }

 private:
  bool run_until_stopped();
  void run_until(const bool& done);
  void offload_raw(const char* reason, std::function<void()> work, std::function<void()> done);
  std::unique_ptr<Impl> impl_;
  const Clock* clock_;
};

// Cancels its timer when it goes. An id of 0 is none.
struct ScopedTimer {
  Loop& loop;
  Loop::TimerId id = 0;
  ScopedTimer(Loop& l, Loop::TimerId timer) : loop(l), id(timer) {}
  ScopedTimer(const ScopedTimer&) = delete;
  ~ScopedTimer() { loop.cancel_timer(id); }
};

// A flag that wakes everybody who waits for it. Loop thread only.
class Event {
 public:
  explicit Event(Loop& loop) : loop_(&loop) {}
  ~Event();
  void set();    // wakes all waiters on the next turn; stays set
  void reset() { set_ = false; }
  bool is_set() const { return set_; }
  auto wait();   // co_await event.wait()

 private:
  struct Waiter;
  Loop* loop_;
  Waiter* first_ = nullptr;
  bool set_ = false;
};

// Cancellation: a source is cancelled once, tokens observe it. Loop thread only. A default token is never cancelled.
class CancelToken;
class CancelSource {
 public:
  CancelSource();
  CancelToken token() const;
  void cancel();
  bool cancelled() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
  friend class CancelToken;
};
class CancelToken {
 public:
  CancelToken() = default;
  bool cancelled() const;
  // Calls `on_cancel` once when cancelled (at once if it already is); destroying the Registration withdraws it.
  class Registration;
  Registration on_cancel(std::function<void()> on_cancel) const;

 private:
  explicit CancelToken(std::shared_ptr<CancelSource::State> state) : state_(std::move(state)) {}
  std::shared_ptr<CancelSource::State> state_;
  friend class CancelSource;
};
class CancelToken::Registration {
 public:
  Registration() = default;
  Registration(Registration&&) noexcept;
  Registration& operator=(Registration&&) noexcept;
  ~Registration();

 private:
  std::weak_ptr<CancelSource::State> state_;
  uint64_t id_ = 0;
  friend class CancelToken;
};

// Sleeps until the time is over (true) or the token is cancelled (false).
Task<bool> sleep_or_cancel(Loop& loop, Duration duration, CancelToken token);

// Tasks that end together: join() waits for all; destruction cancels and destroys those that are left.
class TaskGroup {
 public:
  explicit TaskGroup(Loop& loop);
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  void spawn(Task<void> task);
  Task<void> join();
  size_t running() const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kobuk::io

#include "io/loop_inline.h"
