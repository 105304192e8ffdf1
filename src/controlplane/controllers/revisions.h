// The revisions of a Deployment, as its ReplicaSets remember them in annotations. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "controlplane/controllers/deployment_status.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {

inline constexpr const char* kRevision = "deployment.kubernetes.io/revision";
inline constexpr const char* kRevisionHistory = "deployment.kubernetes.io/revision-history";
inline constexpr const char* kDesiredReplicas = "deployment.kubernetes.io/desired-replicas";
inline constexpr const char* kMaxReplicas = "deployment.kubernetes.io/max-replicas";

int64_t number_of(const ObjectMeta& metadata, const char* annotation);  // 0 when it is none
int64_t next_revision(const std::vector<SetPointer>& old);
// Gives the set the Deployment's annotations and the revision, when that is newer than its own.
void set_revision(ReplicaSet& set, const Deployment& deployment, int64_t revision);
// Notes the size of the Deployment: what proportional scaling and the detection of scaling go by.
void note_replicas(ReplicaSet& set, const Deployment& deployment, int32_t max_surge);
// A new set of the Deployment's template, without replicas.
ReplicaSet new_set(const Deployment& deployment, int64_t revision);
// The old sets that revisionHistoryLimit no longer keeps, oldest first.
std::vector<SetPointer> beyond_history(const Deployment& deployment, const std::vector<SetPointer>& old);

}  // namespace kobuk::controlplane
