// A non-blocking descriptor on a Loop: readiness as an awaitable. Internal to io.
#pragma once

#include <coroutine>

#include "io/loop.h"

namespace kobuk::io::detail {

// Owns the descriptor. Interest is registered when somebody waits and withdrawn when nobody did for a turn, so that a
// busy connection costs no epoll_ctl and an idle one no wake-up.
class PollFd {
 public:
  PollFd(Loop& loop, int fd) : loop_(loop), fd_(fd) {}
  PollFd(const PollFd&) = delete;
  ~PollFd() { close(); }
  int fd() const { return fd_; }
  bool closed() const { return fd_ < 0; }
  int release();  // gives the descriptor away; nobody may wait
  void close();   // wakes waiters, who then see closed()
  auto wait(unsigned interest) { return Waiter(*this, interest); }

 private:
  struct Waiter {
    PollFd* owner;
    unsigned interest;
    std::coroutine_handle<> waiting;
    Waiter* next = nullptr;
    Loop::TimerId timer = 0;
    bool listed = false;
    Waiter(PollFd& poll, unsigned in) : owner(&poll), interest(in) {}
    Waiter(const Waiter&) = delete;
    ~Waiter();
    bool await_ready() const noexcept { return owner->closed(); }
    void await_suspend(std::coroutine_handle<> handle);
    void await_resume() const noexcept {}
  };
  void ready(unsigned bits);
  void update();
  void remove(Waiter* waiter);

  Loop& loop_;
  int fd_;
  unsigned registered_ = 0;
  bool watched_ = false;
  Waiter* waiters_ = nullptr;
};

}  // namespace kobuk::io::detail
