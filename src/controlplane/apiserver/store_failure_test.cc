// A store that fails at its n-th operation, for every n: the client is told, and nothing half-made stays.
#include <gtest/gtest.h>

#include <set>

#include "base/strings.h"
#include "codec/json.h"
#include "controlplane/apiserver/server.h"
#include "io/http.h"
#include "store/store.h"

namespace kobuk::controlplane {
namespace {

class FailingStore final : public store::Store {
 public:
  explicit FailingStore(io::Loop& loop) : inner_(store::make_memory_store(loop)) {}
  void fail_at(int n) { left_ = n; }
  bool has_failed() const { return failed_; }

  io::Task<Result<store::RangeResult>> range(store::RangeRequest request) override {
    if (fails()) co_return fail(Code::kUnavailable, "the disk is on fire");
    auto done = co_await inner_->range(std::move(request));
    co_return done;
  }
  io::Task<Result<store::TxnResult>> txn(store::TxnRequest request) override {
    if (fails()) co_return fail(Code::kUnavailable, "the disk is on fire");
    auto done = co_await inner_->txn(std::move(request));
    co_return done;
  }
  io::Task<Result<std::unique_ptr<store::Watch>>> watch(store::WatchRequest request) override {
    if (fails()) co_return fail(Code::kUnavailable, "the disk is on fire");
    auto done = co_await inner_->watch(std::move(request));
    co_return done;
  }
  io::Task<Result<store::LeaseId>> grant(Duration ttl) override {
    if (fails()) co_return fail(Code::kUnavailable, "the disk is on fire");
    auto done = co_await inner_->grant(ttl);
    co_return done;
  }
  io::Task<Result<void>> keep_alive(store::LeaseId lease) override { return inner_->keep_alive(lease); }
  io::Task<Result<void>> revoke(store::LeaseId lease) override { return inner_->revoke(lease); }
  io::Task<Result<void>> compact(store::Revision revision) override { return inner_->compact(revision); }
  store::Revision revision() const override { return inner_->revision(); }

 private:
  bool fails() {
    if (left_ == 0 || --left_ > 0) return false;
    return failed_ = true;
  }
  std::unique_ptr<store::Store> inner_;
  int left_ = 0;  // 0: never
  bool failed_ = false;
};

io::Task<std::pair<int, std::string>> exchange(ApiServer& server, io::http::Request request) {
  auto response = co_await server.handle(std::move(request));
  auto body = co_await response.body.read_all(1 << 20);
  co_return std::pair(response.status, body ? *body : std::string("no body"));
}

class World {
 public:
  World() : store_(loop_), server_(loop_, store_, {}) { EXPECT_TRUE(loop_.run_until_done(server_.start())); }
  ~World() { loop_.run_until_done(server_.shutdown()); }
  FailingStore& store() { return store_; }

