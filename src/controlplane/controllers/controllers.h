// The controllers: Deployment, ReplicaSet, EndpointSlice, namespace deletion, garbage collection of objects and of pods, node
// life-cycle and evictions, ServiceAccounts, the root CA ConfigMap, LoadBalancer addresses.
//
//   Controllers controllers(loop, client, {.load_balancer_cidr = "10.101.128.0/24"});
//   tasks.spawn(controllers.run());      // until destroyed
#pragma once

#include <memory>
#include <string>

#include "api/cache.h"
#include "api/client.h"
#include "io/loop.h"

namespace kobuk::controlplane {

struct ControllerOptions {
  std::string load_balancer_cidr;  // empty: Services of type LoadBalancer stay pending
  std::string root_ca_pem;         // published as ConfigMap kube-root-ca.crt in every namespace
};

class Controllers {
 public:
  Controllers(io::Loop& loop, api::Client& client, ControllerOptions options);
  // With caches that others use too, the scheduler for one: one watch a resource for all of them. They outlive this.
  Controllers(io::Loop& loop, api::Client& client, api::Caches& caches, ControllerOptions options);
  ~Controllers();
  io::Task<void> run();

 private:
  struct Impl;
  std::unique_ptr<api::Caches> own_caches_;  // outlives impl_
  std::unique_ptr<Impl> impl_;
};

}  // namespace kobuk::controlplane
