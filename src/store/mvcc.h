// The versions of every key, in memory: what the local stores answer reads and transactions from. Pure: no I/O, no
// waiting. Changes can be taken back until they are durable.
#pragma once

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "store/store.h"

namespace kobuk::store {

// One change, as it is made durable and replayed.
struct Change {
  KeyValue kv;  // value null: a deletion
};

class Mvcc {
 public:
  // As if `newest` were the newest revision.
  Result<RangeResult> range(const RangeRequest& request, Revision newest) const;
  bool holds(const std::vector<Compare>& compares) const;
  // kInvalid when a key is put twice, or put and deleted, or cannot be stored.
  static Result<void> check(const std::vector<Operation>& operations);
  // Runs the operations; what they change gets revision() + 1 and is appended to `changes`.
  std::vector<OperationResult> apply(const std::vector<Operation>& operations, std::vector<Change>& changes);
  // A durable change of an earlier life; in the order of their revisions.
  void replay(Change change);
  // Takes back every change after `revision`, newest first, as listed in `changes`.
  void roll_back(Revision revision, const std::vector<Change>& changes);
  // Calls `drop` for every (key, revision) that compact(revision) forgets. What is changed after `revision` does not
  // change that.
  void compactable(Revision revision, const std::function<void(const std::string&, Revision)>& drop) const;
  void compact(Revision revision);
  // Of an earlier life. The newest change may have been a deletion that compaction forgot: its revision stays used.
  void set_compacted(Revision revision) {
    compacted_ = revision;
    revision_ = std::max(revision_, revision);
  }
  // Changes of the range in [from, to], in order; kGone when `from` is compacted. Costs by the changes, not by the keys.
  Result<std::vector<Event>> events(const KeyRange& range, Revision from, Revision to) const;
  std::vector<std::string> keys_of_lease(LeaseId lease) const;

  Revision revision() const { return revision_; }
  Revision compacted() const { return compacted_; }

 private:
  struct Version {
    Revision mod = 0, create = 0;
    int64_t version = 0;
    LeaseId lease = 0;
    SharedBytes value;  // null: deleted
  };
  using Versions = std::vector<Version>;
  using Keys = std::map<std::string, Versions, std::less<>>;
  // The first that stays when `revision` is compacted.
  static Versions::const_iterator first_kept(const Versions& versions, Revision revision);
  static const Version* at(const Versions& versions, Revision revision);
  static KeyValue describe(const std::string& key, const Version& version);
  std::pair<Keys::const_iterator, Keys::const_iterator> find(const KeyRange& range) const;
  void change(const std::string& key, SharedBytes value, LeaseId lease, std::vector<Change>& changes);

  Keys keys_;
  std::deque<std::pair<Revision, Keys::const_iterator>> log_;  // each change after compacted_, oldest first
  Revision revision_ = 1;  // as etcd: an empty store is at 1
  Revision compacted_ = 0;
};

bool in_range(const KeyRange& range, std::string_view key);

}  // namespace kobuk::store
