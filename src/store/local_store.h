// What the memory and the embedded store share: transactions over an Mvcc, group commit, watches, leases. The
// difference is how changes are made durable. Internal to store.
#pragma once

#include <deque>
#include <map>
#include <set>

#include "store/mvcc.h"
#include "store/store.h"

namespace kobuk::store {

// What one commit writes.
struct CommitBatch {
  std::vector<Change> changes;
  std::vector<std::pair<std::string, Revision>> drops;  // forgotten by compaction
  Revision compacted = 0;                               // 0: no compaction in this batch
  std::vector<std::pair<LeaseId, int64_t>> leases;      // id, seconds to live; 0 seconds: ended
  bool empty() const { return changes.empty() && drops.empty() && compacted == 0 && leases.empty(); }
};

// Makes batches durable, one at a time.
class Durability {
 public:
  virtual ~Durability() = default;
  virtual io::Task<Result<void>> commit(CommitBatch batch) = 0;
};

class LocalStore final : public Store {
 public:
  LocalStore(io::Loop& loop, std::unique_ptr<Durability> durability);
  ~LocalStore() override;
  io::Task<Result<RangeResult>> range(RangeRequest request) override;
  io::Task<Result<TxnResult>> txn(TxnRequest request) override;
  io::Task<Result<std::unique_ptr<Watch>>> watch(WatchRequest request) override;
  io::Task<Result<LeaseId>> grant(Duration ttl) override;
  io::Task<Result<void>> keep_alive(LeaseId lease) override;
  io::Task<Result<void>> revoke(LeaseId lease) override;
  io::Task<Result<void>> compact(Revision revision) override;
  Revision revision() const override { return durable_; }

  // What an earlier life left; before the first call.
  void replay(Change change) { mvcc_.replay(std::move(change)); }
  void replay_compacted(Revision revision) { mvcc_.set_compacted(revision); }
  void replay_lease(LeaseId id, int64_t seconds);
  void replay_done() { durable_ = mvcc_.revision(); }

 private:
  friend class LocalWatch;
  struct Lease {
    Duration ttl;
    io::Loop::TimerId timer = 0;
    bool ending = false;  // its end is being made durable: nothing may join it any more
  };
  // One waiting committer of a batch; all of a batch end alike.
  struct Round {
    explicit Round(io::Loop& loop) : done(loop) {}
    io::Event done;
    CommitBatch batch;
    std::optional<Error> failed;
  };
  // Joins the round that is being collected and waits until it is durable.
  io::Task<Result<void>> committed();
  CommitBatch& collecting();
  io::Task<void> commit_rounds();
  void finish(Round& round, const Result<void>& done);
  // Until everything that a transaction can see now is durable. kUnavailable: it has been taken back.
  io::Task<Result<void>> settled();
  bool alive(LeaseId id) const;
  void arm(LeaseId id);
  io::Task<void> expire(LeaseId id);

  io::Loop& loop_;
  Mvcc mvcc_;
  Revision durable_ = 1;
  Revision compacting_ = 0;  // the newest compaction that is being made durable
  std::unique_ptr<Durability> durability_;
  std::shared_ptr<Round> next_round_, running_round_;
  bool committing_ = false;
  std::map<LeaseId, Lease> leases_;
  std::set<class LocalWatch*> watches_;
  io::TaskGroup tasks_;  // last: its tasks use the members above
};

}  // namespace kobuk::store
