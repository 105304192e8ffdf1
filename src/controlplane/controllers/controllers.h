// The controllers: Deployment, ReplicaSet, EndpointSlice, namespace deletion, garbage collection, node life-cycle, service
// accounts' root CA ConfigMap, LoadBalancer addresses.
//
//   Controllers controllers(loop, client, {.load_balancer_cidr = "10.101.128.0/24"});
//   tasks.spawn(controllers.run());      // until destroyed
#pragma once

#include <memory>
#include <string>

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
  ~Controllers();
  io::Task<void> run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kobuk::controlplane
