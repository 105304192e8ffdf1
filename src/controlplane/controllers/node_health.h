// What a node's conditions mean for the pods on it, pure: taints by condition, and how long a pod stays on a tainted node.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "api/types/core_v1.h"
#include "base/clock.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {

using Node = api::core::v1::Node;
using NodeTaint = api::core::v1::Taint;

const api::core::v1::NodeCondition* find_condition(const Node& node, std::string_view type);
// Ready, MemoryPressure, DiskPressure and PIDPressure become Unknown: the kubelet is silent. What it said last stays as
// lastHeartbeatTime.
void mark_unknown(Node& node, const std::string& now);
// The taints that the node should have: those of others, and ours by its conditions and spec.unschedulable. `disrupted`: no
// node answers at all, so it is more likely that we are cut off, and nobody is to be evicted.
std::vector<NodeTaint> wanted_taints(const Node& node, const std::string& now, bool disrupted);
// How long the pod stays on the node, counted from when the first NoExecute taint that it tolerates for a time was set;
// zero: it must go now; nothing: it may stay. `since`: when a taint that says no time was first seen.
std::optional<Duration> eviction_in(const Pod& pod, const Node& node, WallTime since, WallTime now);

}  // namespace kobuk::controlplane
