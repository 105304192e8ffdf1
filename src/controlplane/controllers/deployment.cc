// Deployments (apps/v1). Each look at a Deployment makes one step: claims its ReplicaSets, makes or finds the one of the
// present template, resizes sets within the bounds, cleans up, and says so in the status; the changes that follow bring
// the next look. What is decided is pure and stands in rollout.h, revisions.h and deployment_status.h.
#include "controlplane/controllers/deployment.h"

#include <algorithm>

#include "api/decode.h"
#include "api/struct_patch.h"
#include "controlplane/controllers/claims.h"
#include "controlplane/controllers/revisions.h"
#include "controlplane/controllers/template_hash.h"

namespace kobuk::controlplane {
namespace {

const api::GroupVersionResource kDeployments{"apps", "v1", "deployments"};
const api::GroupVersionResource kSets{"apps", "v1", "replicasets"};

RolloutBounds bounds_of(const Deployment& deployment) {
  const auto& rolling = deployment.spec.strategy.rolling_update.or_default();
  if (deployment.spec.strategy.type == "Recreate") return {0, 0};
  auto bounds = resolve_bounds(rolling.max_surge.value_or("25%").text(), rolling.max_unavailable.value_or("25%").text(),
                               deployment.spec.replicas.value_or(1));
  return bounds ? *bounds : RolloutBounds{1, 0};  // validation let it pass, so it is a number
}

Rollout rollout_of(const Deployment& deployment) {
  RolloutBounds bounds = bounds_of(deployment);
  Rollout out{.replicas = deployment.spec.replicas.value_or(1), .max_surge = bounds.max_surge, .max_unavailable = bounds.max_unavailable};
  if (deployment.spec.strategy.type == "Recreate") out.strategy = RolloutStrategy::kRecreate;
  out.paused = deployment.spec.paused;
  return out;
}

SetSize size_of(const SetPointer& set) {
  if (!set) return {};
  return {.name = set->metadata.name,
          .wanted = set->spec.replicas.value_or(1),
          .actual = set->status.replicas,
          .available = set->status.available_replicas,
          .created = seconds_of(set->metadata.creation_timestamp),
          .max_replicas = static_cast<int32_t>(number_of(set->metadata, kMaxReplicas))};
}

std::vector<SetSize> sizes_of(const std::vector<SetPointer>& sets) {
  std::vector<SetSize> out;
  for (const SetPointer& set : sets) out.push_back(size_of(set));
  return out;
}

// The user has changed the Deployment's size, and the sets don't know yet.
bool is_scaling(const Deployment& deployment, const DeploymentSets& sets) {
  for (const SetPointer& set : sets.all()) {
    if (set->spec.replicas.value_or(1) == 0 || !set->metadata.annotations.contains(kDesiredReplicas)) continue;
    if (number_of(set->metadata, kDesiredReplicas) != deployment.spec.replicas.value_or(1)) return true;
  }
  return false;
}

}  // namespace

DeploymentController::DeploymentController(ControllerContext& context)
    : Controller(context, "deployment-controller", 8),
      deployments_(context.caches.of<Deployment>()),
      sets_(context.caches.of<ReplicaSet>()),
      pods_(context.caches.of<Pod>()),
      sets_by_controller_(sets_.index([](const ReplicaSet& set) { return controller_keys(set.metadata); })),
      pods_by_controller_(pods_.index([](const Pod& pod) { return controller_keys(pod.metadata); })) {
  deployments_.on_change([this](const api::Cache<Deployment>::Change& change) {
    if (change.after) queue_.add(change.key);
  });
  sets_.on_change([this](const api::Cache<ReplicaSet>::Change& change) { set_changed(change); });
  pods_.on_change([this](const api::Cache<Pod>::Change& change) {
    if (!change.after) pod_gone(*change.before);
  });
}

void DeploymentController::set_changed(const api::Cache<ReplicaSet>::Change& change) {
  bool orphan = false;
  for (const ReplicaSet* set : {change.before.get(), change.after.get()}) {
    if (set == nullptr) continue;
    const OwnerReference* owner = controller_of(set->metadata);
    if (owner != nullptr && owner->kind == "Deployment") queue_.add(api::object_key(set->metadata.namespace_, owner->name));
    orphan = owner == nullptr && change.after;
  }
  if (!orphan) return;
  deployments_.in_namespace(change.after->metadata.namespace_, [&](const Pointer& deployment) {
    auto selector = selector_of(deployment->spec.selector);
    if (selector && selector->matches(change.after->metadata.labels)) queue_.add(key_of(deployment->metadata));
  });
}

// Recreate waits for the last old pod.
void DeploymentController::pod_gone(const Pod& pod) {
  const OwnerReference* owner = controller_of(pod.metadata);
  if (owner == nullptr || owner->kind != "ReplicaSet" || !pods_by_controller_.at(owner->uid).empty()) return;
  SetPointer set = sets_.find(api::object_key(pod.metadata.namespace_, owner->name));
  const OwnerReference* deployment = set ? controller_of(set->metadata) : nullptr;
  if (deployment != nullptr) queue_.add(api::object_key(pod.metadata.namespace_, deployment->name));
}

bool DeploymentController::old_pods_run(const DeploymentSets& sets) const {
  for (const SetPointer& set : sets.old) {
    for (const auto& [key, pod] : pods_by_controller_.at(set->metadata.uid)) {
      if (!is_finished(*pod)) return true;
    }
  }
  return false;
}

DeploymentSets DeploymentController::look_up(const Deployment& deployment, const api::LabelSelector& selector) const {
  DeploymentSets out;
  out.old = claim<ReplicaSet>(controller_reference(deployment), deployment.metadata, selector, sets_by_controller_).owned;
  std::sort(out.old.begin(), out.old.end(), [](const SetPointer& a, const SetPointer& b) {
    return std::tie(a->metadata.creation_timestamp, a->metadata.name) < std::tie(b->metadata.creation_timestamp, b->metadata.name);
  });
  auto current = std::find_if(out.old.begin(), out.old.end(), [&](const SetPointer& set) {
    return same_template(set->spec.template_, deployment.spec.template_);
  });
  if (current != out.old.end()) {
    out.current = *current;
    out.old.erase(current);
  }
  return out;
}

io::Task<Result<DeploymentSets>> DeploymentController::claim_sets(Pointer deployment) {
  KOBUK_CO_TRY(api::LabelSelector selector, selector_of(deployment->spec.selector));
  OwnerReference owner = controller_reference(*deployment);
  Claims<ReplicaSet> claims = claim<ReplicaSet>(owner, deployment->metadata, selector, sets_by_controller_);
  if (!claims.steps.empty()) {
    KOBUK_CO_TRY(std::string newest, co_await apply_claims(&context_.client, kDeployments, deployment->metadata.namespace_, owner,
                                                           kSets, std::move(claims.steps)));
    co_await sets_.reached(newest);
  }
  co_return look_up(*deployment, selector);
}

io::Task<Result<void>> DeploymentController::reconcile(std::string key) {
  Pointer deployment = deployments_.find(key);
  if (!deployment) co_return Result<void>();
  Result<void> result = co_await reconcile_one(deployment);
  co_return result;
}

io::Task<Result<void>> DeploymentController::reconcile_one(Pointer deployment) {
  KOBUK_CO_TRY(DeploymentSets sets, co_await claim_sets(deployment));
  RolloutBounds bounds = bounds_of(*deployment);
  if (is_deleting(deployment->metadata)) {
    co_return co_await write_status(deployment, counted_status(*deployment, sets, bounds, context_.loop.now()));
  }
  KOBUK_CO_CHECK(co_await sync_paused_condition(deployment));
  deployment = deployments_.find(key_of(deployment->metadata));
  if (!deployment) co_return Result<void>();
  bool only_scales = deployment->spec.paused || is_scaling(*deployment, sets);
  bool create = !only_scales && (deployment->spec.strategy.type != "Recreate" || !old_pods_run(sets));
  KOBUK_CO_CHECK(co_await sync_current(deployment, sets, create));

  KOBUK_CO_TRY(sets, co_await claim_sets(deployment));
  deployment = deployments_.find(key_of(deployment->metadata));
  if (!deployment) co_return Result<void>();
  if (only_scales) {
    std::vector<Resize> sizes = scale_sizes(rollout_of(*deployment), size_of(sets.current), sizes_of(sets.old));
    KOBUK_CO_CHECK(co_await resize(deployment, sets, std::move(sizes)));
    if (deployment->spec.paused) KOBUK_CO_CHECK(co_await clean_up(deployment, sets));
    co_return co_await write_status(deployment, counted_status(*deployment, sets, bounds, context_.loop.now()));
  }
  KOBUK_CO_TRY(bool resized, co_await roll_out(deployment, sets));
  DeploymentStatus status = rollout_status(*deployment, sets, bounds, context_.loop.now());
  if (!resized && is_complete(*deployment, status)) KOBUK_CO_CHECK(co_await clean_up(deployment, sets));
  if (auto left = deadline_in(*deployment, status, context_.loop.now())) queue_.add_after(key_of(deployment->metadata), *left);
  co_return co_await write_status(deployment, std::move(status));
}

io::Task<Result<bool>> DeploymentController::roll_out(Pointer deployment, DeploymentSets sets) {
  Rollout rollout = rollout_of(*deployment);
  if (!sets.current && rollout.strategy == RolloutStrategy::kRollingUpdate) co_return false;  // its creation failed
  std::vector<Resize> sizes = next_sizes(rollout, size_of(sets.current), sizes_of(sets.old));
  // Recreate sizes the new set only when it exists, which is when no old pod runs any more.
  std::erase_if(sizes, [](const Resize& size) { return size.name.empty(); });
  KOBUK_CO_TRY(bool resized, co_await resize(deployment, std::move(sets), std::move(sizes)));
  co_return resized;
}

io::Task<Result<void>> DeploymentController::sync_paused_condition(Pointer deployment) {
  if (!has_deadline(*deployment)) co_return Result<void>();
  const DeploymentCondition* progressing = find_condition(deployment->status, "Progressing");
  if (progressing != nullptr && progressing->reason == "ProgressDeadlineExceeded") co_return Result<void>();
  bool known = progressing != nullptr && progressing->reason == "DeploymentPaused";
  if (deployment->spec.paused == known) co_return Result<void>();
  DeploymentStatus status = deployment->status;
  if (deployment->spec.paused) {
    set_condition(status, "Progressing", "Unknown", "DeploymentPaused", "Deployment is paused", context_.loop.now());
  } else {
    set_condition(status, "Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed", context_.loop.now());
  }
  co_return co_await write_status(deployment, std::move(status));
}

io::Task<Result<void>> DeploymentController::sync_current(Pointer deployment, DeploymentSets sets, bool create) {
  int64_t revision = next_revision(sets.old);
  if (!sets.current) {
    if (create) KOBUK_CO_CHECK(co_await create_set(deployment, std::move(sets), revision));
    co_return Result<void>();
  }
  ReplicaSet after = *sets.current;
  set_revision(after, *deployment, revision);
  after.spec.min_ready_seconds = deployment->spec.min_ready_seconds;
  std::string own = after.metadata.annotations[kRevision];
  KOBUK_CO_CHECK(co_await write_set(sets.current, std::move(after)));
  KOBUK_CO_CHECK(co_await write_revision(deployment, own));
  if (!has_deadline(*deployment) || find_condition(deployment->status, "Progressing") != nullptr) co_return Result<void>();
  DeploymentStatus status = deployment->status;
  set_condition(status, "Progressing", "True", "FoundNewReplicaSet",
                cat("Found new replica set \"", sets.current->metadata.name, "\""), context_.loop.now());
  co_return co_await write_status(deployment, std::move(status));
}

io::Task<Result<void>> DeploymentController::create_set(Pointer deployment, DeploymentSets sets, int64_t revision) {
  ReplicaSet set = new_set(*deployment, revision);
  Rollout rollout = rollout_of(*deployment);
  note_replicas(set, *deployment, rollout.max_surge);
  // A rolling update starts with as many as fit beside the old ones.
  std::vector<SetSize> old = sizes_of(sets.old);
  int32_t others = 0;
  for (const SetSize& size : old) others += size.wanted;
  int32_t room = std::max(0, rollout.replicas + rollout.max_surge - others);
  set.spec.replicas = rollout.strategy == RolloutStrategy::kRecreate ? rollout.replicas : std::min(rollout.replicas, room);
  std::string text = api::to_json(set);
  auto answer = co_await context_.client.create(kSets, set.metadata.namespace_, std::move(text));
  if (!answer) co_return co_await settle_collision(deployment, std::move(answer).error(), set.metadata.name);
  co_await sets_.reached(resource_version_of(*answer));
  if (*set.spec.replicas > 0) report_resize(*deployment, set.metadata.name, 0, *set.spec.replicas);
  if (has_deadline(*deployment)) {
    DeploymentStatus status = deployment->status;
    set_condition(status, "Progressing", "True", "NewReplicaSetCreated", cat("Created new replica set \"", set.metadata.name, "\""),
                  context_.loop.now());
    KOBUK_CO_CHECK(co_await write_status(deployment, std::move(status)));
  }
  co_return co_await write_revision(deployment, cat(revision));
}

// The name is taken by another template's set: the next hash is another one. Other errors go into the status.
io::Task<Result<void>> DeploymentController::settle_collision(Pointer deployment, Error error, std::string name) {
  if (is_namespace_terminating(error)) co_return Result<void>();
  DeploymentStatus status = deployment->status;
  if (error.code() == Code::kAlreadyExists) {
    KOBUK_CO_TRY(std::string text, co_await context_.client.get(kSets, deployment->metadata.namespace_, name));
    KOBUK_CO_TRY(ReplicaSet there, api::from_json<ReplicaSet>(text));
    const OwnerReference* owner = controller_of(there.metadata);
    bool ours = owner != nullptr && owner->uid == deployment->metadata.uid && same_template(there.spec.template_, deployment->spec.template_);
    if (ours) {
      co_await sets_.reached(there.metadata.resource_version);
      co_return Result<void>();
    }
    status.collision_count = status.collision_count.value_or(0) + 1;
  } else if (has_deadline(*deployment)) {
    set_condition(status, "Progressing", "False", "ReplicaSetCreateError",
                  cat("Failed to create new replica set \"", name, "\": ", error.message()), context_.loop.now());
  }
  KOBUK_CO_CHECK(co_await write_status(deployment, std::move(status)));
  co_return fail(std::move(error));
}

void DeploymentController::report_resize(const Deployment& deployment, const std::string& name, int32_t from, int32_t to) {
  events_.record(api::reference_to(deployment), "Normal", "ScalingReplicaSet",
                 cat("Scaled ", from < to ? "up" : "down", " replica set ", name, " from ", from, " to ", to));
}

io::Task<Result<bool>> DeploymentController::resize(Pointer deployment, DeploymentSets sets, std::vector<Resize> sizes) {
  int32_t surge = bounds_of(*deployment).max_surge;
  for (const SetPointer& set : sets.all()) {
    ReplicaSet after = *set;
    auto size = std::find_if(sizes.begin(), sizes.end(), [&](const Resize& one) { return one.name == set->metadata.name; });
    if (size != sizes.end()) after.spec.replicas = size->replicas;
    if (*after.spec.replicas > 0 || size != sizes.end()) note_replicas(after, *deployment, surge);
    KOBUK_CO_CHECK(co_await write_set(set, std::move(after)));
    if (size != sizes.end()) report_resize(*deployment, set->metadata.name, set->spec.replicas.value_or(1), size->replicas);
  }
  co_return !sizes.empty();
}

io::Task<Result<void>> DeploymentController::clean_up(Pointer deployment, DeploymentSets sets) {
  for (const SetPointer& set : beyond_history(*deployment, sets.old)) {
    std::string options = cat("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":\"", set->metadata.uid, "\"}}");
    auto done = co_await context_.client.remove(kSets, set->metadata.namespace_, set->metadata.name, std::move(options));
    if (!done && done.error().code() != Code::kNotFound) co_return fail(std::move(done).error());
    co_await sets_.removed(key_of(set->metadata), set->metadata.uid);
  }
  co_return Result<void>();
}

io::Task<Result<void>> DeploymentController::write_set(SetPointer before, ReplicaSet after) {
  std::string patch = api::merge_patch_of(*before, after);
  if (patch.empty()) co_return Result<void>();
  KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kSets, before->metadata.namespace_, before->metadata.name,
                                                                  api::PatchType::kMerge, std::move(patch)));
  co_await sets_.reached(resource_version_of(answer));
  co_return Result<void>();
}

io::Task<Result<void>> DeploymentController::write_revision(Pointer deployment, std::string revision) {
  Deployment after = *deployment;
  after.metadata.annotations[kRevision] = std::move(revision);
  std::string patch = api::merge_patch_of(*deployment, after);
  if (patch.empty()) co_return Result<void>();
  KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kDeployments, after.metadata.namespace_, after.metadata.name,
                                                                  api::PatchType::kMerge, std::move(patch)));
  co_await deployments_.reached(resource_version_of(answer));
  co_return Result<void>();
}

io::Task<Result<void>> DeploymentController::write_status(Pointer deployment, DeploymentStatus status) {
  Deployment after = *deployment;
  after.status = std::move(status);
  std::string patch = api::merge_patch_of(*deployment, after);
  if (patch.empty()) co_return Result<void>();
  KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kDeployments, after.metadata.namespace_, after.metadata.name,
                                                                  api::PatchType::kMerge, std::move(patch), "status"));
  co_await deployments_.reached(resource_version_of(answer));
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
