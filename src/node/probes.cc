#include "node/probes.h"

#include <algorithm>
#include <chrono>

#include "base/strings.h"

namespace kobuk::node {

std::string_view probe_title(ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kStartup: return "Startup";
    case ProbeKind::kReadiness: return "Readiness";
    case ProbeKind::kLiveness: break;
  }
  return "Liveness";
}

const core::Probe* probe_of(const core::Container& container, ProbeKind kind) {
  switch (kind) {
    case ProbeKind::kStartup: return container.startup_probe.get();
    case ProbeKind::kReadiness: return container.readiness_probe.get();
    case ProbeKind::kLiveness: break;
  }
  return container.liveness_probe.get();
}

ProbeCounter::Change ProbeCounter::add(Verdict verdict) {
  if (verdict == Verdict::kUnknown) return Change::kNone;
  bool success = verdict != Verdict::kFailure;
  successes_ = success ? successes_ + 1 : 0;
  failures_ = success ? 0 : failures_ + 1;
  int wanted = success ? std::max(probe_.success_threshold, 1) : std::max(probe_.failure_threshold, 1);
  if ((success ? successes_ : failures_) < wanted) return Change::kNone;
  if (known_ && good_ == success) return Change::kNone;
  known_ = true, good_ = success;
  return success ? Change::kPassed : Change::kFailed;
}

void Probes::report(const Container& container, ProbeKind kind, const Outcome& outcome) {
  std::string_view title = probe_title(kind);
  const std::string& name = container.target.container.name;
  if (outcome.verdict == Verdict::kWarning) on_event_(name, "Warning", "ProbeWarning", cat(title, " probe warning: ", outcome.text));
  if (outcome.verdict == Verdict::kFailure) on_event_(name, "Warning", "Unhealthy", cat(title, " probe failed: ", outcome.text));
  if (outcome.verdict == Verdict::kUnknown) {
    on_event_(name, "Warning", "Unhealthy", cat(title, " probe errored and resulted in unknown state: ", outcome.text));
  }
}

void Probes::apply(Container& container, ProbeKind kind, ProbeCounter::Change change) {
  bool passed = change == ProbeCounter::Change::kPassed;
  switch (kind) {
    case ProbeKind::kStartup:
      if (passed) {
        container.started = true;
        begin_steady(container);
      } else {
        container.startup_failed = true;
      }
      break;
    case ProbeKind::kReadiness: container.ready = passed; break;
    case ProbeKind::kLiveness: container.liveness_failed = !passed; break;
  }
  on_result_();
}

io::Task<void> Probes::watch(ProbeKind kind, std::string id) {
  Container& container = containers_.at(id);  // this task ends before it goes
  core::Probe probe = *probe_of(container.target.container, kind);
  ProbeCounter counter(probe);
  Duration since = loop_->now() - container.started_at;
  Duration initial = std::chrono::seconds(probe.initial_delay_seconds);
  if (since < initial) co_await loop_->sleep(initial - since);
  Duration period = std::chrono::seconds(probe.period_seconds > 0 ? probe.period_seconds : 10);
  while (true) {
    Target target = container.target;
    Outcome outcome = co_await run_probe(*loop_, *cri_, probe, target);
    report(container, kind, outcome);
    ProbeCounter::Change change = counter.add(outcome.verdict);
    if (change != ProbeCounter::Change::kNone) apply(container, kind, change);
    bool final = (kind == ProbeKind::kStartup && change != ProbeCounter::Change::kNone) ||
                 (kind == ProbeKind::kLiveness && change == ProbeCounter::Change::kFailed);
    if (final) co_return;
    co_await loop_->sleep(period);
  }
}

void Probes::begin_steady(Container& container) {
  for (ProbeKind kind : {ProbeKind::kReadiness, ProbeKind::kLiveness}) {
    if (probe_of(container.target.container, kind)) container.tasks->spawn(watch(kind, container.target.container_id));
  }
}

void Probes::begin(Container& container) {
  if (!container.started) {
    container.tasks->spawn(watch(ProbeKind::kStartup, container.target.container_id));
  } else {
    begin_steady(container);
  }
}

void Probes::follow(const core::Pod& pod, const PodRuntime& runtime, const std::string& ip, const std::set<std::string>& held) {
  std::set<std::string> running;
  auto add = [&](const core::Container& spec, const std::vector<core::ContainerStatus>& known) {
    const engine::ContainerStatus* status = runtime.latest(spec.name);
    if (!status || status->phase != engine::ContainerPhase::kRunning || held.contains(status->id)) return;
    running.insert(status->id);
    if (containers_.contains(status->id)) return;
    Container& container = containers_[status->id];
    container.target = {status->id, ip, spec};
    container.started_at = status->started;
    container.tasks = std::make_unique<io::TaskGroup>(*loop_);
    // A container that we find again after a restart of ours stays what it was until a probe says otherwise.
    auto old = std::ranges::find(known, spec.name, &core::ContainerStatus::name);
    bool adopted = old != known.end() && old->container_id == cat("kobuk://", status->id);
    container.started = !spec.startup_probe || (adopted && old->started.value_or(false));
    container.ready = !spec.readiness_probe || (adopted && old->ready);
    begin(container);
  };
  for (const core::Container& container : pod.spec.containers) add(container, pod.status.container_statuses);
  for (const core::Container& container : pod.spec.init_containers) {
    if (is_sidecar(container)) add(container, pod.status.init_container_statuses);
  }
  std::erase_if(containers_, [&](auto& entry) { return !running.contains(entry.first); });
}

void Probes::stop() {
  for (auto& [id, container] : containers_) container.tasks = std::make_unique<io::TaskGroup>(*loop_);
}

std::set<std::string> Probes::started() const {
  std::set<std::string> out;
  for (const auto& [id, container] : containers_) {
    if (container.started) out.insert(id);
  }
  return out;
}
std::set<std::string> Probes::not_ready() const {
  std::set<std::string> out;
  for (const auto& [id, container] : containers_) {
    if (!container.ready) out.insert(id);
  }
  return out;
}
std::set<std::string> Probes::liveness_failed() const {
  std::set<std::string> out;
  for (const auto& [id, container] : containers_) {
    if (container.liveness_failed) out.insert(id);
  }
  return out;
}
std::set<std::string> Probes::startup_failed() const {
  std::set<std::string> out;
  for (const auto& [id, container] : containers_) {
    if (container.startup_failed) out.insert(id);
  }
  return out;
}

}  // namespace kobuk::node
