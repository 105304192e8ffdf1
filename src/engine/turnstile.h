// Turnstile: one task at a time goes through, others wait; and waiting with a limit. Loop thread only.
//
//   auto pass = co_await entry->turnstile.enter();     // until `pass` is destroyed
#pragma once

#include <memory>

#include "io/loop.h"

namespace kobuk::engine {

class Turnstile {
 public:
  explicit Turnstile(io::Loop& loop) : state_(std::make_shared<State>(loop)) {}

 private:
  struct State {
    explicit State(io::Loop& loop) : free(loop) {}
    bool taken = false;
    io::Event free;
  };

 public:
  class Pass {
   public:
    explicit Pass(std::shared_ptr<State> state) : state_(std::move(state)) {}
    Pass(Pass&&) noexcept = default;
    Pass& operator=(Pass&&) = delete;
    ~Pass() { release(); }
    void release() {
      if (!state_) return;
      state_->taken = false;
      state_->free.set();
      state_ = nullptr;
    }

   private:
    std::shared_ptr<State> state_;
  };
  io::Task<Pass> enter() {
    auto state = state_;
    while (state->taken) {
      state->free.reset();
      co_await state->free.wait();
    }
    state->taken = true;
    co_return Pass(state);
  }
  bool taken() const { return state_->taken; }

 private:
  std::shared_ptr<State> state_;
};

// A timer that sets an event once, and is withdrawn when it goes out of scope.
class Deadline {
 public:
  Deadline(io::Loop& loop, Duration after, io::Event& event) : loop_(loop), at_(loop.mono() + after) {
    timer_ = loop.start_timer(after, [&event] { event.set(); });
  }
  Deadline(const Deadline&) = delete;
  ~Deadline() { loop_.cancel_timer(timer_); }
  bool passed() const { return loop_.mono() >= at_; }

 private:
  io::Loop& loop_;
  MonoTime at_;
  io::Loop::TimerId timer_ = 0;
};

}  // namespace kobuk::engine
