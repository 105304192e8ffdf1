// SchedulingQueue: pods that wait for a node. Active ones by priority, then by age; those that failed wait out a back-off
// (1 s, doubled up to 10 s), and those that fit nowhere wait until something changes that may help them. Pure: the caller
// brings the time, and keeps one timer for next_due().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <unordered_map>

#include "base/clock.h"

namespace kobuk::controlplane {

class SchedulingQueue {
 public:
  // A new pod, or one that has changed: active at once, whatever it was.
  void add(const std::string& key, int32_t priority);
  void remove(const std::string& key);
  // The next active pod, which is then the caller's: to be given back by one of the two below, or forgotten by remove().
  std::optional<std::string> pop();
  // Its binding failed: again after its back-off.
  void retry(const std::string& key, MonoTime now);
  // What may help a pod that fits nowhere: any change of nodes does, and besides a pod that goes (room), or one that comes
  // (company: the pod wants to be near others, or spread like them).
  struct Helps {
    bool room = false, company = false;
  };
  void park(const std::string& key, Helps helps, MonoTime now);
  enum class Change : uint8_t { kNode, kRoom, kCompany };
  // Something has changed: those it may help become active, at once or when their back-off is over. False: nobody waits.
  bool wake(Change change, MonoTime now);
  // Moves what is due to the active ones.
  void advance(MonoTime now);
  std::optional<MonoTime> next_due() const;
  bool empty() const { return active_.empty(); }
  size_t parked() const { return parked_.size(); }

 private:
  struct Pod {
    int32_t priority = 0;
    int attempts = 0;
    uint64_t age = 0;
    MonoTime back_off_until;
    bool in_flight = false;
  };
  void activate(const std::string& key, Pod& pod);
  void unpark(const std::string& key);
  void take_out(const std::string& key, const Pod& pod);
  void back_off(Pod& pod, MonoTime now);
  uint64_t next_age_ = 0;
  std::unordered_map<std::string, Pod> pods_;
  std::set<std::tuple<int32_t, uint64_t, std::string>> active_;  // minus priority, age
  std::set<std::pair<MonoTime, std::string>> backing_off_;
  std::map<std::string, Helps> parked_;
  std::set<std::string> want_company_;  // of those that are parked
};

}  // namespace kobuk::controlplane
