// The order in which surplus pods go is the one that the ReplicaSet documentation gives ("Scaling a ReplicaSet").
#include "controlplane/controllers/replicas.h"

#include <algorithm>
#include <bit>
#include <tuple>

namespace kobuk::controlplane {
namespace {

int age(int64_t since, int64_t now) { return since > 0 && now > since ? std::bit_width(static_cast<uint64_t>(now - since)) : 0; }

// Smaller goes first: unassigned, pending, not ready, cheap, with many neighbours, ready or created most recently,
// restarted most often.
auto rank(const OwnedPod& pod, int64_t now) {
  return std::tuple(pod.assigned, pod.phase, pod.ready, pod.deletion_cost, -pod.neighbours, age(pod.ready_since, now), -pod.restarts,
                    age(pod.created, now), std::string_view(pod.name));
}

}  // namespace

ReplicaPlan plan_replicas(int32_t wanted, std::vector<OwnedPod> pods, int64_t now, int32_t burst) {
  std::erase_if(pods, [](const OwnedPod& pod) { return pod.terminating || pod.finished; });
  ReplicaPlan plan;
  int32_t surplus = static_cast<int32_t>(pods.size()) - std::max(wanted, 0);
  if (surplus < 0) {
    plan.create = std::min(-surplus, burst);
    return plan;
  }
  std::sort(pods.begin(), pods.end(), [now](const OwnedPod& a, const OwnedPod& b) { return rank(a, now) < rank(b, now); });
  for (int32_t i = 0; i < std::min(surplus, burst); ++i) plan.remove.push_back(pods[static_cast<size_t>(i)].name);
  return plan;
}

}  // namespace kobuk::controlplane
