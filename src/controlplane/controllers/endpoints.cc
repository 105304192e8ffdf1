// EndpointSlices (discovery.k8s.io/v1): conditions ready, serving and terminating as "EndpointSlices" documents them.
#include "controlplane/controllers/endpoints.h"

#include <algorithm>

#include "api/decode.h"
#include "api/names.h"
#include "base/strings.h"

namespace kobuk::controlplane {
namespace {

bool belongs(const Pod& pod) { return !pod.status.pod_ip.empty() && !is_finished(pod); }

int32_t named_port(const Pod& pod, const std::string& name, const std::string& protocol) {
  auto search = [&](const std::vector<api::core::v1::Container>& containers) {
    for (const auto& container : containers) {
      for (const auto& port : container.ports) {
        if (port.name == name && (port.protocol.empty() ? "TCP" : port.protocol) == protocol) return port.container_port;
      }
    }
    return 0;
  };
  int32_t found = search(pod.spec.containers);
  return found != 0 ? found : search(pod.spec.init_containers);  // of sidecars
}

std::vector<EndpointPort> ports_of(const Service& service, const Pod& pod) {
  std::vector<EndpointPort> out;
  for (const auto& port : service.spec.ports) {
    std::string protocol = port.protocol.empty() ? "TCP" : port.protocol;
    int32_t number = port.target_port.is_string ? named_port(pod, port.target_port.string, protocol) : port.target_port.number;
    if (!port.target_port.is_string && number == 0) number = port.port;
    if (number == 0) continue;  // this pod has no port of that name
    EndpointPort one;
    one.name = port.name;
    one.protocol = protocol;
    one.port = number;
    one.app_protocol = port.app_protocol;
    out.push_back(std::move(one));
  }
  return out;
}

Endpoint endpoint_of(const Service& service, const Pod& pod, std::string address, const std::string& zone) {
  Endpoint out;
  out.addresses = {std::move(address)};
  bool serving = is_ready(pod), terminating = is_deleting(pod.metadata);
  out.conditions.serving = serving;
  out.conditions.terminating = terminating;
  out.conditions.ready = service.spec.publish_not_ready_addresses || (serving && !terminating);
  auto& target = out.target_ref.emplace();
  target.kind = "Pod";
  target.namespace_ = pod.metadata.namespace_;
  target.name = pod.metadata.name;
  target.uid = pod.metadata.uid;
  out.node_name = pod.spec.node_name;
  out.zone = zone;
  if (!pod.spec.hostname.empty() && pod.spec.subdomain == service.metadata.name) out.hostname = pod.spec.hostname;
  return out;
}

std::string ports_text(const std::vector<EndpointPort>& ports) {
  std::string out;
  for (const EndpointPort& port : ports) out += api::to_json(port);
  return out;
}

std::string identity(const Endpoint& endpoint) {
  return cat(endpoint.target_ref ? endpoint.target_ref->uid : "", "/", endpoint.addresses.empty() ? "" : endpoint.addresses[0]);
}

bool is_headless(const Service& service) { return service.spec.cluster_ip == "None"; }

std::map<std::string, std::string> labels_of(const Service& service) {
  auto out = service.metadata.labels;
  out[kServiceName] = service.metadata.name;
  out[kManagedBy] = kEndpointSliceController;
  if (is_headless(service)) out["service.kubernetes.io/headless"] = "";
  return out;
}

EndpointSlice new_slice(const Service& service, const EndpointGroup& group) {
  EndpointSlice out;
  out.metadata.generate_name = cat(service.metadata.name, "-");
  out.metadata.namespace_ = service.metadata.namespace_;
  out.metadata.labels = labels_of(service);
  out.metadata.owner_references = {controller_reference(service)};
  out.address_type = group.address_type;
  out.ports = group.ports;
  return out;
}

// What is left of a slice: the endpoints that are still wanted, as they are now. They are taken out of `wanted`.
EndpointSlice refreshed(const EndpointSlice& slice, std::map<std::string, Endpoint>& wanted) {
  EndpointSlice out = slice;
  out.endpoints.clear();
  for (const Endpoint& endpoint : slice.endpoints) {
    auto found = wanted.find(identity(endpoint));
    if (found == wanted.end()) continue;
    out.endpoints.push_back(std::move(found->second));
    wanted.erase(found);
  }
  return out;
}

using Slices = std::vector<std::shared_ptr<const EndpointSlice>>;

void plan_group(const Service& service, EndpointGroup& group, const Slices& existing, SliceChanges& out) {
  std::map<std::string, Endpoint> wanted;
  for (Endpoint& endpoint : group.endpoints) wanted.emplace(identity(endpoint), std::move(endpoint));
  std::vector<std::pair<std::shared_ptr<const EndpointSlice>, EndpointSlice>> kept;
  for (const auto& slice : existing) kept.emplace_back(slice, refreshed(*slice, wanted));
  // Fullest first, so that slices stay few.
  std::sort(kept.begin(), kept.end(), [](const auto& a, const auto& b) { return a.second.endpoints.size() > b.second.endpoints.size(); });
  for (auto& [slice, next] : kept) {
    while (!wanted.empty() && next.endpoints.size() < kMaxEndpointsPerSlice) {
      next.endpoints.push_back(std::move(wanted.begin()->second));
      wanted.erase(wanted.begin());
    }
    next.metadata.labels = labels_of(service);
  }
  while (!wanted.empty() || (kept.empty() && out.create.empty() && group.endpoints.empty())) {
    EndpointSlice slice = new_slice(service, group);
    while (!wanted.empty() && slice.endpoints.size() < kMaxEndpointsPerSlice) {
      slice.endpoints.push_back(std::move(wanted.begin()->second));
      wanted.erase(wanted.begin());
    }
    out.create.push_back(std::move(slice));
    if (wanted.empty()) break;
  }
  for (size_t i = 0; i < kept.size(); ++i) {
    auto& [slice, next] = kept[i];
    // One empty slice stays, so that readers tell "no endpoints" from "not looked at".
    if (next.endpoints.empty() && (i > 0 || !group.endpoints.empty())) {
      out.remove.push_back(slice);
    } else if (!api::equal(*slice, next)) {
      out.update.emplace_back(slice, std::move(next));
    }
  }
}

}  // namespace

bool has_endpoints(const Service& service) { return !service.spec.selector.empty() && service.spec.type != "ExternalName"; }

std::vector<EndpointGroup> endpoint_groups(const Service& service, const std::vector<std::shared_ptr<const Pod>>& pods,
                                           const std::function<std::string(const std::string& node)>& zone_of) {
  std::map<std::string, EndpointGroup> groups;
  std::vector<std::string> families = service.spec.ip_families.empty() ? std::vector<std::string>{"IPv4"} : service.spec.ip_families;
  for (const auto& pod : pods) {
    if (!belongs(*pod)) continue;
    std::vector<EndpointPort> ports = ports_of(service, *pod);
    if (ports.empty() && !(is_headless(service) && service.spec.ports.empty())) continue;
    std::vector<std::string> addresses;
    for (const auto& ip : pod->status.pod_ips) addresses.push_back(ip.ip);
    if (addresses.empty()) addresses.push_back(pod->status.pod_ip);
    for (const std::string& family : families) {
      auto address = std::find_if(addresses.begin(), addresses.end(), [&](const std::string& one) {
        return family == "IPv6" ? api::is_ipv6(one) : api::is_ipv4(one);
      });
      if (address == addresses.end()) continue;
      EndpointGroup& group = groups[cat(family, ports_text(ports))];
      group.address_type = family;
      group.ports = ports;
      group.endpoints.push_back(endpoint_of(service, *pod, *address, pod->spec.node_name.empty() ? "" : zone_of(pod->spec.node_name)));
    }
  }
  std::vector<EndpointGroup> out;
  for (auto& [key, group] : groups) out.push_back(std::move(group));
  if (out.empty()) out.push_back({.address_type = families[0]});
  return out;
}

SliceChanges plan_slices(const Service& service, std::vector<EndpointGroup> groups, const Slices& existing) {
  SliceChanges out;
  Slices left = existing;
  bool nothing = groups.size() == 1 && groups[0].endpoints.empty();
  for (EndpointGroup& group : groups) {
    Slices own;
    auto mine = [&](const auto& slice) {
      return slice->address_type == group.address_type && !is_deleting(slice->metadata) &&
             (nothing || ports_text(slice->ports) == ports_text(group.ports));
    };
    std::copy_if(left.begin(), left.end(), std::back_inserter(own), mine);
    std::erase_if(left, mine);
    plan_group(service, group, own, out);
  }
  std::erase_if(left, [](const auto& slice) { return is_deleting(slice->metadata); });
  out.remove.insert(out.remove.end(), left.begin(), left.end());
  return out;
}

}  // namespace kobuk::controlplane
