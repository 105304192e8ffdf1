// Start, end, restart and removal. The states and the restart policies are Docker's (docs.docker.com/reference/cli/
// docker/container/run, "--restart"): always, unless-stopped, on-failure[:n]; the pause before a restart doubles from
// 100 ms to a minute and starts anew after 10 s of running.
#include <algorithm>
#include <csignal>

#include "base/log.h"
#include "engine/container_spec.h"
#include "engine/core.h"
#include "engine/names.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Duration kFirstBackoff = milliseconds(100);
constexpr Duration kLongestBackoff = std::chrono::minutes(1);
constexpr Duration kLongRun = seconds(10);
constexpr Duration kKillPatience = seconds(10);

}  // namespace

void Core::save_status(Entry& entry) {
  auto saved = records_.put_status(entry.record.id, entry.status);
  // What runs is known to its monitor; after a crash of this daemon that is asked.
  if (!saved) log::error("a container's state could not be written", {{"id", entry.record.id}, {"reason", saved.error().message()}});
}

void Core::set_status(Entry& entry, Status status) {
  entry.status.status = status;
  save_status(entry);
  entry.changed.set();
}

void Core::cancel_restart(Entry& entry) {
  if (entry.restart_timer != 0) loop_.cancel_timer(std::exchange(entry.restart_timer, 0));
  if (entry.status.status == Status::kRestarting) set_status(entry, Status::kExited);
}

Result<runtime::Container*> Core::running(const EntryPtr& entry) const {
  KOBUK_CHECK(adopted(*entry));
  if (entry->live && entry->running()) return entry->live.get();
  if (entry->status.status == Status::kRestarting)
    return fail(Code::kFailedPrecondition, "container ", entry->record.id, " is restarting, wait until the container is running");
  return fail(Code::kFailedPrecondition, "container ", entry->record.id, " is not running");
}

io::Task<Result<void>> Core::start(EntryPtr entry) {
  auto pass = co_await entry->turnstile.enter();
  if (closing_) co_return fail(Code::kUnavailable, "the engine is being removed");
  KOBUK_CO_CHECK(adopted(*entry));
  if (entry->removed || entry->status.status == Status::kRemoving)
    co_return fail(Code::kConflict, "container is marked for removal and cannot be started");
  if (entry->status.status == Status::kPaused)
    co_return fail(Code::kConflict, "cannot start a paused container, try unpause instead");
  if (entry->running()) co_return Result<void>();
  cancel_restart(*entry);
  entry->status.stopped_by_user = false;
  entry->status.restart_count = 0;
  entry->backoff = {};
  auto started = co_await start_locked(entry);
  co_return started;
}

io::Task<Result<void>> Core::start_locked(EntryPtr entry) {
  entry->status.starting = true;
  entry->status.error.clear();
  KOBUK_CO_CHECK(records_.put_status(entry->record.id, entry->status));
  auto up = co_await bring_up(entry);
  entry->status.starting = false;
  if (!up) {
    int code = entry->live ? entry->live->state().exit_code : 0;
    co_await take_down(entry);
    entry->status.error = up.error().message();
    entry->status.exit_code = code != 0 ? code : 128;
    entry->status.finished = loop_.now();
    for (auto& waiter : std::exchange(entry->pending, {})) {
      if (!waiter->attachment) waiter->error = up.error();
      waiter->ready.set();
    }
    ++entry->exits;
    set_status(*entry, entry->status.started == WallTime{} && entry->record.origin == Origin::kDocker ? Status::kCreated : Status::kExited);
    if (entry->record.auto_remove) tasks_.spawn(auto_remove(entry));
    co_return fail(std::move(up).error());
  }
  entry->status.started = loop_.now();
  entry->status.finished = {};
  entry->status.exit_code = 0;
  entry->status.oom_killed = false;
  ++entry->run;
  set_status(*entry, Status::kRunning);
  tasks_.spawn(watch(entry));
  publish(*entry, "start");
  for (const EndpointRecord& endpoint : entry->status.endpoints) refresh_hosts(endpoint.network);
  if (!entry->record.health.test.empty()) tasks_.spawn(check_health(entry, entry->run));
  co_return Result<void>();
}

