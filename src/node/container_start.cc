// One container from its image to its postStart hook. Whatever fails is told as an Event and as the reason why the
// container waits, and tried again later.
#include <algorithm>
#include <chrono>

#include "base/log.h"
#include "base/strings.h"
#include "node/pod_worker.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {

constexpr Duration kRetry = std::chrono::seconds(10);
// A failed pull shows as ErrImagePull for a moment, then as ImagePullBackOff.
constexpr Duration kShowPullError = std::chrono::seconds(1);

std::string duration_text(Duration duration) {
  auto millis = std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  if (millis < 1000) return cat(millis, "ms");
  std::string fraction = cat(1000 + millis % 1000).substr(1);
  return cat(millis / 1000, ".", fraction, "s");
}

std::string wait_text(Duration wait) {  // as Go prints it: 10s, 1m20s, 5m0s
  auto seconds = std::chrono::duration_cast<std::chrono::seconds>(wait).count();
  return seconds < 60 ? cat(seconds, "s") : cat(seconds / 60, "m", seconds % 60, "s");
}

bool has_mount_at(const core::Container& container, std::string_view path) {
  return std::ranges::any_of(container.volume_mounts, [&](auto& mount) { return mount.mount_path == path; });
}

bool always_read_only(const core::Volume& volume) { return has_payload(volume); }

std::string propagation(const std::string& text) {
  if (text == "HostToContainer") return "host-to-container";
  if (text == "Bidirectional") return "bidirectional";
  return "private";
}

}  // namespace

void PodWorker::start_failed(const core::Container& container, Start& start, const std::string& reason,
                             const std::string& message) {
  WaitingReason why{reason, message};
  if (waiting_[container.name] != why) event(container.name, "Warning", "Failed", cat("Error: ", message.empty() ? reason : message));
  waiting_[container.name] = std::move(why);
  start.not_before = context_.loop.now() + kRetry;
  wake_in(kRetry);
}

// Having ended, a container waits before it starts again, longer each time.
bool PodWorker::in_crash_backoff(const core::Container& container, Start& start) {
  const engine::ContainerStatus* last = runtime().latest(container.name);
  if (!last || last->phase != engine::ContainerPhase::kExited) return false;
  Duration left = backoff_.remaining(container.name, last->finished, context_.loop.now());
  if (left <= Duration{}) return false;
  waiting_[container.name] = {"CrashLoopBackOff", cat("back-off ", wait_text(backoff_.current(container.name)),
                                                      " restarting failed container=", container.name, " pod=", pod_title(*pod_))};
  if (!start.backoff_told) {
    event(container.name, "Warning", "BackOff",
          cat("Back-off restarting failed container ", container.name, " in pod ", pod_title(*pod_)));
    start.backoff_told = true;
  }
  wake_in(left);
  return true;
}

void PodWorker::begin_pull(const core::Container& container, Start& start) {
  event(container.name, "Normal", "Pulling", cat("Pulling image \"", container.image, "\""));
  start.pull_failed = false;
  start.pull = context_.images.pull(container.image, pull_credentials(pod_->spec, objects(), container.image), [this] { wake(); });
}

void PodWorker::finish_pull(const core::Container& container, Start& start) {
  PullWait pull = std::move(start.pull);
  if (pull->result) {
    std::string took = duration_text(pull->ended - pull->begun);
    start.image_id = *pull->result;
    event(container.name, "Normal", "Pulled",
          cat("Successfully pulled image \"", container.image, "\" in ", took, " (", took, " including waiting)"));
    waiting_.erase(container.name);
    return;
  }
  WallTime now = context_.loop.now();
  start.pull_failed = true;
  start.failed_at = now;
  start.pull_error = cat("failed to pull image \"", container.image, "\": ", pull->result.error().message());
  backoff_.next(cat("image ", container.image), now, now);
  event(container.name, "Warning", "Failed", cat("Failed to pull image \"", container.image, "\": ", pull->result.error().message()));
  event(container.name, "Warning", "Failed", "Error: ErrImagePull");
  waiting_[container.name] = {"ErrImagePull", start.pull_error};
  start.backoff_told = false;
  wake_in(kShowPullError);
}

