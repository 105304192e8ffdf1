// The Node object of this host: what it has, what it is, how it feels. Facts are read from the host; the object is made
// of them by pure functions.
#pragma once

#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "node/node.h"
#include "node/pod.h"

namespace kobuk::node {

struct NodeFacts {
  std::string machine_id, system_uuid, boot_id, kernel_version, os_image, architecture;
  int64_t cpu_millicores = 0, memory_bytes = 0, disk_bytes = 0;
};
NodeFacts read_node_facts(const std::string& directory);  // directory: whose disk counts

struct NodePressure {
  int64_t memory_available = 0, disk_available = 0, pids = 0, max_pids = 0;
};
NodePressure read_node_pressure(const std::string& directory);

// Labels, spec and status for registration.
core::Node make_node(const KubeletOptions& options, const NodeFacts& facts);
// Conditions with the transition times of `old` where nothing has changed. not_ready: why, or empty.
std::vector<core::NodeCondition> make_node_conditions(const NodePressure& pressure, const std::string& not_ready,
                                                      const std::vector<core::NodeCondition>& old, WallTime now);
// The strategic merge patches that bring `known` to `wanted`; empty when nothing of the kubelet's differs. With
// `heartbeat` the conditions' heartbeat times count as a difference.
std::string node_patch(const core::Node& known, const core::Node& wanted);
std::string node_status_patch(const core::Node& known, const core::NodeStatus& wanted, bool heartbeat);

}  // namespace kobuk::node
