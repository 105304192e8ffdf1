#include "api/work_queue.h"

#include <algorithm>
#include <chrono>

namespace kobuk::api {
namespace {
constexpr Duration kFirstDelay = std::chrono::milliseconds(5);
constexpr int kMaxDoublings = 18;
constexpr Duration kMaxDelay = std::chrono::seconds(1000);
}  // namespace

WorkQueue::~WorkQueue() {
  for (auto& [key, timer] : timers_) loop_->cancel_timer(timer.id);
}

void WorkQueue::add(const std::string& key) {
  if (shut_down_ || !waiting_.insert(key).second) return;
  if (processing_.contains(key)) return;
  queue_.push_back(key);
  ready_.set();
}

void WorkQueue::add_after(const std::string& key, Duration delay) {
  if (shut_down_) return;
  if (delay <= Duration::zero()) return add(key);
  MonoTime due = loop_->mono() + delay;
  auto found = timers_.find(key);
  if (found != timers_.end()) {
    if (found->second.due <= due) return;
    loop_->cancel_timer(found->second.id);
  }
  auto fire = [this, key] {
    timers_.erase(key);
    add(key);
  };
  timers_[key] = Timer{loop_->start_timer(delay, fire), due};
}

void WorkQueue::add_rate_limited(const std::string& key) {
  int doublings = std::min(failures_[key]++, kMaxDoublings);
  add_after(key, std::min<Duration>(kFirstDelay * (int64_t{1} << doublings), kMaxDelay));
}

io::Task<std::optional<std::string>> WorkQueue::next() {
  while (queue_.empty() && !shut_down_) {
    ready_.reset();
    co_await ready_.wait();
  }
  if (shut_down_) co_return std::nullopt;
  std::string key = std::move(queue_.front());
  queue_.pop_front();
  waiting_.erase(key);
  processing_.insert(key);
  co_return key;
}

void WorkQueue::done(const std::string& key) {
  if (processing_.erase(key) == 0 || shut_down_ || !waiting_.contains(key)) return;
  queue_.push_back(key);
  ready_.set();
}

void WorkQueue::shut_down() {
  shut_down_ = true;
  for (auto& [key, timer] : timers_) loop_->cancel_timer(timer.id);
  timers_.clear();
  ready_.set();
}

}  // namespace kobuk::api
