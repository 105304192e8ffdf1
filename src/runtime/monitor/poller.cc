#include "runtime/monitor/poller.h"

#include <sys/epoll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

namespace kobuk::runtime {
namespace {
int64_t now_ms() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return int64_t{t.tv_sec} * 1000 + t.tv_nsec / 1'000'000;
}
}  // namespace

Result<void> Poller::open() {
  epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll_) return fail_errno(errno, "epoll_create");
  return {};
}

Result<void> Poller::watch(int fd, uint32_t events, Handler handler) {
  if (fd < 0) return fail(Code::kInternal, "no descriptor to watch");
  auto at = static_cast<size_t>(fd);
  if (handlers_.size() <= at) handlers_.resize(at + 1);
  epoll_event event{.events = events, .data = {.fd = fd}};
  if (epoll_ctl(epoll_.get(), handlers_[at] ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0)
    return fail_errno(errno, "epoll_ctl");
  handlers_[at].reset(new Handler(std::move(handler)));
  return {};
}

bool Poller::watched(int fd) const {
  auto at = static_cast<size_t>(fd);
  return fd >= 0 && at < handlers_.size() && handlers_[at] != nullptr;
}

void Poller::unwatch(int fd) {
  auto at = static_cast<size_t>(fd);
  if (fd < 0 || at >= handlers_.size() || !handlers_[at]) return;
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
  handlers_[at].reset();
}

void Poller::set_deadline(int milliseconds, std::function<void()> expired) {
  deadline_ = now_ms() + milliseconds;
  expired_ = std::move(expired);
}

void Poller::run() {
  epoll_event events[16];
  while (!stopping_) {
    int wait = deadline_ < 0 ? -1 : static_cast<int>(std::max<int64_t>(0, deadline_ - now_ms()));
    int count = epoll_wait(epoll_.get(), events, 16, wait);
    for (int i = 0; i < count && !stopping_; ++i) {
      auto at = static_cast<size_t>(events[i].data.fd);
      if (auto handler = handlers_[at]) (*handler)(events[i].events);
    }
    if (deadline_ >= 0 && now_ms() >= deadline_) {
      deadline_ = -1;
      auto expired = std::move(expired_);
      expired();
    }
  }
}

}  // namespace kobuk::runtime
