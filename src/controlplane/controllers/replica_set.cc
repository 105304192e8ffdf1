// ReplicaSets (apps/v1): pods by template, adoption and release, creation in batches of 1, 2, 4, … so that a template
// which the server refuses costs one request, not thousands.
#include "controlplane/controllers/replica_set.h"

#include <algorithm>
#include <chrono>

#include "api/decode.h"
#include "api/struct_patch.h"
#include "controlplane/controllers/claims.h"
#include "controlplane/controllers/replicas.h"

namespace kobuk::controlplane {
namespace {

constexpr int32_t kBurst = 500;
const api::GroupVersionResource kPods{"", "v1", "pods"};
const api::GroupVersionResource kSets{"apps", "v1", "replicasets"};

// The same text for every pod of the set: the server gives the names.
std::string pod_of(const ReplicaSet& set) {
  Pod pod;
  const auto& meta = set.spec.template_.metadata;
  pod.metadata.generate_name = cat(set.metadata.name, "-");
  pod.metadata.namespace_ = set.metadata.namespace_;
  pod.metadata.labels = meta.labels;
  pod.metadata.annotations = meta.annotations;
  pod.metadata.finalizers = meta.finalizers;
  pod.metadata.owner_references = {controller_reference(set)};
  pod.spec = set.spec.template_.spec;
  return api::to_json(pod);
}

OwnedPod owned_pod(const Pod& pod) {
  OwnedPod out{.name = pod.metadata.name};
  out.assigned = !pod.spec.node_name.empty();
  out.ready = is_ready(pod);
  out.terminating = is_deleting(pod.metadata);
  out.finished = is_finished(pod);
  out.phase = pod.status.phase == "Running"   ? OwnedPod::Phase::kRunning
              : pod.status.phase == "Unknown" ? OwnedPod::Phase::kUnknown
                                              : OwnedPod::Phase::kPending;
  for (const auto& status : pod.status.container_statuses) out.restarts = std::max(out.restarts, status.restart_count);
  auto cost = pod.metadata.annotations.find("controller.kubernetes.io/pod-deletion-cost");
  if (cost != pod.metadata.annotations.end()) out.deletion_cost = static_cast<int32_t>(parse_int(cost->second).value_or(0));
  if (out.ready) out.ready_since = seconds_of(find_condition(pod, "Ready")->last_transition_time);
  out.created = seconds_of(pod.metadata.creation_timestamp);
  return out;
}

bool has_labels(const ObjectMeta& metadata, const std::map<std::string, std::string>& labels) {
  return std::all_of(labels.begin(), labels.end(), [&](const auto& label) {
    auto found = metadata.labels.find(label.first);
    return found != metadata.labels.end() && found->second == label.second;
  });
}

}  // namespace

api::apps::v1::ReplicaSetStatus replica_set_status(const ReplicaSet& set, const std::vector<std::shared_ptr<const Pod>>& pods,
                                                   const Result<void>& adjusted, WallTime now) {
  api::apps::v1::ReplicaSetStatus status = set.status;
  status.replicas = status.fully_labeled_replicas = status.ready_replicas = status.available_replicas = 0;
  status.terminating_replicas = 0;
  for (const auto& pod : pods) {
    if (is_deleting(pod->metadata) && !is_finished(*pod)) ++*status.terminating_replicas;
    if (!is_active(*pod)) continue;
    ++status.replicas;
    if (has_labels(pod->metadata, set.spec.template_.metadata.labels)) ++status.fully_labeled_replicas;
    if (is_ready(*pod)) ++status.ready_replicas;
    if (available_in(*pod, set.spec.min_ready_seconds, now) == Duration::zero()) ++status.available_replicas;
  }
  status.observed_generation = set.metadata.generation;
  std::erase_if(status.conditions, [&](const auto& c) { return adjusted && c.type == "ReplicaFailure"; });
  if (!adjusted && std::none_of(status.conditions.begin(), status.conditions.end(),
                                [](const auto& c) { return c.type == "ReplicaFailure"; })) {
    api::apps::v1::ReplicaSetCondition failure;
    failure.type = "ReplicaFailure";
    failure.status = "True";
    failure.reason = status.replicas < set.spec.replicas.value_or(1) ? "FailedCreate" : "FailedDelete";
    failure.message = adjusted.error().message();
    failure.last_transition_time = format_rfc3339(now);
    status.conditions.push_back(std::move(failure));
  }
  return status;
}

ReplicaSetController::ReplicaSetController(ControllerContext& context)
    : Controller(context, "replicaset-controller", 16),
      sets_(context.caches.of<ReplicaSet>()),
      pods_(context.caches.of<Pod>()),
      pods_by_controller_(pods_.index([](const Pod& pod) { return controller_keys(pod.metadata); })),
      sets_by_controller_(sets_.index([](const ReplicaSet& set) { return controller_keys(set.metadata); })) {
  sets_.on_change([this](const api::Cache<ReplicaSet>::Change& change) {
    if (change.after) queue_.add(change.key);
  });
  pods_.on_change([this](const api::Cache<Pod>::Change& change) { pod_changed(change); });
}

void ReplicaSetController::pod_changed(const api::Cache<Pod>::Change& change) {
  bool orphan = false;
  for (const Pod* pod : {change.before.get(), change.after.get()}) {
    if (pod == nullptr) continue;
    const OwnerReference* owner = controller_of(pod->metadata);
    if (owner != nullptr && owner->kind == "ReplicaSet") queue_.add(api::object_key(pod->metadata.namespace_, owner->name));
    orphan = owner == nullptr && change.after;
  }
  if (!orphan || is_deleting(change.after->metadata)) return;
  sets_.in_namespace(change.after->metadata.namespace_, [&](const Set& set) {
    auto selector = selector_of(set->spec.selector);
    if (selector && selector->matches(change.after->metadata.labels)) queue_.add(key_of(set->metadata));
  });
}

io::Task<Result<void>> ReplicaSetController::reconcile(std::string key) {
  Set set = sets_.find(key);
  if (!set) co_return Result<void>();
  KOBUK_CO_TRY(Pods pods, co_await claim_pods(set));
  Result<void> adjusted;
  if (!is_deleting(set->metadata)) adjusted = co_await adjust(set, std::move(pods));
  KOBUK_CO_CHECK(co_await write_status(set, adjusted));
  co_return adjusted;
}

io::Task<Result<ReplicaSetController::Pods>> ReplicaSetController::claim_pods(Set set) {
  KOBUK_CO_TRY(api::LabelSelector selector, selector_of(set->spec.selector));
  OwnerReference owner = controller_reference(*set);
  Claims<Pod> claims = claim<Pod>(owner, set->metadata, selector, pods_by_controller_);
  if (claims.steps.empty()) co_return std::move(claims.owned);
  KOBUK_CO_TRY(std::string newest, co_await apply_claims(&context_.client, kSets, set->metadata.namespace_, owner, kPods,
                                                         std::move(claims.steps)));
  co_await pods_.reached(newest);
  co_return claim<Pod>(owner, set->metadata, selector, pods_by_controller_).owned;
}

int32_t ReplicaSetController::neighbours_of(const Set& set, const Pod& pod) const {
  const OwnerReference* deployment = controller_of(set->metadata);
  int32_t count = 0;
  auto add = [&](const std::string& uid) {
    for (const auto& [key, other] : pods_by_controller_.at(uid)) {
      count += other->spec.node_name == pod.spec.node_name && is_active(*other);
    }
  };
  if (deployment == nullptr) {
    add(set->metadata.uid);
  } else {
    for (const auto& [key, sibling] : sets_by_controller_.at(deployment->uid)) add(sibling->metadata.uid);
  }
  return count;
}

io::Task<Result<void>> ReplicaSetController::adjust(Set set, Pods pods) {
  std::vector<OwnedPod> owned;
  int32_t wanted = set->spec.replicas.value_or(1);
  bool surplus = std::count_if(pods.begin(), pods.end(), [](const auto& pod) { return is_active(*pod); }) > wanted;
  for (const auto& pod : pods) {
    owned.push_back(owned_pod(*pod));
    if (surplus && wanted > 0 && !pod->spec.node_name.empty()) owned.back().neighbours = neighbours_of(set, *pod);
  }
  ReplicaPlan plan = plan_replicas(wanted, std::move(owned), seconds_of(now()), kBurst);
  Result<void> result;
  if (plan.create > 0) {
    result = co_await create(set, plan.create);
  } else if (!plan.remove.empty()) {
    result = co_await remove(set, std::move(plan.remove), std::move(pods));
  }
  co_return result;
}

io::Task<void> ReplicaSetController::create_one(Set set, std::string text, Result<std::string>* result) {
  *result = co_await context_.client.create(kPods, set->metadata.namespace_, std::move(text));
}

io::Task<Result<void>> ReplicaSetController::create(Set set, int32_t count) {
  std::string text = pod_of(*set);
  int64_t newest = 0;
  Result<void> outcome;
  for (int32_t batch = 1, left = count; left > 0 && outcome; batch *= 2) {
    batch = std::min(batch, left);
    std::vector<Result<std::string>> answers(static_cast<size_t>(batch));
    io::TaskGroup group(context_.loop);
    for (auto& answer : answers) group.spawn(create_one(set, text, &answer));
    co_await group.join();
    for (auto& answer : answers) {
      if (answer) {
        auto pod = api::from_json<api::meta::v1::PartialObjectMetadata>(*answer);
        if (!pod) continue;
        newest = std::max(newest, parse_int(pod->metadata.resource_version).value_or(0));
        events_.record(api::reference_to(*set), "Normal", "SuccessfulCreate", cat("Created pod: ", pod->metadata.name));
      } else if (outcome && !is_namespace_terminating(answer.error())) {
        events_.record(api::reference_to(*set), "Warning", "FailedCreate", cat("Error creating: ", answer.error().message()));
        outcome = fail(answer.error());
      } else if (is_namespace_terminating(answer.error())) {
        left = 0;
      }
    }
    left -= batch;
  }
  co_await pods_.reached(cat(newest));
  co_return outcome;
}

io::Task<void> ReplicaSetController::remove_one(Set set, std::shared_ptr<const Pod> pod, Result<std::string>* result) {
  std::string options = cat("{\"kind\":\"DeleteOptions\",\"apiVersion\":\"v1\",\"preconditions\":{\"uid\":\"", pod->metadata.uid, "\"}}");
  *result = co_await context_.client.remove(kPods, set->metadata.namespace_, pod->metadata.name, std::move(options));
  if (*result) co_await pods_.removed(key_of(pod->metadata), pod->metadata.uid);
}

io::Task<Result<void>> ReplicaSetController::remove(Set set, std::vector<std::string> names, Pods pods) {
  Pods chosen;
  for (const std::string& name : names) {
    chosen.push_back(*std::find_if(pods.begin(), pods.end(), [&](const auto& pod) { return pod->metadata.name == name; }));
  }
  std::vector<Result<std::string>> answers(chosen.size());
  io::TaskGroup group(context_.loop);
  for (size_t i = 0; i < chosen.size(); ++i) group.spawn(remove_one(set, chosen[i], &answers[i]));
  co_await group.join();
  Result<void> outcome;
  for (size_t i = 0; i < chosen.size(); ++i) {
    if (answers[i]) {
      events_.record(api::reference_to(*set), "Normal", "SuccessfulDelete", cat("Deleted pod: ", chosen[i]->metadata.name));
    } else if (answers[i].error().code() != Code::kNotFound && outcome) {
      events_.record(api::reference_to(*set), "Warning", "FailedDelete", cat("Error deleting: ", answers[i].error().message()));
      outcome = fail(answers[i].error());
    }
  }
  co_return outcome;
}

io::Task<Result<void>> ReplicaSetController::write_status(Set set, Result<void> adjusted) {
  KOBUK_CO_TRY(api::LabelSelector selector, selector_of(set->spec.selector));
  Pods pods = claim<Pod>(controller_reference(*set), set->metadata, selector, pods_by_controller_).owned;
  WallTime now = context_.loop.now();
  ReplicaSet after = *set;
  after.status = replica_set_status(*set, pods, adjusted, now);
  // Pods that are ready, but not for long enough, are looked at again when the first of them will be.
  std::optional<Duration> soonest;
  for (const auto& pod : pods) {
    auto in = available_in(*pod, set->spec.min_ready_seconds, now);
    if (is_active(*pod) && in && *in > Duration::zero() && (!soonest || *in < *soonest)) soonest = in;
  }
  if (soonest) queue_.add_after(key_of(set->metadata), *soonest);
  std::string patch = api::merge_patch_of(*set, after);
  if (patch.empty()) co_return Result<void>();
  KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kSets, set->metadata.namespace_, set->metadata.name,
                                                                  api::PatchType::kMerge, std::move(patch), "status"));
  co_await sets_.reached(resource_version_of(answer));
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
