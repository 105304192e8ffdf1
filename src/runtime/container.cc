#include "runtime/container.h"

#include <signal.h>

#include <cerrno>

#include "base/log.h"
#include "runtime/channel.h"
#include "runtime/plan.h"
#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::runtime {

Container::Container(Runtime& runtime, std::string id)
    : runtime_(runtime),
      id_(std::move(id)),
      directory_(cat(runtime.options_.directory, '/', id_)),
      self_(std::make_shared<Container*>(this)),
      stopped_(runtime.loop_) {}

Container::~Container() {
  *self_ = nullptr;
  if (channel_) channel_->close();
}

std::string Container::namespace_path(NamespaceKind kind) const {
  std::string_view name;
  switch (kind) {
    case NamespaceKind::kMount:
      name = "mnt";
      break;
    case NamespaceKind::kPid:
      name = "pid";
      break;
    case NamespaceKind::kNetwork:
      name = "net";
      break;
    case NamespaceKind::kIpc:
      name = "ipc";
      break;
    case NamespaceKind::kUts:
      name = "uts";
      break;
    case NamespaceKind::kCgroup:
      name = "cgroup";
      break;
  }
  return cat("/proc/", state_.pid, "/ns/", name);
}

void Container::take_state(ContainerState state) {
  state_ = std::move(state);
  if (state_.phase == Phase::kStopped) stopped_.set();
  if (listener_) listener_(state_);
}

void Container::follow_events(std::shared_ptr<Channel> events) {
  channel_ = events;
  if (state_.phase == Phase::kStopped) stopped_.set();
  runtime_.loop_.spawn(follow(std::move(events), self_));
}

io::Task<void> Container::follow(std::shared_ptr<Channel> events, std::shared_ptr<Container*> self) {
  while (true) {
    auto receiving = events->receive();
    auto message = co_await std::move(receiving);
    if (*self == nullptr) co_return;
    if (!message) break;
    if (message->reply.kind != Reply::Kind::kState) continue;
    auto state = decode_state(message->reply.bytes);
    if (state) (*self)->take_state(std::move(*state));
    if (*self == nullptr) co_return;  // the listener let go of it
  }
  if ((*self)->state_.phase == Phase::kStopped) co_return;
  auto cleaning = (*self)->clean_up_lost();
  co_await std::move(cleaning);
}

namespace {

// Kills the process of that number if it is still the one that started then.
void kill_if_same(int32_t pid, uint64_t start_time) {
  if (pid <= 0) return;
  auto pidfd = sys::open_pidfd(pid);
  auto started = sys::start_time_of(pid);
  if (pidfd && started && *started == start_time) (void)sys::send_signal(pidfd->get(), SIGKILL);
}

Result<void> remove_group(const sys::Cgroup& group) {
  if (group.path().empty()) return {};
  KOBUK_CHECK(group.kill());
  return group.remove();
}

struct Lost {
  ContainerState state;
  Result<void> result;
};

// What is on disk decides: the monitor may have ended in good order before anybody listened.
Lost settle(const std::string& directory, const sys::CgroupFacts& facts, ContainerState known, WallTime now) {
  std::string path = cat(directory, '/', kStateName);
  auto text = sys::read_file(path, 1 << 20);
  auto state = text ? decode_state(*text) : Result<ContainerState>(fail(text.error()));
  if (state) known = std::move(*state);
  if (known.phase == Phase::kStopped) return {std::move(known), {}};
  kill_if_same(known.monitor_pid, known.monitor_start_time);
  kill_if_same(known.pid, known.pid_start_time);
  Lost lost{std::move(known), {}};
  if (!lost.state.cgroup_path.empty()) lost.result = sys::Cgroup(facts, lost.state.cgroup_path).kill();
  lost.state.phase = Phase::kStopped;
  lost.state.pid = 0;
  lost.state.pid_start_time = 0;
  lost.state.exit_code = 128 + SIGKILL;
  lost.state.signal = SIGKILL;
  lost.state.finished = now;
  lost.state.error = "monitor lost";
  (void)sys::replace_file(path, encode_state(lost.state), 0600);
  return lost;
}

}  // namespace

io::Task<void> Container::clean_up_lost() {
  auto self = self_;
  std::string id = id_;
  auto work = [directory = directory_, facts = runtime_.facts_.cgroups, known = state_,
               now = runtime_.loop_.now()] { return settle(directory, facts, known, now); };
  auto task = runtime_.loop_.offload("monitor lost", std::move(work));
  Lost lost = co_await std::move(task);
  if (!lost.result)
    log::warn("processes of a container outlive its monitor",
              {{"id", id}, {"error", lost.result.error().message()}});
  if (*self != nullptr) (*self)->take_state(std::move(lost.state));
}

Result<std::shared_ptr<Channel>> Container::open_channel(std::string_view what) {
  if (state_.phase == Phase::kStopped)
    return fail(Code::kFailedPrecondition, "cannot ", what, ": the container ", id_, " is not running");
  return connect_monitor(runtime_.loop_, directory_);
}

io::Task<Result<void>> Container::request(Request request) {
  KOBUK_CO_TRY(auto channel, open_channel("reach it"));
  KOBUK_CO_CHECK(channel->send(request));
  auto receiving = channel->receive();
  auto message = co_await std::move(receiving);
  if (!message) co_return fail(std::move(message).error());
  co_return Result<void>();
}

