// Rules: Kubernetes' "Virtual IPs and Service Proxies" and "EndpointSlices" (conditions: endpoints that still serve while
// they terminate are used when there is no ready one).
#include "node/service_ports.h"

#include <algorithm>

#include "base/strings.h"

namespace kobuk::node {
namespace {

namespace core = api::core::v1;
namespace discovery = api::discovery::v1;

std::optional<network::Protocol> protocol_of(const std::string& text) {
  if (text.empty() || text == "TCP") return network::Protocol::kTcp;
  if (text == "UDP") return network::Protocol::kUdp;
  if (text == "SCTP") return network::Protocol::kSctp;
  return std::nullopt;
}

bool is_ready(const discovery::Endpoint& endpoint) { return endpoint.conditions.ready.value_or(true); }
bool serves_while_ending(const discovery::Endpoint& endpoint) {
  return endpoint.conditions.serving.value_or(true) && endpoint.conditions.terminating.value_or(false);
}

struct Found {
  std::vector<network::Endpoint> all, local;
};

Found find_endpoints(const std::vector<const discovery::EndpointSlice*>& slices, const core::ServicePort& port,
                     network::Protocol protocol, const std::string& node_name, bool (*usable)(const discovery::Endpoint&)) {
  Found out;
  for (const discovery::EndpointSlice* slice : slices) {
    if (slice->address_type != "IPv4") continue;
    for (const discovery::EndpointPort& target : slice->ports) {
      if (target.name != port.name || protocol_of(target.protocol) != protocol) continue;
      if (!target.port || *target.port < 1 || *target.port > 65535) continue;
      for (const discovery::Endpoint& endpoint : slice->endpoints) {
        if (!usable(endpoint) || endpoint.addresses.empty()) continue;
        network::Endpoint at{endpoint.addresses[0], static_cast<uint16_t>(*target.port)};
        out.all.push_back(at);
        if (endpoint.node_name == node_name) out.local.push_back(at);
      }
    }
  }
  for (auto* list : {&out.all, &out.local}) {
    std::ranges::sort(*list);
    list->erase(std::unique(list->begin(), list->end()), list->end());
  }
  return out;
}

}  // namespace

std::vector<network::ServicePort> make_service_ports(const core::Service& service,
                                                     const std::vector<const discovery::EndpointSlice*>& slices,
                                                     const std::string& node_name) {
  std::vector<network::ServicePort> out;
  const core::ServiceSpec& spec = service.spec;
  if (spec.type == "ExternalName" || spec.cluster_ip.empty() || spec.cluster_ip == "None") return out;
  for (const core::ServicePort& port : spec.ports) {
    auto protocol = protocol_of(port.protocol);
    if (!protocol) continue;
    network::ServicePort made;
    made.name = cat(service.metadata.namespace_, "/", service.metadata.name, port.name.empty() ? "" : ":", port.name);
    made.protocol = *protocol;
    made.cluster_ip = spec.cluster_ip;
    made.port = static_cast<uint16_t>(port.port);
    made.node_port = static_cast<uint16_t>(port.node_port);
    made.external_ips = spec.external_ips;
    if (spec.type == "LoadBalancer") {
      for (const core::LoadBalancerIngress& ingress : service.status.load_balancer.ingress) {
        if (!ingress.ip.empty()) made.external_ips.push_back(ingress.ip);
      }
      made.source_ranges = spec.load_balancer_source_ranges;
    }
    if (spec.session_affinity == "ClientIP") {
      made.session_affinity_seconds =
          spec.session_affinity_config.or_default().client_ip.or_default().timeout_seconds.value_or(10800);
    }
    made.local_only = spec.external_traffic_policy == "Local";
    Found found = find_endpoints(slices, port, *protocol, node_name, is_ready);
    if (found.all.empty()) found = find_endpoints(slices, port, *protocol, node_name, serves_while_ending);
    if (spec.internal_traffic_policy == "Local" && spec.type == "ClusterIP") found.all = found.local;
    made.endpoints = std::move(found.all);
    made.local_endpoints = std::move(found.local);
    out.push_back(std::move(made));
  }
  return out;
}

}  // namespace kobuk::node
