// epoll(7), eventfd(2): one thread waits, everything else is called from it.
#include "io/loop.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <deque>
#include <map>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "io/roots.h"

namespace kobuk::io {
namespace detail {

void Roots::spawn(Task<void> task) {
  auto handle = run(std::move(task)).handle;
  handle.promise().roots = this;
  frames_.insert(handle.address());
  handle.promise().start_timer = loop_.start_timer(Duration{0}, [handle] {
    handle.promise().start_timer = 0;
    handle.resume();
  });
}

Roots::Root Roots::run(Task<void> task) { co_await std::move(task); }

void Roots::ended(std::coroutine_handle<Root::promise_type> handle) noexcept {
  frames_.erase(handle.address());
  if (frames_.empty() && on_last) on_last();
  handle.destroy();  // last: what the task held may own these Roots
}

void Roots::destroy_all() {
  while (!frames_.empty()) {
    auto handle = std::coroutine_handle<Root::promise_type>::from_address(*frames_.begin());
    frames_.erase(frames_.begin());
    if (handle.promise().start_timer != 0) loop_.cancel_timer(handle.promise().start_timer);
    handle.destroy();
  }
}

}  // namespace detail

namespace {

// Threads for work that blocks. They start when work waits and nobody is free, and end after 10 idle seconds.
class OffloadPool {
 public:
  explicit OffloadPool(unsigned most) : most_(std::max(most, 1u)) {}
  ~OffloadPool() {
    std::unique_lock lock(mutex_);
    ending_ = true;
    wake_.notify_all();
    ended_.wait(lock, [&] { return threads_ == 0; });
  }
  void submit(std::function<void()> work) {
    std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
    if (idle_ >= queue_.size()) {
      wake_.notify_one();
    } else if (threads_ < most_) {
      ++threads_;
      std::thread([this] { serve(); }).detach();
    }
  }

 private:
  void serve() {
    std::unique_lock lock(mutex_);
    while (true) {
      if (queue_.empty()) {
        ++idle_;
        bool woken = wake_.wait_for(lock, std::chrono::seconds(10), [&] { return ending_ || !queue_.empty(); });
        --idle_;
        if (!woken || (ending_ && queue_.empty())) break;
      }
      auto work = std::move(queue_.front());
      queue_.pop_front();
      lock.unlock();
      work();
      work = nullptr;  // what it captured goes before the lock is taken
      lock.lock();
    }
    --threads_;
    ended_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable wake_, ended_;
  std::deque<std::function<void()>> queue_;
  size_t idle_ = 0, threads_ = 0;
  const unsigned most_;
  bool ending_ = false;
};

struct Watched {
  unsigned interest = 0;
  uint64_t generation = 0;
  std::function<void(unsigned)> ready;
};

}  // namespace

struct Loop::Impl {
  Impl(Loop& loop, unsigned offload_threads) : roots(loop), pool(offload_threads) {}

  int epoll = -1, wake = -1;
  std::map<std::pair<MonoTime, TimerId>, std::function<void()>> timers;
  std::unordered_map<TimerId, MonoTime> timer_times;
  TimerId next_timer = 1;
  std::unordered_map<int, std::shared_ptr<Watched>> watched;
  std::mutex posted_mutex;
  std::vector<std::function<void()>> posted;
  std::atomic<bool> stopping{false};
  size_t offloaded = 0;  // results that are still to come
  detail::Roots roots;
  OffloadPool pool;  // last: its threads post into the members above

