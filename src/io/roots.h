// Root coroutines: tasks that nobody awaits, owned by a Loop or a TaskGroup. Internal to io.
#pragma once

#include <coroutine>
#include <cstdlib>
#include <functional>
#include <unordered_set>

#include "io/loop.h"

namespace kobuk::io::detail {

class Roots {
 public:
  explicit Roots(Loop& loop) : loop_(loop) {}
  Roots(const Roots&) = delete;
  ~Roots() { destroy_all(); }
  void spawn(Task<void> task);
  void destroy_all();
  size_t size() const { return frames_.size(); }
  std::function<void()> on_last;  // called when the last task has ended

  struct Root {
    struct promise_type {
      Roots* roots = nullptr;
      Loop::TimerId start_timer = 0;
      Root get_return_object() { return {std::coroutine_handle<promise_type>::from_promise(*this)}; }
      std::suspend_always initial_suspend() noexcept { return {}; }
      auto final_suspend() noexcept {
        struct Ended {
          bool await_ready() const noexcept { return false; }
          void await_suspend(std::coroutine_handle<promise_type> handle) noexcept {
            handle.promise().roots->ended(handle);
          }
          void await_resume() const noexcept {}
        };
        return Ended{};
      }
      void return_void() noexcept {}
      [[noreturn]] void unhandled_exception() noexcept { std::abort(); }
    };
    std::coroutine_handle<promise_type> handle;
  };

 private:
  static Root run(Task<void> task);
  void ended(std::coroutine_handle<Root::promise_type> handle) noexcept;
  Loop& loop_;
  std::unordered_set<void*> frames_;
};

}  // namespace kobuk::io::detail
