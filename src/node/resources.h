// Requests and limits as the kernel gets them. Rules: Kubernetes' "Resource Management for Pods and Containers", with
// the numbers of the kubelet (1024 shares a CPU, a period of 100 ms, OOM scores by quality of service). Pure.
#pragma once

#include <string>

#include "engine/cri.h"
#include "node/pod.h"
#include "sys/cgroup.h"

namespace kobuk::node {

int64_t cpu_shares(int64_t millicores);  // 2…262144
int64_t cpu_quota(int64_t millicores);   // µs per 100 ms; 0: no limit
// node_memory: capacity in bytes.
int64_t oom_score_adj(const core::Pod& pod, const core::Container& container, int64_t node_memory);
engine::CriResources container_resources(const core::Pod& pod, const core::Container& container, int64_t node_memory);

// "<root>/pods/burstable/pod<uid>".
std::string pod_cgroup_path(const std::string& root, const core::Pod& pod);
sys::CgroupLimits pod_cgroup_limits(const core::PodSpec& spec);

}  // namespace kobuk::node
