// ClusterState: what the scheduler knows of nodes and of the pods on them, kept by changes, so that a pod is placed
// without looking at any object again. Pods that have been given a node count before the API server knows (assume).
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "api/types/core_v1.h"
#include "controlplane/scheduler/fit.h"

namespace kobuk::controlplane {

PendingPod pending_pod(const api::core::v1::Pod& pod);
Candidate candidate_of(const api::core::v1::Node& node);

class ClusterState {
 public:
  void put_node(const api::core::v1::Node& node);
  void remove_node(const std::string& name);
  // The pod is on this node; whatever was known of it under this key is replaced. A pod that has ended takes nothing.
  void put_pod(const std::string& key, const api::core::v1::Pod& pod, const std::string& node);
  void remove_pod(const std::string& key);
  bool has_pod(const std::string& key) const { return pods_.contains(key); }

  const std::vector<Candidate>& nodes() const { return nodes_; }
  // By node, for Search::siblings. Empty when there are none.
  std::vector<int32_t> siblings(const std::string& owner_uid) const;
  const Candidate* node_of(const std::string& pod_key) const;  // nullptr: it has none that is known
  int32_t lowest_priority() const { return priorities_.empty() ? INT32_MAX : priorities_.begin()->first; }

 private:
  struct Placed {
    std::string node, owner;
    ResourceAmounts requests;
    std::vector<HostPort> ports;
    int32_t priority = 0;
  };
  void account(const Placed& pod, int sign);
  std::vector<Candidate> nodes_;
  std::unordered_map<std::string, size_t> index_;
  std::unordered_map<std::string, Placed> pods_;
  std::unordered_map<std::string, std::unordered_set<std::string>> pods_on_;  // by node, also of nodes not seen yet
  std::unordered_map<std::string, std::unordered_map<std::string, int32_t>> owners_;  // owner uid, node, pods
  std::map<int32_t, int64_t> priorities_;
};

}  // namespace kobuk::controlplane
