// A pod's status from what runs. Rules: Kubernetes' "Pod Lifecycle": phases, conditions, container states. Pure.
#pragma once

#include <map>
#include <set>
#include <string>

#include "node/pod.h"
#include "node/runtime_cache.h"

namespace kobuk::node {

// Why a container does not run (yet): "ErrImagePull", "CrashLoopBackOff".
struct WaitingReason {
  std::string reason, message;
  bool operator==(const WaitingReason&) const = default;
};

struct StatusInput {
  const core::Pod& pod;  // with the status that the cluster knows: transition times are kept from it
  const PodRuntime& runtime;
  std::map<std::string, WaitingReason> waiting;        // by container
  std::map<std::string, std::string> messages;         // termination messages by container id
  std::set<std::string> started, not_ready;            // container ids
  std::set<std::string> again;                         // container ids: they have ended, but start again
  std::string host_ip;
  WallTime now{};
  bool ended = false;                                  // nothing of it will run any more
  std::string forced_phase, reason, message;           // "Failed", "DeadlineExceeded", …
};

core::PodStatus make_status(const StatusInput& input);

// The strategic merge patch from what the cluster knows to `wanted`, with the pod's uid as precondition; empty when
// nothing of the kubelet's differs. Other writers' conditions are not touched.
std::string status_patch(const core::Pod& known, const core::PodStatus& wanted);

}  // namespace kobuk::node
