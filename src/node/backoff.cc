#include "node/backoff.h"

#include <algorithm>

namespace kobuk::node {

Duration Backoff::remaining(const std::string& key, WallTime failed, WallTime now) const {
  auto found = entries_.find(key);
  if (found == entries_.end() || expired(found->second, failed)) return {};
  return std::max<Duration>(found->second.wait - (now - failed), Duration{0});
}

Duration Backoff::current(const std::string& key) const {
  auto found = entries_.find(key);
  return found == entries_.end() ? Duration{0} : found->second.wait;
}

void Backoff::next(const std::string& key, WallTime failed, WallTime now) {
  auto [at, added] = entries_.try_emplace(key);
  Entry& entry = at->second;
  entry.wait = added || expired(entry, failed) ? kFirst : std::min<Duration>(entry.wait * 2, kMax);
  entry.updated = now;
}

void Backoff::forget_prefix(const std::string& prefix) {
  std::erase_if(entries_, [&](auto& entry) { return entry.first.starts_with(prefix); });
}

}  // namespace kobuk::node
