// Pod garbage collection ("Pod Lifecycle", "Garbage collection of Pods").
#include "controlplane/controllers/pod_gc.h"

#include <algorithm>
#include <chrono>

#include "api/struct_patch.h"

namespace kobuk::controlplane {
namespace {

const api::GroupVersionResource kPods{"", "v1", "pods"}, kNodes{"", "v1", "nodes"};
// A node that is deleted may be made anew at once; its pods wait this long.
constexpr Duration kQuarantine = std::chrono::seconds(40);

bool waits_for_nobody(const Pod& pod) { return is_deleting(pod.metadata) && pod.spec.node_name.empty(); }

}  // namespace

PodGarbageCollector::PodGarbageCollector(ControllerContext& context, size_t finished_threshold)
    : Controller(context, "pod-garbage-collector", 2),
      pods_(context.caches.of<Pod>()),
      nodes_(context.caches.of<api::core::v1::Node>()),
      by_node_(pods_.index([](const Pod& pod) { return api::Keys{pod.spec.node_name}; })),
      threshold_(finished_threshold) {
  pods_.on_change([this](const api::Cache<Pod>::Change& change) {
    finished_ -= change.before && is_finished(*change.before);
    finished_ += change.after && is_finished(*change.after);
    if (finished_ > threshold_) queue_.add("finished");
    if (!change.after) return;
    if (waits_for_nobody(*change.after)) queue_.add(cat("pod ", change.key));
    const std::string& node = change.after->spec.node_name;  // which may not exist, or not be seen yet
    bool placed = !node.empty() && (!change.before || change.before->spec.node_name != node);
    if (placed && !nodes_.find(node)) queue_.add_after(cat("node ", node), kQuarantine);
  });
  nodes_.on_change([this](const api::Cache<api::core::v1::Node>::Change& change) {
    if (!change.after) queue_.add_after(cat("node ", change.key), kQuarantine);
  });
}

io::Task<Result<void>> PodGarbageCollector::reconcile(std::string key) {
  if (key == "finished") co_return co_await collect_finished();
  if (key.starts_with("node ")) co_return co_await collect_node(key.substr(5));
  auto pod = pods_.find(key.substr(4));
  if (pod && waits_for_nobody(*pod)) co_return co_await remove(pod, false);
  co_return Result<void>();
}

io::Task<Result<void>> PodGarbageCollector::collect_node(std::string node) {
  if (nodes_.find(node)) co_return Result<void>();
  auto there = co_await context_.client.get(kNodes, "", node);
  if (there) co_return Result<void>();
  if (there.error().code() != Code::kNotFound) co_return fail(std::move(there).error());
  std::vector<std::shared_ptr<const Pod>> pods;
  for (const auto& [key, pod] : by_node_.at(node)) pods.push_back(pod);
  for (const auto& pod : pods) KOBUK_CO_CHECK(co_await remove(pod, true));
  co_return Result<void>();
}

io::Task<Result<void>> PodGarbageCollector::collect_finished() {
  std::vector<std::shared_ptr<const Pod>> pods;
  for (const auto& [key, pod] : pods_.objects()) {
    if (is_finished(*pod)) pods.push_back(pod);
  }
  if (pods.size() <= threshold_) co_return Result<void>();
  std::sort(pods.begin(), pods.end(), [](const auto& a, const auto& b) { return a->metadata.creation_timestamp < b->metadata.creation_timestamp; });
  pods.resize(pods.size() - threshold_);
  for (const auto& pod : pods) KOBUK_CO_CHECK(co_await remove(pod, false));
  co_return Result<void>();
}

// `fails`: nobody will ever say how the pod ended, so it has failed.
io::Task<Result<void>> PodGarbageCollector::remove(std::shared_ptr<const Pod> pod, bool fails) {
  if (fails && !is_finished(*pod)) {
    Pod after = *pod;
    after.status.phase = "Failed";
    std::erase_if(after.status.conditions, [](const auto& condition) { return condition.type == "DisruptionTarget"; });
    api::core::v1::PodCondition condition;
    condition.type = "DisruptionTarget";
    condition.status = "True";
    condition.reason = "DeletionByPodGC";
    condition.message = "PodGC: node no longer exists";
    condition.last_transition_time = now();
    after.status.conditions.push_back(std::move(condition));
    std::string patch = api::merge_patch_of(*pod, after);
    auto done = co_await context_.client.patch(kPods, pod->metadata.namespace_, pod->metadata.name, api::PatchType::kMerge, std::move(patch), "status");
    if (!done && done.error().code() != Code::kNotFound) co_return fail(std::move(done).error());
  }
  std::string options = cat(R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0,"preconditions":{"uid":")", pod->metadata.uid, "\"}}");
  auto done = co_await context_.client.remove(kPods, pod->metadata.namespace_, pod->metadata.name, std::move(options));
  if (!done && done.error().code() != Code::kNotFound) co_return fail(std::move(done).error());
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
