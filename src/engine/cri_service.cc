// cri-api runtime.v1: RuntimeService and ImageService.
#include "engine/cri_service.h"

#include <algorithm>
#include <csignal>

#include "codec/json.h"
#include "engine/cri_convert.h"
#include "engine/exec_output.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

constexpr size_t kMaxExecOutput = 16u << 20;

// Keeps both outputs; what goes past the bound is dropped.
class Kept final : public OutputSink {
 public:
  io::Task<bool> take(bool is_stderr, std::string bytes) override {
    std::string& to = is_stderr ? err : out;
    to.append(bytes, 0, kMaxExecOutput - std::min(kMaxExecOutput, to.size()));
    co_return true;
  }
  std::string out, err;
};

io::Task<void> keep_outputs(io::Loop& loop, std::shared_ptr<runtime::Exec> exec, std::shared_ptr<Kept> kept) {
  auto end = co_await read_outputs(loop, exec, kept);
}

class ExecProcess final : public CriProcess {
 public:
  explicit ExecProcess(std::unique_ptr<runtime::Exec> exec) : exec_(std::move(exec)) {}
  io::Stream* in() override { return exec_->in(); }
  io::Stream* out() override { return exec_->out(); }
  io::Stream* err() override { return exec_->err(); }
  void close_in() override { exec_->close_in(); }
  Result<void> resize(uint16_t columns, uint16_t rows) override { return exec_->resize({columns, rows}); }
  io::Task<Result<int>> wait() override {
    KOBUK_CO_TRY(runtime::ExitStatus status, co_await exec_->wait());
    co_return status.code;
  }

 private:
  std::unique_ptr<runtime::Exec> exec_;
};

// {"username","password","identitytoken"} of an imagePullSecret; empty: none.
Result<std::optional<image::Credentials>> parse_credentials(const std::string& json) {
  if (json.empty()) return std::nullopt;
  KOBUK_TRY(codec::Document document, codec::parse_json(json, {.max_bytes = 1 << 20, .max_depth = 8}));
  const codec::Value& root = document.root;
  return image::Credentials{std::string(root["username"].as_string()), std::string(root["password"].as_string()),
                            std::string(root["identitytoken"].as_string())};
}

}  // namespace

Result<EntryPtr> CriService::find(const std::string& id, Origin origin) const {
  auto found = core_.entries().find(id);
  if (found == core_.entries().end() || found->second->record.origin != origin)
    return fail(Code::kNotFound, origin == Origin::kSandbox ? "pod sandbox " : "container ", go_quote(id), " not found");
  return found->second;
}

std::vector<EntryPtr> CriService::containers_of(const std::string& sandbox) const {
  std::vector<EntryPtr> out;
  for (const auto& [id, entry] : core_.entries())
    if (entry->record.sandbox_id == sandbox) out.push_back(entry);
  return out;
}

io::Task<Result<std::string>> CriService::run_pod_sandbox(PodSandboxConfig config) {
  if (!config.log_directory.empty()) KOBUK_CO_CHECK(sys::make_directories(config.log_directory, 0755));
  ContainerRecord record = sandbox_record(config);
  KOBUK_CO_TRY(EntryPtr entry, co_await core_.create(std::move(record)));
  auto started = co_await core_.start(entry);
  if (started) co_return entry->record.id;
  auto undone = co_await core_.remove(entry, {.force = true});
  Error error = std::move(started).error();
  if (!undone) error = std::move(error).context(undone.error().message());
  co_return fail(std::move(error));
}

io::Task<Result<void>> CriService::stop_pod_sandbox(std::string id) {
  auto entry = find(id, Origin::kSandbox);
  if (!entry) co_return Result<void>();
  for (const EntryPtr& container : containers_of(id)) KOBUK_CO_CHECK(co_await core_.stop(container, SIGKILL, Duration{}));
  co_return co_await core_.stop(*entry, std::nullopt, std::chrono::seconds(2));
}

