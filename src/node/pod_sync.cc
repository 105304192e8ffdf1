// One look at a pod that is to run: volumes, cgroup, sandbox, then what compute_actions() says.
#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/strings.h"
#include "codec/json.h"
#include "node/admission.h"
#include "node/pod_worker.h"
#include "node/resources.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {
constexpr Duration kRetry = std::chrono::seconds(10);
constexpr Duration kFirstMountDelay = std::chrono::milliseconds(500), kMaxMountDelay = std::chrono::seconds(122);
}  // namespace

void PodWorker::check_deadline() {
  if (!pod_->spec.active_deadline_seconds || pod_->status.start_time.empty() || !forced_reason_.empty()) return;
  auto started = parse_rfc3339(pod_->status.start_time);
  if (!started || is_terminal(pod_->status.phase)) return;
  Duration left = *started + std::chrono::seconds(*pod_->spec.active_deadline_seconds) - context_.loop.now();
  if (left > Duration{}) {
    wake_in(left);
    return;
  }
  forced_reason_ = "DeadlineExceeded";
  forced_message_ = "Pod was active on the node longer than the specified deadline";
  event({}, "Normal", forced_reason_, forced_message_);
}

// Before anything of the pod runs; what runs already stays.
void PodWorker::check_supported() {
  if (ending() || !runtime().empty()) return;
  auto refusal = refuse(*pod_, context_.config);
  if (!refusal) return;
  forced_reason_ = std::move(refusal->reason);
  forced_message_ = cat("Pod was rejected: ", refusal->message);
  event({}, "Warning", forced_reason_, std::move(refusal->message));
}

bool PodWorker::subscribe() {
  PodReferences wanted = references_of(pod_->spec);
  auto listener = [this] { wake(); };
  const std::string& space = pod_->metadata.namespace_;
  if (!(wanted == subscribed_)) {
    std::erase_if(config_maps_, [&](auto& entry) { return !wanted.config_maps.contains(entry.first); });
    std::erase_if(secrets_, [&](auto& entry) { return !wanted.secrets.contains(entry.first); });
    for (const std::string& name : wanted.config_maps) {
      if (!config_maps_.contains(name)) config_maps_.emplace(name, context_.objects.config_map(space, name, listener));
    }
    for (const std::string& name : wanted.secrets) {
      if (!secrets_.contains(name)) secrets_.emplace(name, context_.objects.secret(space, name, listener));
    }
    subscribed_ = std::move(wanted);
  }
  auto synced = [](auto& entry) { return entry.second.watch().synced(); };
  return std::ranges::all_of(config_maps_, synced) && std::ranges::all_of(secrets_, synced);
}

PodObjects PodWorker::objects() const {
  PodObjects out;
  for (const auto& [name, subscription] : config_maps_) out.config_maps[name] = subscription.watch().object();
  for (const auto& [name, subscription] : secrets_) out.secrets[name] = subscription.watch().object();
  return out;
}

// Tokens of the volume's serviceAccountToken sources; fresh ones at 80 % of their life.
io::Task<Result<VolumeTokens>> PodWorker::fetch_tokens(core::Volume volume) {
  VolumeTokens out;
  if (!volume.projected) co_return out;
  auto known = tokens_.find(volume.name);
  WallTime now = context_.loop.now();
  if (known != tokens_.end() && now < known->second.refresh) {
    wake_in(known->second.refresh - now);
    co_return known->second.tokens;
  }
  int64_t shortest = 0;
  for (const core::VolumeProjection& source : volume.projected->sources) {
    if (!source.service_account_token) continue;
    core::ServiceAccountTokenProjection wanted = *source.service_account_token;
    int64_t seconds = wanted.expiration_seconds.value_or(3600);
    std::string request = R"({"apiVersion":"authentication.k8s.io/v1","kind":"TokenRequest","spec":{"audiences":[)";
    if (!wanted.audience.empty()) codec::append_json_string(request, wanted.audience);
    cat_to(request, "],\"expirationSeconds\":", seconds, R"(,"boundObjectRef":{"apiVersion":"v1","kind":"Pod","name":)");
    codec::append_json_string(request, pod_->metadata.name);
    request += ",\"uid\":";
    codec::append_json_string(request, uid_);
    request += "}}}";
    std::string account = pod_->spec.service_account_name.empty() ? "default" : pod_->spec.service_account_name;
    api::GroupVersionResource accounts{"", "v1", "serviceaccounts"};
    auto answer = co_await context_.client.create(accounts, pod_->metadata.namespace_, request, account, "token");
    if (!answer) {
      // A cluster without TokenRequest still runs pods: only volumes that their authors wrote insist on it.
      Code code = answer.error().code();
      bool absent = code == Code::kNotFound || code == Code::kUnsupported;
      if (absent && is_default_token_volume(volume)) continue;
      co_return fail(std::move(answer).error().context("failed to fetch token"));
    }
    KOBUK_CO_TRY(codec::Document token, codec::parse_json(*answer));
    out[wanted.path] = std::string(token.root["status"]["token"].as_string());
    shortest = shortest == 0 ? seconds : std::min(shortest, seconds);
  }
  if (shortest > 0) {
    Duration life = std::chrono::seconds(shortest * 8 / 10);
    tokens_[volume.name] = {out, now + life};
    wake_in(life);
  }
  co_return out;
}

