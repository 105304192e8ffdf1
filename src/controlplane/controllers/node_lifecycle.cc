// "Nodes: heartbeats", "Taint based evictions". A Lease is renewed every 10 s; after 50 s of silence a node is Unknown.
#include "controlplane/controllers/node_lifecycle.h"

#include <algorithm>
#include <chrono>

#include "api/struct_patch.h"

namespace kobuk::controlplane {
namespace {

const api::GroupVersionResource kNodes{"", "v1", "nodes"}, kPods{"", "v1", "pods"};
constexpr std::string_view kLeaseSpace = "kube-node-lease/";
constexpr Duration kGrace = std::chrono::seconds(50);

// What a heartbeat leaves as it was.
bool same_health(const Node& a, const Node& b) {
  if (a.spec.unschedulable != b.spec.unschedulable || a.spec.taints.size() != b.spec.taints.size()) return false;
  for (size_t i = 0; i < a.spec.taints.size(); ++i) {
    if (a.spec.taints[i].key != b.spec.taints[i].key || a.spec.taints[i].effect != b.spec.taints[i].effect) return false;
  }
  if (a.status.conditions.size() != b.status.conditions.size()) return false;
  for (size_t i = 0; i < a.status.conditions.size(); ++i) {
    if (a.status.conditions[i].type != b.status.conditions[i].type || a.status.conditions[i].status != b.status.conditions[i].status) return false;
  }
  return true;
}

// The patch, good for the object as it was seen only: a list of conditions is replaced as a whole.
std::string unless_changed(std::string patch, const ObjectMeta& metadata) {
  return patch.insert(1, cat("\"metadata\":{\"uid\":\"", metadata.uid, "\",\"resourceVersion\":\"", metadata.resource_version, "\"},"));
}

bool is_silent(const Node& node) {
  const auto* ready = find_condition(node, "Ready");
  return ready != nullptr && ready->status == "Unknown";
}

std::string heartbeat_of(const Node& node) {
  const auto* ready = find_condition(node, "Ready");
  return ready == nullptr ? "" : ready->last_heartbeat_time;
}

}  // namespace

NodeLifecycleController::NodeLifecycleController(ControllerContext& context)
    : Controller(context, "node-controller", 4),
      nodes_(context.caches.of<Node>()),
      leases_(context.caches.of<Lease>()),
      pods_by_node_(context.caches.of<Pod>().index([](const Pod& pod) { return api::Keys{pod.spec.node_name}; })) {
  leases_.on_change([this](const api::Cache<Lease>::Change& change) { lease_changed(change); });
  nodes_.on_change([this](const api::Cache<Node>::Change& change) { node_changed(change); });
}

void NodeLifecycleController::node_changed(const api::Cache<Node>::Change& change) {
  silent_ -= change.before && is_silent(*change.before);
  silent_ += change.after && is_silent(*change.after);
  if (disrupted() != was_disrupted_) {  // all nodes are judged anew
    was_disrupted_ = disrupted();
    for (const auto& [name, node] : nodes_.objects()) queue_.add(name);
  }
  if (!change.after) {
    heard_.erase(change.key);
    return;
  }
  if (!change.before || heartbeat_of(*change.before) != heartbeat_of(*change.after)) heard_[change.key] = context_.loop.mono();
  if (!change.before || !same_health(*change.before, *change.after)) queue_.add(change.key);
}

void NodeLifecycleController::lease_changed(const api::Cache<Lease>::Change& change) {
  if (!change.after || !change.key.starts_with(kLeaseSpace)) return;
  if (change.before && change.before->spec.renew_time == change.after->spec.renew_time) return;
  heard_[change.key.substr(kLeaseSpace.size())] = context_.loop.mono();
}

// One timer a node, set anew only when it fires: renewals just move heard_.
io::Task<Result<void>> NodeLifecycleController::reconcile(std::string key) {
  NodePointer node = nodes_.find(key);
  if (!node) co_return Result<void>();
  MonoTime now = context_.loop.mono();
  MonoTime heard = heard_.try_emplace(key, now).first->second;
  const auto* ready = find_condition(*node, "Ready");
  bool silent = now - heard >= kGrace;
  if (!silent) {
    queue_.add_after(key, heard + kGrace - now);
  } else if (ready == nullptr || ready->status != "Unknown") {
    KOBUK_CO_CHECK(co_await mark_silent(node));
    node = nodes_.find(key);
    if (!node) co_return Result<void>();
  }
  KOBUK_CO_CHECK(co_await write_taints(node));
  if (is_silent(*node)) co_return co_await mark_pods_not_ready(key);
  co_return Result<void>();
}

io::Task<Result<void>> NodeLifecycleController::mark_silent(NodePointer node) {
  Node after = *node;
  mark_unknown(after, now());
  std::string patch = api::merge_patch_of(*node, after);
  if (patch.empty()) co_return Result<void>();
  patch = unless_changed(std::move(patch), node->metadata);
  KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kNodes, "", node->metadata.name, api::PatchType::kMerge, std::move(patch), "status"));
  co_await nodes_.reached(resource_version_of(answer));
  events_.record(api::reference_to(*node), "Normal", "NodeNotReady", cat("Node ", node->metadata.name, " status is now: NodeNotReady"));
  co_return Result<void>();
}