io::Task<Result<void>> CriService::remove_pod_sandbox(std::string id) {
  auto entry = find(id, Origin::kSandbox);
  if (!entry) co_return Result<void>();
  for (const EntryPtr& container : containers_of(id)) KOBUK_CO_CHECK(co_await core_.remove(container, {.force = true, .volumes = true}));
  co_return co_await core_.remove(*entry, {.force = true});
}

io::Task<Result<PodSandboxStatus>> CriService::pod_sandbox_status(std::string id) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kSandbox));
  co_return sandbox_status(*entry);
}

std::vector<PodSandboxStatus> CriService::sandboxes() const {
  std::vector<PodSandboxStatus> out;
  for (const auto& [id, entry] : core_.entries())
    if (entry->record.origin == Origin::kSandbox) out.push_back(sandbox_status(*entry));
  return out;
}

io::Task<Result<std::vector<PodSandboxStatus>>> CriService::list_pod_sandboxes() {
  if (!events_) events_ = core_.events().subscribe();
  co_return sandboxes();
}

io::Task<Result<std::string>> CriService::create_container(std::string sandbox, ContainerConfig config, PodSandboxConfig sandbox_config) {
  KOBUK_CO_TRY(EntryPtr pod, find(sandbox, Origin::kSandbox));
  KOBUK_CO_TRY(image::ImageInfo image, core_.images().find(config.image));
  KOBUK_CO_TRY(ContainerRecord record, cri_container_record(config, sandbox_config, pod->record, image));
  if (record.log.type == "cri") KOBUK_CO_CHECK(sys::make_directories(record.log.path.substr(0, record.log.path.rfind('/')), 0755));
  KOBUK_CO_TRY(EntryPtr entry, co_await core_.create(std::move(record)));
  co_return entry->record.id;
}

io::Task<Result<void>> CriService::start_container(std::string id) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kCri));
  co_return co_await core_.start(entry);
}

io::Task<Result<void>> CriService::stop_container(std::string id, Duration timeout) {
  auto entry = find(id, Origin::kCri);
  if (!entry) co_return Result<void>();
  co_return co_await core_.stop(*entry, std::nullopt, timeout);
}

io::Task<Result<void>> CriService::remove_container(std::string id) {
  auto entry = find(id, Origin::kCri);
  if (!entry) co_return Result<void>();
  co_return co_await core_.remove(*entry, {.force = true, .volumes = true});
}

ContainerStatus CriService::status_of(const Entry& entry) const {
  auto image = core_.images().find(entry.record.image_id);
  return cri_container_status(entry, image ? &*image : nullptr);
}

io::Task<Result<ContainerStatus>> CriService::container_status(std::string id) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kCri));
  co_return status_of(*entry);
}

io::Task<Result<std::vector<ContainerStatus>>> CriService::list_containers() {
  std::vector<ContainerStatus> out;
  for (const auto& [id, entry] : core_.entries())
    if (entry->record.origin == Origin::kCri) out.push_back(status_of(*entry));
  co_return out;
}

io::Task<Result<void>> CriService::update_container_resources(std::string id, CriResources resources) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kCri));
  Core::Update update{.limits = cri_limits(resources)};
  co_return co_await core_.update(entry, std::move(update));
}

io::Task<Result<void>> CriService::reopen_container_log(std::string id) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kCri));
  KOBUK_CO_TRY(runtime::Container* container, core_.running(entry));
  co_return co_await container->reopen_log();
}

io::Task<Result<CriStats>> CriService::container_stats(std::string id) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kCri));
  KOBUK_CO_TRY(runtime::Container* container, core_.running(entry));
  KOBUK_CO_TRY(sys::CgroupStats stats, co_await container->stats());
  co_return CriStats{core_.loop().now(), stats.cpu_usage_ns, stats.memory_working_set, stats.memory_usage, stats.memory_rss};
}