// Everything up to the process' first instruction. After an error take_down() undoes what was done.
io::Task<Result<void>> Core::bring_up(EntryPtr entry) {
  const ContainerRecord& record = entry->record;
  std::vector<std::string> layers;
  std::map<std::string, std::string> volumes;
  if (record.origin != Origin::kSandbox) {
    KOBUK_CO_TRY(layers, co_await images_->layers(record.image_id));
    KOBUK_CO_TRY(volumes, co_await prepare_volumes(entry, layers));
  }
  entry->status.endpoints.clear();
  if (record.sandbox_id.empty()) KOBUK_CO_CHECK(write_files(*entry));
  KOBUK_CO_TRY(runtime::ContainerSpec spec, spec_of(*entry, std::move(layers), volumes));
  auto made = co_await runtime_->create(std::move(spec));
  if (!made) co_return fail(std::move(made).error().context("failed to create task for container"));
  entry->live = std::move(*made);
  KOBUK_CO_CHECK(co_await attach_networks(entry));
  if (record.sandbox_id.empty()) KOBUK_CO_CHECK(write_hosts(*entry));
  for (auto& waiter : std::exchange(entry->pending, {})) {
    auto attached = co_await entry->live->attach(waiter->options);
    if (attached) waiter->attachment = std::move(*attached);
    if (!attached) waiter->error = attached.error();
    waiter->ready.set();
  }
  auto started = co_await entry->live->start();
  if (!started) co_return fail(std::move(started).error().context("failed to create task for container"));
  co_return Result<void>();
}

io::Task<void> Core::take_down(EntryPtr entry) {
  co_await detach_networks(entry);
  if (!entry->live) co_return;
  auto removed = co_await entry->live->remove();
  if (!removed) log::error("a container's remains could not be removed", {{"id", entry->record.id}, {"reason", removed.error().message()}});
  entry->live.reset();
}

Result<runtime::ContainerSpec> Core::spec_of(const Entry& entry, std::vector<std::string> layers,
                                             const std::map<std::string, std::string>& volumes) const {
  const ContainerRecord& record = entry.record;
  std::string directory = files_directory(record.id);
  SpecInputs inputs;
  inputs.layers = std::move(layers);
  inputs.upper = cat(directory, "/upper"), inputs.work = cat(directory, "/work");
  inputs.volumes = volumes;
  inputs.cgroup_path = cgroup_path_of(record, options_.cgroup_root);
  auto join = [&](std::string_view reference, runtime::NamespaceKind kind, std::string& path) -> Result<void> {
    KOBUK_TRY(EntryPtr other, find(reference));
    if (!other->live || !other->running())
      return fail(Code::kConflict, "cannot join network namespace of a non running container: ", other->record.id);
    path = other->live->namespace_path(kind);
    return {};
  };
  std::string files = cat(directory, "/files");
  if (!record.sandbox_id.empty()) {
    KOBUK_TRY(EntryPtr sandbox, find(record.sandbox_id));
    if (!sandbox->live || !sandbox->running()) return fail(Code::kFailedPrecondition, "sandbox ", record.sandbox_id, " is not ready");
    files = cat(files_directory(record.sandbox_id), "/files");
    const ContainerRecord& pod = sandbox->record;
    if (pod.network_mode != "host") inputs.network_namespace = sandbox->live->namespace_path(runtime::NamespaceKind::kNetwork);
    if (pod.uts_mode != "host") inputs.uts_namespace = sandbox->live->namespace_path(runtime::NamespaceKind::kUts);
    if (pod.ipc_mode != "host") inputs.ipc_namespace = sandbox->live->namespace_path(runtime::NamespaceKind::kIpc);
    if (record.pid_mode == "pod") inputs.pid_namespace = sandbox->live->namespace_path(runtime::NamespaceKind::kPid);
    inputs.shm = pod.ipc_mode == "host" ? "/dev/shm" : cat(options_.run_directory, "/shm/", record.sandbox_id);
  }
  constexpr std::string_view kContainer = "container:";
  if (record.network_mode.starts_with(kContainer)) {
    std::string_view reference = std::string_view(record.network_mode).substr(kContainer.size());
    KOBUK_TRY(EntryPtr other, find(reference));
    KOBUK_CHECK(join(reference, runtime::NamespaceKind::kNetwork, inputs.network_namespace));
    files = cat(files_directory(other->record.id), "/files");
  }
  if (record.pid_mode.starts_with(kContainer))
    KOBUK_CHECK(join(std::string_view(record.pid_mode).substr(kContainer.size()), runtime::NamespaceKind::kPid, inputs.pid_namespace));
  if (record.ipc_mode.starts_with(kContainer))
    KOBUK_CHECK(join(std::string_view(record.ipc_mode).substr(kContainer.size()), runtime::NamespaceKind::kIpc, inputs.ipc_namespace));
  if (record.ipc_mode == "host" && record.sandbox_id.empty()) inputs.shm = "/dev/shm";
  inputs.resolv_conf = cat(files, "/resolv.conf"), inputs.hosts = cat(files, "/hosts"), inputs.hostname_file = cat(files, "/hostname");
  return make_container_spec(record, inputs, runtime_->facts());
}

