// Which addresses a profile uses. Each has a slot, and each slot two blocks of 10.0.0.0/8 that no other slot has.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::app {

inline constexpr int kSlots = 32;

struct AddressPlan {
  std::string cluster_cidr;        // of all pods: "10.64.0.0/17"
  std::string pod_subnet;          // of this node's pods: "10.64.0.0/24"
  std::string node_ip;             // the bridge's own address in it: "10.64.0.1"
  std::string docker_subnet;       // "10.64.128.0/17"
  std::string service_cidr;        // "10.65.0.0/17"
  std::string kubernetes_service;  // its first address: "10.65.0.1"
  std::string cluster_dns;         // its tenth: "10.65.0.10"
  std::string load_balancer_cidr;  // "10.65.128.0/24"
};
AddressPlan plan_addresses(int slot);

// The first slot that neither is in `taken` nor overlaps a network that the host already routes (text of
// /proc/net/route). kResourceExhausted names what is in the way.
Result<int> choose_slot(const std::vector<int>& taken, std::string_view proc_net_route);

}  // namespace kobuk::app