io::Task<Result<ExecResult>> CriService::exec_sync(std::string id, std::vector<std::string> command, Duration timeout) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kCri));
  KOBUK_CO_TRY(runtime::Container* container, core_.running(entry));
  KOBUK_CO_TRY(runtime::ExecSpec spec, core_.exec_spec(*entry, std::move(command)));
  KOBUK_CO_TRY(auto made, co_await container->exec(std::move(spec)));
  std::shared_ptr<runtime::Exec> exec = std::move(made);
  bool late = false;
  // Withdrawn with this frame, which it points into.
  io::ScopedTimer timer{core_.loop(), 0};
  runtime::Exec* running = exec.get();
  if (timeout > Duration{}) {
    timer.id = core_.loop().start_timer(timeout, [running, &late] {
      late = true;
      auto killed = running->signal(SIGKILL);
    });
  }
  // A caller that goes away takes the time limit with it: its command would run on for ever.
  struct Killer {
    std::shared_ptr<runtime::Exec> exec;
    ~Killer() {
      if (exec) (void)exec->signal(SIGKILL);
    }
  } killer{exec};
  auto kept = std::make_shared<Kept>();
  io::TaskGroup outputs(core_.loop());
  outputs.spawn(keep_outputs(core_.loop(), exec, kept));
  auto end = co_await exec->wait();
  killer.exec.reset();
  if (late) co_return fail(Code::kTimeout, "command timed out");
  if (!end) co_return fail(std::move(end).error());
  co_await outputs.join();
  co_return ExecResult{std::move(kept->out), std::move(kept->err), end->code};
}

io::Task<Result<std::unique_ptr<CriProcess>>> CriService::exec(std::string id, std::vector<std::string> command, bool tty, bool in, bool out, bool err) {
  KOBUK_CO_TRY(EntryPtr entry, find(id, Origin::kCri));
  KOBUK_CO_TRY(runtime::Container* container, core_.running(entry));
  KOBUK_CO_TRY(runtime::ExecSpec spec, core_.exec_spec(*entry, std::move(command)));
  spec.process.terminal = tty;
  spec.stdin_open = in;
  spec.stdout_open = out || tty;
  spec.stderr_open = err && !tty;
  KOBUK_CO_TRY(auto exec, co_await container->exec(std::move(spec)));
  co_return std::make_unique<ExecProcess>(std::move(exec));
}

io::Task<Result<std::string>> CriService::pull_image(std::string image, std::string credentials_json) {
  image::PullRequest request{.reference = std::move(image)};
  KOBUK_CO_TRY(request.credentials, parse_credentials(credentials_json));
  KOBUK_CO_TRY(image::ImageInfo pulled, co_await core_.images().pull(std::move(request)));
  co_return pulled.id;
}

io::Task<Result<std::optional<CriImage>>> CriService::image_status(std::string image) {
  auto found = core_.images().find(image);
  if (found) co_return cri_image(*found);
  if (found.error().code() == Code::kNotFound) co_return std::nullopt;
  co_return fail(std::move(found).error());
}

io::Task<Result<std::vector<CriImage>>> CriService::list_images() {
  std::vector<CriImage> out;
  for (const image::ImageInfo& image : core_.images().list()) out.push_back(cri_image(image));
  co_return out;
}

io::Task<Result<void>> CriService::remove_image(std::string image) {
  auto removed = co_await core_.images().remove(std::move(image), false);
  if (removed || removed.error().code() == Code::kNotFound) co_return Result<void>();
  co_return fail(std::move(removed).error());
}

io::Task<Result<CriEvent>> CriService::next_event() {
  if (!events_) events_ = core_.events().subscribe();
  for (;;) {
    auto event = co_await events_->next(io::CancelToken());
    if (!event) {
      events_ = core_.events().subscribe();
      co_return fail(Code::kUnavailable, "events were lost; list sandboxes and containers again");
    }
    if (event->sandbox_id.empty()) continue;
    co_return CriEvent{event->sandbox_id, event->id == event->sandbox_id ? std::string() : event->id};
  }
}

}  // namespace kobuk::engine
