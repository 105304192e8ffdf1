// Revision annotations as kubectl rollout history and undo read them.
#include "controlplane/controllers/revisions.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "controlplane/controllers/template_hash.h"

namespace kobuk::controlplane {
namespace {

constexpr size_t kMaxHistoryBytes = 2000;

bool is_copied(std::string_view annotation) {
  constexpr std::array<std::string_view, 6> kOwn = {
      "kubectl.kubernetes.io/last-applied-configuration", kRevision, kRevisionHistory, kDesiredReplicas, kMaxReplicas,
      "deprecated.deployment.rollback.to"};
  return std::find(kOwn.begin(), kOwn.end(), annotation) == kOwn.end();
}

// "1,3": the revisions that the set had before, the oldest dropped when there is no room.
void remember(ReplicaSet& set, int64_t old_revision) {
  if (old_revision == 0) return;
  std::string& history = set.metadata.annotations[kRevisionHistory];
  history += history.empty() ? cat(old_revision) : cat(",", old_revision);
  while (history.size() > kMaxHistoryBytes) history.erase(0, history.find(',') + 1);
}

}  // namespace

int64_t number_of(const ObjectMeta& metadata, const char* annotation) {
  auto found = metadata.annotations.find(annotation);
  return found == metadata.annotations.end() ? 0 : parse_int(found->second).value_or(0);
}

int64_t next_revision(const std::vector<SetPointer>& old) {
  int64_t newest = 0;
  for (const SetPointer& set : old) newest = std::max(newest, number_of(set->metadata, kRevision));
  return newest + 1;
}

void set_revision(ReplicaSet& set, const Deployment& deployment, int64_t revision) {
  for (const auto& [key, value] : deployment.metadata.annotations) {
    if (is_copied(key)) set.metadata.annotations[key] = value;
  }
  int64_t own = number_of(set.metadata, kRevision);
  if (own >= revision) return;
  remember(set, own);
  set.metadata.annotations[kRevision] = cat(revision);
}

void note_replicas(ReplicaSet& set, const Deployment& deployment, int32_t max_surge) {
  int32_t replicas = deployment.spec.replicas.value_or(1);
  set.metadata.annotations[kDesiredReplicas] = cat(replicas);
  set.metadata.annotations[kMaxReplicas] = cat(replicas + max_surge);
}

ReplicaSet new_set(const Deployment& deployment, int64_t revision) {
  ReplicaSet set;
  std::string hash = template_hash(deployment.spec.template_, deployment.status.collision_count);
  set.metadata.name = cat(deployment.metadata.name, "-", hash);
  set.metadata.namespace_ = deployment.metadata.namespace_;
  set.metadata.owner_references = {controller_reference(deployment)};
  set.spec.replicas = 0;
  set.spec.min_ready_seconds = deployment.spec.min_ready_seconds;
  set.spec.template_ = deployment.spec.template_;
  set.spec.template_.metadata.labels[kTemplateHashLabel] = hash;
  set.metadata.labels = set.spec.template_.metadata.labels;
  set.spec.selector = deployment.spec.selector;
  set.spec.selector.get_or_emplace().match_labels[kTemplateHashLabel] = hash;
  set_revision(set, deployment, revision);
  return set;
}

std::vector<SetPointer> beyond_history(const Deployment& deployment, const std::vector<SetPointer>& old) {
  int32_t limit = deployment.spec.revision_history_limit.value_or(INT32_MAX);
  std::vector<SetPointer> kept;
  std::copy_if(old.begin(), old.end(), std::back_inserter(kept), [](const SetPointer& set) { return !is_deleting(set->metadata); });
  if (limit == INT32_MAX || kept.size() <= static_cast<size_t>(limit)) return {};
  std::sort(kept.begin(), kept.end(), [](const SetPointer& a, const SetPointer& b) {
    return number_of(a->metadata, kRevision) < number_of(b->metadata, kRevision);
  });
  kept.resize(kept.size() - static_cast<size_t>(limit));
  std::erase_if(kept, [](const SetPointer& set) {  // still in use
    return set->status.replicas != 0 || set->spec.replicas.value_or(1) != 0 || set->metadata.generation > set->status.observed_generation;
  });
  return kept;
}

}  // namespace kobuk::controlplane
