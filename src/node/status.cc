#include "node/status.h"

#include <algorithm>

#include "base/strings.h"
#include "node/actions.h"

namespace kobuk::node {
namespace {

using engine::ContainerPhase;

const core::ContainerStatus* old_status(const StatusInput& in, const std::string& name, bool init) {
  const auto& list = init ? in.pod.status.init_container_statuses : in.pod.status.container_statuses;
  auto found = std::ranges::find(list, name, &core::ContainerStatus::name);
  return found == list.end() ? nullptr : &*found;
}

std::string container_id(const engine::ContainerStatus& status) { return cat("kobuk://", status.id); }

core::ContainerStateTerminated terminated(const StatusInput& in, const engine::ContainerStatus& status) {
  core::ContainerStateTerminated out;
  out.exit_code = status.exit_code;
  out.reason = !status.reason.empty() ? status.reason : status.exit_code == 0 ? "Completed" : "Error";
  auto message = in.messages.find(status.id);
  out.message = message != in.messages.end() && !message->second.empty() ? message->second : status.message;
  if (status.started != WallTime{}) out.started_at = format_rfc3339(status.started);
  out.finished_at = format_rfc3339(status.finished);
  out.container_id = container_id(status);
  return out;
}

bool initializing(const StatusInput& in) {
  if (in.pod.spec.init_containers.empty()) return false;
  const engine::PodSandboxStatus* sandbox = in.runtime.sandbox();
  if (!sandbox) return true;
  return std::ranges::none_of(in.pod.spec.containers, [&](auto& c) { return in.runtime.latest(c.name, sandbox->id) != nullptr; });
}

void fill_facts(core::ContainerStatus& out, const core::Container& container,
                const engine::ContainerStatus& status) {
  out.restart_count = static_cast<int32_t>(status.attempt);
  out.image = status.image.empty() ? container.image : status.image;
  out.image_id = status.image_ref.empty() ? status.image_id : status.image_ref;
  out.container_id = container_id(status);
  if (!container.resources.requests.empty()) out.allocated_resources = container.resources.requests;
  if (!container.resources.requests.empty() || !container.resources.limits.empty()) {
    core::ResourceRequirements& resources = out.resources.emplace();
    resources.limits = container.resources.limits, resources.requests = container.resources.requests;
  }
  for (const core::VolumeMount& mount : container.volume_mounts) {
    core::VolumeMountStatus shown;
    shown.name = mount.name, shown.mount_path = mount.mount_path, shown.read_only = mount.read_only;
    bool recursive = mount.recursive_read_only == "Enabled" || mount.recursive_read_only == "IfPossible";
    if (mount.read_only) shown.recursive_read_only = recursive ? "Enabled" : "Disabled";
    out.volume_mounts.push_back(std::move(shown));
  }
}

core::ContainerStatus container_status(const StatusInput& in, const core::Container& container, bool init) {
  const engine::ContainerStatus* status = in.runtime.latest(container.name);
  const engine::ContainerStatus* previous = in.runtime.previous(container.name);
  auto waiting = in.waiting.find(container.name);
  core::ContainerStatus out;
  out.name = container.name;
  out.image = container.image;
  out.started = false;
  if (previous && previous->phase == ContainerPhase::kExited) out.last_state.terminated = terminated(in, *previous);
  WaitingReason default_reason{initializing(in) ? "PodInitializing" : "ContainerCreating", ""};
  if (status) fill_facts(out, container, *status);
  if (!status || status->phase == ContainerPhase::kCreated) {
    if (const core::ContainerStatus* old = old_status(in, container.name, init); old && !status) {
      out.restart_count = old->restart_count;
      out.last_state = old->last_state;
      if (old->state.terminated) out.last_state.terminated = old->state.terminated;
    }
    const WaitingReason& why = waiting != in.waiting.end() ? waiting->second : default_reason;
    out.state.waiting = core::ContainerStateWaiting{why.reason, why.message};
    return out;
  }
  if (status->phase == ContainerPhase::kRunning) {
    out.state.running = core::ContainerStateRunning{format_rfc3339(status->started)};
    out.started = in.started.contains(status->id);
    out.ready = *out.started && !in.not_ready.contains(status->id);
    if (init && !is_sidecar(container)) out.ready = false;
    return out;
  }
  core::ContainerStateTerminated ended = terminated(in, *status);
  if (status->phase == ContainerPhase::kUnknown) ended.reason = "ContainerStatusUnknown", ended.exit_code = 137;
  bool again = waiting != in.waiting.end() && !in.ended;
  if (again) {
    out.state.waiting = core::ContainerStateWaiting{waiting->second.reason, waiting->second.message};
    out.last_state.terminated = std::move(ended);
  } else {
    out.ready = init && ended.exit_code == 0;
    out.state.terminated = std::move(ended);
  }
  return out;
}

struct Counts {
  int waiting = 0, running = 0, stopped = 0, succeeded = 0;
};

Counts count(const std::vector<core::ContainerStatus>& statuses) {
  Counts out;
  for (const core::ContainerStatus& status : statuses) {
    if (status.state.running) ++out.running;
    else if (status.state.terminated) ++out.stopped, out.succeeded += status.state.terminated->exit_code == 0 ? 1 : 0;
    else if (status.last_state.terminated) ++out.stopped;
    else ++out.waiting;
  }
  return out;
}

bool init_is_done(const core::Container& container, const core::ContainerStatus& status) {
  if (is_sidecar(container)) return status.started.value_or(false) || status.state.terminated.has_value();
  return status.state.terminated && status.state.terminated->exit_code == 0;
}

// Not terminated for good: compute_actions() starts it again.
bool comes_back(const StatusInput& in, const core::Container& container, const core::ContainerStatus& status) {
  if (!status.state.terminated) return true;
  const engine::ContainerStatus* latest = in.runtime.latest(container.name);
  if (latest && in.again.contains(latest->id)) return true;
  return restarts(in.pod.spec, container, status.state.terminated->exit_code);
}

std::string phase_of(const StatusInput& in, const core::PodStatus& status) {
  const core::PodSpec& spec = in.pod.spec;
  if (!in.forced_phase.empty()) return in.forced_phase;
  bool initialized = !initializing(in);
  for (size_t i = 0; i < spec.init_containers.size() && !initialized; ++i) {
    const core::ContainerStatus& init = status.init_container_statuses[i];
    if (init_is_done(spec.init_containers[i], init)) continue;
    bool failed = init.state.terminated && !is_sidecar(spec.init_containers[i]) && init.state.terminated->exit_code != 0;
    if (failed && !comes_back(in, spec.init_containers[i], init)) return "Failed";
    return in.ended ? "Failed" : "Pending";
  }
  Counts counts = count(status.container_statuses);
  if (in.ended) return counts.succeeded == static_cast<int>(spec.containers.size()) ? "Succeeded" : "Failed";
  if (counts.waiting > 0) return "Pending";
  if (counts.running > 0) return "Running";
  if (counts.stopped == 0) return "Pending";
  // Whether what ended starts again is each container's own matter.
  bool again = false, all_good = true;
  for (size_t i = 0; i < spec.containers.size(); ++i) {
    const core::ContainerStatus& container = status.container_statuses[i];
    const auto& ended = container.state.terminated ? container.state.terminated : container.last_state.terminated;
    all_good = all_good && ended && ended->exit_code == 0;
    again = again || comes_back(in, spec.containers[i], container);
  }
  if (again) return "Running";
  return all_good ? "Succeeded" : "Failed";
}

class Conditions {
 public:
  Conditions(const StatusInput& in, core::PodStatus& out) : in_(in), out_(out) {}
  void add(const std::string& type, bool status, std::string reason = {}, std::string message = {}) {
    core::PodCondition condition;
    condition.type = type;
    condition.status = status ? "True" : "False";
    condition.reason = std::move(reason), condition.message = std::move(message);
    condition.observed_generation = in_.pod.metadata.generation;
    condition.last_transition_time = format_rfc3339(in_.now);
    const auto& old = in_.pod.status.conditions;
    auto found = std::ranges::find(old, type, &core::PodCondition::type);
    if (found != old.end() && found->status == condition.status && !found->last_transition_time.empty()) {
      condition.last_transition_time = found->last_transition_time;
    }
    out_.conditions.push_back(std::move(condition));
  }
  bool is_true(const std::string& type) const {
    auto found = std::ranges::find(in_.pod.status.conditions, type, &core::PodCondition::type);
    return found != in_.pod.status.conditions.end() && found->status == "True";
  }

