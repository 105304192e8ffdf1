// The end of a pod: hooks and signals within its grace, its sandbox, its last status, the object's deletion, and, once
// the cluster has forgotten it, everything that is left of it here.
#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/strings.h"
#include "node/pod_worker.h"
#include "node/resources.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {
constexpr Duration kLeastGrace = std::chrono::seconds(2);   // after a preStop hook that took all the time
constexpr Duration kGoneGrace = std::chrono::seconds(2);    // of pods that the cluster has forgotten
constexpr Duration kRetry = std::chrono::seconds(2);
}  // namespace

bool PodWorker::ending() const {
  return gone_ || !pod_->metadata.deletion_timestamp.empty() || !forced_reason_.empty() || is_terminal(pod_->status.phase) ||
         (wanted_ && is_terminal(wanted_->phase));
}

// Until the engine has done it.
io::Task<void> PodWorker::run_stop(std::string id, WallTime deadline) {
  for (bool told = false;; told = true) {
    Duration timeout = std::max<Duration>(deadline - context_.loop.now(), Duration{});
    auto stopped = co_await context_.cri.stop_container(id, timeout);
    if (stopped || stopped.error().code() == Code::kNotFound) co_return;
    if (!told) log::warn("a container can't be stopped yet", {{"pod", pod_key(*pod_)}, {"error", stopped.error().message()}});
    co_await context_.loop.sleep(kRetry);
  }
}

io::Task<void> PodWorker::run_kill(std::string id, std::string name, WallTime deadline, bool hook) {
  const core::Container* spec = find_container(pod_->spec, name);
  if (hook && spec && spec->lifecycle && spec->lifecycle->pre_stop && deadline > context_.loop.now()) {
    core::LifecycleHandler handler = *spec->lifecycle->pre_stop;
    Target target{id, pod_ip(), *spec};
    Duration left = deadline - context_.loop.now();
    Outcome outcome = co_await run_hook(context_.loop, context_.cri, handler, target, left);
    if (outcome.verdict == Verdict::kFailure) {
      event(name, "Warning", "FailedPreStopHook", cat("PreStopHook failed", outcome.text.empty() ? "" : ": ", outcome.text));
    }
    if (deadline - context_.loop.now() < kLeastGrace) deadline = context_.loop.now() + kLeastGrace;
  }
  co_await run_stop(id, deadline);
  const engine::ContainerStatus* status = runtime().by_id(id);
  engine::CriEvent changed{status ? status->sandbox_id : std::string(), id};
  auto refreshed = co_await context_.runtime.refresh(changed);
  (void)refreshed;
  kills_.erase(id);
  wake();
}

void PodWorker::kill_container(const engine::ContainerStatus& status, WallTime deadline, std::string message) {
  std::string name(container_name_of(status));
  auto known = kills_.find(status.id);
  if (known != kills_.end()) {
    if (deadline >= known->second.deadline) return;
    known->second.deadline = deadline;  // the grace was shortened: the earlier of the two stops ends it
    tasks_.spawn(run_stop(status.id, deadline));
    return;
  }
  event(name, "Normal", "Killing", std::move(message));
  kills_[status.id] = {deadline};
  tasks_.spawn(run_kill(status.id, name, deadline, deadline > context_.loop.now()));
}

// Sidecars end after the containers that they serve.
void PodWorker::kill_running(WallTime deadline) {
  auto is_sidecar_name = [&](std::string_view name) {
    const core::Container* container = find_container(pod_->spec, name);
    return container && is_sidecar(*container);
  };
  bool regular = false;
  for (const engine::ContainerStatus& status : runtime().containers) {
    if (status.phase == engine::ContainerPhase::kRunning && !is_sidecar_name(container_name_of(status))) regular = true;
  }
  std::vector<engine::ContainerStatus> all = runtime().containers;
  for (const engine::ContainerStatus& status : all) {
    if (status.phase != engine::ContainerPhase::kRunning) continue;
    if (regular && is_sidecar_name(container_name_of(status))) continue;
    kill_container(status, deadline, cat("Stopping container ", container_name_of(status)));
  }
}