io::Task<PodWorker::ImageState> PodWorker::ensure_image(core::Container container, Start& start) {
  if (start.pull) {
    if (!start.pull->done) co_return ImageState::kPending;
    finish_pull(container, start);
    co_return start.image_id.empty() ? ImageState::kPending : ImageState::kReady;
  }
  if (!start.image_id.empty()) co_return ImageState::kReady;
  if (start.pull_failed) {
    WallTime now = context_.loop.now();
    if (now - start.failed_at < kShowPullError) {
      wake_in(start.failed_at + kShowPullError - now);
      co_return ImageState::kPending;
    }
    Duration left = backoff_.remaining(cat("image ", container.image), start.failed_at, now);
    if (left > Duration{}) {
      std::string text = cat("Back-off pulling image \"", container.image, "\"");
      waiting_[container.name] = {"ImagePullBackOff", cat(text, ": ErrImagePull: ", start.pull_error)};
      if (!start.backoff_told) {
        event(container.name, "Normal", "BackOff", text);
        event(container.name, "Warning", "Failed", "Error: ImagePullBackOff");
      }
      start.backoff_told = true;
      wake_in(left);
      co_return ImageState::kPending;
    }
  }
  if (!is_image_name(container.image)) {
    std::string why = cat("Failed to apply default image tag \"", container.image, "\": couldn't parse image name \"",
                          container.image, "\": invalid reference format");
    if (!waiting_.contains(container.name)) {
      event(container.name, "Warning", "InspectFailed", why);
      event(container.name, "Warning", "Failed", "Error: InvalidImageName");
    }
    waiting_[container.name] = {"InvalidImageName", why};
    co_return ImageState::kPending;
  }
  std::string policy = pull_policy(container);
  auto there = co_await context_.cri.image_status(container.image);
  bool present = there && there->has_value();
  if (present && policy != "Always") {
    start.image_id = (*there)->id;
    event(container.name, "Normal", "Pulled",
          cat("Container image \"", container.image, "\" already present on machine and can be accessed by the pod"));
    co_return ImageState::kReady;
  }
  if (policy == "Never") {
    std::string why = cat("Container image \"", container.image, "\" is not present with pull policy of Never");
    if (!waiting_.contains(container.name)) {
      event(container.name, "Warning", "ErrImageNeverPull", why);
      event(container.name, "Warning", "Failed", "Error: ErrImageNeverPull");
    }
    waiting_[container.name] = {"ErrImageNeverPull", why};
    start.not_before = context_.loop.now() + kRetry;
    wake_in(kRetry);
    co_return ImageState::kPending;
  }
  begin_pull(container, start);
  co_return ImageState::kPending;
}

io::Task<Result<std::vector<engine::CriMount>>> PodWorker::make_mounts(core::Container container, Environment environment,
                                                                       uint32_t attempt, std::vector<std::string> ips) {
  std::vector<engine::CriMount> out;
  for (size_t i = 0; i < container.volume_mounts.size(); ++i) {
    core::VolumeMount mount = container.volume_mounts[i];
    auto volume = std::ranges::find(pod_->spec.volumes, mount.name, &core::Volume::name);
    if (volume == pod_->spec.volumes.end()) co_return fail(Code::kInvalid, "no volume is named ", mount.name);
    bool read_only = mount.read_only || always_read_only(*volume);
    std::string path = volume_path(directory(), *volume);
    std::string sub = mount.sub_path_expr.empty() ? mount.sub_path : expand_with(mount.sub_path_expr, environment);
    if (!sub.empty()) {
      SubPathRequest request{mount.name, path, sub, container.name, i, read_only};
      std::string root = directory();
      auto work = [request, root] { return prepare_sub_path(request, root); };
      KOBUK_CO_TRY(path, co_await context_.loop.offload("subPath", work));
    }
    std::string place = mount.mount_path.starts_with("/") ? mount.mount_path : cat("/", mount.mount_path);
    bool recursive = read_only && (mount.recursive_read_only == "Enabled" || mount.recursive_read_only == "IfPossible");
    out.push_back({place, path, read_only, recursive, propagation(mount.mount_propagation)});
  }
  if (!has_mount_at(container, "/etc/hosts")) {
    std::string file = cat(directory(), "/etc-hosts");
    KOBUK_CO_CHECK(sys::make_directories(directory(), 0750));
    std::string text = make_hosts(*pod_, ips, context_.config, context_.host_hosts);
    KOBUK_CO_CHECK(sys::write_file(file, text, 0644));
    out.push_back({"/etc/hosts", file, false, false, "private"});
  }
  if (!container.termination_message_path.empty()) {
    std::string file = termination_message_file(context_.config, *pod_, container.name, attempt);
    KOBUK_CO_CHECK(make_message_file(file));
    out.push_back({container.termination_message_path, file, false, false, "private"});
  }
  co_return out;
}

io::Task<Result<engine::ContainerConfig>> PodWorker::configure(core::Container container, uint32_t attempt, std::string image) {
  NodeIdentity identity = this->identity();
  PodObjects known = objects();
  std::vector<core::Service> services;
  context_.services.in_namespace(pod_->metadata.namespace_, [&](auto& service) { services.push_back(*service); });
  if (pod_->metadata.namespace_ != "default") {
    if (auto master = context_.services.find("default/kubernetes")) services.push_back(*master);
  }
  auto variables = service_variables(services, pod_->metadata.namespace_, pod_->spec.enable_service_links.value_or(true));
  EnvironmentInput environment_input{*pod_, container, known, identity, variables};
  KOBUK_CO_TRY(Environment environment, make_environment(environment_input));
  std::string user;
  auto status = co_await context_.cri.image_status(image);
  if (status && status->has_value()) user = (*status)->user;
  std::vector<std::string> ips;
  if (const engine::PodSandboxStatus* sandbox = runtime().sandbox()) ips = sandbox->ips;
  KOBUK_CO_TRY(auto mounts, co_await make_mounts(container, environment, attempt, ips));
  ContainerInput input{.pod = *pod_, .container = container, .node = context_.config, .attempt = attempt, .image = image,
                       .image_user = user, .environment = std::move(environment), .mounts = std::move(mounts)};
  co_return make_container_config(input);
}

