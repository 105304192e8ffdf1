#include "store/local_store.h"

#include <algorithm>

#include "base/log.h"
#include "base/random.h"

namespace kobuk::store {

// Reads what it has not yet delivered from the Mvcc, so that a slow watcher costs no memory of its own.
class LocalWatch final : public Watch {
 public:
  LocalWatch(LocalStore& store, WatchRequest request)
      : store_(&store), request_(std::move(request)), changed(store.loop_) {
    next_ = request_.start == 0 ? store.durable_ + 1 : request_.start;
    store.watches_.insert(this);
  }
  ~LocalWatch() override {
    if (store_ != nullptr) store_->watches_.erase(this);
  }
  void store_gone() {
    store_ = nullptr;
    changed.set();
  }

  io::Task<Result<WatchBatch>> next() override {
    while (true) {
      if (store_ == nullptr) co_return fail(Code::kCancelled, "the store was closed");
      if (next_ <= store_->durable_) {
        KOBUK_CO_TRY(auto events, store_->mvcc_.events(request_.range, next_, store_->durable_));
        next_ = store_->durable_ + 1;
        if (!events.empty()) co_return WatchBatch{prepare(std::move(events)), store_->durable_};
      }
      changed.reset();
      co_await changed.wait();
    }
  }
  bool concerns(const std::vector<Change>& changes) const {
    return std::any_of(changes.begin(), changes.end(), [&](const Change& c) { return in_range(request_.range, c.kv.key); });
  }
  io::Event& event() { return changed; }
  // The changes in (before, now] are none of this range: it has seen them, so that their compaction does not concern it.
  void skip(Revision before, Revision now) {
    if (next_ == before + 1) next_ = now + 1;
  }

