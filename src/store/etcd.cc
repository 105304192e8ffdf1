// A Store over the etcd v3 API (gRPC services KV, Watch and Lease), with any number of endpoints.
#include <algorithm>

#include "base/log.h"
#include "io/grpc.h"
#include "io/http.h"
#include "store/etcd_wire.h"
#include "store/mvcc.h"

namespace kobuk::store {
namespace {

constexpr size_t kMaxAnswer = size_t{512} << 20;  // the caller's limits and pages are what bounds a read
constexpr Duration kFirstPause = std::chrono::milliseconds(50), kLongestPause = std::chrono::seconds(2);
constexpr Duration kPing = std::chrono::seconds(10);  // etcd lets clients ask every 5 seconds

// Where an endpoint's TLS, address and connection are.
struct Endpoint {
  Endpoint(io::Loop& loop, const EtcdOptions& options, std::string address)
      : transport(io::http::make_client(loop, {.address = std::move(address),
                                               .tls = options.tls,
                                               .max_connections = 4,
                                               .connect_timeout = options.timeout / std::max<int64_t>(std::ssize(options.endpoints), 3),
                                               .h2c = options.tls == nullptr,
                                               .ping_interval = kPing})),
        channel(loop, *transport) {}
  std::unique_ptr<io::http::Transport> transport;
  io::grpc::Channel channel;
};

// No connection was made, so that nothing can have happened there.
bool never_sent(const Error& error) { return error.system_errno() != 0; }

Error translate(Error error) {
  std::string_view text = error.message();
  if (text.ends_with("required revision is a future revision")) return std::move(error).with_code(Code::kInvalid);
  // Refused by etcd itself, or by the gRPC server in front of it.
  bool too_large = text.ends_with("request is too large") || text.starts_with("grpc: received message larger than max");
  if (too_large) return std::move(error).with_code(Code::kTooLarge);
  return error;
}

// What the store and its watches share; a watch may outlive the store.
class Cluster {
 public:
  Cluster(io::Loop& loop, EtcdOptions options) : loop_(loop), options_(std::move(options)), keys_(options_.prefix) {
    for (const std::string& address : options_.endpoints) endpoints_.push_back(std::make_shared<Endpoint>(loop, options_, address));
  }
  io::Loop& loop() { return loop_; }
  const etcd::KeySpace& keys() const { return keys_; }
  Duration timeout() const { return options_.timeout; }
  Revision revision() const { return revision_; }
  void saw(Revision revision) { revision_ = std::max(revision_, revision); }
  std::shared_ptr<Endpoint> endpoint() const { return endpoints_[current_]; }
  size_t size() const { return endpoints_.size(); }
  // The endpoint has failed: the next one from now on, unless somebody else has gone on already.
  void leave(const std::shared_ptr<Endpoint>& endpoint) {
    if (endpoints_[current_] == endpoint) current_ = (current_ + 1) % endpoints_.size();
  }

 private:
  io::Loop& loop_;
  EtcdOptions options_;
  etcd::KeySpace keys_;
  std::vector<std::shared_ptr<Endpoint>> endpoints_;
  size_t current_ = 0;
  Revision revision_ = 0;
};

// How long one endpoint may take. What can be asked again elsewhere leaves time for that; what can't is waited for, since
// nobody knows its outcome otherwise.
Duration share_of(Duration left, bool repeatable, bool last) {
  return std::max<Duration>(repeatable && !last ? left / 2 : left, std::chrono::milliseconds(1));
}

// One answer to one request, wherever it can be had. repeatable: to send it twice does no harm.
io::Task<Result<std::string>> call(std::shared_ptr<Cluster> cluster, std::string method, std::string request, bool repeatable) {
  auto deadline = cluster->loop().mono() + cluster->timeout();
  Duration pause = kFirstPause;
  for (size_t tried = 1;; ++tried) {
    auto endpoint = cluster->endpoint();
    Duration share = share_of(deadline - cluster->loop().mono(), repeatable, tried % cluster->size() == 0);
    io::grpc::CallOptions options{.timeout = share, .max_message_bytes = kMaxAnswer};
    auto answer = co_await endpoint->channel.call(method, request, options);
    if (answer) co_return answer;
    Error error = translate(std::move(answer).error());
    bool unsent = never_sent(error);
    bool failed_here = unsent || error.code() == Code::kUnavailable || error.code() == Code::kTimeout;
    if (failed_here) cluster->leave(endpoint);
    if (!failed_here) co_return fail(std::move(error));
    // It may have happened.
    if (!unsent && !repeatable) co_return fail(std::move(error).with_code(Code::kUnavailable).context("etcd"));
    if (cluster->loop().mono() + pause >= deadline) co_return fail(std::move(error).with_code(Code::kUnavailable).context("etcd"));
    if (tried % cluster->size() != 0) continue;
    co_await cluster->loop().sleep(pause);  // all have been asked: until one of them is back
    pause = std::min(pause * 2, kLongestPause);
  }
}

class EtcdWatch final : public Watch {
 public:
  EtcdWatch(std::shared_ptr<Cluster> cluster, WatchRequest request) : cluster_(std::move(cluster)), request_(std::move(request)) {}

