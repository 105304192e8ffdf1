// Services on a node: what kube-proxy does. A RuleSet is rendered from Services and their endpoints (pure), and the
// kernel is brought to it with the difference alone, in one nf_tables transaction.
//
//   Services services({.profile = "default", .cluster_cidr = "10.100.0.0/16", .node_addresses = {"192.168.1.5"}});
//   KOBUK_CHECK(services.apply(wanted));
//
// Clients are pods, processes of this host, and other hosts (NodePorts, external addresses). A new connection goes to a
// random endpoint; established ones stay where they are. IPv4: what is not is left out and logged once.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "network/networks.h"

namespace kobuk::network {

struct Endpoint {
  std::string address;
  uint16_t port = 0;
  bool operator==(const Endpoint&) const = default;
  auto operator<=>(const Endpoint&) const = default;
};

// One port of one Service.
struct ServicePort {
  std::string name;                   // "default/web:http", for comments and messages
  Protocol protocol = Protocol::kTcp;
  std::string cluster_ip;             // empty: none
  uint16_t port = 0;
  uint16_t node_port = 0;             // 0: none
  std::vector<std::string> external_ips;  // LoadBalancer ingress and externalIPs
  std::vector<std::string> source_ranges; // of a LoadBalancer; empty: everybody
  int session_affinity_seconds = 0;   // 0: none, ClientIP otherwise
  bool local_only = false;            // externalTrafficPolicy: Local
  std::vector<Endpoint> endpoints;    // ready ones; none: connections are refused
  std::vector<Endpoint> local_endpoints;
  bool operator==(const ServicePort&) const = default;
};

class Host;  // network/host.h

class Services {
 public:
  struct Options {
    std::string profile;
    std::string cluster_cidr;   // pods: what comes from elsewhere through a Service is masqueraded
    std::string service_cidr;
    std::vector<std::string> node_addresses;  // NodePorts answer here, and on loopback
  };
  explicit Services(Options options);
  Services(Options options, std::unique_ptr<Host> host);  // for tests
  ~Services();
  // Blocking, on the loop: some 30 ms at 5,000 Services (1 ms of it in the kernel). On an error the kernel is as before.
  // kUnsupported names what this kernel's nf_tables lacks, kPermissionDenied: not root.
  Result<void> apply(const std::vector<ServicePort>& wanted);
  Result<void> clean_up();  // also for a profile whose daemon died

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kobuk::network