io::Task<void> Core::watch(EntryPtr entry) {
  auto end = co_await entry->live->wait();
  runtime::ExitStatus status;
  if (end) {
    status = std::move(*end);
  } else {
    status = {.code = 137, .finished = loop_.now(), .error = end.error().message()};
  }
  co_await ended(entry, std::move(status));
}

io::Task<void> Core::ended(EntryPtr entry, runtime::ExitStatus end) {
  auto pass = co_await entry->turnstile.enter();
  if (entry->removed) co_return;
  std::vector<EndpointRecord> endpoints = entry->status.endpoints;
  co_await take_down(entry);
  entry->status.exit_code = end.code;
  entry->status.oom_killed = end.oom_killed;
  entry->status.error = std::move(end.error);
  entry->status.finished = end.finished == WallTime{} ? loop_.now() : end.finished;
  for (auto& [id, exec] : entry->execs) {
    exec->running = false;
    if (!exec->exit_code && exec->started) exec->exit_code = 137;
    exec->changed.set();
  }
  ++entry->exits;
  bool again = policy_wants(*entry, false);
  set_status(*entry, again ? Status::kRestarting : Status::kExited);
  if (end.oom_killed) publish(*entry, "oom");
  publish(*entry, "die", {{"exitCode", cat(end.code)}});
  for (const EndpointRecord& endpoint : endpoints) refresh_hosts(endpoint.network);
  if (again) {
    if (entry->status.finished - entry->status.started >= kLongRun) entry->backoff = {};
    schedule_restart(entry);
  } else if (entry->record.auto_remove && !stopping_) {
    tasks_.spawn(auto_remove(entry));
  }
}

// at_open: the daemon finds it ended. Docker starts `always` again then even when a user had stopped it.
bool Core::policy_wants(const Entry& entry, bool at_open) const {
  if (stopping_ || options_.maintenance) return false;
  const ContainerRecord& record = entry.record;
  if (entry.status.stopped_by_user && !(at_open && record.restart == RestartMode::kAlways)) return false;
  switch (record.restart) {
    case RestartMode::kNo: return false;
    case RestartMode::kAlways:
    case RestartMode::kUnlessStopped: return true;
    case RestartMode::kOnFailure:
      return entry.status.exit_code != 0 && (record.restart_tries == 0 || entry.status.restart_count < record.restart_tries);
  }
  return false;
}

void Core::schedule_restart(EntryPtr entry) {
  entry->backoff = entry->backoff == Duration{} ? kFirstBackoff : std::min<Duration>(entry->backoff * 2, kLongestBackoff);
  entry->restart_timer = loop_.start_timer(entry->backoff, [this, entry] {
    entry->restart_timer = 0;
    tasks_.spawn(restart_now(entry));
  });
}

io::Task<void> Core::restart_now(EntryPtr entry) {
  auto pass = co_await entry->turnstile.enter();
  if (entry->removed || entry->running() || entry->status.status != Status::kRestarting) co_return;
  ++entry->status.restart_count;
  auto started = co_await start_locked(entry);
  if (started || entry->removed) co_return;
  log::warn("a container could not be restarted", {{"id", entry->record.id}, {"reason", started.error().message()}});
  if (!policy_wants(*entry, false)) co_return;
  set_status(*entry, Status::kRestarting);
  schedule_restart(entry);
}

io::Task<bool> Core::wait_exit(EntryPtr entry, uint64_t exits, Duration limit) {
  Deadline deadline(loop_, limit, entry->changed);
  while (entry->exits == exits && !entry->removed) {
    if (deadline.passed()) co_return false;
    entry->changed.reset();
    co_await entry->changed.wait();
  }
  co_return true;
}

io::Task<Result<void>> Core::stop(EntryPtr entry, std::optional<int> signal, std::optional<Duration> timeout) {
  KOBUK_CO_CHECK(adopted(*entry));
  int number = signal.value_or(stop_signal(entry->record.stop_signal));
  entry->status.stopped_by_user = true;
  if (!entry->running()) {
    // One that is being started is stopped once it runs.
    auto pass = co_await entry->turnstile.enter();
    if (entry->removed) co_return Result<void>();
    cancel_restart(*entry);
    if (!entry->running()) {
      save_status(*entry);
      co_return Result<void>();
    }
  }
  save_status(*entry);
  uint64_t exits = entry->exits;
  if (entry->status.status == Status::kPaused) {
    auto resumed = co_await resume(entry);
    if (!resumed) log::warn("a paused container could not be resumed to be stopped", {{"reason", resumed.error().message()}});
  }
  if (entry->live && entry->exits == exits) {
    auto sent = co_await entry->live->signal(number);
    if (sent) publish(*entry, "kill", {{"signal", cat(number)}});
  }
  Duration grace = timeout ? *timeout : Duration(seconds(entry->record.stop_timeout.value_or(10)));
  // Docker: a negative timeout waits for ever; so long that nobody sees the end of it.
  if (grace < Duration{}) grace = std::chrono::hours(24 * 365);
  bool done = co_await wait_exit(entry, exits, grace);
  if (!done && entry->live) {
    auto killed = co_await entry->live->signal(SIGKILL, true);
    if (killed) publish(*entry, "kill", {{"signal", cat(SIGKILL)}});
    done = co_await wait_exit(entry, exits, kKillPatience);
  }
  if (!done) co_return fail(Code::kInternal, "cannot stop container: ", entry->record.id, ": tried to kill container, but did not receive an exit event");
  publish(*entry, "stop");
  co_return Result<void>();
}

