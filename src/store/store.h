// Store: bytes in revisions, as etcd v3 has them. Every change of any key gets the next revision of one counter; old
// revisions can be read until they are compacted; watches see each change once, in order.
//
//   KOBUK_CO_TRY(auto done, co_await store.txn(create_if_absent("/registry/pods/default/a", bytes)));
//   if (!done.succeeded) …                                   // somebody else was first
//
// The store knows no JSON. All calls on the Loop's thread; a change is durable when its Task is done, and nothing that
// is not durable is ever shown to a reader or a watcher.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/tls.h"

namespace kobuk::store {

using Revision = int64_t;  // from 1 on; 0 means "the newest" in requests
using LeaseId = int64_t;   // 0: none
constexpr size_t kMaxKeyBytes = 500;  // as much as every store takes

struct KeyValue {
  std::string key;
  SharedBytes value;  // never null
  Revision create_revision = 0, mod_revision = 0;
  int64_t version = 0;  // changes since it was created, from 1 on
  LeaseId lease = 0;
};

// [key, end): an empty end is the one key, "\0" as end is everything from `key` on.
struct KeyRange {
  std::string key, end;
};
KeyRange one_key(std::string key);
KeyRange with_prefix(std::string prefix);  // an empty prefix is everything

struct RangeRequest {
  KeyRange range;
  Revision revision = 0;
  int64_t limit = 0;  // 0: all
  bool keys_only = false, count_only = false;
};
struct RangeResult {
  std::vector<KeyValue> kvs;  // by key
  int64_t count = 0;          // in the whole range, whatever the limit
  bool more = false;
  Revision revision = 0;  // of the store when it was read
};

struct Compare {
  enum class Target { kVersion, kCreateRevision, kModRevision, kValue };
  enum class Op { kEqual, kNotEqual, kGreater, kLess };
  std::string key;
  Target target = Target::kModRevision;
  Op op = Op::kEqual;
  int64_t number = 0;  // an absent key has 0 for all three
  std::string value;   // with kValue; an absent key never compares
};
struct Operation {
  enum class Kind { kPut, kDelete, kRange };
  Kind kind = Kind::kPut;
  KeyRange range;     // kPut: range.key
  SharedBytes value;  // kPut
  LeaseId lease = 0;  // kPut
  int64_t limit = 0;  // kRange
};
Operation put(std::string key, SharedBytes value, LeaseId lease = 0);
Operation erase(KeyRange range);
Operation read(KeyRange range, int64_t limit = 0);

struct TxnRequest {
  std::vector<Compare> compares;
  std::vector<Operation> then, otherwise;
};
struct OperationResult {
  int64_t deleted = 0;
  RangeResult range;
};
struct TxnResult {
  bool succeeded = false;
  Revision revision = 0;  // of the change, or of the store when nothing changed
  std::vector<OperationResult> results;
};
TxnRequest create_if_absent(std::string key, SharedBytes value, LeaseId lease = 0);
// On failure the result holds what is there now.
TxnRequest replace_if_unchanged(std::string key, Revision mod_revision, SharedBytes value);
TxnRequest delete_if_unchanged(std::string key, Revision mod_revision);

struct Event {
  bool deleted = false;
  KeyValue kv;                // of a deletion: key and mod_revision
  SharedBytes previous;       // null when there was none, or it was not asked for
  Revision previous_revision = 0;
};
struct WatchRequest {
  KeyRange range;
  Revision start = 0;  // the first revision wanted; 0: changes from now on
  bool previous = false;
};
struct WatchBatch {
  std::vector<Event> events;  // whole revisions
  Revision revision = 0;
};
class Watch {
 public:
  virtual ~Watch() = default;  // cancels
  // Waits for changes. kGone: the wanted revision has been compacted. One caller at a time.
  virtual io::Task<Result<WatchBatch>> next() = 0;
};

class Store {
 public:
  virtual ~Store() = default;
  // kGone: compacted; kInvalid: a revision of the future.
  virtual io::Task<Result<RangeResult>> range(RangeRequest request) = 0;
  // All of it or nothing, in one revision. kInvalid: the same key put twice, or a key that is empty or longer than
  // kMaxKeyBytes. kNotFound: an unknown lease.
  // kResourceExhausted: no room on the disk; the change has not happened.
  virtual io::Task<Result<TxnResult>> txn(TxnRequest request) = 0;
  virtual io::Task<Result<std::unique_ptr<Watch>>> watch(WatchRequest request) = 0;
  // Keys put with a lease go when it ends. `ttl` counts from the grant or the last keep_alive.
  virtual io::Task<Result<LeaseId>> grant(Duration ttl) = 0;
  virtual io::Task<Result<void>> keep_alive(LeaseId lease) = 0;  // kNotFound: it has ended
  virtual io::Task<Result<void>> revoke(LeaseId lease) = 0;
  // Forgets what was replaced or deleted at or before `revision`.
  virtual io::Task<Result<void>> compact(Revision revision) = 0;
  // Of the newest durable change; with etcd, whose other clients write too, the newest that has been seen here.
  virtual Revision revision() const = 0;
};

// Nothing is kept: for tests.
std::unique_ptr<Store> make_memory_store(io::Loop& loop);
// In the directory `path` (made when absent), by LMDB. kDataLoss: the file is damaged or of something else;
// kFailedPrecondition: another process has it open.
Result<std::unique_ptr<Store>> open_embedded_store(io::Loop& loop, std::string path, int64_t max_bytes = int64_t{8} << 30);

struct EtcdOptions {
  std::vector<std::string> endpoints;  // "10.0.0.1:2379": tried in turn
  std::shared_ptr<io::TlsContext> tls;  // null: plain text
  std::string prefix;                   // before every key; what is beside it is not seen
  Duration timeout = std::chrono::seconds(10);  // of one call, with its waiting for a connection
};
// An etcd v3 cluster. Connects when first used. kInvalid: no endpoint. Reads go on at the next endpoint when one fails; a
// change goes there only when it cannot have happened, and is kUnavailable otherwise. Watches find their way back.
Result<std::unique_ptr<Store>> make_etcd_store(io::Loop& loop, EtcdOptions options);

}  // namespace kobuk::store
