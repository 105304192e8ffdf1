// Scheduling as "Kubernetes Scheduler" and "Scheduling Framework" document it, in one loop: pop, filter and score
// (fit.h over cluster_state.h), assume, bind.
#include "controlplane/scheduler/scheduler.h"

#include <algorithm>
#include <chrono>

#include "api/event_recorder.h"
#include "api/struct_patch.h"
#include "base/log.h"
#include "controlplane/scheduler/cluster_state.h"
#include "controlplane/scheduler/scheduling_queue.h"
#include "controlplane/scheduler/topology.h"

namespace kobuk::controlplane {
namespace {

using api::core::v1::Node;
using api::core::v1::Pod;
const api::GroupVersionResource kPods{"", "v1", "pods"};
constexpr size_t kMaxBindings = 256;  // under way at the same time
constexpr int kBatch = 32;            // pods placed before others may run

std::string owner_of(const Pod& pod) {
  for (const auto& owner : pod.metadata.owner_references) {
    if (owner.controller.value_or(false)) return owner.uid;
  }
  return "";
}

bool same_for_scheduling(const Node& a, const Node& b) {
  return a.spec.unschedulable == b.spec.unschedulable && a.metadata.labels == b.metadata.labels &&
         a.status.allocatable == b.status.allocatable && a.status.capacity == b.status.capacity &&
         a.spec.taints.size() == b.spec.taints.size() &&
         std::equal(a.spec.taints.begin(), a.spec.taints.end(), b.spec.taints.begin(), [](const auto& x, const auto& y) {
           return x.key == y.key && x.value == y.value && x.effect == y.effect;
         });
}

// Whether other pods may make room for it by being there.
bool wants_company(const Pod& pod) {
  return !pod.spec.topology_spread_constraints.empty() ||
         !pod.spec.affinity.or_default().pod_affinity.or_default().required_during_scheduling_ignored_during_execution.empty();
}

bool ended(const Pod& pod) { return pod.status.phase == "Succeeded" || pod.status.phase == "Failed"; }

}  // namespace

struct Scheduler::Impl {
  Impl(io::Loop& on, api::Client& to, api::Caches& shared, std::string scheduler_name)
      : loop(on),
        client(to),
        caches(shared),
        name(std::move(scheduler_name)),
        pods(shared.of<Pod>()),
        nodes(shared.of<Node>()),
        events(on, to, name),
        topology(state, pods, shared.of<api::core::v1::Namespace>()),
        work(on),
        room(on),
        tasks(on) {
    nodes.on_change([this](const api::Cache<Node>::Change& change) { node_changed(change); });
    pods.on_change([this](const api::Cache<Pod>::Change& change) { pod_changed(change); });
  }
  ~Impl() {
    if (timer != 0) loop.cancel_timer(timer);
  }

  bool is_ours(const Pod& pod) const {
    return pod.spec.node_name.empty() && pod.metadata.deletion_timestamp.empty() && !ended(pod) && pod.spec.scheduling_gates.empty() &&
           (pod.spec.scheduler_name.empty() ? "default-scheduler" : pod.spec.scheduler_name) == name;
  }
  void node_changed(const api::Cache<Node>::Change& change);
  void pod_changed(const api::Cache<Pod>::Change& change);
  void wake(SchedulingQueue::Change change);
  void set_timer();
  void schedule(const std::string& key);
  io::Task<void> run();
  io::Task<void> bind(std::shared_ptr<const Pod> pod, std::string node);
  io::Task<void> report(std::shared_ptr<const Pod> pod, std::string why);