// Nobody answers for these pods: Services must not send anything there.
io::Task<Result<void>> NodeLifecycleController::mark_pods_not_ready(std::string node) {
  std::vector<std::shared_ptr<const Pod>> pods;
  for (const auto& [key, pod] : pods_by_node_.at(node)) pods.push_back(pod);
  for (const auto& pod : pods) {
    Pod after = *pod;
    for (auto& condition : after.status.conditions) {
      if (condition.type != "Ready" || condition.status != "True") continue;
      condition.status = "False";
      condition.last_transition_time = now();
    }
    std::string patch = api::merge_patch_of(*pod, after);
    if (patch.empty()) continue;
    patch = unless_changed(std::move(patch), pod->metadata);
    auto done = co_await context_.client.patch(kPods, pod->metadata.namespace_, pod->metadata.name, api::PatchType::kMerge, std::move(patch), "status");
    if (!done && done.error().code() != Code::kNotFound) co_return fail(std::move(done).error());
    if (done) events_.record(api::reference_to(*pod), "Warning", "NodeNotReady", "Node is not ready");
  }
  co_return Result<void>();
}

io::Task<Result<void>> NodeLifecycleController::write_taints(NodePointer node) {
  Node after = *node;
  after.spec.taints = wanted_taints(*node, now(), disrupted());
  std::string patch = api::merge_patch_of(*node, after);
  if (patch.empty()) co_return Result<void>();
  patch = unless_changed(std::move(patch), node->metadata);
  KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kNodes, "", node->metadata.name, api::PatchType::kMerge, std::move(patch)));
  co_await nodes_.reached(resource_version_of(answer));
  co_return Result<void>();
}

TaintEvictionController::TaintEvictionController(ControllerContext& context)
    : Controller(context, "taint-eviction-controller", 8),
      nodes_(context.caches.of<Node>()),
      pods_(context.caches.of<Pod>()),
      pods_by_node_(pods_.index([](const Pod& pod) { return api::Keys{pod.spec.node_name}; })) {
  auto tainted = [](const Node& node) {
    return std::any_of(node.spec.taints.begin(), node.spec.taints.end(), [](const NodeTaint& taint) { return taint.effect == "NoExecute"; });
  };
  nodes_.on_change([this, tainted](const api::Cache<Node>::Change& change) {
    if (!change.after || (change.before && same_health(*change.before, *change.after))) return;
    if (!tainted(*change.after) && !(change.before && tainted(*change.before))) return;
    for (const auto& [key, pod] : pods_by_node_.at(change.key)) queue_.add(key);
  });
  pods_.on_change([this, tainted](const api::Cache<Pod>::Change& change) {
    if (!change.after) since_.erase(change.key);
    if (!change.after || (change.before && change.before->spec.node_name == change.after->spec.node_name)) return;
    auto node = nodes_.find(change.after->spec.node_name);
    if (node && tainted(*node)) queue_.add(change.key);
  });
}

io::Task<Result<void>> TaintEvictionController::reconcile(std::string key) {
  auto pod = pods_.find(key);
  auto node = pod && !is_deleting(pod->metadata) ? nodes_.find(pod->spec.node_name) : nullptr;
  std::optional<Duration> left;
  if (node) {
    WallTime now = context_.loop.now();
    left = eviction_in(*pod, *node, since_.try_emplace(key, now).first->second, now);
  }
  if (!left) {
    since_.erase(key);
    co_return Result<void>();
  }
  if (*left > Duration::zero()) {  // asked again then: the taint may have gone
    queue_.add_after(key, *left);
    co_return Result<void>();
  }
  Pod after = *pod;
  std::erase_if(after.status.conditions, [](const auto& condition) { return condition.type == "DisruptionTarget"; });
  api::core::v1::PodCondition condition;
  condition.type = "DisruptionTarget";
  condition.status = "True";
  condition.reason = "DeletionByTaintManager";
  condition.message = "Taint manager: deleting due to NoExecute taint";
  condition.last_transition_time = now();
  after.status.conditions.push_back(std::move(condition));
  std::string patch = api::merge_patch_of(*pod, after);
  if (!patch.empty()) {
    patch = unless_changed(std::move(patch), pod->metadata);
    KOBUK_CO_CHECK(co_await context_.client.patch(kPods, pod->metadata.namespace_, pod->metadata.name, api::PatchType::kMerge, std::move(patch), "status"));
  }
  events_.record(api::reference_to(*pod), "Normal", "TaintManagerEviction", cat("Marking for deletion Pod ", key));
  std::string options = cat(R"({"kind":"DeleteOptions","apiVersion":"v1","preconditions":{"uid":")", pod->metadata.uid, "\"}}");
  KOBUK_CO_CHECK(co_await context_.client.remove(kPods, pod->metadata.namespace_, pod->metadata.name, std::move(options)));
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
