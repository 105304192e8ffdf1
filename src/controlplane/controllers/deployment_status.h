// What a Deployment's status says, pure: counts, the conditions Available, Progressing and ReplicaFailure with Kubernetes'
// reasons and messages, and when to look again.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/types/apps_v1.h"
#include "base/clock.h"
#include "controlplane/controllers/rollout.h"

namespace kobuk::controlplane {

using Deployment = api::apps::v1::Deployment;
using ReplicaSet = api::apps::v1::ReplicaSet;
using DeploymentStatus = api::apps::v1::DeploymentStatus;
using DeploymentCondition = api::apps::v1::DeploymentCondition;
using SetPointer = std::shared_ptr<const ReplicaSet>;

struct DeploymentSets {
  SetPointer current;           // of the present template; null when there is none
  std::vector<SetPointer> old;  // all others
  std::vector<SetPointer> all() const;
};

// Replaces the condition of that type; keeps the time of the last transition when the status stays, and the whole
// condition when status and reason stay.
void set_condition(DeploymentStatus& status, std::string_view type, std::string_view value, std::string_view reason, std::string message, WallTime now);
void remove_condition(DeploymentStatus& status, std::string_view type);
const DeploymentCondition* find_condition(const DeploymentStatus& status, std::string_view type);

bool has_deadline(const Deployment& deployment);
bool is_complete(const Deployment& deployment, const DeploymentStatus& status);

// Counts and Available.
DeploymentStatus counted_status(const Deployment& deployment, const DeploymentSets& sets, const RolloutBounds& bounds, WallTime now);
// The same with Progressing and ReplicaFailure, while a rollout is followed.
DeploymentStatus rollout_status(const Deployment& deployment, const DeploymentSets& sets, const RolloutBounds& bounds, WallTime now);
// How long until the progress deadline may have passed; nothing when none is running.
std::optional<Duration> deadline_in(const Deployment& deployment, const DeploymentStatus& status, WallTime now);

}  // namespace kobuk::controlplane
