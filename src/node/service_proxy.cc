// The service proxy: what kube-proxy does, by watches alone. Changes that come together are applied together.
#include <chrono>
#include <map>

#include "api/cache.h"
#include "base/log.h"
#include "base/strings.h"
#include "node/node.h"
#include "node/service_ports.h"

namespace kobuk::node {
namespace {

namespace core = api::core::v1;
namespace discovery = api::discovery::v1;
constexpr Duration kBurst = std::chrono::milliseconds(20);  // how long the first change of a burst waits for others
constexpr Duration kFirstRetry = std::chrono::milliseconds(250), kMaxRetry = std::chrono::seconds(30);
constexpr std::string_view kServiceLabel = "kubernetes.io/service-name";

std::string service_of(const discovery::EndpointSlice& slice) {
  auto label = slice.metadata.labels.find(std::string(kServiceLabel));
  return label == slice.metadata.labels.end() ? std::string() : cat(slice.metadata.namespace_, "/", label->second);
}

}  // namespace

struct ServiceProxy::Impl {
  Impl(io::Loop& loop_in, api::Client& client, network::Services& target_in, std::string node_name_in)
      : loop(loop_in),
        target(target_in),
        node_name(std::move(node_name_in)),
        services(loop, client, api::resource_of<core::Service>(), api::ReflectorOptions{}),
        slices(loop, client, api::resource_of<discovery::EndpointSlice>(), api::ReflectorOptions{}),
        by_service(slices.index([](const discovery::EndpointSlice& slice) { return api::Keys{service_of(slice)}; })),
        changed(loop),
        tasks(loop) {
    services.on_change([this](const api::Cache<core::Service>::Change& change) { mark(change.key); });
    slices.on_change([this](const api::Cache<discovery::EndpointSlice>::Change& change) {
      if (change.before) mark(service_of(*change.before));
      if (change.after) mark(service_of(*change.after));
    });
  }
  void mark(const std::string& service) {
    if (service.empty()) return;
    dirty.insert({service, true});
    changed.set();
  }
  io::Task<void> run();
  bool render();  // true: `ports` has changed
  Result<void> apply();

  io::Loop& loop;
  network::Services& target;
  std::string node_name;
  api::Cache<core::Service> services;
  api::Cache<discovery::EndpointSlice> slices;
  api::Index<discovery::EndpointSlice>& by_service;
  io::Event changed;
  std::map<std::string, bool> dirty;                                    // Services to look at
  std::map<std::string, std::vector<network::ServicePort>> ports;       // by Service
  io::TaskGroup tasks;  // last: ends before what it uses
};

bool ServiceProxy::Impl::render() {
  bool differs = false;
  for (const auto& [key, unused] : std::exchange(dirty, {})) {
    std::vector<network::ServicePort> wanted;
    if (auto service = services.find(key)) {
      std::vector<const discovery::EndpointSlice*> own;
      for (const auto& [name, slice] : by_service.at(key)) own.push_back(slice.get());
      wanted = make_service_ports(*service, own, node_name);
    }
    auto known = ports.find(key);
    bool same = known == ports.end() ? wanted.empty() : known->second == wanted;
    if (same) continue;
    differs = true;
    if (wanted.empty()) {
      ports.erase(key);
    } else {
      ports[key] = std::move(wanted);
    }
  }
  return differs;
}

Result<void> ServiceProxy::Impl::apply() {
  std::vector<network::ServicePort> all;
  for (const auto& [key, list] : ports) all.insert(all.end(), list.begin(), list.end());
  return target.apply(all);
}

io::Task<void> ServiceProxy::Impl::run() {
  tasks.spawn(services.run());
  tasks.spawn(slices.run());
  co_await services.wait_synced();
  co_await slices.wait_synced();
  // The first time in any case: an earlier proxy's rules may be there.
  bool pending = true;
  Duration retry{};
  while (true) {
    changed.reset();
    bool differs = render();
    pending = pending || differs;
    if (pending) {
      Result<void> applied = apply();
      pending = !applied;
      if (!applied) {
        if (retry == Duration{}) log::error("Services can't be brought to the kernel", {{"error", applied.error().message()}});
        retry = std::clamp<Duration>(retry * 2, kFirstRetry, kMaxRetry);
        co_await loop.sleep(retry);
        continue;
      }
      retry = {};
    }
    co_await changed.wait();
    co_await loop.sleep(kBurst);
  }
}

ServiceProxy::ServiceProxy(io::Loop& loop, api::Client& client, network::Services& services, std::string node_name)
    : impl_(std::make_unique<Impl>(loop, client, services, std::move(node_name))) {}
ServiceProxy::~ServiceProxy() = default;
io::Task<void> ServiceProxy::run() { return impl_->run(); }

}  // namespace kobuk::node