io::Task<Result<void>> Container::start() {
  if (state_.phase != Phase::kCreated)
    co_return fail(Code::kFailedPrecondition, "cannot start the container ", id_, ": it is ",
                   phase_name(state_.phase));
  auto asking = request(Request{.kind = Request::Kind::kStart});
  auto started = co_await std::move(asking);
  // The event may be under way still: callers see the new phase at once.
  if (started && state_.phase == Phase::kCreated) state_.phase = Phase::kRunning;
  co_return started;
}

io::Task<Result<void>> Container::signal(int signal, bool all) {
  if (state_.phase == Phase::kStopped || state_.phase == Phase::kCreating)
    co_return fail(Code::kFailedPrecondition, "cannot signal the container ", id_, ": it is not running");
  if (!all || state_.cgroup_path.empty()) {
    auto asking = request(Request{.kind = Request::Kind::kSignal, .signal = signal});
    auto sent = co_await std::move(asking);
    co_return sent;
  }
  auto work = [group = sys::Cgroup(runtime_.facts_.cgroups, state_.cgroup_path), signal] {
    return group.signal_all(signal);
  };
  auto task = runtime_.loop_.offload("signal", std::move(work));
  auto sent = co_await std::move(task);
  co_return sent;
}

io::Task<Result<ExitStatus>> Container::wait() {
  auto self = self_;
  co_await stopped_.wait();
  if (*self == nullptr) co_return fail(Code::kCancelled, "the container was let go");
  co_return ExitStatus{state_.exit_code, state_.signal, state_.oom_killed, state_.finished, state_.error};
}

io::Task<Result<void>> Container::resize(ConsoleSize size) {
  auto asking = request(Request{.kind = Request::Kind::kResize, .columns = size.columns, .rows = size.rows});
  auto done = co_await std::move(asking);
  co_return done;
}

io::Task<Result<void>> Container::reopen_log() {
  auto asking = request(Request{.kind = Request::Kind::kReopenLog});
  auto done = co_await std::move(asking);
  co_return done;
}

io::Task<Result<void>> Container::freeze(bool frozen) {
  if (state_.cgroup_path.empty())
    co_return fail(Code::kFailedPrecondition, "a container without a cgroup can not be paused");
  sys::Cgroup group(runtime_.facts_.cgroups, state_.cgroup_path);
  Request request{.kind = Request::Kind::kFreeze, .frozen = frozen};
  KOBUK_CO_TRY(auto write, group.freeze_write(frozen));
  request.writes.push_back(std::move(write));
  auto asking = this->request(std::move(request));
  KOBUK_CO_CHECK(co_await std::move(asking));
  Phase after = frozen ? Phase::kPaused : Phase::kRunning;
  if (state_.phase != Phase::kStopped) state_.phase = after;
  if (!frozen) co_return Result<void>();
  auto work = [group = std::move(group)] { return group.wait_frozen(5000); };
  auto task = runtime_.loop_.offload("freeze", std::move(work));
  auto done = co_await std::move(task);
  co_return done;
}
io::Task<Result<void>> Container::pause() {
  auto freezing = freeze(true);
  auto done = co_await std::move(freezing);
  co_return done;
}
io::Task<Result<void>> Container::resume() {
  auto freezing = freeze(false);
  auto done = co_await std::move(freezing);
  co_return done;
}

io::Task<Result<void>> Container::update(sys::CgroupLimits limits) {
  if (state_.phase == Phase::kStopped)
    co_return fail(Code::kFailedPrecondition, "the container ", id_, " is not running");
  if (state_.cgroup_path.empty())
    co_return fail(Code::kFailedPrecondition, "a container without a cgroup has no limits");
  auto work = [group = sys::Cgroup(runtime_.facts_.cgroups, state_.cgroup_path), limits]() mutable {
    return group.update(limits);
  };
  auto task = runtime_.loop_.offload("cgroup", std::move(work));
  auto done = co_await std::move(task);
  co_return done;
}

io::Task<Result<sys::CgroupStats>> Container::stats() {
  if (state_.cgroup_path.empty())
    co_return fail(Code::kFailedPrecondition, "a container without a cgroup has no statistics");
  auto work = [group = sys::Cgroup(runtime_.facts_.cgroups, state_.cgroup_path)] { return group.stats(); };
  auto task = runtime_.loop_.offload("cgroup", std::move(work));
  auto stats = co_await std::move(task);
  co_return stats;
}

io::Task<Result<void>> Container::remove() {
  sys::Cgroup group(runtime_.facts_.cgroups, state_.cgroup_path);
  if (channel_ && state_.phase != Phase::kStopped) {
    if (state_.phase == Phase::kPaused) (void)group.freeze(false);  // on v1 nothing frozen dies
    auto asking = request(Request{.kind = Request::Kind::kSignal, .signal = SIGKILL});
    auto killed = co_await std::move(asking);
    // It may have ended meanwhile; if the monitor is gone, follow() notices and sees to the rest.
    (void)killed;
    co_await stopped_.wait();
  }
  auto work = [group, directory = directory_]() -> Result<void> {
    KOBUK_CHECK(remove_group(group));
    return sys::remove_tree(directory);
  };
  auto task = runtime_.loop_.offload("remove a container", std::move(work));
  auto removed = co_await std::move(task);
  if (removed) state_.phase = Phase::kStopped;
  co_return removed;
}

}  // namespace kobuk::runtime
