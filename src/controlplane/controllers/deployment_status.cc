// Deployment status (Kubernetes documentation, "Deployment status"; reasons as its controller gives them).
#include "controlplane/controllers/deployment_status.h"

#include <algorithm>
#include <chrono>

#include "base/strings.h"

namespace kobuk::controlplane {
namespace {

constexpr std::string_view kProgressing = "Progressing", kAvailable = "NewReplicaSetAvailable", kTimedOut = "ProgressDeadlineExceeded";

bool has_progressed(const DeploymentStatus& before, const DeploymentStatus& after) {
  return after.updated_replicas > before.updated_replicas ||
         after.replicas - after.updated_replicas < before.replicas - before.updated_replicas ||
         after.ready_replicas > before.ready_replicas || after.available_replicas > before.available_replicas;
}

bool has_timed_out(const Deployment& deployment, const DeploymentStatus& status, WallTime now) {
  const DeploymentCondition* condition = find_condition(status, kProgressing);
  if (condition == nullptr || condition->reason == kAvailable) return false;
  if (condition->reason == kTimedOut) return true;
  auto since = parse_rfc3339(condition->last_update_time);
  return since && *since + std::chrono::seconds(*deployment.spec.progress_deadline_seconds) < now;
}

std::string subject(const Deployment& deployment, const DeploymentSets& sets) {
  if (sets.current) return cat("ReplicaSet \"", sets.current->metadata.name, "\"");
  return cat("Deployment \"", deployment.metadata.name, "\"");
}

void set_progress(DeploymentStatus& status, const Deployment& deployment, const DeploymentSets& sets, WallTime now) {
  const DeploymentCondition* current = find_condition(deployment.status, kProgressing);
  if (status.replicas == status.updated_replicas && current != nullptr && current->reason == kAvailable) return;
  std::string who = subject(deployment, sets);
  if (is_complete(deployment, status)) {
    set_condition(status, kProgressing, "True", kAvailable, cat(who, " has successfully progressed."), now);
  } else if (has_progressed(deployment.status, status)) {
    // Each step of progress starts the deadline anew.
    std::string since = current != nullptr && current->status == "True" ? current->last_transition_time : format_rfc3339(now);
    remove_condition(status, kProgressing);
    set_condition(status, kProgressing, "True", "ReplicaSetUpdated", cat(who, " is progressing."), now);
    status.conditions.back().last_transition_time = since;
  } else if (has_timed_out(deployment, status, now)) {
    set_condition(status, kProgressing, "False", kTimedOut, cat(who, " has timed out progressing."), now);
  }
}

const api::apps::v1::ReplicaSetCondition* failure_of(const DeploymentSets& sets) {
  std::vector<SetPointer> candidates = sets.old;
  if (sets.current) candidates.insert(candidates.begin(), sets.current);
  for (const SetPointer& set : candidates) {
    for (const auto& condition : set->status.conditions) {
      if (condition.type == "ReplicaFailure") return &condition;
    }
  }
  return nullptr;
}

}  // namespace

std::vector<SetPointer> DeploymentSets::all() const {
  std::vector<SetPointer> out = old;
  if (current) out.push_back(current);
  return out;
}

const DeploymentCondition* find_condition(const DeploymentStatus& status, std::string_view type) {
  for (const auto& condition : status.conditions) {
    if (condition.type == type) return &condition;
  }
  return nullptr;
}

void remove_condition(DeploymentStatus& status, std::string_view type) {
  std::erase_if(status.conditions, [&](const auto& condition) { return condition.type == type; });
}

void set_condition(DeploymentStatus& status, std::string_view type, std::string_view value, std::string_view reason, std::string message, WallTime now) {
  DeploymentCondition next;
  next.type = std::string(type);
  next.status = std::string(value);
  next.reason = std::string(reason);
  next.message = std::move(message);
  next.last_update_time = next.last_transition_time = format_rfc3339(now);
  if (const DeploymentCondition* current = find_condition(status, type)) {
    if (current->status == value && current->reason == reason) return;
    if (current->status == value) next.last_transition_time = current->last_transition_time;
  }
  remove_condition(status, type);
  status.conditions.push_back(std::move(next));
}

bool has_deadline(const Deployment& deployment) {
  // The largest number stands for "none", as in Kubernetes.
  return deployment.spec.progress_deadline_seconds && *deployment.spec.progress_deadline_seconds != INT32_MAX;
}

bool is_complete(const Deployment& deployment, const DeploymentStatus& status) {
  int32_t wanted = deployment.spec.replicas.value_or(1);
  return status.updated_replicas == wanted && status.replicas == wanted && status.available_replicas == wanted &&
         status.observed_generation >= deployment.metadata.generation;
}

DeploymentStatus counted_status(const Deployment& deployment, const DeploymentSets& sets, const RolloutBounds& bounds, WallTime now) {
  DeploymentStatus status = deployment.status;
  status.observed_generation = deployment.metadata.generation;
  status.replicas = status.ready_replicas = status.available_replicas = 0;
  status.terminating_replicas = 0;
  int32_t wanted_in_sets = 0;
  for (const SetPointer& set : sets.all()) {
    wanted_in_sets += set->spec.replicas.value_or(1);
    status.replicas += set->status.replicas;
    status.ready_replicas += set->status.ready_replicas;
    status.available_replicas += set->status.available_replicas;
    *status.terminating_replicas += set->status.terminating_replicas.value_or(0);
  }
  status.updated_replicas = sets.current ? sets.current->status.replicas : 0;
  status.unavailable_replicas = std::max(0, wanted_in_sets - status.available_replicas);
  if (status.available_replicas >= deployment.spec.replicas.value_or(1) - bounds.max_unavailable) {
    set_condition(status, "Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.", now);
  } else {
    set_condition(status, "Available", "False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.", now);
  }
  return status;
}

DeploymentStatus rollout_status(const Deployment& deployment, const DeploymentSets& sets, const RolloutBounds& bounds, WallTime now) {
  DeploymentStatus status = counted_status(deployment, sets, bounds, now);
  if (has_deadline(deployment)) {
    set_progress(status, deployment, sets, now);
  } else {
    remove_condition(status, kProgressing);
  }
  if (const auto* failure = failure_of(sets)) {
    set_condition(status, "ReplicaFailure", failure->status, failure->reason, failure->message, now);
  } else {
    remove_condition(status, "ReplicaFailure");
  }
  return status;
}

std::optional<Duration> deadline_in(const Deployment& deployment, const DeploymentStatus& status, WallTime now) {
  const DeploymentCondition* condition = find_condition(status, kProgressing);
  if (!has_deadline(deployment) || condition == nullptr || is_complete(deployment, status) || condition->reason == kTimedOut) return std::nullopt;
  if (condition->reason == kAvailable) return std::nullopt;  // done once: pods that fail later are no rollout
  auto since = parse_rfc3339(condition->last_update_time);
  if (!since) return std::nullopt;
  // One second more, so that the deadline has passed for certain.
  Duration left = *since + std::chrono::seconds(*deployment.spec.progress_deadline_seconds + 1) - now;
  return std::max<Duration>(left, std::chrono::seconds(1));
}

}  // namespace kobuk::controlplane