  // The steps of a Service's and a Pod's life. What fails is told as such.
  void live() {
    constexpr std::string_view kServices = "/api/v1/namespaces/default/services", kPods = "/api/v1/namespaces/default/pods";
    send("POST", kServices, R"({"metadata":{"name":"s"},"spec":{"type":"NodePort","ports":[{"port":80,"name":"a"},{"port":81,"name":"b"}]}})", 201);
    send("PATCH", cat(kServices, "/s"), R"({"spec":{"ports":[{"port":80,"name":"a"}]}})", 200);
    send("PATCH", cat(kServices, "/s"), R"({"spec":{"type":"LoadBalancer","externalTrafficPolicy":"Local"}})", 200);
    send("PATCH", cat(kServices, "/s"), R"({"spec":{"type":"ExternalName","externalName":"x.y"}})", 200);
    send("PATCH", cat(kServices, "/s"), R"({"spec":{"type":"ClusterIP","externalName":null}})", 200);
    send("POST", kPods, R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"c","image":"i"}]}})", 201);
    send("POST", cat(kPods, "/p/binding"), R"({"metadata":{"name":"p"},"target":{"kind":"Node","name":"n"}})", 201);
    send("DELETE", cat(kPods, "/p"), R"({"gracePeriodSeconds":0})", 200);
    send("POST", "/api/v1/namespaces/default/events",
         R"({"metadata":{"name":"e","namespace":"default"},"involvedObject":{"kind":"Pod","name":"p","namespace":"default"},"reason":"R"})", 201);
    send("DELETE", cat(kServices, "/s"), "", 200);
  }

  std::pair<int, std::string> get(std::string_view target) { return ask("GET", target, ""); }

  // Addresses and ports that are taken are those of the Services that are there.
  void check() {
    std::set<std::string> taken, used;
    for (auto& kv : read("/registry/ranges/")) taken.insert(kv.key);
    for (auto& kv : read("/registry/services/")) {
      auto service = *codec::parse_json(*kv.value);
      const auto& spec = service.root["spec"];
      std::string_view ip = spec["clusterIP"].as_string();
      if (!ip.empty() && ip != "None") used.insert(cat("/registry/ranges/serviceips/", ip));
      for (const auto& port : spec["ports"].items())
        if (port["nodePort"].as_int()) used.insert(cat("/registry/ranges/nodeports/", port["nodePort"].as_int()));
      if (int64_t port = spec["healthCheckNodePort"].as_int()) used.insert(cat("/registry/ranges/nodeports/", port));
    }
    EXPECT_EQ(taken, used);
  }

 private:
  std::vector<store::KeyValue> read(std::string prefix) {
    auto found = loop_.run_until_done(store_.range({.range = store::with_prefix(std::move(prefix))}));
    return found ? found->kvs : std::vector<store::KeyValue>();
  }
  std::pair<int, std::string> ask(std::string method, std::string_view target, std::string_view body) {
    io::http::Request request{.method = std::move(method), .target = std::string(target)};
    bool patch = request.method == "PATCH";
    request.headers.set("Content-Type", patch ? "application/merge-patch+json" : "application/json");
    request.body = io::http::Body(std::string(body));
    request.peer.trusted_user = "admin";
    request.peer.trusted_groups = {"system:masters"};
    return loop_.run_until_done(exchange(server_, std::move(request)));
  }
  void send(std::string method, std::string_view target, std::string_view body, int expected) {
    auto [status, text] = ask(std::move(method), target, body);
    if (store_.has_failed()) {
      // The step that met the failure, or one that builds on it.
      EXPECT_TRUE(status == expected || status == 503 || status == 404 || status == 409) << target << ": " << text;
      if (status == 503) EXPECT_NE(text.find("the disk is on fire"), text.npos) << text;
    } else {
      EXPECT_EQ(status, expected) << target << ": " << text;
    }
  }
  io::Loop loop_;
  FailingStore store_;
  ApiServer server_;
};

TEST(StoreFailure, IsToldToWhoAsksForHealth) {
  World world;
  EXPECT_EQ(world.get("/readyz"), std::pair(200, std::string("ok")));
  for (std::string_view path : {"/readyz", "/livez", "/readyz/etcd"}) {
    world.store().fail_at(1);
    auto [status, text] = world.get(path);
    EXPECT_EQ(status, 500) << path;
    EXPECT_NE(text.find("[-]etcd failed: reason withheld"), text.npos) << text;
    EXPECT_EQ(world.get(path).first, 200) << path;
  }
  world.store().fail_at(1);
  for (std::string_view path : {"/readyz/ping", "/readyz?exclude=etcd"}) EXPECT_EQ(world.get(path).first, 200) << path;
  EXPECT_EQ(world.get("/readyz").first, 500) << "the one failure was left for it: nobody else asked the store";
}

TEST(StoreFailure, LeavesNoHalfChange) {
  bool failed = true;
  for (int n = 1; failed; ++n) {
    ASSERT_LT(n, 500);
    World world;
    world.store().fail_at(n);
    world.live();
    failed = world.store().has_failed();
    world.store().fail_at(0);
    world.check();
    if (HasFailure()) FAIL() << "with the failure at operation " << n;
  }
}

}  // namespace
}  // namespace kobuk::controlplane