  io::Loop& loop;
  api::Client& client;
  api::Caches& caches;
  std::string name;
  api::Cache<Pod>& pods;
  api::Cache<Node>& nodes;
  api::EventRecorder events;
  ClusterState state;
  Topology topology;
  SchedulingQueue queue;
  size_t start = 0;  // of the next search
  io::Event work, room;
  io::Loop::TimerId timer = 0;
  MonoTime timer_due;
  io::TaskGroup tasks;  // last: ends first
};

void Scheduler::Impl::wake(SchedulingQueue::Change change) {
  queue.wake(change, loop.mono());
  if (!queue.empty()) work.set();
  set_timer();
}

void Scheduler::Impl::set_timer() {
  auto due = queue.next_due();
  if (timer != 0 && due && *due >= timer_due) return;
  if (timer != 0) loop.cancel_timer(timer);
  timer = 0;
  if (!due) return;
  timer_due = *due;
  timer = loop.start_timer(*due - loop.mono(), [this] {
    timer = 0;
    queue.advance(loop.mono());
    if (!queue.empty()) work.set();
    set_timer();
  });
}

void Scheduler::Impl::node_changed(const api::Cache<Node>::Change& change) {
  if (!change.after) return state.remove_node(change.key);
  if (change.before && same_for_scheduling(*change.before, *change.after)) return;  // a heartbeat
  state.put_node(*change.after);
  wake(SchedulingQueue::Change::kNode);
}

void Scheduler::Impl::pod_changed(const api::Cache<Pod>::Change& change) {
  if (!change.after || ended(*change.after)) {
    bool freed = state.has_pod(change.key);
    state.remove_pod(change.key);
    queue.remove(change.key);
    if (freed) wake(SchedulingQueue::Change::kRoom);
    return;
  }
  const Pod& pod = *change.after;
  if (!pod.spec.node_name.empty()) {
    queue.remove(change.key);
    // Status updates change nothing of what a pod takes.
    bool known = state.has_pod(change.key) && change.before && change.before->spec.node_name == pod.spec.node_name &&
                 change.before->metadata.generation == pod.metadata.generation && change.before->metadata.labels == pod.metadata.labels;
    if (known) return;
    state.put_pod(change.key, pod, pod.spec.node_name);
    wake(SchedulingQueue::Change::kCompany);
    return;
  }
  if (!is_ours(pod)) return queue.remove(change.key);
  // The condition that we wrote ourselves is no news.
  if (change.before && is_ours(*change.before) && change.before->metadata.generation == pod.metadata.generation &&
      change.before->metadata.labels == pod.metadata.labels) {
    return;
  }
  queue.add(change.key, pod.spec.priority.value_or(0));
  work.set();
}

void Scheduler::Impl::schedule(const std::string& key) {
  auto pod = pods.find(key);
  if (!pod || !is_ours(*pod)) return queue.remove(key);
  if (state.has_pod(key)) return;  // assumed: its binding is under way
  Search search;
  search.start = start;
  search.enough = enough_nodes(state.nodes().size());
  search.siblings = state.siblings(owner_of(*pod));
  search.excluded = topology.excluded(*pod);
  Placement placement = place(pending_pod(*pod), state.nodes(), search);
  if (placement.node.empty()) {
    if (!state.nodes().empty() && pod->spec.priority.value_or(0) <= state.lowest_priority()) {
      cat_to(placement.why, " ", no_preemption(state.nodes().size(), placement.room_helps));
    }
    queue.park(key, {.room = placement.room_helps, .company = wants_company(*pod)}, loop.mono());
    tasks.spawn(report(pod, std::move(placement.why)));
    return;
  }
  start = placement.next_start;
  state.put_pod(key, *pod, placement.node);
  tasks.spawn(bind(pod, std::move(placement.node)));
}

io::Task<void> Scheduler::Impl::run() {
  caches.start();
  co_await caches.synced();
  while (true) {
    work.reset();
    if (queue.empty()) co_await work.wait();
    for (int i = 0; i < kBatch && tasks.running() < kMaxBindings; ++i) {
      auto key = queue.pop();
      if (!key) break;
      schedule(*key);
    }
    room.reset();
    if (tasks.running() >= kMaxBindings) {
      co_await room.wait();
    } else {
      co_await loop.yield();
    }
  }
}

io::Task<void> Scheduler::Impl::bind(std::shared_ptr<const Pod> pod, std::string node) {
  std::string key = api::object_key(pod->metadata.namespace_, pod->metadata.name);
  std::string binding = cat(R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":")", pod->metadata.name, R"(","namespace":")",
                            pod->metadata.namespace_, R"(","uid":")", pod->metadata.uid, R"("},"target":{"kind":"Node","name":")", node, "\"}}");
  auto done = co_await client.create(kPods, pod->metadata.namespace_, std::move(binding), pod->metadata.name, "binding");
  room.set();
  if (done) {
    events.record(api::reference_to(*pod), "Normal", "Scheduled", cat("Successfully assigned ", key, " to ", node));
    co_return;
  }
  auto now = pods.find(key);
  if (now && now->metadata.uid != pod->metadata.uid) co_return;  // another pod of that name: not this one's affair
  if (now && !now->spec.node_name.empty()) co_return;  // bound by now, whoever did it
  state.remove_pod(key);
  wake(SchedulingQueue::Change::kRoom);
  if (!now || done.error().code() == Code::kNotFound) co_return queue.remove(key);
  queue.retry(key, loop.mono());
  set_timer();
  events.record(api::reference_to(*pod), "Warning", "FailedScheduling", cat("binding rejected: ", done.error().message()));
}

io::Task<void> Scheduler::Impl::report(std::shared_ptr<const Pod> pod, std::string why) {
  events.record(api::reference_to(*pod), "Warning", "FailedScheduling", why);
  Pod after = *pod;
  auto found = std::find_if(after.status.conditions.begin(), after.status.conditions.end(),
                            [](const auto& condition) { return condition.type == "PodScheduled"; });
  if (found == after.status.conditions.end()) {
    found = after.status.conditions.emplace(found);
    found->type = "PodScheduled";
  }
  if (found->status != "False") found->last_transition_time = format_rfc3339(loop.now());
  found->status = "False";
  found->reason = "Unschedulable";
  found->message = std::move(why);
  std::string patch = api::merge_patch_of(*pod, after);
  if (patch.empty()) co_return;
  auto done = co_await client.patch(kPods, pod->metadata.namespace_, pod->metadata.name, api::PatchType::kMerge, std::move(patch), "status");
  room.set();
  if (!done && done.error().code() != Code::kNotFound) {
    log::warn("a pod's condition could not be written", {{"pod", pod->metadata.name}, {"error", done.error().message()}});
  }
}

Scheduler::Scheduler(io::Loop& loop, api::Client& client, std::string name)
    : own_caches_(std::make_unique<api::Caches>(loop, client)),
      impl_(std::make_unique<Impl>(loop, client, *own_caches_, std::move(name))) {}

Scheduler::Scheduler(io::Loop& loop, api::Client& client, api::Caches& caches, std::string name)
    : impl_(std::make_unique<Impl>(loop, client, caches, std::move(name))) {}

Scheduler::~Scheduler() = default;

io::Task<void> Scheduler::run() { return impl_->run(); }

}  // namespace kobuk::controlplane