 private:
  const StatusInput& in_;
  core::PodStatus& out_;
};

std::string names_text(const std::vector<std::string>& names) { return cat("[", join(names, " "), "]"); }

void add_conditions(const StatusInput& in, core::PodStatus& out) {
  Conditions conditions(in, out);
  const core::PodSpec& spec = in.pod.spec;
  const engine::PodSandboxStatus* sandbox = in.runtime.sandbox();
  bool network = sandbox && sandbox->ready && (spec.host_network || !sandbox->ips.empty());
  conditions.add("PodReadyToStartContainers", network);

  std::vector<std::string> incomplete, unready;
  bool inits_passed = !initializing(in);
  for (size_t i = 0; i < spec.init_containers.size(); ++i) {
    if (inits_passed && !is_sidecar(spec.init_containers[i])) continue;
    if (!init_is_done(spec.init_containers[i], out.init_container_statuses[i])) incomplete.push_back(spec.init_containers[i].name);
    if (is_sidecar(spec.init_containers[i]) && !out.init_container_statuses[i].ready) unready.push_back(spec.init_containers[i].name);
  }
  for (const core::ContainerStatus& status : out.container_statuses) {
    if (!status.ready) unready.push_back(status.name);
  }
  if (out.phase == "Succeeded") {
    for (const char* type : {"Initialized", "Ready", "ContainersReady"}) {
      conditions.add(type, std::string_view(type) == "Initialized", "PodCompleted");
    }
    return;
  }
  if (incomplete.empty()) {
    conditions.add("Initialized", true);
  } else {
    conditions.add("Initialized", false, "ContainersNotInitialized", cat("containers with incomplete status: ", names_text(incomplete)));
  }
  if (out.phase == "Failed") {
    for (const char* type : {"Ready", "ContainersReady"}) conditions.add(type, false, "PodFailed");
    return;
  }
  std::string text = cat("containers with unready status: ", names_text(unready));
  std::string gates;
  for (const core::PodReadinessGate& gate : spec.readiness_gates) {
    if (conditions.is_true(gate.condition_type)) continue;
    bool there = std::ranges::any_of(in.pod.status.conditions, [&](auto& c) { return c.type == gate.condition_type; });
    cat_to(gates, gates.empty() ? "" : ", ",
           there ? cat("the status of pod readiness gate \"", gate.condition_type, "\" is not \"True\", but False")
                 : cat("corresponding condition of pod readiness gate \"", gate.condition_type, "\" does not exist."));
  }
  if (!unready.empty()) {
    conditions.add("Ready", false, "ContainersNotReady", text);
    conditions.add("ContainersReady", false, "ContainersNotReady", text);
  } else {
    conditions.add("Ready", gates.empty(), gates.empty() ? "" : "ReadinessGatesNotReady", gates);
    conditions.add("ContainersReady", true);
  }
}

}  // namespace

core::PodStatus make_status(const StatusInput& in) {
  core::PodStatus out;
  const core::PodSpec& spec = in.pod.spec;
  out.observed_generation = in.pod.metadata.generation;
  for (const core::Container& container : spec.init_containers) {
    out.init_container_statuses.push_back(container_status(in, container, true));
  }
  for (const core::Container& container : spec.containers) {
    out.container_statuses.push_back(container_status(in, container, false));
  }
  out.phase = phase_of(in, out);
  // A phase that is final stays.
  if (is_terminal(in.pod.status.phase)) out.phase = in.pod.status.phase;
  out.reason = !in.reason.empty() ? in.reason : in.pod.status.reason;
  out.message = !in.message.empty() ? in.message : in.pod.status.message;
  add_conditions(in, out);
  // Of a pod that was refused there is nothing to wait for.
  if (!in.forced_phase.empty() && in.runtime.empty() && in.pod.status.container_statuses.empty()) {
    out.init_container_statuses.clear(), out.container_statuses.clear();
  }
  out.start_time = in.pod.status.start_time.empty() ? format_rfc3339(in.now) : in.pod.status.start_time;
  out.qos_class = in.pod.status.qos_class.empty() ? std::string(qos_name(qos_class(spec))) : in.pod.status.qos_class;
  if (!in.host_ip.empty()) {
    out.host_ip = in.host_ip;
    out.host_ips.push_back({in.host_ip});
  }
  const engine::PodSandboxStatus* sandbox = in.runtime.sandbox();
  std::vector<std::string> ips;
  if (spec.host_network && !in.host_ip.empty()) ips = {in.host_ip};
  else if (sandbox && sandbox->ready) ips = sandbox->ips;
  if (ips.empty()) {
    out.pod_ip = in.pod.status.pod_ip;
    out.pod_ips = in.pod.status.pod_ips;
  } else {
    out.pod_ip = ips[0];
    for (std::string& ip : ips) out.pod_ips.push_back({std::move(ip)});
  }
  return out;
}

}  // namespace kobuk::node
