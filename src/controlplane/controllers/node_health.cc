// "Taint based evictions", "Taint Nodes by Condition" and "Node status" of the documentation.
#include "controlplane/controllers/node_health.h"

#include <algorithm>
#include <array>
#include <chrono>

namespace kobuk::controlplane {
namespace {

constexpr std::string_view kNotReady = "node.kubernetes.io/not-ready", kUnreachable = "node.kubernetes.io/unreachable";
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kByCondition = {{
    {"MemoryPressure", "node.kubernetes.io/memory-pressure"},
    {"DiskPressure", "node.kubernetes.io/disk-pressure"},
    {"PIDPressure", "node.kubernetes.io/pid-pressure"},
    {"NetworkUnavailable", "node.kubernetes.io/network-unavailable"},
}};
constexpr std::string_view kUnschedulable = "node.kubernetes.io/unschedulable";

bool is_ours(const NodeTaint& taint) {
  if (taint.key == kNotReady || taint.key == kUnreachable || taint.key == kUnschedulable) return true;
  return std::any_of(kByCondition.begin(), kByCondition.end(), [&](const auto& one) { return one.second == taint.key; });
}

void add(std::vector<NodeTaint>& out, const Node& node, std::string_view key, std::string_view effect, const std::string& now) {
  for (const NodeTaint& there : node.spec.taints) {
    if (there.key == key && there.effect == effect) return out.push_back(there);  // keeps its time
  }
  NodeTaint taint;
  taint.key = std::string(key);
  taint.effect = std::string(effect);
  taint.time_added = now;
  out.push_back(std::move(taint));
}

bool tolerates(const api::core::v1::Toleration& toleration, const NodeTaint& taint) {
  if (!toleration.effect.empty() && toleration.effect != taint.effect) return false;
  if (toleration.key.empty()) return toleration.operator_ == "Exists";
  if (toleration.key != taint.key) return false;
  return toleration.operator_ == "Exists" || toleration.value == taint.value;
}

}  // namespace

const api::core::v1::NodeCondition* find_condition(const Node& node, std::string_view type) {
  for (const auto& condition : node.status.conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

void mark_unknown(Node& node, const std::string& now) {
  for (std::string_view type : {"Ready", "MemoryPressure", "DiskPressure", "PIDPressure"}) {
    auto found = std::find_if(node.status.conditions.begin(), node.status.conditions.end(), [&](const auto& condition) { return condition.type == type; });
    if (found != node.status.conditions.end() && found->status == "Unknown") continue;
    bool never = found == node.status.conditions.end();
    if (never) {
      found = node.status.conditions.emplace(found);
      found->type = std::string(type);
      found->last_heartbeat_time = node.metadata.creation_timestamp;
    }
    found->status = "Unknown";
    found->reason = never ? "NodeStatusNeverUpdated" : "NodeStatusUnknown";
    found->message = never ? "Kubelet never posted node status." : "Kubelet stopped posting node status.";
    found->last_transition_time = now;
  }
}

std::vector<NodeTaint> wanted_taints(const Node& node, const std::string& now, bool disrupted) {
  std::vector<NodeTaint> out;
  std::copy_if(node.spec.taints.begin(), node.spec.taints.end(), std::back_inserter(out), [](const NodeTaint& taint) { return !is_ours(taint); });
  const auto* ready = find_condition(node, "Ready");
  if (ready == nullptr || ready->status == "False") {
    add(out, node, kNotReady, "NoSchedule", now);
    if (ready != nullptr) add(out, node, kNotReady, "NoExecute", now);
  } else if (ready->status == "Unknown") {
    add(out, node, kUnreachable, "NoSchedule", now);
    if (!disrupted) add(out, node, kUnreachable, "NoExecute", now);
  }
  for (const auto& [type, key] : kByCondition) {
    const auto* condition = find_condition(node, type);
    if (condition != nullptr && condition->status == "True") add(out, node, key, "NoSchedule", now);
  }
  if (node.spec.unschedulable) add(out, node, kUnschedulable, "NoSchedule", now);
  return out;
}

std::optional<Duration> eviction_in(const Pod& pod, const Node& node, WallTime since, WallTime now) {
  std::optional<Duration> soonest;
  for (const NodeTaint& taint : node.spec.taints) {
    if (taint.effect != "NoExecute") continue;
    bool tolerated = false;
    std::optional<int64_t> seconds;  // the shortest of the tolerations; nothing: for ever
    for (const auto& toleration : pod.spec.tolerations) {
      if (!tolerates(toleration, taint)) continue;
      tolerated = true;
      if (toleration.toleration_seconds) seconds = std::min(seconds.value_or(INT64_MAX), std::max<int64_t>(0, *toleration.toleration_seconds));
    }
    if (!tolerated) return Duration::zero();
    if (!seconds) continue;
    // Longer than the clock can say is for ever.
    constexpr int64_t kLongest = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::hours(24 * 36500)).count();
    WallTime start = parse_rfc3339(taint.time_added).value_or(since);
    Duration left = std::max(Duration::zero(), start + std::chrono::seconds(std::min(*seconds, kLongest)) - now);
    soonest = std::min(soonest.value_or(left), left);
  }
  return soonest;
}

}  // namespace kobuk::controlplane
