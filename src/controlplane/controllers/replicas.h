// Which pods a ReplicaSet creates or deletes next, pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace kobuk::controlplane {

struct OwnedPod {
  std::string name;
  bool assigned = false;  // to a node
  bool ready = false;
  bool terminating = false;  // has a deletionTimestamp
  bool finished = false;     // phase Succeeded or Failed
  enum class Phase { kPending, kUnknown, kRunning } phase = Phase::kPending;
  int32_t restarts = 0;
  int32_t neighbours = 0;    // active pods of the same Deployment or ReplicaSet on its node, itself among them
  int32_t deletion_cost = 0;  // annotation controller.kubernetes.io/pod-deletion-cost
  int64_t ready_since = 0;    // seconds since the epoch
  int64_t created = 0;
};

struct ReplicaPlan {
  int32_t create = 0;
  std::vector<std::string> remove;  // in this order
};

// Pods that terminate or have finished count as gone. At most `burst` pods are created or deleted at once. `now`: seconds
// since the epoch; ages are compared in powers of two, so that not always the newest pods go.
ReplicaPlan plan_replicas(int32_t wanted, std::vector<OwnedPod> pods, int64_t now, int32_t burst = 500);

}  // namespace kobuk::controlplane
