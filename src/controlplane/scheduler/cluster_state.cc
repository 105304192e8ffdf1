// What a pod requests: the larger of the sum of its containers and what its init containers need one after the other, with
// sidecars running on ("Pod overhead", "Init containers", "Sidecar containers": resource sharing).
#include "controlplane/scheduler/cluster_state.h"

#include <algorithm>

#include "api/quantity.h"

namespace kobuk::controlplane {
namespace {

using api::core::v1::Container;
using Quantities = std::map<std::string, std::string>;

void raise_to(std::map<std::string, int64_t>& out, const std::string& name, int64_t value) { out[name] = std::max(out[name], value); }

// CPU in thousandths, everything else in units.
std::map<std::string, int64_t> amounts_of(const Quantities& quantities) {
  std::map<std::string, int64_t> out;
  for (const auto& [name, text] : quantities) {
    auto quantity = api::Quantity::parse(text);
    if (quantity) out[name] = name == "cpu" ? quantity->milli() : quantity->value();
  }
  return out;
}

std::map<std::string, int64_t> requests_of(const api::core::v1::Pod& pod) {
  std::map<std::string, int64_t> total, sidecars, most;
  for (const Container& container : pod.spec.containers) {
    for (const auto& [name, value] : amounts_of(container.resources.requests)) total[name] += value;
  }
  for (const Container& container : pod.spec.init_containers) {
    bool sidecar = container.restart_policy == "Always";
    auto own = amounts_of(container.resources.requests);
    for (const auto& [name, value] : own) raise_to(most, name, value + sidecars[name]);
    if (!sidecar) continue;
    for (const auto& [name, value] : own) sidecars[name] += value;
  }
  for (const auto& [name, value] : sidecars) total[name] += value;
  for (const auto& [name, value] : most) raise_to(total, name, value);
  for (const auto& [name, value] : amounts_of(pod.spec.overhead)) total[name] += value;
  return total;
}

ResourceAmounts resource_amounts(std::map<std::string, int64_t> amounts) {
  ResourceAmounts out;
  auto take = [&](const char* name) {
    auto node = amounts.extract(name);
    return node.empty() ? 0 : node.mapped();
  };
  out.cpu = {take("cpu")};
  out.memory = {take("memory")};
  out.ephemeral_storage = {take("ephemeral-storage")};
  out.pods = take("pods");
  out.extended = std::move(amounts);
  return out;
}

std::vector<SelectorTerm> term_of(const api::core::v1::NodeSelectorTerm& term) {
  std::vector<SelectorTerm> out;
  for (const auto& one : term.match_expressions) out.push_back({one.key, one.operator_, one.values});
  for (const auto& one : term.match_fields) {
    // metadata.name is the only field there is; any other matches nothing.
    out.push_back({one.key == "metadata.name" ? kNameField : "\x01unknown field", one.operator_, one.values});
  }
  return out;
}

std::vector<HostPort> host_ports(const api::core::v1::Pod& pod) {
  std::vector<HostPort> out;
  auto add = [&](const Container& container) {
    for (const auto& port : container.ports) {
      if (port.host_port == 0) continue;
      out.push_back({port.protocol.empty() ? "TCP" : port.protocol, port.host_ip.empty() ? "0.0.0.0" : port.host_ip, port.host_port});
    }
  };
  for (const Container& container : pod.spec.containers) add(container);
  for (const Container& container : pod.spec.init_containers) {
    if (container.restart_policy == "Always") add(container);
  }
  return out;
}

std::string owner_of(const api::core::v1::Pod& pod) {
  for (const auto& owner : pod.metadata.owner_references) {
    if (owner.controller.value_or(false)) return owner.uid;
  }
  return "";
}

bool has_ended(const api::core::v1::Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

}  // namespace

PendingPod pending_pod(const api::core::v1::Pod& pod) {
  PendingPod out;
  out.requests = resource_amounts(requests_of(pod));
  out.requests.pods = 1;
  out.node_selector = pod.spec.node_selector;
  out.host_ports = host_ports(pod);
  for (const auto& one : pod.spec.tolerations) {
    out.tolerations.push_back({one.key, one.operator_.empty() ? "Equal" : one.operator_, one.value, one.effect});
  }
  const auto& affinity = pod.spec.affinity.or_default().node_affinity.or_default();
  for (const auto& term : affinity.required_during_scheduling_ignored_during_execution.or_default().node_selector_terms) {
    out.required_affinity.push_back(term_of(term));
  }
  for (const auto& preferred : affinity.preferred_during_scheduling_ignored_during_execution) {
    out.preferred_affinity.emplace_back(preferred.weight, term_of(preferred.preference));
  }
  return out;
}

Candidate candidate_of(const api::core::v1::Node& node) {
  Candidate out{.name = node.metadata.name};
  out.labels = node.metadata.labels;
  out.labels[kNameField] = node.metadata.name;
  out.unschedulable = node.spec.unschedulable;
  for (const auto& taint : node.spec.taints) out.taints.push_back({taint.key, taint.value, taint.effect});
  out.allocatable = resource_amounts(amounts_of(node.status.allocatable.empty() ? node.status.capacity : node.status.allocatable));
  return out;
}

void ClusterState::put_node(const api::core::v1::Node& node) {
  Candidate candidate = candidate_of(node);
  auto [at, fresh] = index_.try_emplace(candidate.name, nodes_.size());
  if (!fresh) {
    Candidate& there = nodes_[at->second];
    candidate.requested = std::move(there.requested);
    candidate.used_ports = std::move(there.used_ports);
    there = std::move(candidate);
    return;
  }
  nodes_.push_back(std::move(candidate));
  auto pods = pods_on_.find(node.metadata.name);
  if (pods == pods_on_.end()) return;
  for (const std::string& key : pods->second) account(pods_.at(key), 1);
}

void ClusterState::remove_node(const std::string& name) {
  auto found = index_.find(name);
  if (found == index_.end()) return;
  size_t at = found->second;
  index_.erase(found);
  if (at + 1 != nodes_.size()) {
    nodes_[at] = std::move(nodes_.back());
    index_[nodes_[at].name] = at;
  }
  nodes_.pop_back();
}

void ClusterState::account(const Placed& pod, int sign) {
  auto found = index_.find(pod.node);
  if (found == index_.end()) return;
  Candidate& node = nodes_[found->second];
  node.requested.cpu.value += sign * pod.requests.cpu.value;
  node.requested.memory.value += sign * pod.requests.memory.value;
  node.requested.ephemeral_storage.value += sign * pod.requests.ephemeral_storage.value;
  node.requested.pods += sign;
  for (const auto& [name, value] : pod.requests.extended) node.requested.extended[name] += sign * value;
  for (const HostPort& port : pod.ports) {
    if (sign > 0) {
      node.used_ports.push_back(port);
      continue;
    }
    auto used = std::find_if(node.used_ports.begin(), node.used_ports.end(), [&](const HostPort& one) {
      return one.port == port.port && one.protocol == port.protocol && one.address == port.address;
    });
    if (used != node.used_ports.end()) node.used_ports.erase(used);
  }
}

void ClusterState::put_pod(const std::string& key, const api::core::v1::Pod& pod, const std::string& node) {
  remove_pod(key);
  if (has_ended(pod)) return;
  Placed placed{.node = node, .owner = owner_of(pod), .requests = resource_amounts(requests_of(pod)), .ports = host_ports(pod)};
  placed.priority = pod.spec.priority.value_or(0);
  account(placed, 1);
  pods_on_[node].insert(key);
  if (!placed.owner.empty()) ++owners_[placed.owner][node];
  ++priorities_[placed.priority];
  pods_.emplace(key, std::move(placed));
}

void ClusterState::remove_pod(const std::string& key) {
  auto found = pods_.find(key);
  if (found == pods_.end()) return;
  const Placed& placed = found->second;
  account(placed, -1);
  auto there = pods_on_.find(placed.node);
  there->second.erase(key);
  if (there->second.empty()) pods_on_.erase(there);
  if (auto owner = owners_.find(placed.owner); owner != owners_.end()) {
    if (--owner->second[placed.node] == 0) owner->second.erase(placed.node);
    if (owner->second.empty()) owners_.erase(owner);
  }
  if (--priorities_[placed.priority] == 0) priorities_.erase(placed.priority);
  pods_.erase(found);
}

std::vector<int32_t> ClusterState::siblings(const std::string& owner_uid) const {
  auto found = owners_.find(owner_uid);
  if (owner_uid.empty() || found == owners_.end()) return {};
  std::vector<int32_t> out(nodes_.size());
  for (const auto& [node, count] : found->second) {
    auto at = index_.find(node);
    if (at != index_.end()) out[at->second] = count;
  }
  return out;
}

const Candidate* ClusterState::node_of(const std::string& pod_key) const {
  auto pod = pods_.find(pod_key);
  auto found = pod == pods_.end() ? index_.end() : index_.find(pod->second.node);
  return found == index_.end() ? nullptr : &nodes_[found->second];
}

}  // namespace kobuk::controlplane