  void ring() {
    uint64_t one = 1;
    [[maybe_unused]] ssize_t written = ::write(wake, &one, sizeof one);  // a full counter rings all the same
  }
  void post(std::function<void()> work) {
    {
      std::lock_guard lock(posted_mutex);
      posted.push_back(std::move(work));
    }
    ring();
  }
  bool take_posted(std::vector<std::function<void()>>& to) {
    std::lock_guard lock(posted_mutex);
    to.swap(posted);
    return !to.empty();
  }
  bool anything_left() {
    std::lock_guard lock(posted_mutex);
    return !posted.empty() || !timers.empty() || !watched.empty() || offloaded > 0;
  }
};

Loop::Loop() : Loop(Options{}) {}

Loop::Loop(Options options) : impl_(std::make_unique<Impl>(*this, options.offload_threads)), clock_(options.clock) {
  impl_->epoll = epoll_create1(EPOLL_CLOEXEC);
  impl_->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (impl_->epoll < 0 || impl_->wake < 0) std::abort();  // out of descriptors before anything has begun
  epoll_event event{.events = EPOLLIN, .data = {.fd = impl_->wake}};
  if (epoll_ctl(impl_->epoll, EPOLL_CTL_ADD, impl_->wake, &event) != 0) std::abort();
}

Loop::~Loop() {
  impl_->roots.destroy_all();
  int epoll = impl_->epoll, wake = impl_->wake;
  impl_.reset();  // waits for the pool, whose threads may still ring
  close(epoll);
  close(wake);
}

void Loop::stop() {
  impl_->stopping = true;
  impl_->ring();
}

void Loop::post(std::function<void()> work) { impl_->post(std::move(work)); }

void Loop::spawn(Task<void> task) { impl_->roots.spawn(std::move(task)); }

Loop::TimerId Loop::start_timer(Duration after, std::function<void()> fire) {
  TimerId id = impl_->next_timer++;
  MonoTime at = mono() + std::max(after, Duration{0});
  impl_->timers.emplace(std::pair(at, id), std::move(fire));
  impl_->timer_times.emplace(id, at);
  return id;
}

void Loop::cancel_timer(TimerId id) {
  auto found = impl_->timer_times.find(id);
  if (found == impl_->timer_times.end()) return;
  impl_->timers.erase({found->second, id});
  impl_->timer_times.erase(found);
}

static uint32_t epoll_bits(unsigned interest) {
  uint32_t bits = 0;
  // RDHUP stays set after a half-close: who only waits to write must not be woken by it again and again.
  if (interest & Loop::kRead) bits |= EPOLLIN | EPOLLRDHUP;
  if (interest & Loop::kWrite) bits |= EPOLLOUT;
  return bits;
}

Result<void> Loop::watch_fd(int fd, unsigned interest, std::function<void(unsigned)> ready) {
  auto& slot = impl_->watched[fd];
  bool known = slot != nullptr;
  if (!known) slot = std::make_shared<Watched>();
  epoll_event event{.events = epoll_bits(interest), .data = {.fd = fd}};
  if (epoll_ctl(impl_->epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event) != 0) {
    int error = errno;
    if (!known) impl_->watched.erase(fd);
    return fail_errno(error, "epoll_ctl");
  }
  slot->interest = interest;
  if (ready) slot->ready = std::move(ready);
  return {};
}

void Loop::unwatch_fd(int fd) {
  if (impl_->watched.erase(fd) > 0) epoll_ctl(impl_->epoll, EPOLL_CTL_DEL, fd, nullptr);
}

void Loop::offload_raw(const char*, std::function<void()> work, std::function<void()> done) {
  ++impl_->offloaded;
  // Not `this`: while a Loop is destroyed, its pool ends its work first, and impl_ is null by then.
  Impl* impl = impl_.get();
  impl->pool.submit([impl, work = std::move(work), done = std::move(done)]() mutable {
    work();
    work = nullptr;
    impl->post([impl, done = std::move(done)] {
      --impl->offloaded;
      done();
    });
  });
}

// True when it was stopped, not when nothing was left. A stop that comes before it runs counts.
bool Loop::run_until_stopped() {
  std::vector<std::function<void()>> posted;
  epoll_event events[128];
  while (!impl_->stopping && impl_->anything_left()) {
    int timeout = -1;
    if (!impl_->timers.empty()) {
      auto wait = impl_->timers.begin()->first.first - mono();
      auto millis = std::chrono::ceil<std::chrono::milliseconds>(wait).count();
      timeout = static_cast<int>(std::clamp<int64_t>(millis, 0, 1 << 30));
    }
    int count = epoll_wait(impl_->epoll, events, 128, timeout);
    for (int i = 0; i < count; ++i) {
      int fd = events[i].data.fd;
      if (fd == impl_->wake) {
        uint64_t rings = 0;
        [[maybe_unused]] ssize_t got = ::read(fd, &rings, sizeof rings);
        continue;
      }
      auto found = impl_->watched.find(fd);
      if (found == impl_->watched.end()) continue;  // unwatched by an earlier callback of this turn
      auto watched = found->second;                 // stays alive while it is called
      uint32_t bits = events[i].events;
      unsigned ready = 0;
      if (bits & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) ready |= kRead;
      if (bits & (EPOLLOUT | EPOLLHUP | EPOLLERR)) ready |= kWrite;
      watched->ready(ready);
    }
    if (impl_->take_posted(posted)) {
      for (auto& work : posted) work();
      posted.clear();
    }
    // Only what was due when the turn began: a timer of zero that starts another waits for the next turn.
    MonoTime now = mono();
    TimerId newest = impl_->next_timer;
    while (!impl_->timers.empty()) {
      auto first = impl_->timers.begin();
      if (first->first.first > now || first->first.second >= newest) break;
      auto fire = std::move(first->second);
      impl_->timer_times.erase(first->first.second);
      impl_->timers.erase(first);
      fire();
    }
  }
  return impl_->stopping.exchange(false);
}

void Loop::run() { run_until_stopped(); }

Event::~Event() {
  while (first_ != nullptr) first_->unlink();
}

void Event::set() {
  set_ = true;
  while (first_ != nullptr) {
    Waiter* waiter = first_;
    waiter->unlink();
    waiter->timer = loop_->start_timer(Duration{0}, [waiter] {
      waiter->timer = 0;
      waiter->waiting.resume();
    });
  }
}

}  // namespace kobuk::io
