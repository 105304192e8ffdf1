// A node: the kubelet (pods of this node on the engine's CRI, status back as patches), the kubelet's HTTPS API (logs),
// and the service proxy. To the cluster only through api::Client, to containers only through Cri.
//
//   Kubelet kubelet(loop, client, engine.cri(), options);
//   tasks.spawn(kubelet.run());
//   http::Server(loop, kubelet.api()).listen("10.100.0.1:10250", tls);
//   ServiceProxy proxy(loop, client, services);
//   tasks.spawn(proxy.run());
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "api/client.h"
#include "engine/cri.h"
#include "io/http.h"
#include "io/loop.h"
#include "network/services.h"

namespace kobuk::node {

struct KubeletOptions {
  std::string node_name;
  std::string node_ip;
  uint16_t port = 10250;
  std::string directory;       // pods' volumes: /var/lib/kobuk/<profile>/node
  std::string log_directory;   // pods' logs: /var/lib/kobuk/<profile>/logs/pods
  std::string cgroup_root;     // pods go below "<cgroup_root>/pods"
  std::string pod_cidr;        // Node.spec.podCIDR
  int64_t cpu_millicores = 0, memory_bytes = 0;  // capacity; 0: of the host
  int64_t max_pods = 110;
  std::string cluster_dns, cluster_domain = "cluster.local";
  std::string runtime_version = "0.1.0";  // of the engine, as the Node names it
};

class Kubelet {
 public:
  Kubelet(io::Loop& loop, api::Client& client, engine::Cri& cri, KubeletOptions options);
  ~Kubelet();
  // Registers the Node, keeps its Lease and status, runs pods; until destroyed. Pods go on then.
  io::Task<void> run();
  io::http::Handler& api();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

class ServiceProxy {
 public:
  ServiceProxy(io::Loop& loop, api::Client& client, network::Services& services, std::string node_name);
  ~ServiceProxy();
  io::Task<void> run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kobuk::node
