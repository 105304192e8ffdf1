#include "controlplane/controllers/controllers.h"

#include <chrono>
#include <vector>

#include "base/log.h"
#include "controlplane/controllers/accounts.h"
#include "controlplane/controllers/deployment.h"
#include "controlplane/controllers/endpoint_slice.h"
#include "controlplane/controllers/garbage.h"
#include "controlplane/controllers/load_balancer.h"
#include "controlplane/controllers/namespaces.h"
#include "controlplane/controllers/node_lifecycle.h"
#include "controlplane/controllers/pod_gc.h"
#include "controlplane/controllers/replica_set.h"

namespace kobuk::controlplane {

struct Controllers::Impl {
  Impl(io::Loop& loop, api::Client& client, api::Caches& shared, ControllerOptions options)
      : context{loop, client, shared, std::move(options)}, tasks(loop) {}
  std::vector<Controller*> all() {
    std::vector<Controller*> out = {&replica_sets, &deployments, &endpoint_slices, &namespaces, &garbage,  &accounts,
                                    &pod_gc,       &nodes,       &evictions,       &balancers};
    if (!context.options.root_ca_pem.empty()) out.push_back(&root_ca);
    return out;
  }
  io::Task<void> run();

  ControllerContext context;
  ReplicaSetController replica_sets{context};
  DeploymentController deployments{context};
  EndpointSliceController endpoint_slices{context};
  NamespaceController namespaces{context};
  GarbageCollector garbage{context};
  ServiceAccountController accounts{context};
  RootCaPublisher root_ca{context};
  PodGarbageCollector pod_gc{context};
  NodeLifecycleController nodes{context};
  TaintEvictionController evictions{context};
  LoadBalancerController balancers{context};
  io::TaskGroup tasks;  // last: ends first
};

// Discovery may fail while the API server starts: everything else works meanwhile.
io::Task<void> Controllers::Impl::run() {
  context.caches.start();
  co_await context.caches.synced();
  for (Controller* controller : all()) {
    if (controller != &garbage) controller->start(tasks);
  }
  if (!context.options.root_ca_pem.empty()) root_ca.follow(tasks);
  Duration delay = std::chrono::milliseconds(100);
  while (true) {
    Result<void> discovered = co_await garbage.discover();
    if (discovered) break;
    log::warn("discovery failed; nothing is garbage-collected yet", {{"error", discovered.error().message()}});
    co_await context.loop.sleep(delay);
    delay = std::min<Duration>(delay * 2, std::chrono::seconds(30));
  }
  context.caches.start();
  co_await context.caches.synced();
  garbage.start(tasks);
  co_await tasks.join();
}

Controllers::Controllers(io::Loop& loop, api::Client& client, ControllerOptions options)
    : own_caches_(std::make_unique<api::Caches>(loop, client)),
      impl_(std::make_unique<Impl>(loop, client, *own_caches_, std::move(options))) {}

Controllers::Controllers(io::Loop& loop, api::Client& client, api::Caches& caches, ControllerOptions options)
    : impl_(std::make_unique<Impl>(loop, client, caches, std::move(options))) {}

Controllers::~Controllers() = default;

io::Task<void> Controllers::run() { return impl_->run(); }

}  // namespace kobuk::controlplane
