// What to do next for a pod, decided from its spec and from what runs. Pure and golden-tested; pod_worker.cc applies it.
// Rules: Kubernetes' "Pod Lifecycle" (init containers, sidecars, restart policy, replaced sandboxes).
#pragma once

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "node/pod.h"
#include "node/runtime_cache.h"

namespace kobuk::node {

struct ActionInput {
  const core::Pod& pod;
  const PodRuntime& runtime;
  // Container ids.
  std::set<std::string> liveness_failed, startup_failed;
  std::set<std::string> started;  // running, and past their startup probe and postStart hook
  std::set<std::string> again;    // killed by us so as to start again, whatever they ended with
};

enum class KillReason : uint8_t { kChanged, kLivenessProbe, kStartupProbe, kUnknownState };
struct ContainerKill {
  std::string id, name;
  KillReason reason;
};
struct ContainerStart {
  bool init = false;
  size_t index = 0;  // in initContainers or containers
};

struct PodActions {
  bool kill_pod = false;        // every container and the sandbox
  bool create_sandbox = false;  // after kill_pod, when both
  uint32_t attempt = 0;         // of the new sandbox
  std::vector<ContainerKill> kill;
  std::vector<ContainerStart> start;
};

PodActions compute_actions(const ActionInput& input);
std::string to_text(const PodActions& actions, const core::PodSpec& spec);  // one line, for tests and logs

const std::string& restart_policy(const core::PodSpec& spec, const core::Container& container);  // its own, else the pod's
// Does this container, having ended so, start again?
bool restarts(const core::PodSpec& spec, const core::Container& container, int32_t exit_code);

}  // namespace kobuk::node
