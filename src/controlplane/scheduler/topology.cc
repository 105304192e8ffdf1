// "Inter-pod affinity and anti-affinity" and "Pod Topology Spread Constraints" of the documentation.
#include "controlplane/scheduler/topology.h"

#include <algorithm>
#include <climits>

#include "api/decode.h"
#include "api/selector.h"

namespace kobuk::controlplane {
namespace {

using api::core::v1::Pod;
using api::core::v1::PodAffinityTerm;
using api::core::v1::TopologySpreadConstraint;

constexpr const char* kAffinity = "node(s) didn't match pod affinity rules";
constexpr const char* kAntiAffinity = "node(s) didn't match pod anti-affinity rules";
constexpr const char* kExisting = "node(s) didn't satisfy existing pods anti-affinity rules";
constexpr const char* kSpread = "node(s) didn't match pod topology spread constraints";
constexpr const char* kSpreadLabel = "node(s) didn't match pod topology spread constraints (missing required label)";

const std::vector<PodAffinityTerm>& affinity_of(const Pod& pod) {
  return pod.spec.affinity.or_default().pod_affinity.or_default().required_during_scheduling_ignored_during_execution;
}
const std::vector<PodAffinityTerm>& anti_affinity_of(const Pod& pod) {
  return pod.spec.affinity.or_default().pod_anti_affinity.or_default().required_during_scheduling_ignored_during_execution;
}

// The selector, and what matchLabelKeys add to it. A selector that is absent selects nothing.
bool labels_match(const api::Opt<api::meta::v1::LabelSelector>& selector, const std::vector<std::string>& match_keys, const Pod& owner,
                  const Pod& other) {
  if (!selector) return false;
  codec::Arena arena;
  auto parsed = api::LabelSelector::from_value(api::to_value(arena, *selector));
  if (!parsed || !parsed->matches(other.metadata.labels)) return false;
  return std::all_of(match_keys.begin(), match_keys.end(), [&](const std::string& key) {
    auto own = owner.metadata.labels.find(key);
    if (own == owner.metadata.labels.end()) return true;
    auto its = other.metadata.labels.find(key);
    return its != other.metadata.labels.end() && its->second == own->second;
  });
}

const std::string* label_of(const Candidate& node, const std::string& key) {
  auto found = node.labels.find(key);
  return found == node.labels.end() ? nullptr : &found->second;
}

// The first reason counts.
void exclude(const char*& node, const char* reason) {
  if (node == nullptr) node = reason;
}

}  // namespace

std::string no_preemption(size_t nodes, bool room_helps) {
  return cat("preemption: 0/", nodes, " nodes are available: ", nodes, " ",
             room_helps ? "No preemption victims found for incoming pod." : "Preemption is not helpful for scheduling.");
}

Topology::Topology(const ClusterState& state, api::Cache<Pod>& pods, api::Cache<api::core::v1::Namespace>& namespaces)
    : state_(state), pods_(pods), namespaces_(namespaces), with_anti_affinity_(pods.index([](const Pod& pod) {
        return anti_affinity_of(pod).empty() ? api::Keys{} : api::Keys{"all"};
      })) {}

bool Topology::selects(const PodAffinityTerm& term, const Pod& owner, const Pod& other) const {
  const std::string& space = other.metadata.namespace_;
  bool here = std::find(term.namespaces.begin(), term.namespaces.end(), space) != term.namespaces.end();
  if (term.namespaces.empty() && !term.namespace_selector) here = space == owner.metadata.namespace_;
  if (!here && term.namespace_selector) {
    codec::Arena arena;
    auto parsed = api::LabelSelector::from_value(api::to_value(arena, *term.namespace_selector));
    auto object = namespaces_.find(space);
    here = parsed && object && parsed->matches(object->metadata.labels);
  }
  if (!here || !labels_match(term.label_selector, term.match_label_keys, owner, other)) return false;
  return std::all_of(term.mismatch_label_keys.begin(), term.mismatch_label_keys.end(), [&](const std::string& key) {
    auto own = owner.metadata.labels.find(key), its = other.metadata.labels.find(key);
    return own == owner.metadata.labels.end() || its == other.metadata.labels.end() || own->second != its->second;
  });
}

const std::string* Topology::domain_of(const std::string& pod_key, const std::string& topology_key) const {
  const Candidate* node = state_.node_of(pod_key);
  return node == nullptr ? nullptr : label_of(*node, topology_key);
}

std::map<std::string, int32_t> Topology::domains(const PodAffinityTerm& term, const Pod& owner) const {
  std::map<std::string, int32_t> out;
  for (const auto& [key, other] : pods_.objects()) {
    const std::string* domain = domain_of(key, term.topology_key);
    if (domain != nullptr && selects(term, owner, *other)) ++out[*domain];
  }
  return out;
}

void Topology::exclude_by_affinity(const Pod& pod, Reasons& out) const {
  for (const PodAffinityTerm& term : affinity_of(pod)) {
    auto there = domains(term, pod);
    bool first = there.empty() && selects(term, pod, pod);  // the first of a group that wants to be together
    for (size_t i = 0; i < out.size(); ++i) {
      const std::string* domain = label_of(state_.nodes()[i], term.topology_key);
      if (domain == nullptr || (!first && !there.contains(*domain))) exclude(out[i], kAffinity);
    }
  }
}

void Topology::exclude_by_anti_affinity(const Pod& pod, Reasons& out) const {
  for (const PodAffinityTerm& term : anti_affinity_of(pod)) {
    auto there = domains(term, pod);
    for (size_t i = 0; i < out.size(); ++i) {
      const std::string* domain = label_of(state_.nodes()[i], term.topology_key);
      if (domain != nullptr && there.contains(*domain)) exclude(out[i], kAntiAffinity);
    }
  }
}

void Topology::exclude_by_others(const Pod& pod, Reasons& out) const {
  for (const auto& [key, other] : with_anti_affinity_.at("all")) {
    for (const PodAffinityTerm& term : anti_affinity_of(*other)) {
      const std::string* taken = domain_of(key, term.topology_key);
      if (taken == nullptr || !selects(term, *other, pod)) continue;
      for (size_t i = 0; i < out.size(); ++i) {
        const std::string* domain = label_of(state_.nodes()[i], term.topology_key);
        if (domain != nullptr && *domain == *taken) exclude(out[i], kExisting);
      }
    }
  }
}

void Topology::exclude_by_spread(const Pod& pod, const TopologySpreadConstraint& constraint, Reasons& out) const {
  std::map<std::string, int32_t> counts;
  PendingPod wants = pending_pod(pod);
  for (const Candidate& node : state_.nodes()) {  // domains the pod could go to count, even when empty
    const std::string* domain = label_of(node, constraint.topology_key);
    if (domain != nullptr && (constraint.node_affinity_policy == "Ignore" || matches_node(wants, node))) counts.try_emplace(*domain);
  }
  pods_.in_namespace(pod.metadata.namespace_, [&](const std::shared_ptr<const Pod>& other) {
    if (!other->metadata.deletion_timestamp.empty()) return;
    const std::string* domain = domain_of(api::object_key(other->metadata.namespace_, other->metadata.name), constraint.topology_key);
    auto counted = domain == nullptr ? counts.end() : counts.find(*domain);
    if (counted != counts.end() && labels_match(constraint.label_selector, constraint.match_label_keys, pod, *other)) ++counted->second;
  });
  int32_t least = counts.empty() ? 0 : INT_MAX;
  for (const auto& [domain, count] : counts) least = std::min(least, count);
  if (static_cast<int32_t>(counts.size()) < constraint.min_domains.value_or(1)) least = 0;
  int32_t self = labels_match(constraint.label_selector, constraint.match_label_keys, pod, pod) ? 1 : 0;
  for (size_t i = 0; i < out.size(); ++i) {
    const std::string* domain = label_of(state_.nodes()[i], constraint.topology_key);
    if (domain == nullptr) {
      exclude(out[i], kSpreadLabel);
    } else if (auto count = counts.find(*domain); count != counts.end() && count->second + self - least > constraint.max_skew) {
      exclude(out[i], kSpread);
    }
  }
}

std::vector<const char*> Topology::excluded(const Pod& pod) const {
  bool hard_spread = std::any_of(pod.spec.topology_spread_constraints.begin(), pod.spec.topology_spread_constraints.end(),
                                 [](const auto& one) { return one.when_unsatisfiable == "DoNotSchedule"; });
  bool others = !with_anti_affinity_.at("all").empty();
  if (!hard_spread && !others && affinity_of(pod).empty() && anti_affinity_of(pod).empty()) return {};
  Reasons out(state_.nodes().size(), nullptr);
  for (const auto& constraint : pod.spec.topology_spread_constraints) {
    if (constraint.when_unsatisfiable == "DoNotSchedule") exclude_by_spread(pod, constraint, out);
  }
  exclude_by_affinity(pod, out);
  exclude_by_anti_affinity(pod, out);
  if (others) exclude_by_others(pod, out);
  return out;
}

}  // namespace kobuk::controlplane
