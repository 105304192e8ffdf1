// Requests and answers of the etcd v3 API as protobuf messages. Pure. Internal to store.
#pragma once

#include <string>
#include <string_view>

#include "store/store.h"

namespace kobuk::store::etcd {

// Keys with the store's prefix before them, and back.
class KeySpace {
 public:
  explicit KeySpace(std::string prefix) : prefix_(std::move(prefix)) {}
  KeyRange outer(const KeyRange& range) const;
  std::string outer_key(std::string_view key) const { return prefix_ + std::string(key); }
  Result<std::string> inner_key(std::string_view key) const;  // kDataLoss: a key of somebody else

 private:
  std::string prefix_;
};

std::string encode_range(const KeySpace& keys, const RangeRequest& request);
std::string encode_txn(const KeySpace& keys, const TxnRequest& request);
std::string encode_watch(const KeySpace& keys, const WatchRequest& request);
std::string encode_compact(Revision revision);
std::string encode_grant(int64_t seconds);
std::string encode_lease(LeaseId lease);

Result<RangeResult> decode_range(const KeySpace& keys, std::string_view message);
Result<TxnResult> decode_txn(const KeySpace& keys, std::string_view message);

struct WatchAnswer {
  Revision revision = 0, compacted = 0;
  bool created = false, cancelled = false, fragment = false;
  std::string reason;
  std::vector<Event> events;
};
Result<WatchAnswer> decode_watch(const KeySpace& keys, std::string_view message);

struct LeaseAnswer {
  Revision revision = 0;
  LeaseId id = 0;
  int64_t seconds = 0;
};
Result<LeaseAnswer> decode_lease(std::string_view message);
// Of any answer: the revision in its header.
Result<Revision> decode_revision(std::string_view message);

}  // namespace kobuk::store::etcd
