// What other pods forbid: required pod affinity and anti-affinity, and topology spread constraints that say DoNotSchedule.
// Asked only for pods that state such, or when pods with anti-affinity run.
#pragma once

#include <string>
#include <vector>

#include "api/cache.h"
#include "api/types/core_v1.h"
#include "controlplane/scheduler/cluster_state.h"

namespace kobuk::controlplane {

class Topology {
 public:
  Topology(const ClusterState& state, api::Cache<api::core::v1::Pod>& pods, api::Cache<api::core::v1::Namespace>& namespaces);
  // By node: why the pod may not go there, or nullptr. Empty: nothing is against any.
  std::vector<const char*> excluded(const api::core::v1::Pod& pod) const;

 private:
  using Pod = api::core::v1::Pod;
  using Reasons = std::vector<const char*>;
  void exclude_by_affinity(const Pod& pod, Reasons& out) const;
  void exclude_by_anti_affinity(const Pod& pod, Reasons& out) const;
  void exclude_by_others(const Pod& pod, Reasons& out) const;
  void exclude_by_spread(const Pod& pod, const api::core::v1::TopologySpreadConstraint& constraint, Reasons& out) const;
  bool selects(const api::core::v1::PodAffinityTerm& term, const Pod& owner, const Pod& other) const;
  // How many pods that the term selects are in each domain of its topology.
  std::map<std::string, int32_t> domains(const api::core::v1::PodAffinityTerm& term, const Pod& owner) const;
  const std::string* domain_of(const std::string& pod_key, const std::string& topology_key) const;

  const ClusterState& state_;
  api::Cache<Pod>& pods_;
  api::Cache<api::core::v1::Namespace>& namespaces_;
  api::Index<Pod>& with_anti_affinity_;
};

// What upstream adds to a reason when no pod could make room.
std::string no_preemption(size_t nodes, bool room_helps);

}  // namespace kobuk::controlplane
