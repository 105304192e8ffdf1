// The downward API: fields and resources of the pod as texts, for environments and volumes. Pure.
#pragma once

#include <string>

#include "base/result.h"
#include "node/pod.h"

namespace kobuk::node {

// What the kubelet knows that the Pod object may not say yet.
struct NodeIdentity {
  std::string node_name, host_ip, pod_ip;
  int64_t cpu_millicores = 0, memory_bytes = 0;  // allocatable: the default of limits
};

// "metadata.name", "metadata.labels['app']", "status.podIP" … kInvalid for a path that is not offered.
Result<std::string> field_value(const core::Pod& pod, const std::string& path, const NodeIdentity& node);
// "limits.cpu" of `container` in units of the divisor, rounded up.
Result<std::string> resource_value(const core::Container& container, const core::ResourceFieldSelector& selector,
                                   const NodeIdentity& node);

}  // namespace kobuk::node