io::Task<bool> PodWorker::prepare_volumes() {
  Result<void> result;
  std::string failed;
  PodObjects known = objects();
  std::vector<core::Volume> volumes = pod_->spec.volumes;  // the pod may change meanwhile
  for (const core::Volume& volume : volumes) {
    auto tokens = co_await fetch_tokens(volume);
    auto plan = tokens ? plan_volume(volume, *pod_, known, *tokens, identity(), directory())
                       : Result<VolumePlan>(std::unexpected(tokens.error()));
    if (plan) {
      auto before = mounted_.find(volume.name);
      if (before != mounted_.end() && before->second.payload == plan->payload) continue;
      WallTime now = context_.loop.now();
      VolumePlan wanted = *plan;
      auto work = [wanted, now] { return apply_volume(wanted, now); };
      result = co_await context_.loop.offload("volume", work);
      if (result) mounted_[volume.name] = *std::move(plan);
    } else {
      result = std::unexpected(std::move(plan).error());
    }
    failed = volume.name;
    if (!result) break;
  }
  if (result) {
    mount_delay_ = {};
    mount_error_.clear();
    co_return true;
  }
  std::string message = cat("MountVolume.SetUp failed for volume \"", failed, "\" : ", result.error().message());
  mount_delay_ = std::clamp<Duration>(mount_delay_ * 2, kFirstMountDelay, kMaxMountDelay);
  event({}, "Warning", "FailedMount", message);
  mount_error_ = std::move(message);
  wake_in(mount_delay_);
  // A pod that runs keeps what it has; only a start needs all of its volumes.
  co_return runtime().any_running();
}

io::Task<Result<void>> PodWorker::prepare_cgroup() {
  if (cgroup_ready_ || context_.config.cgroup_root.empty()) co_return Result<void>();
  std::string path = pod_cgroup_path(context_.config.cgroup_root, *pod_);
  sys::CgroupFacts facts = context_.cgroups;
  sys::CgroupLimits limits = pod_cgroup_limits(pod_->spec);
  auto work = [path, facts, limits]() -> Result<void> {
    sys::Cgroup group(facts, path);
    return group.exists() ? group.update(limits) : group.create(limits);
  };
  Result<void> result = co_await context_.loop.offload("cgroup", work);
  cgroup_ready_ = result.has_value();
  co_return result;
}

io::Task<void> PodWorker::stop_sandboxes() {
  std::vector<engine::PodSandboxStatus> sandboxes = runtime().sandboxes;
  for (const engine::PodSandboxStatus& sandbox : sandboxes) {
    if (!sandbox.ready) continue;
    auto stopped = co_await context_.cri.stop_pod_sandbox(sandbox.id);
    if (!stopped) log::warn("a sandbox can't be stopped yet", {{"pod", pod_key(*pod_)}, {"error", stopped.error().message()}});
    engine::CriEvent changed{sandbox.id, {}};
    auto refreshed = co_await context_.runtime.refresh(changed);
    (void)refreshed;
    if (!stopped) wake_in(kRetry);
  }
}

io::Task<bool> PodWorker::prepare_sandbox(PodActions actions) {
  WallTime now = context_.loop.now();
  if (now < sandbox_not_before_) {
    wake_in(sandbox_not_before_ - now);
    co_return false;
  }
  engine::PodSandboxConfig config = make_sandbox_config(*pod_, actions.attempt, context_.config);
  std::string logs = config.log_directory;
  Result<void> made = sys::make_directories(logs);
  auto id = co_await context_.cri.run_pod_sandbox(config);
  if (!id) {
    event({}, "Warning", "FailedCreatePodSandBox", cat("Failed to create pod sandbox: ", id.error().message()));
    sandbox_not_before_ = context_.loop.now() + kRetry;
    wake_in(kRetry);
    co_return false;
  }
  engine::CriEvent changed{*id, {}};
  auto refreshed = co_await context_.runtime.refresh(changed);
  if (!refreshed) log::warn("a sandbox can't be read", {{"pod", pod_key(*pod_)}, {"error", refreshed.error().message()}});
  co_return runtime().sandbox() != nullptr && runtime().sandbox()->ready;
}