io::Task<void> PodWorker::delete_pod() {
  std::string options = cat(R"({"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0,"preconditions":{"uid":")", uid_, "\"}}");
  auto removed = co_await context_.client.remove(api::resource_of<core::Pod>(), pod_->metadata.namespace_, pod_->metadata.name, options);
  deleting_ = false;
  bool done = removed || removed.error().code() == Code::kNotFound || removed.error().code() == Code::kConflict;
  deleted_ = done;
  if (!done) {
    log::warn("a pod can't be deleted yet", {{"pod", pod_key(*pod_)}, {"error", removed.error().message()}});
    wake_in(kRetry);
  }
}

io::Task<bool> PodWorker::sync_ending() {
  probes_.stop();
  WallTime now = context_.loop.now();
  WallTime end = now + std::chrono::seconds(grace_seconds(*pod_));
  if (gone_) end = now + kGoneGrace;
  if (!end_by_ || end < *end_by_) end_by_ = end;
  if (runtime().any_running() || !kills_.empty()) {
    kill_running(*end_by_);
    update_status();
    co_return false;
  }
  if (!torn_down_) {
    co_await stop_sandboxes();
    if (runtime().any_running()) co_return false;
    std::string root = directory(), group = context_.config.cgroup_root.empty() ? "" : pod_cgroup_path(context_.config.cgroup_root, *pod_);
    sys::CgroupFacts facts = context_.cgroups;
    auto work = [root, group, facts]() -> Result<void> {
      KOBUK_CHECK(unmount_volumes(root));
      if (group.empty()) return {};
      sys::Cgroup cgroup(facts, group);
      if (!cgroup.exists()) return {};
      KOBUK_CHECK(cgroup.kill());
      return cgroup.remove();
    };
    Result<void> result = co_await context_.loop.offload("tear down a pod", work);
    if (!result) {
      log::warn("a pod can't be torn down yet", {{"pod", pod_key(*pod_)}, {"error", result.error().message()}});
      wake_in(kRetry);
      co_return false;
    }
    torn_down_ = true;
    config_maps_.clear(), secrets_.clear(), subscribed_ = {};
  }
  update_status();
  if (gone_) co_return co_await remove_everything();
  bool deletable = !pod_->metadata.deletion_timestamp.empty() && status_sent() && !sending_;
  if (deletable && !deleted_ && !deleting_) {
    deleting_ = true;
    tasks_.spawn(delete_pod());
  }
  co_return false;
}

io::Task<bool> PodWorker::remove_everything() {
  bool failed = false;
  std::vector<engine::ContainerStatus> containers = runtime().containers;
  for (const engine::ContainerStatus& status : containers) {
    auto removed = co_await context_.cri.remove_container(status.id);
    failed = failed || (!removed && removed.error().code() != Code::kNotFound);
    engine::CriEvent changed{status.sandbox_id, status.id};
    auto refreshed = co_await context_.runtime.refresh(changed);
    (void)refreshed;
  }
  std::vector<engine::PodSandboxStatus> sandboxes = runtime().sandboxes;
  for (const engine::PodSandboxStatus& sandbox : sandboxes) {
    auto removed = co_await context_.cri.remove_pod_sandbox(sandbox.id);
    failed = failed || (!removed && removed.error().code() != Code::kNotFound);
    engine::CriEvent changed{sandbox.id, {}};
    auto refreshed = co_await context_.runtime.refresh(changed);
    (void)refreshed;
  }
  std::string root = directory(), logs = pod_log_directory(context_.config, *pod_);
  auto work = [root, logs]() -> Result<void> {
    KOBUK_CHECK(remove_pod_directory(root));
    return sys::remove_tree(logs);
  };
  Result<void> removed = co_await context_.loop.offload("remove a pod", work);
  if (!removed) log::warn("a pod's files can't be removed yet", {{"pod", pod_key(*pod_)}, {"error", removed.error().message()}});
  if (failed || !removed) {
    wake_in(kRetry);
    co_return false;
  }
  co_return true;
}

}  // namespace kobuk::node