  // Opens at the next revision wanted; done when the server has said that it watches.
  io::Task<Result<void>> open() {
    endpoint_ = cluster_->endpoint();
    io::grpc::CallOptions options{.max_message_bytes = kMaxAnswer};
    options.metadata.set("hasleader", "true");  // a member that is cut off from the others ends the watch
    stream_ = endpoint_->channel.open("/etcdserverpb.Watch/Watch", options);
    std::string create = etcd::encode_watch(cluster_->keys(), request_);
    KOBUK_CO_CHECK(co_await stream_->write(std::move(create)));
    KOBUK_CO_TRY(auto answer, co_await receive());
    if (request_.start == 0) request_.start = answer.revision + 1;
    co_return Result<void>();
  }

  // As open(), at every endpoint, for as long as one call may take.
  io::Task<Result<void>> open_somewhere() {
    auto deadline = cluster_->loop().mono() + cluster_->timeout();
    Duration pause = kFirstPause;
    for (size_t tried = 1;; ++tried) {
      auto done = co_await open();
      if (done || !passing(done.error())) co_return done;
      stream_ = nullptr;
      cluster_->leave(endpoint_);
      if (cluster_->loop().mono() + pause >= deadline) co_return fail(std::move(done).error().with_code(Code::kUnavailable).context("etcd"));
      if (tried % cluster_->size() != 0) continue;
      co_await cluster_->loop().sleep(pause);
      pause = std::min(pause * 2, kLongestPause);
    }
  }

  io::Task<Result<WatchBatch>> next() override {
    WatchBatch batch;
    while (true) {
      auto answer = stream_ ? co_await receive() : Result<etcd::WatchAnswer>(fail(Code::kUnavailable, "etcd: the watch is closed"));
      if (!answer && passing(answer.error())) {
        batch = WatchBatch();  // parts of a revision come again
        stream_ = nullptr;
        cluster_->leave(endpoint_);
        auto again = co_await open_somewhere();
        if (!again && !passing(again.error())) co_return fail(std::move(again).error());
        if (!again) log::warn("the watch waits for etcd", {{"error", again.error().message()}});
        continue;
      }
      if (!answer) co_return fail(std::move(answer).error());
      std::move(answer->events.begin(), answer->events.end(), std::back_inserter(batch.events));
      if (answer->fragment) continue;
      if (batch.events.empty()) {
        request_.start = std::max(request_.start, answer->revision + 1);  // a notice of progress
        continue;
      }
      batch.revision = batch.events.back().kv.mod_revision;
      request_.start = batch.revision + 1;
      co_return batch;
    }
  }

 private:
  // Of the way there, not of the watch: another try may help.
  static bool passing(const Error& error) {
    if (never_sent(error)) return true;
    switch (error.code()) {
      case Code::kUnavailable:
      case Code::kTimeout:
      case Code::kCancelled:
      case Code::kInternal: return true;
      default: return false;
    }
  }

  io::Task<Result<etcd::WatchAnswer>> receive() {
    KOBUK_CO_TRY(auto message, co_await stream_->read());
    if (!message) co_return fail(Code::kUnavailable, "etcd: the server ended the watch");
    KOBUK_CO_TRY(auto answer, etcd::decode_watch(cluster_->keys(), *message));
    cluster_->saw(answer.revision);
    if (answer.compacted > 0) co_return fail(Code::kGone, "etcdserver: mvcc: required revision has been compacted");
    if (answer.cancelled && !answer.reason.empty()) co_return fail(Code::kFailedPrecondition, "etcd refuses the watch: ", answer.reason);
    if (answer.cancelled) co_return fail(Code::kUnavailable, "etcd: the server cancelled the watch");
    co_return answer;
  }

