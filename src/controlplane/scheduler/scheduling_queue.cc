#include "controlplane/scheduler/scheduling_queue.h"

#include <algorithm>
#include <chrono>
#include <vector>

namespace kobuk::controlplane {
namespace {
constexpr Duration kFirstBackOff = std::chrono::seconds(1), kMaxBackOff = std::chrono::seconds(10);
}  // namespace

void SchedulingQueue::activate(const std::string& key, Pod& pod) {
  pod.in_flight = false;
  active_.emplace(-pod.priority, pod.age, key);
}

void SchedulingQueue::take_out(const std::string& key, const Pod& pod) {
  active_.erase({-pod.priority, pod.age, key});
  backing_off_.erase({pod.back_off_until, key});
  unpark(key);
}

void SchedulingQueue::unpark(const std::string& key) {
  parked_.erase(key);
  want_company_.erase(key);
}

void SchedulingQueue::add(const std::string& key, int32_t priority) {
  auto [at, fresh] = pods_.try_emplace(key);
  if (fresh) at->second.age = next_age_++;
  take_out(key, at->second);
  at->second.priority = priority;
  activate(key, at->second);
}

void SchedulingQueue::remove(const std::string& key) {
  auto found = pods_.find(key);
  if (found == pods_.end()) return;
  take_out(key, found->second);
  pods_.erase(found);
}

std::optional<std::string> SchedulingQueue::pop() {
  if (active_.empty()) return std::nullopt;
  std::string key = std::get<2>(*active_.begin());
  active_.erase(active_.begin());
  pods_[key].in_flight = true;
  return key;
}

void SchedulingQueue::back_off(Pod& pod, MonoTime now) {
  Duration delay = std::min(kMaxBackOff, kFirstBackOff * (1 << std::min(pod.attempts, 4)));
  ++pod.attempts;
  pod.back_off_until = now + delay;
  pod.in_flight = false;
}

// A pod that changed or went while it was in flight is not in flight any more: its new state stands.
void SchedulingQueue::retry(const std::string& key, MonoTime now) {
  auto found = pods_.find(key);
  if (found == pods_.end() || !found->second.in_flight) return;
  back_off(found->second, now);
  backing_off_.emplace(found->second.back_off_until, key);
}

void SchedulingQueue::park(const std::string& key, Helps helps, MonoTime now) {
  auto found = pods_.find(key);
  if (found == pods_.end() || !found->second.in_flight) return;
  back_off(found->second, now);
  parked_[key] = helps;
  if (helps.company) want_company_.insert(key);
}

bool SchedulingQueue::wake(Change change, MonoTime now) {
  std::vector<std::string> woken;
  if (change == Change::kCompany) {  // as often as a pod is placed, when there may be thousands that wait for room
    woken.assign(want_company_.begin(), want_company_.end());
  } else {
    for (const auto& [key, helps] : parked_)
      if (change == Change::kNode || helps.room) woken.push_back(key);
  }
  for (const std::string& key : woken) {
    unpark(key);
    Pod& pod = pods_[key];
    if (pod.back_off_until <= now) {
      activate(key, pod);
    } else {
      backing_off_.emplace(pod.back_off_until, key);
    }
  }
  return !woken.empty();
}

void SchedulingQueue::advance(MonoTime now) {
  while (!backing_off_.empty() && backing_off_.begin()->first <= now) {
    std::string key = backing_off_.begin()->second;
    backing_off_.erase(backing_off_.begin());
    activate(key, pods_[key]);
  }
}

std::optional<MonoTime> SchedulingQueue::next_due() const {
  if (backing_off_.empty()) return std::nullopt;
  return backing_off_.begin()->first;
}

}  // namespace kobuk::controlplane
