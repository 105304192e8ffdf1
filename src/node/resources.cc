#include "node/resources.h"

#include <algorithm>

#include "base/strings.h"

namespace kobuk::node {
namespace {
constexpr int64_t kPeriod = 100'000;

std::string folder_of(Qos qos) {
  switch (qos) {
    case Qos::kGuaranteed: return "guaranteed";
    case Qos::kBurstable: return "burstable";
    case Qos::kBestEffort: break;
  }
  return "besteffort";
}

int64_t request_of(const core::ResourceRequirements& resources, const std::string& name, bool milli) {
  const auto& list = resources.requests.contains(name) ? resources.requests : resources.limits;
  return milli ? milli_of(list, name) : value_of(list, name);
}
}  // namespace

int64_t cpu_shares(int64_t millicores) { return std::clamp<int64_t>(millicores * 1024 / 1000, 2, 262'144); }

int64_t cpu_quota(int64_t millicores) {
  return millicores == 0 ? 0 : std::max<int64_t>(millicores * kPeriod / 1000, 1000);
}

int64_t oom_score_adj(const core::Pod& pod, const core::Container& container, int64_t node_memory) {
  if (pod.spec.priority.value_or(0) >= 2'000'000'000) return -997;  // node-critical
  Qos qos = qos_class(pod.spec);
  if (qos == Qos::kGuaranteed) return -997;
  if (qos == Qos::kBestEffort || node_memory <= 0) return 1000;
  int64_t request = request_of(container.resources, "memory", false);
  auto adjust = static_cast<int64_t>(1000.0 - 1000.0 * static_cast<double>(request) / static_cast<double>(node_memory));
  return std::clamp<int64_t>(adjust, 3, 999);
}

engine::CriResources container_resources(const core::Pod& pod, const core::Container& container, int64_t node_memory) {
  engine::CriResources out;
  out.cpu_shares = cpu_shares(request_of(container.resources, "cpu", true));
  out.cpu_quota = cpu_quota(milli_of(container.resources.limits, "cpu"));
  if (out.cpu_quota > 0) out.cpu_period = kPeriod;
  out.memory_limit = value_of(container.resources.limits, "memory");
  out.oom_score_adj = oom_score_adj(pod, container, node_memory);
  return out;
}

std::string pod_cgroup_path(const std::string& root, const core::Pod& pod) {
  return cat(root, "/pods/", folder_of(qos_class(pod.spec)), "/pod", pod.metadata.uid);
}

sys::CgroupLimits pod_cgroup_limits(const core::PodSpec& spec) {
  sys::CgroupLimits out;
  int64_t shares = 0, quota = 0, memory = 0;
  bool every_cpu = true, every_memory = true;
  auto add = [&](const core::Container& container) {
    shares += request_of(container.resources, "cpu", true);
    int64_t cpu = milli_of(container.resources.limits, "cpu"), bytes = value_of(container.resources.limits, "memory");
    quota += cpu;
    memory += bytes;
    every_cpu = every_cpu && cpu > 0;
    every_memory = every_memory && bytes > 0;
  };
  for (const core::Container& container : spec.containers) add(container);
  for (const core::Container& container : spec.init_containers) {
    if (is_sidecar(container)) add(container);
  }
  // Init containers run alone: the pod needs the larger of the two.
  for (const core::Container& container : spec.init_containers) {
    if (is_sidecar(container)) continue;
    int64_t cpu = milli_of(container.resources.limits, "cpu"), bytes = value_of(container.resources.limits, "memory");
    every_cpu = every_cpu && cpu > 0;
    every_memory = every_memory && bytes > 0;
    shares = std::max(shares, request_of(container.resources, "cpu", true));
    quota = std::max(quota, cpu);
    memory = std::max(memory, bytes);
  }
  out.cpu_shares = static_cast<uint64_t>(cpu_shares(shares));
  if (every_cpu && quota > 0) out.cpu_quota_us = cpu_quota(quota), out.cpu_period_us = kPeriod;
  if (every_memory && memory > 0) out.memory_max = memory;
  return out;
}

}  // namespace kobuk::node