  std::shared_ptr<Cluster> cluster_;
  std::shared_ptr<Endpoint> endpoint_;
  WatchRequest request_;  // start: the next revision wanted
  std::unique_ptr<io::grpc::ClientStream> stream_;
};

class EtcdStore final : public Store {
 public:
  EtcdStore(io::Loop& loop, EtcdOptions options) : cluster_(std::make_shared<Cluster>(loop, std::move(options))) {}

  io::Task<Result<RangeResult>> range(RangeRequest request) override {
    auto cluster = cluster_;
    std::string message = etcd::encode_range(cluster->keys(), request);
    KOBUK_CO_TRY(std::string answer, co_await call(cluster, "/etcdserverpb.KV/Range", std::move(message), true));
    KOBUK_CO_TRY(auto out, etcd::decode_range(cluster->keys(), answer));
    cluster->saw(out.revision);
    co_return out;
  }

  io::Task<Result<TxnResult>> txn(TxnRequest request) override {
    auto cluster = cluster_;
    KOBUK_CO_CHECK(Mvcc::check(request.then));
    KOBUK_CO_CHECK(Mvcc::check(request.otherwise));
    std::string message = etcd::encode_txn(cluster->keys(), request);
    KOBUK_CO_TRY(std::string answer, co_await call(cluster, "/etcdserverpb.KV/Txn", std::move(message), false));
    KOBUK_CO_TRY(auto out, etcd::decode_txn(cluster->keys(), answer));
    cluster->saw(out.revision);
    co_return out;
  }

  io::Task<Result<std::unique_ptr<Watch>>> watch(WatchRequest request) override {
    auto out = std::make_unique<EtcdWatch>(cluster_, std::move(request));
    KOBUK_CO_CHECK(co_await out->open_somewhere());
    co_return out;
  }

  io::Task<Result<LeaseId>> grant(Duration ttl) override {
    if (ttl < std::chrono::seconds(1)) co_return fail(Code::kInvalid, "etcdserver: too small lease TTL");
    std::string message = etcd::encode_grant(std::chrono::ceil<std::chrono::seconds>(ttl).count());
    // A second lease that nobody knows of ends by itself.
    KOBUK_CO_TRY(std::string answer, co_await call(cluster_, "/etcdserverpb.Lease/LeaseGrant", std::move(message), true));
    KOBUK_CO_TRY(auto lease, etcd::decode_lease(answer));
    co_return lease.id;
  }

  io::Task<Result<void>> keep_alive(LeaseId lease) override {
    std::string message = etcd::encode_lease(lease);
    // A stream of one request is a call of one request.
    KOBUK_CO_TRY(std::string answer, co_await call(cluster_, "/etcdserverpb.Lease/LeaseKeepAlive", std::move(message), true));
    KOBUK_CO_TRY(auto kept, etcd::decode_lease(answer));
    if (kept.seconds <= 0) co_return fail(Code::kNotFound, "etcdserver: requested lease not found");
    co_return Result<void>();
  }

  io::Task<Result<void>> revoke(LeaseId lease) override {
    std::string message = etcd::encode_lease(lease);
    auto done = co_await change("/etcdserverpb.Lease/LeaseRevoke", std::move(message));
    co_return done;
  }

  io::Task<Result<void>> compact(Revision revision) override {
    std::string message = etcd::encode_compact(revision);
    auto done = co_await change("/etcdserverpb.KV/Compact", std::move(message));
    co_return done;
  }

  Revision revision() const override { return cluster_->revision(); }

 private:
  io::Task<Result<void>> change(std::string method, std::string message) {
    auto cluster = cluster_;
    KOBUK_CO_TRY(std::string answer, co_await call(cluster, std::move(method), std::move(message), false));
    KOBUK_CO_TRY(Revision revision, etcd::decode_revision(answer));
    cluster->saw(revision);
    co_return Result<void>();
  }
  std::shared_ptr<Cluster> cluster_;
};

}  // namespace

Result<std::unique_ptr<Store>> make_etcd_store(io::Loop& loop, EtcdOptions options) {
  if (options.endpoints.empty()) return fail(Code::kInvalid, "etcd needs at least one endpoint, as 127.0.0.1:2379");
  return std::make_unique<EtcdStore>(loop, std::move(options));
}

}  // namespace kobuk::store