 private:
  std::vector<Event> prepare(std::vector<Event> events) const {
    static const SharedBytes kEmpty = share("");
    for (Event& event : events) {
      if (event.deleted) event.kv.value = kEmpty;
      if (!request_.previous) event.previous = nullptr;
    }
    return events;
  }
  LocalStore* store_;
  WatchRequest request_;
  Revision next_ = 0;
  io::Event changed;
};

LocalStore::LocalStore(io::Loop& loop, std::unique_ptr<Durability> durability)
    : loop_(loop), durability_(std::move(durability)), tasks_(loop) {}

LocalStore::~LocalStore() {
  for (LocalWatch* watch : watches_) watch->store_gone();
  for (auto& [id, lease] : leases_) loop_.cancel_timer(lease.timer);
}

CommitBatch& LocalStore::collecting() {
  if (!next_round_) next_round_ = std::make_shared<Round>(loop_);
  return next_round_->batch;
}

io::Task<Result<void>> LocalStore::committed() {
  auto round = next_round_;
  if (!committing_) {
    committing_ = true;
    tasks_.spawn(commit_rounds());
  }
  co_await round->done.wait();
  if (round->failed) co_return fail(*round->failed);
  co_return Result<void>();
}

// What arrives while a batch is written becomes the next batch: one fsync for many writers.
io::Task<void> LocalStore::commit_rounds() {
  while (next_round_) {
    running_round_ = std::move(next_round_);
    next_round_ = nullptr;
    CommitBatch batch = running_round_->batch;
    auto done = co_await durability_->commit(std::move(batch));
    finish(*running_round_, done);
    running_round_ = nullptr;
  }
  committing_ = false;
}

void LocalStore::finish(Round& round, const Result<void>& done) {
  if (done) {
    Revision before = durable_;
    for (const Change& change : round.batch.changes) durable_ = std::max(durable_, change.kv.mod_revision);
    if (round.batch.compacted > 0) mvcc_.compact(round.batch.compacted);
    for (LocalWatch* watch : watches_) {
      if (watch->concerns(round.batch.changes)) {
        watch->event().set();
      } else {
        watch->skip(before, durable_);
      }
    }
    round.done.set();
    return;
  }
  log::error("a commit failed, its changes have not happened", {{"error", done.error().message()}});
  // What was collected meanwhile builds on changes that have not happened: it fails too.
  round.failed = done.error();
  if (next_round_) {
    next_round_->failed = done.error();
    mvcc_.roll_back(durable_, next_round_->batch.changes);
    next_round_->done.set();
    next_round_ = nullptr;
  }
  mvcc_.roll_back(durable_, round.batch.changes);
  compacting_ = mvcc_.compacted();
  round.done.set();
}

io::Task<Result<void>> LocalStore::settled() {
  auto round = next_round_ ? next_round_ : running_round_;
  if (mvcc_.revision() > durable_ && round) {
    co_await round->done.wait();
    if (round->failed) co_return fail(Code::kUnavailable, "the store could not write: try again");
  }
  co_return Result<void>();
}

io::Task<Result<RangeResult>> LocalStore::range(RangeRequest request) { co_return mvcc_.range(request, durable_); }

io::Task<Result<TxnResult>> LocalStore::txn(TxnRequest request) {
  KOBUK_CO_CHECK(Mvcc::check(request.then));
  KOBUK_CO_CHECK(Mvcc::check(request.otherwise));
  for (const auto* operations : {&request.then, &request.otherwise}) {
    for (const Operation& operation : *operations) {
      if (operation.lease != 0 && !alive(operation.lease)) co_return fail(Code::kNotFound, "etcdserver: requested lease not found");
    }
  }
  TxnResult out;
  out.succeeded = mvcc_.holds(request.compares);
  std::vector<Change> changes;
  out.results = mvcc_.apply(out.succeeded ? request.then : request.otherwise, changes);
  out.revision = mvcc_.revision();
  if (changes.empty()) {
    // The answer tells what others have changed: that must be durable first.
    KOBUK_CO_CHECK(co_await settled());
    co_return out;
  }
  auto& batch = collecting().changes;
  std::move(changes.begin(), changes.end(), std::back_inserter(batch));
  KOBUK_CO_CHECK(co_await committed());
  co_return out;
}

io::Task<Result<std::unique_ptr<Watch>>> LocalStore::watch(WatchRequest request) {
  if (request.start > 0 && request.start <= mvcc_.compacted()) {
    co_return fail(Code::kGone, "etcdserver: mvcc: required revision has been compacted");
  }
  co_return std::make_unique<LocalWatch>(*this, std::move(request));
}

bool LocalStore::alive(LeaseId id) const {
  auto found = leases_.find(id);
  return found != leases_.end() && !found->second.ending;
}

void LocalStore::arm(LeaseId id) {
  Lease& lease = leases_.at(id);
  loop_.cancel_timer(lease.timer);
  lease.timer = loop_.start_timer(lease.ttl, [this, id] { tasks_.spawn(expire(id)); });
}

void LocalStore::replay_lease(LeaseId id, int64_t seconds) {
  leases_[id] = {.ttl = std::chrono::seconds(seconds)};
  arm(id);  // a full life again: nobody could keep it alive while the store was down
}

io::Task<void> LocalStore::expire(LeaseId id) {
  auto done = co_await revoke(id);
  if (!done && alive(id)) arm(id);
}

io::Task<Result<LeaseId>> LocalStore::grant(Duration ttl) {
  if (ttl < std::chrono::seconds(1)) co_return fail(Code::kInvalid, "etcdserver: too small lease TTL");
  LeaseId id = static_cast<LeaseId>(random_u64() >> 2) + 1;
  int64_t seconds = std::chrono::ceil<std::chrono::seconds>(ttl).count();
  collecting().leases.emplace_back(id, seconds);
  KOBUK_CO_CHECK(co_await committed());
  leases_[id] = {.ttl = ttl};
  arm(id);
  co_return id;
}

io::Task<Result<void>> LocalStore::keep_alive(LeaseId lease) {
  if (!alive(lease)) co_return fail(Code::kNotFound, "etcdserver: requested lease not found");
  arm(lease);
  co_return Result<void>();
}

io::Task<Result<void>> LocalStore::revoke(LeaseId lease) {
  if (!alive(lease)) co_return fail(Code::kNotFound, "etcdserver: requested lease not found");
  leases_[lease].ending = true;
  std::vector<Operation> deletions;
  for (std::string& key : mvcc_.keys_of_lease(lease)) deletions.push_back(erase(one_key(std::move(key))));
  auto& batch = collecting();
  mvcc_.apply(deletions, batch.changes);
  batch.leases.emplace_back(lease, 0);
  auto done = co_await committed();
  if (!done) {
    leases_[lease].ending = false;
    co_return done;
  }
  loop_.cancel_timer(leases_[lease].timer);
  leases_.erase(lease);
  co_return done;
}

io::Task<Result<void>> LocalStore::compact(Revision revision) {
  if (revision > durable_) co_return fail(Code::kInvalid, "etcdserver: mvcc: required revision is a future revision");
  if (revision <= std::max(compacting_, mvcc_.compacted())) {
    co_return fail(Code::kGone, "etcdserver: mvcc: required revision has been compacted");
  }
  compacting_ = revision;
  auto& batch = collecting();
  mvcc_.compactable(revision, [&](const std::string& key, Revision r) { batch.drops.emplace_back(key, r); });
  batch.compacted = revision;  // in memory when it is durable: a compaction that fails has not happened
  auto done = co_await committed();
  co_return done;
}

namespace {
class NoDurability final : public Durability {
 public:
  io::Task<Result<void>> commit(CommitBatch) override { co_return Result<void>(); }
};
}  // namespace

std::unique_ptr<Store> make_memory_store(io::Loop& loop) {
  return std::make_unique<LocalStore>(loop, std::make_unique<NoDurability>());
}

}  // namespace kobuk::store
