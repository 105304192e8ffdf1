// The templates of loop.h. Included by it alone.
#pragma once

#include <memory>
#include <optional>
#include <utility>

namespace kobuk::io {
namespace detail {

// Suspends until a timer fires; destroying the frame meanwhile withdraws the timer.
struct SleepAwaiter {
  Loop& loop;
  Duration duration;
  Loop::TimerId timer = 0;
  std::coroutine_handle<> waiting;

  SleepAwaiter(Loop& on, Duration for_duration) : loop(on), duration(for_duration) {}
  SleepAwaiter(const SleepAwaiter&) = delete;
  ~SleepAwaiter() {
    if (timer != 0) loop.cancel_timer(timer);
  }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    waiting = handle;
    timer = loop.start_timer(duration, [this] {
      timer = 0;
      waiting.resume();
    });
  }
  void await_resume() const noexcept {}
};

// What the pool's thread and the waiting coroutine share; whichever is last frees it.
template <class F>
struct OffloadState {
  using R = std::invoke_result_t<F>;
  explicit OffloadState(F f) : work(std::move(f)) {}
  F work;
  std::optional<std::conditional_t<std::is_void_v<R>, std::monostate, R>> result;
  std::coroutine_handle<> waiting;
  void run() {
    if constexpr (std::is_void_v<R>) {
      work();
      result.emplace();
    } else {
      result.emplace(work());
    }
  }
};

template <class F>
struct OffloadAwaiter {
  std::shared_ptr<OffloadState<F>> state;
  std::function<void(std::function<void()>, std::function<void()>)> start;
  OffloadAwaiter(std::shared_ptr<OffloadState<F>> s, std::function<void(std::function<void()>, std::function<void()>)> f)
      : state(std::move(s)), start(std::move(f)) {}
  OffloadAwaiter(const OffloadAwaiter&) = delete;
  ~OffloadAwaiter() { state->waiting = nullptr; }
  bool await_ready() const noexcept { return false; }
  void await_suspend(std::coroutine_handle<> handle) {
    state->waiting = handle;
    auto shared = state;
    start([shared] { shared->run(); },
          [shared] {
            if (shared->waiting) shared->waiting.resume();
          });
  }
  void await_resume() const noexcept {}
};

template <class T>
Task<void> store_result(Task<T> task, std::shared_ptr<std::optional<T>> to, std::shared_ptr<bool> ended, Loop& loop) {
  auto value = co_await std::move(task);
  to->emplace(std::move(value));
  *ended = true;
  loop.stop();
}
inline Task<void> store_end(Task<void> task, std::shared_ptr<bool> ended, Loop& loop) {
  co_await std::move(task);
  *ended = true;
  loop.stop();
}

}  // namespace detail

inline auto Loop::sleep(Duration duration) { return detail::SleepAwaiter(*this, duration); }
inline auto Loop::yield() { return detail::SleepAwaiter(*this, Duration{0}); }

inline void Loop::run_until(const bool& done) {
  bool stopped_by_others = false;
  while (!done) {
    // Nothing is left: the task waits for something that nobody will do, a deadlock in the caller.
    if (!run_until_stopped()) std::abort();
    stopped_by_others |= !done;
  }
  if (stopped_by_others) stop();
}

template <class T>
T Loop::run_until_done(Task<T> task) {
  auto ended = std::make_shared<bool>(false);
  if constexpr (std::is_void_v<T>) {
    spawn(detail::store_end(std::move(task), ended, *this));
    run_until(*ended);
  } else {
    auto result = std::make_shared<std::optional<T>>();
    spawn(detail::store_result(std::move(task), result, ended, *this));
    run_until(*ended);
    return std::move(**result);
  }
}

template <class F>
Task<std::invoke_result_t<F>> Loop::offload(const char* reason, F work) {
  auto state = std::make_shared<detail::OffloadState<F>>(std::move(work));
  auto start = [this, reason](std::function<void()> run, std::function<void()> done) {
    offload_raw(reason, std::move(run), std::move(done));
  };
  co_await detail::OffloadAwaiter<F>(state, start);
  if constexpr (!std::is_void_v<std::invoke_result_t<F>>) co_return std::move(*state->result);
}

struct Event::Waiter {
  Event* event;
  Loop* loop;  // a wake-up that is under way may outlive the event
  std::coroutine_handle<> waiting;
  Waiter* next = nullptr;
  Waiter** link = nullptr;  // what points to this waiter, while it is in the list
  Loop::TimerId timer = 0;  // the wake-up that is under way

  explicit Waiter(Event* e) : event(e), loop(e->loop_) {}
  Waiter(const Waiter&) = delete;
  ~Waiter() {
    unlink();
    if (timer != 0) loop->cancel_timer(timer);
  }
  void unlink() {
    if (link == nullptr) return;
    *link = next;
    if (next != nullptr) next->link = link;
    link = nullptr;
  }
  bool await_ready() const noexcept { return event->set_; }
  void await_suspend(std::coroutine_handle<> handle) {
    waiting = handle;
    next = event->first_;
    link = &event->first_;
    if (next != nullptr) next->link = &next;
    event->first_ = this;
  }
  void await_resume() const noexcept {}
};

inline auto Event::wait() { return Waiter(this); }

}  // namespace kobuk::io
