#include "controlplane/controllers/objects.h"

#include <algorithm>
#include <chrono>

#include "api/decode.h"
#include "codec/json.h"

namespace kobuk::controlplane {

const OwnerReference* controller_of(const ObjectMeta& metadata) {
  auto found = std::find_if(metadata.owner_references.begin(), metadata.owner_references.end(),
                            [](const OwnerReference& owner) { return owner.controller.value_or(false); });
  return found == metadata.owner_references.end() ? nullptr : &*found;
}

std::string orphan_key(std::string_view space) { return cat("orphans of ", space); }

api::Keys controller_keys(const ObjectMeta& metadata) {
  const OwnerReference* owner = controller_of(metadata);
  return {owner != nullptr ? owner->uid : orphan_key(metadata.namespace_)};
}

std::string key_of(const ObjectMeta& metadata) { return api::object_key(metadata.namespace_, metadata.name); }

bool is_deleting(const ObjectMeta& metadata) { return !metadata.deletion_timestamp.empty(); }

std::string resource_version_of(std::string_view json) {
  auto document = codec::parse_json(json);
  if (!document || document->root["kind"].as_string() == "Status") return "";
  return std::string(document->root["metadata"]["resourceVersion"].as_string());
}

Result<api::LabelSelector> selector_of(const api::Opt<api::meta::v1::LabelSelector>& selector) {
  if (!selector) return api::LabelSelector::nothing();
  codec::Arena arena;
  return api::LabelSelector::from_value(api::to_value(arena, *selector));
}

int64_t seconds_of(std::string_view time) {
  auto parsed = parse_rfc3339(time);
  return parsed ? std::chrono::floor<std::chrono::seconds>(*parsed).time_since_epoch().count() : 0;
}

const api::core::v1::PodCondition* find_condition(const Pod& pod, std::string_view type) {
  for (const auto& condition : pod.status.conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

bool is_ready(const Pod& pod) {
  const auto* condition = find_condition(pod, "Ready");
  return condition != nullptr && condition->status == "True";
}

bool is_finished(const Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

bool is_active(const Pod& pod) { return !is_finished(pod) && !is_deleting(pod.metadata); }

std::optional<Duration> available_in(const Pod& pod, int32_t min_ready_seconds, WallTime now) {
  if (!is_ready(pod)) return std::nullopt;
  if (min_ready_seconds <= 0) return Duration::zero();
  auto since = parse_rfc3339(find_condition(pod, "Ready")->last_transition_time);
  if (!since) return std::nullopt;
  return std::max(Duration::zero(), *since + std::chrono::seconds(min_ready_seconds) - now);
}

bool is_namespace_terminating(const Error& error) {
  return error.code() == Code::kPermissionDenied && error.message().find("being terminated") != std::string::npos;
}

}  // namespace kobuk::controlplane
