#include "node/testing/fake_cri.h"

#include <algorithm>

#include "base/strings.h"
#include "sys/file.h"

namespace kobuk::node {

using engine::ContainerPhase;

FakeCri::~FakeCri() {
  for (auto& [id, container] : containers_) {
    if (container.timer != 0) loop_.cancel_timer(container.timer);
  }
}

size_t FakeCri::count(std::string_view prefix) const {
  return static_cast<size_t>(std::ranges::count_if(calls, [&](auto& call) { return call.starts_with(prefix); }));
}

const engine::ContainerStatus* FakeCri::container(std::string_view name) const {
  const engine::ContainerStatus* out = nullptr;
  for (const auto& [id, container] : containers_) {
    if (container.status.name == name && (!out || container.status.attempt >= out->attempt)) out = &container.status;
  }
  return out;
}

const engine::ContainerConfig* FakeCri::config(std::string_view name) const {
  const engine::ContainerStatus* newest = container(name);
  return newest ? &containers_.at(newest->id).config : nullptr;
}

std::vector<engine::PodSandboxStatus> FakeCri::sandboxes() const {
  std::vector<engine::PodSandboxStatus> out;
  for (const auto& [id, sandbox] : sandboxes_) out.push_back(sandbox);
  return out;
}

FakeCri::Container* FakeCri::find(const std::string& id) {
  auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : &found->second;
}

void FakeCri::tell(const std::string& sandbox, const std::string& container) {
  events_.push_back({sandbox, container});
  changed_.set();
}

void FakeCri::finish(Container& container, int32_t exit_code) {
  if (container.status.phase != ContainerPhase::kRunning) return;
  if (container.timer != 0) loop_.cancel_timer(container.timer);
  container.timer = 0;
  container.status.phase = ContainerPhase::kExited;
  container.status.exit_code = exit_code;
  container.status.finished = loop_.now();
  container.status.reason = exit_code == 0 ? "Completed" : "Error";
  const std::string& message = scripts[container.status.name].message;
  for (const engine::CriMount& mount : container.config.mounts) {
    if (!message.empty() && mount.container_path == "/dev/termination-log") {
      [[maybe_unused]] auto written = sys::write_file(mount.host_path, message);
    }
  }
  container.ended->set();
  tell(container.status.sandbox_id, container.status.id);
}

void FakeCri::end(const std::string& name, int32_t exit_code) {
  const engine::ContainerStatus* status = container(name);
  if (status) finish(containers_.at(status->id), exit_code);
}

void FakeCri::lose_sandboxes() {
  for (auto& [id, container] : containers_) finish(container, 137);
  for (auto& [id, sandbox] : sandboxes_) {
    sandbox.ready = false;
    tell(id, {});
  }
}

void FakeCri::break_events() {
  broken_ = true;
  changed_.set();
}

io::Task<Result<std::string>> FakeCri::run_pod_sandbox(engine::PodSandboxConfig config) {
  calls.push_back(cat("run ", config.metadata.name));
  if (!sandbox_error.empty()) co_return fail(Code::kInternal, sandbox_error);
  std::string id = cat("s", next_);
  engine::PodSandboxStatus status;
  status.id = id, status.metadata = config.metadata, status.ready = true, status.created = loop_.now();
  if (config.network != engine::NamespaceMode::kNode) status.ips = {cat("127.0.1.", next_)};
  status.labels = config.labels, status.annotations = config.annotations;
  ++next_;
  sandboxes_[id] = status;
  tell(id, {});
  co_return id;
}

io::Task<Result<void>> FakeCri::stop_pod_sandbox(std::string id) {
  auto found = sandboxes_.find(id);
  if (found == sandboxes_.end()) co_return Result<void>();
  calls.push_back(cat("stop-sandbox ", found->second.metadata.name));
  for (auto& [container_id, container] : containers_) {
    if (container.status.sandbox_id == id) finish(container, 137);
  }
  found->second.ready = false;
  tell(id, {});
  co_return Result<void>();
}

io::Task<Result<void>> FakeCri::remove_pod_sandbox(std::string id) {
  if (sandboxes_.erase(id) > 0) calls.push_back(cat("remove-sandbox ", id));
  tell(id, {});
  co_return Result<void>();
}

io::Task<Result<engine::PodSandboxStatus>> FakeCri::pod_sandbox_status(std::string id) {
  auto found = sandboxes_.find(id);
  if (found == sandboxes_.end()) co_return fail(Code::kNotFound, "no sandbox ", id);
  co_return found->second;
}

io::Task<Result<std::vector<engine::PodSandboxStatus>>> FakeCri::list_pod_sandboxes() {
  if (away) co_return fail(Code::kUnavailable, "the engine is away");
  co_return sandboxes();
}

io::Task<Result<std::string>> FakeCri::create_container(std::string sandbox, engine::ContainerConfig config,
                                                        engine::PodSandboxConfig sandbox_config) {
  auto found = sandboxes_.find(sandbox);
  if (found == sandboxes_.end()) co_return fail(Code::kNotFound, "no sandbox ", sandbox);
  const FakeScript& script = scripts[config.name];
  if (!script.create_error.empty()) co_return fail(Code::kInternal, script.create_error);
  std::string id = cat("c", next_++);
  Container& made = containers_[id];
  made.title = cat(found->second.metadata.name, "/", config.name, "#", config.attempt);
  calls.push_back(cat("create ", made.title));
  made.status.id = id, made.status.sandbox_id = sandbox, made.status.name = config.name, made.status.attempt = config.attempt;
  made.status.phase = ContainerPhase::kCreated, made.status.created = loop_.now();
  made.status.image = config.image, made.status.image_id = config.image, made.status.labels = config.labels;
  made.status.annotations = config.annotations;
  made.status.log_path = cat(sandbox_config.log_directory, "/", config.log_path);
  made.config = std::move(config);
  made.ended = std::make_shared<io::Event>(loop_);
  tell(sandbox, id);
  co_return id;
}

io::Task<Result<void>> FakeCri::start_container(std::string id) {
  Container* container = find(id);
  if (!container) co_return fail(Code::kNotFound, "no container ", id);
  const FakeScript& script = scripts[container->status.name];
  calls.push_back(cat("start ", container->title));
  if (!script.start_error.empty()) co_return fail(Code::kInternal, script.start_error);
  container->status.phase = ContainerPhase::kRunning;
  container->status.started = loop_.now();
  if (script.runs_for > Duration{}) {
    int32_t code = script.exit_code;
    container->timer = loop_.start_timer(script.runs_for, [this, id, code] {
      if (Container* now = find(id)) {
        now->timer = 0;
        finish(*now, code);
      }
    });
  }
  tell(container->status.sandbox_id, id);
  co_return Result<void>();
}

io::Task<Result<void>> FakeCri::stop_container(std::string id, Duration timeout) {
  Container* container = find(id);
  if (!container) co_return fail(Code::kNotFound, "no container ", id);
  if (container->status.phase != ContainerPhase::kRunning) co_return Result<void>();
  calls.push_back(cat("stop ", container->title, " ", std::chrono::duration_cast<std::chrono::seconds>(timeout).count(), "s"));
  const FakeScript& script = scripts[container->status.name];
  if (!script.stop_error.empty()) co_return fail(Code::kInvalid, script.stop_error);
  bool obeys = timeout > Duration{} && script.stops_after <= timeout;
  int32_t code = obeys ? script.stop_exit_code : 137;
  std::shared_ptr<io::Event> ended = container->ended;
  auto timer = loop_.start_timer(obeys ? script.stops_after : timeout, [this, id, code] {
    if (Container* now = find(id)) finish(*now, code);
  });
  co_await ended->wait();
  loop_.cancel_timer(timer);
  co_return Result<void>();
}

io::Task<Result<void>> FakeCri::remove_container(std::string id) {
  Container* container = find(id);
  if (!container) co_return Result<void>();
  finish(*container, 137);
  calls.push_back(cat("remove ", container->title));
  std::string sandbox = container->status.sandbox_id;
  containers_.erase(id);
  tell(sandbox, id);
  co_return Result<void>();
}

io::Task<Result<engine::ContainerStatus>> FakeCri::container_status(std::string id) {
  Container* container = find(id);
  if (!container) co_return fail(Code::kNotFound, "no container ", id);
  co_return container->status;
}

io::Task<Result<std::vector<engine::ContainerStatus>>> FakeCri::list_containers() {
  std::vector<engine::ContainerStatus> out;
  for (const auto& [id, container] : containers_) out.push_back(container.status);
  co_return out;
}

io::Task<Result<void>> FakeCri::update_container_resources(std::string, engine::CriResources) { co_return Result<void>(); }
io::Task<Result<void>> FakeCri::reopen_container_log(std::string) { co_return Result<void>(); }
io::Task<Result<engine::CriStats>> FakeCri::container_stats(std::string) { co_return engine::CriStats{}; }

io::Task<Result<engine::ExecResult>> FakeCri::exec_sync(std::string id, std::vector<std::string> command, Duration) {
  Container* container = find(id);
  if (!container || container->status.phase != ContainerPhase::kRunning) co_return fail(Code::kFailedPrecondition, "not running");
  calls.push_back(cat("exec ", container->title, " ", join(command, " ")));
  if (!on_exec) co_return engine::ExecResult{};
  co_return on_exec(container->status, command);
}

io::Task<Result<std::unique_ptr<engine::CriProcess>>> FakeCri::exec(std::string, std::vector<std::string>, bool, bool, bool, bool) {
  co_return fail(Code::kUnsupported, "the fake engine has no streams");
}
io::Task<Result<std::unique_ptr<engine::CriProcess>>> FakeCri::attach(std::string, bool, bool, bool, bool) {
  co_return fail(Code::kUnsupported, "the fake engine has no streams");
}
io::Task<Result<std::unique_ptr<io::Stream>>> FakeCri::port_forward(std::string, uint16_t) {
  co_return fail(Code::kUnsupported, "the fake engine has no streams");
}

io::Task<Result<std::string>> FakeCri::pull_image(std::string image, std::string) {
  calls.push_back(cat("pull ", image));
  if (pull_time > Duration{}) co_await loop_.sleep(pull_time);
  auto found = registry.find(image);
  if (found == registry.end()) co_return fail(Code::kNotFound, image, ": not found");
  images[image] = {.id = found->second};
  images[found->second] = {.id = found->second};
  co_return found->second;
}

io::Task<Result<std::optional<engine::CriImage>>> FakeCri::image_status(std::string image) {
  auto found = images.find(image);
  if (found == images.end()) co_return std::optional<engine::CriImage>();
  co_return std::optional(found->second);
}

io::Task<Result<std::vector<engine::CriImage>>> FakeCri::list_images() {
  std::vector<engine::CriImage> out;
  for (const auto& [name, image] : images) out.push_back(image);
  co_return out;
}
io::Task<Result<void>> FakeCri::remove_image(std::string image) {
  images.erase(image);
  co_return Result<void>();
}

io::Task<Result<engine::CriEvent>> FakeCri::next_event() {
  while (events_.empty() && !broken_) {
    changed_.reset();
    co_await changed_.wait();
  }
  if (std::exchange(broken_, false)) co_return fail(Code::kUnavailable, "the engine is gone");
  engine::CriEvent event = events_.front();
  events_.pop_front();
  co_return event;
}

}  // namespace kobuk::node