ActionInput PodWorker::action_input() const {
  ActionInput input{.pod = *pod_, .runtime = runtime()};
  input.liveness_failed = probes_.liveness_failed();
  input.startup_failed = probes_.startup_failed();
  input.started = probes_.started();
  for (const std::string& id : hooks_) input.started.erase(id);
  input.again = again_;
  return input;
}

io::Task<void> PodWorker::sync_running() {
  // First of all: what we have found running stays as ready as it was, whatever the pod waits for.
  probes_.follow(*pod_, runtime(), pod_ip(), hooks_);
  if (!subscribe()) co_return;  // the watch wakes us
  bool volumes = co_await prepare_volumes();
  if (!volumes || ending()) co_return;
  auto cgroup = co_await prepare_cgroup();
  if (!cgroup) {
    event({}, "Warning", "FailedCreatePodContainer", cat("unable to ensure pod container exists: ", cgroup.error().message()));
    wake_in(kRetry);
    co_return;
  }
  PodActions actions = compute_actions(action_input());
  co_await apply(actions);
  probes_.follow(*pod_, runtime(), pod_ip(), hooks_);
}

static std::string kill_message(const ContainerKill& kill) {
  switch (kill.reason) {
    case KillReason::kLivenessProbe: return cat("Container ", kill.name, " failed liveness probe, will be restarted");
    case KillReason::kStartupProbe: return cat("Container ", kill.name, " failed startup probe, will be restarted");
    case KillReason::kUnknownState: return cat("Container ", kill.name, " is in unknown state, try killing it before restart");
    case KillReason::kChanged: break;
  }
  return cat("Container ", kill.name, " definition changed, will be restarted");
}

// A changed container starts again whatever its policy says; one that a probe has condemned, however it ends.
static bool starts_again(const core::Pod& pod, const ContainerKill& kill) {
  const core::Container* container = find_container(pod.spec, kill.name);
  return container && (kill.reason == KillReason::kChanged || restart_policy(pod.spec, *container) != "Never");
}

// How long a container that a probe has condemned gets: the probe's own time, else the pod's.
static int64_t kill_grace(const core::Pod& pod, const ContainerKill& kill) {
  const core::Container* container = find_container(pod.spec, kill.name);
  const core::Probe* probe = nullptr;
  if (container && kill.reason == KillReason::kLivenessProbe) probe = container->liveness_probe.get();
  if (container && kill.reason == KillReason::kStartupProbe) probe = container->startup_probe.get();
  if (probe && probe->termination_grace_period_seconds) return *probe->termination_grace_period_seconds;
  return pod.spec.termination_grace_period_seconds.value_or(30);
}

io::Task<void> PodWorker::apply(PodActions actions) {
  if (actions.kill_pod) {
    if (actions.create_sandbox) event({}, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
    if (runtime().any_running() || !kills_.empty()) {
      kill_running(context_.loop.now() + std::chrono::seconds(pod_->spec.termination_grace_period_seconds.value_or(30)));
      co_return;  // comes back when they have ended
    }
    co_await stop_sandboxes();
    if (!actions.create_sandbox) co_return;
  }
  if (actions.create_sandbox) {
    bool ready = co_await prepare_sandbox(actions);
    if (!ready || ending()) co_return;
  }
  std::erase_if(again_, [&](auto& id) { return !runtime().by_id(id); });
  for (const ContainerKill& kill : actions.kill) {
    const engine::ContainerStatus* status = runtime().by_id(kill.id);
    if (!status || kills_.contains(kill.id)) continue;
    if (starts_again(*pod_, kill)) again_.insert(kill.id);
    WallTime deadline = context_.loop.now() + std::chrono::seconds(kill_grace(*pod_, kill));
    kill_container(*status, deadline, kill_message(kill));
  }
  for (ContainerStart start : actions.start) {
    if (ending()) co_return;
    // Containers start one after the other: a postStart hook holds back those that follow.
    if (!hooks_.empty()) co_return;
    co_await start_container(start);
  }
}

}  // namespace kobuk::node