io::Task<Result<void>> Core::kill(EntryPtr entry, int signal) {
  auto container = running(entry);
  if (!container) co_return fail(std::move(container).error().context("Cannot kill container: ", entry->record.id));
  if (signal == SIGKILL || signal == stop_signal(entry->record.stop_signal)) {
    entry->status.stopped_by_user = true;
    save_status(*entry);
  }
  uint64_t exits = entry->exits;
  if (signal == SIGKILL && entry->status.status == Status::kPaused) {
    auto resumed = co_await resume(entry);
    if (!resumed) log::warn("a paused container could not be resumed to be killed", {{"reason", resumed.error().message()}});
  }
  if (entry->live) {
    auto sent = co_await entry->live->signal(signal);
    // It ended, or its monitor is about to say so.
    bool gone = !sent && (sent.error().code() == Code::kFailedPrecondition || sent.error().code() == Code::kUnavailable);
    if (!sent && !gone)
      co_return fail(std::move(sent).error().context("Cannot kill container: ", entry->record.id));
  }
  publish(*entry, "kill", {{"signal", cat(signal)}});
  if (signal == SIGKILL) {
    bool done = co_await wait_exit(entry, exits, kKillPatience);
    if (!done) co_return fail(Code::kInternal, "container ", entry->record.id, " was killed, but has not ended yet");
  }
  co_return Result<void>();
}

io::Task<Result<void>> Core::restart(EntryPtr entry, std::optional<int> signal, std::optional<Duration> timeout) {
  KOBUK_CO_CHECK(co_await stop(entry, signal, timeout));
  KOBUK_CO_CHECK(co_await start(entry));
  publish(*entry, "restart");
  co_return Result<void>();
}

io::Task<Result<void>> Core::pause(EntryPtr entry) {
  auto pass = co_await entry->turnstile.enter();
  KOBUK_CO_TRY(runtime::Container * container, running(entry));
  if (entry->status.status == Status::kPaused) co_return fail(Code::kConflict, "Container ", entry->record.id, " is already paused");
  KOBUK_CO_CHECK(co_await container->pause());
  set_status(*entry, Status::kPaused);
  publish(*entry, "pause");
  co_return Result<void>();
}

io::Task<Result<void>> Core::resume(EntryPtr entry) {
  auto pass = co_await entry->turnstile.enter();
  if (entry->status.status != Status::kPaused || !entry->live)
    co_return fail(Code::kConflict, "Container ", entry->record.id, " is not paused");
  KOBUK_CO_CHECK(co_await entry->live->resume());
  set_status(*entry, Status::kRunning);
  publish(*entry, "unpause");
  co_return Result<void>();
}

io::Task<Result<int64_t>> Core::wait(EntryPtr entry, WaitFor condition, uint64_t exits, io::CancelToken cancel) {
  auto wake = cancel.on_cancel([entry] { entry->changed.set(); });
  while (!entry->removed) {
    if (condition == WaitFor::kNotRunning && !entry->running() && entry->status.status != Status::kRestarting && !entry->status.starting) break;
    if (condition == WaitFor::kNextExit && entry->exits != exits) break;
    if (cancel.cancelled()) co_return fail(Code::kCancelled, "the client went away");
    entry->changed.reset();
    co_await entry->changed.wait();
  }
  co_return entry->status.exit_code;
}

std::shared_ptr<PendingAttach> Core::await_start(EntryPtr entry, runtime::Container::AttachOptions options) {
  auto waiter = std::make_shared<PendingAttach>(loop_);
  waiter->options = options;
  entry->pending.push_back(waiter);
  return waiter;
}

io::Task<Result<std::unique_ptr<runtime::Attachment>>> Core::attach(EntryPtr entry, runtime::Container::AttachOptions options) {
  if (entry->live && entry->running()) {
    auto attached = co_await entry->live->attach(options);
    co_return attached;
  }
  KOBUK_CO_CHECK(still_there(*entry));
  auto waiter = await_start(entry, options);
  co_await waiter->ready.wait();
  if (waiter->error) co_return fail(*waiter->error);
  co_return std::move(waiter->attachment);
}

}  // namespace kobuk::engine
