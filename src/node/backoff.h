// Back-off of restarts and pulls: 10 s, doubling to 300 s, forgotten 10 minutes after the last failure. Keys are free
// texts. Pure: time is passed in.
#pragma once

#include <map>
#include <string>

#include "base/clock.h"

namespace kobuk::node {

class Backoff {
 public:
  static constexpr Duration kFirst = std::chrono::seconds(10), kMax = std::chrono::seconds(300),
                            kForget = std::chrono::seconds(600);

  // How long to wait still, when the last failure was at `failed`; 0: go on.
  Duration remaining(const std::string& key, WallTime failed, WallTime now) const;
  Duration current(const std::string& key) const;  // the whole wait: what messages name
  // Another try begins at `now`, after a failure at `failed`: the next wait is longer.
  void next(const std::string& key, WallTime failed, WallTime now);
  void forget_prefix(const std::string& prefix);

 private:
  struct Entry {
    Duration wait{};
    WallTime updated{};
  };
  bool expired(const Entry& entry, WallTime failed) const { return failed - entry.updated > kForget; }
  std::map<std::string, Entry> entries_;
};

}  // namespace kobuk::node