// The last one that has ended is kept for its log and state; those before it go.
io::Task<void> PodWorker::remove_old_attempts(std::string name) {
  std::vector<engine::ContainerStatus> all = runtime().containers;
  size_t seen = 0;
  for (const engine::ContainerStatus& status : all) {
    if (container_name_of(status) != name || ++seen <= 1 || status.phase == engine::ContainerPhase::kRunning) continue;
    auto removed = co_await context_.cri.remove_container(status.id);
    if (!removed) log::warn("an old container can't be removed", {{"pod", pod_key(*pod_)}, {"error", removed.error().message()}});
    engine::CriEvent changed{status.sandbox_id, status.id};
    auto refreshed = co_await context_.runtime.refresh(changed);
    (void)refreshed;
    messages_.erase(status.id);
  }
}

io::Task<void> PodWorker::start_container(ContainerStart which) {
  core::Container container = which.init ? pod_->spec.init_containers[which.index] : pod_->spec.containers[which.index];
  Start& start = starts_[container.name];
  WallTime now = context_.loop.now();
  if (now < start.not_before) {
    wake_in(start.not_before - now);
    co_return;
  }
  if (start.image_id.empty() && !start.pull && in_crash_backoff(container, start)) co_return;
  ImageState image = co_await ensure_image(container, start);
  if (image == ImageState::kPending || ending()) co_return;
  const engine::ContainerStatus* last = runtime().latest(container.name);
  uint32_t attempt = last ? last->attempt + 1 : 0;
  std::string image_id = start.image_id;
  auto config = co_await configure(container, attempt, image_id);
  if (!config) {
    start_failed(container, start, "CreateContainerConfigError", config.error().message());
    co_return;
  }
  const engine::PodSandboxStatus* sandbox = runtime().sandbox();
  if (!sandbox || ending()) co_return;
  std::string sandbox_id = sandbox->id;
  engine::PodSandboxConfig sandbox_config = make_sandbox_config(*pod_, sandbox->metadata.attempt, context_.config);
  co_await remove_old_attempts(container.name);
  last = runtime().latest(container.name);
  if (last) backoff_.next(container.name, last->finished, context_.loop.now());
  start.backoff_told = false;
  Result<void> logs = sys::make_directories(cat(sandbox_config.log_directory, "/", container.name));
  if (!logs) {
    start_failed(container, start, "CreateContainerError", logs.error().message());
    co_return;
  }
  auto id = co_await context_.cri.create_container(sandbox_id, *config, sandbox_config);
  if (!id) {
    start.image_id.clear();  // it may be gone: the next try looks for it, and pulls it again
    start_failed(container, start, "CreateContainerError", id.error().message());
    co_return;
  }
  event(container.name, "Normal", "Created", "Container created");
  auto started = co_await context_.cri.start_container(*id);
  engine::CriEvent changed{sandbox_id, *id};
  auto refreshed = co_await context_.runtime.refresh(changed);
  (void)refreshed;
  if (!started) {
    start.image_id.clear();
    start_failed(container, start, "RunContainerError", started.error().message());
    co_return;
  }
  event(container.name, "Normal", "Started", "Container started");
  start = {};
  waiting_.erase(container.name);
  if (container.lifecycle && container.lifecycle->post_start) {
    hooks_.insert(*id);
    tasks_.spawn(post_start(container, *id));
  }
  wake();  // probes, the next container, the status
}

io::Task<void> PodWorker::post_start(core::Container container, std::string id) {
  Target target{id, pod_ip(), container};
  Outcome outcome = co_await run_hook(context_.loop, context_.cri, *container.lifecycle->post_start, target, std::chrono::hours(24));
  hooks_.erase(id);
  const engine::ContainerStatus* status = runtime().by_id(id);
  if (outcome.verdict == Verdict::kFailure && status && !ending()) {
    event(container.name, "Warning", "FailedPostStartHook", cat("PostStartHook failed", outcome.text.empty() ? "" : ": ", outcome.text));
    waiting_[container.name] = {"PostStartHookError", outcome.text};
    WallTime deadline = context_.loop.now() + std::chrono::seconds(pod_->spec.termination_grace_period_seconds.value_or(30));
    kill_container(*status, deadline, "FailedPostStartHook");
  }
  wake();
}

}  // namespace kobuk::node
