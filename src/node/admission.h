// What of a pod this node can't do, and says so instead of running it without. Pure.
#pragma once

#include <optional>
#include <string>

#include "node/container_config.h"

namespace kobuk::node {

struct Refusal {
  std::string reason, message;  // "AppArmor", "Cannot enforce AppArmor: …": of the event and of the pod's status
};

// Nothing when the pod may run.
std::optional<Refusal> refuse(const core::Pod& pod, const NodeConfig& node);

}  // namespace kobuk::node
