#include "node/actions.h"

#include <algorithm>

#include "base/strings.h"

namespace kobuk::node {
namespace {

using engine::ContainerPhase;

bool rule_matches(const core::ContainerRestartRule& rule, int32_t exit_code) {
  if (!rule.exit_codes) return false;
  bool listed = std::ranges::find(rule.exit_codes->values, exit_code) != rule.exit_codes->values.end();
  return rule.exit_codes->operator_ == "NotIn" ? !listed : listed;
}

bool wants_start(const ActionInput& in, const core::Container& container, const engine::ContainerStatus* status) {
  if (!status) return true;
  if (status->phase == ContainerPhase::kRunning) return false;
  if (in.again.contains(status->id)) return true;
  return status->phase != ContainerPhase::kExited || restarts(in.pod.spec, container, status->exit_code);
}

bool hash_changed(const core::Container& container, const engine::ContainerStatus& status) {
  auto found = status.annotations.find(std::string(kContainerHash));
  return found != status.annotations.end() && found->second != container_hash(container);
}

// Must this running container be killed? Adds it when so.
bool add_kill(PodActions& out, const ActionInput& in, const core::Container& container,
              const engine::ContainerStatus& status) {
  std::optional<KillReason> reason;
  if (hash_changed(container, status)) reason = KillReason::kChanged;
  else if (in.liveness_failed.contains(status.id)) reason = KillReason::kLivenessProbe;
  else if (in.startup_failed.contains(status.id)) reason = KillReason::kStartupProbe;
  if (!reason) return false;
  out.kill.push_back({status.id, container.name, *reason});
  return true;
}

bool sandbox_usable(const core::Pod& pod, const engine::PodSandboxStatus* sandbox) {
  if (!sandbox || !sandbox->ready) return false;
  return pod.spec.host_network || !sandbox->ips.empty();
}

// What to start in a sandbox that is to be made.
void plan_new_sandbox(PodActions& out, const ActionInput& in) {
  const core::PodSpec& spec = in.pod.spec;
  const engine::PodSandboxStatus* old = in.runtime.sandbox();
  out.kill_pod = old != nullptr;
  out.attempt = old ? old->metadata.attempt + 1 : 0;
  bool ran = !in.runtime.containers.empty();
  if (spec.restart_policy == "Never" && old && ran) return;
  std::vector<ContainerStart> starts;
  for (size_t i = 0; i < spec.containers.size(); ++i) {
    const engine::ContainerStatus* status = in.runtime.latest(spec.containers[i].name);
    // What ran on in the old sandbox dies with it.
    bool running = status && status->phase == ContainerPhase::kRunning;
    if (running || wants_start(in, spec.containers[i], status)) starts.push_back({false, i});
  }
  if (starts.empty() && old) return;
  out.create_sandbox = true;
  if (spec.init_containers.empty()) {
    out.start = std::move(starts);
  } else {
    out.start.push_back({true, 0});
  }
}

enum class InitState : uint8_t { kDone, kWaiting, kFailed };

// One sidecar. kDone: the sequence may go on.
InitState plan_sidecar(PodActions& out, const ActionInput& in, size_t index, const engine::ContainerStatus* status) {
  const core::Container& container = in.pod.spec.init_containers[index];
  if (status && status->phase == ContainerPhase::kRunning) {
    if (add_kill(out, in, container, *status)) return InitState::kWaiting;
    return in.started.contains(status->id) ? InitState::kDone : InitState::kWaiting;
  }
  out.start.push_back({true, index});
  return InitState::kWaiting;
}

InitState plan_init(PodActions& out, const ActionInput& in, size_t index, const engine::ContainerStatus* status) {
  const core::PodSpec& spec = in.pod.spec;
  const core::Container& container = spec.init_containers[index];
  if (status && status->phase == ContainerPhase::kRunning) {
    add_kill(out, in, container, *status);
    return InitState::kWaiting;
  }
  if (status && status->phase == ContainerPhase::kExited && !in.again.contains(status->id)) {
    if (status->exit_code == 0) return InitState::kDone;
    if (!restarts(spec, container, status->exit_code)) return InitState::kFailed;
  }
  out.start.push_back({true, index});
  return InitState::kWaiting;
}

InitState plan_inits(PodActions& out, const ActionInput& in, const std::string& sandbox) {
  const core::PodSpec& spec = in.pod.spec;
  bool initialized = std::ranges::any_of(
      spec.containers, [&](auto& container) { return in.runtime.latest(container.name, sandbox) != nullptr; });
  for (size_t i = 0; i < spec.init_containers.size(); ++i) {
    bool sidecar = is_sidecar(spec.init_containers[i]);
    if (initialized && !sidecar) continue;
    const engine::ContainerStatus* status = in.runtime.latest(spec.init_containers[i].name, sandbox);
    InitState state = sidecar ? plan_sidecar(out, in, i, status) : plan_init(out, in, i, status);
    if (state != InitState::kDone && !initialized) return state;
  }
  return InitState::kDone;
}

}  // namespace

const std::string& restart_policy(const core::PodSpec& spec, const core::Container& container) {
  return container.restart_policy.empty() ? spec.restart_policy : container.restart_policy;
}

bool restarts(const core::PodSpec& spec, const core::Container& container, int32_t exit_code) {
  for (const core::ContainerRestartRule& rule : container.restart_policy_rules) {
    if (rule_matches(rule, exit_code)) return rule.action == "Restart" || rule.action == "RestartAllContainers";
  }
  bool init = std::ranges::find(spec.init_containers, container.name, &core::Container::name) != spec.init_containers.end();
  const std::string& policy = restart_policy(spec, container);
  if (policy == "Never") return false;
  // An init container is done once it succeeds, also where the policy says Always.
  if (policy == "OnFailure" || (init && !is_sidecar(container))) return exit_code != 0;
  return true;
}

PodActions compute_actions(const ActionInput& in) {
  PodActions out;
  const core::PodSpec& spec = in.pod.spec;
  const engine::PodSandboxStatus* sandbox = in.runtime.sandbox();
  if (!sandbox_usable(in.pod, sandbox)) {
    plan_new_sandbox(out, in);
    return out;
  }
  out.attempt = sandbox->metadata.attempt;
  InitState init = plan_inits(out, in, sandbox->id);
  if (init == InitState::kFailed) out.kill_pod = true;
  if (init != InitState::kDone) return out;
  size_t kept = 0, starting = 0;
  for (size_t i = 0; i < spec.containers.size(); ++i) {
    const core::Container& container = spec.containers[i];
    const engine::ContainerStatus* status = in.runtime.latest(container.name);
    if (status && status->phase == ContainerPhase::kRunning) {
      ++kept;
      add_kill(out, in, container, *status);
    } else if (wants_start(in, container, status)) {
      ++starting;
      out.start.push_back({false, i});
    }
  }
  if (kept == 0 && starting == 0) {
    out.kill_pod = true;  // all have done what they were for; sidecars end with them
    out.start.clear();
  }
  return out;
}

std::string to_text(const PodActions& actions, const core::PodSpec& spec) {
  static constexpr std::string_view kReasons[] = {"changed", "liveness", "startup", "unknown"};
  std::string out;
  auto add = [&](const std::string& word) { cat_to(out, out.empty() ? "" : " ", word); };
  if (actions.kill_pod) add("kill-pod");
  if (actions.create_sandbox) add(cat("create-sandbox:", actions.attempt));
  for (const ContainerKill& kill : actions.kill) {
    add(cat("kill:", kill.name, ":", kReasons[static_cast<size_t>(kill.reason)]));
  }
  for (const ContainerStart& start : actions.start) {
    add(cat(start.init ? "start-init:" : "start:",
            start.init ? spec.init_containers[start.index].name : spec.containers[start.index].name));
  }
  return out.empty() ? "nothing" : out;
}

}  // namespace kobuk::node
