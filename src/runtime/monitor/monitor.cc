#include "runtime/monitor/monitor.h"

#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "sys/file.h"

// The linker's names for the read-only part of a static program.
extern "C" const char __executable_start[];
extern "C" const char etext[];

namespace kobuk::runtime {
namespace {

constexpr int kDrainMs = 5000;

int32_t exit_code_of_error(const Error& error) {
  // What a shell says, and Docker: 127 not found, 126 not executable; 128 for what is not the program's
  // fault.
  if (error.code() == Code::kNotFound) return 127;
  return error.code() == Code::kPermissionDenied ? 126 : 128;
}

}  // namespace

Monitor::Monitor(Plan plan, std::string directory, sys::UniqueFd daemon)
    : plan_(std::move(plan)), directory_(std::move(directory)), daemon_(std::move(daemon)), log_(plan_.log) {}

Monitor::~Monitor() = default;

int Monitor::run() {
  auto launched = launch();
  if (!launched) {
    abandon(init_);
    (void)sys::send_packet(daemon_.get(), encode(error_reply(launched.error())));
    return 1;
  }
  rest();
  poller_.run();
  return 0;
}

// From here on this process mostly waits, for as long as the container lives: what only the launch needed is given back,
// and of the program only what runs again is mapped again.
void Monitor::rest() {
  plan_.steps = {};
  plan_.joins = {};
  plan_.process = {};
  plan_.cgroup.limits = {};
  plan_.cgroup.directories = {};
  plan_.cgroup.devices = {};
  malloc_trim(0);
  auto start = reinterpret_cast<uintptr_t>(__executable_start);
  auto end = reinterpret_cast<uintptr_t>(etext) & ~uintptr_t{4095};
  madvise(reinterpret_cast<void*>(start), end - start, MADV_DONTNEED);  // read-only, backed by its memory file
}

Result<void> Monitor::launch() {
  KOBUK_CHECK(poller_.open());
  KOBUK_TRY(listener_, sys::listen_packet(directory_, kSocketName));
  KOBUK_CHECK(sys::set_nonblocking(listener_.get()));
  KOBUK_CHECK(log_.open());
  KOBUK_CHECK(sys::make_cgroup(plan_.cgroup));
  Streams theirs;
  {
    std::vector<sys::UniqueFd> child_ends;
    KOBUK_CHECK(make_streams(theirs, child_ends));
    KOBUK_TRY(init_, bear_init(plan_, directory_, theirs));
  }
  KOBUK_CHECK(wait_ready(init_));
  state_.cgroup_path = plan_.cgroup.path;
  state_.pid = init_.pid;
  KOBUK_TRY(state_.pid_start_time, sys::start_time_of(init_.pid));
  state_.monitor_pid = getpid();
  KOBUK_TRY(state_.monitor_start_time, sys::start_time_of(getpid()));
  state_.created = system_clock().wall();
  state_.phase = Phase::kCreated;
  KOBUK_CHECK(watch_all());
  KOBUK_CHECK(sys::replace_file(cat(directory_, '/', kStateName), encode_state(state_), 0600));
  add_client(std::move(daemon_));
  clients_.back()->follows = true;
  send_state(*clients_.back());
  return {};
}

Result<void> Monitor::make_streams(Streams& theirs, std::vector<sys::UniqueFd>& child_ends) {
  if (plan_.process.terminal || plan_.pause) return {};
  if (plan_.stdin_open) {
    KOBUK_TRY(auto pipe, sys::make_pipe());
    KOBUK_CHECK(sys::set_nonblocking(pipe.second.get()));
    stdin_ = std::move(pipe.second);
    theirs.in = pipe.first.get();
    child_ends.push_back(std::move(pipe.first));
  }
  for (LogStream stream : {LogStream::kStdout, LogStream::kStderr}) {
    KOBUK_TRY(auto pipe, sys::make_pipe());
    KOBUK_CHECK(sys::set_nonblocking(pipe.first.get()));
    outputs_.push_back(std::make_unique<Output>(Output{std::move(pipe.first), stream}));
    (stream == LogStream::kStdout ? theirs.out : theirs.err) = pipe.second.get();
    child_ends.push_back(std::move(pipe.second));
  }
  return {};
}

Result<void> Monitor::watch_all() {
  if (init_.terminal) {
    const ConsoleSize& size = plan_.process.console;
    winsize window{size.rows, size.columns, 0, 0};
    if (size.rows != 0 || size.columns != 0) ioctl(init_.terminal.get(), TIOCSWINSZ, &window);
    KOBUK_CHECK(sys::set_nonblocking(init_.terminal.get()));
    int copy = fcntl(init_.terminal.get(), F_DUPFD_CLOEXEC, 3);
    if (copy < 0) return fail_errno(errno, "duplicate the terminal");
    terminal_ = std::move(init_.terminal);  // for input; the copy is watched for output
    outputs_.push_back(std::make_unique<Output>(Output{sys::UniqueFd(copy), LogStream::kStdout}));
  }
  hold_outputs();
  KOBUK_CHECK(poller_.watch(listener_.get(), EPOLLIN, [this](uint32_t) { accept_clients(); }));
  KOBUK_CHECK(poller_.watch(init_.pidfd.get(), EPOLLIN, [this](uint32_t) { init_ended(); }));
  watch_memory();
  return {};
}

// v2: memory.events wakes pollers; v1: an eventfd registered in cgroup.event_control. Without either the
// count is still read when the container ends.
void Monitor::watch_memory() {
  if (plan_.memory_events.empty()) return;
  auto file = sys::open_file(plan_.memory_events, O_RDONLY);
  if (!file) return;
  if (plan_.memory_events.ends_with("memory.events")) {
    memory_ = std::move(*file);
    (void)poller_.watch(memory_.get(), EPOLLPRI, [this](uint32_t) { memory_event(); });
    return;
  }
  sys::UniqueFd event(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  std::string control =
      plan_.memory_events.substr(0, plan_.memory_events.rfind('/')) + "/cgroup.event_control";
  if (!event || !sys::write_existing(control, cat(event.get(), ' ', file->get()))) return;
  memory_ = std::move(event);
  (void)poller_.watch(memory_.get(), EPOLLIN, [this](uint32_t) { memory_event(); });
}

bool Monitor::oom_happened() const {
  if (plan_.memory_events.empty()) return false;
  auto text = sys::read_file(plan_.memory_events, 4096);
  if (!text) return false;
  for (std::string_view line : split(*text, '\n'))
    if (line.starts_with("oom_kill ")) return line.substr(9) != "0";
  return false;
}

void Monitor::memory_event() {
  // The event is there until it is read: an eventfd as ever, a control file from its start (at its end nothing is read).
  char text[4096];
  bool v2 = plan_.memory_events.ends_with("memory.events");
  [[maybe_unused]] ssize_t got =
      v2 ? ::pread(memory_.get(), text, sizeof text, 0) : ::read(memory_.get(), text, sizeof(uint64_t));
  if (state_.oom_killed || !oom_happened()) {
    // v1 also wakes when the group is removed; then there is nothing more to hear.
    if (!sys::exists(plan_.memory_events)) poller_.unwatch(memory_.get());
    return;
  }
  state_.oom_killed = true;
  save_state();
}

void Monitor::save_state() {
  // A full or vanished disk must not end the container; clients still hear of it.
  (void)sys::replace_file(cat(directory_, '/', kStateName), encode_state(state_), 0600);
  for (auto& client : clients_)
    if (client->follows) send_state(*client);
}

void Monitor::set_phase(Phase phase) {
  state_.phase = phase;
  save_state();
}

Result<void> Monitor::start() {
  if (state_.phase != Phase::kCreated)
    return fail(Code::kFailedPrecondition, "the container is ", phase_name(state_.phase), ", not created");
  auto gone = let_go(init_);
  if (!gone) {
    state_.error = gone.error().message();
    state_.exit_code = exit_code_of_error(gone.error());
    return gone;
  }
  started_ = true;
  state_.started = system_clock().wall();
  set_phase(Phase::kRunning);
  return {};
}

void Monitor::init_ended() {
  int status = 0;
  if (waitpid(init_.pid, &status, WNOHANG) != init_.pid) return;
  poller_.unwatch(init_.pidfd.get());
  ended_ = true;
  if (state_.error.empty()) {
    state_.exit_code = sys::exit_code_of(status);
    state_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }
  state_.finished = system_clock().wall();
  state_.oom_killed = state_.oom_killed || oom_happened();
  close_input();
  if (plan_.kill_rest) {
    if (!plan_.cgroup.born_in.empty()) (void)sys::write_existing(plan_.cgroup.born_in + "/cgroup.kill", "1");
    for (const std::string& directory : plan_.cgroup.join) {
      auto procs = sys::read_file(directory + "/cgroup.procs");
      if (!procs) continue;
      for (std::string_view line : split(*procs, '\n'))
        if (auto pid = parse_int(line)) ::kill(static_cast<pid_t>(*pid), SIGKILL);
    }
  }
  // Somebody outside may hold the container's pipes; they are not waited for.
  poller_.set_deadline(kDrainMs, [this] { stop_waiting(); });
  end_if_done();
}

void Monitor::stop_waiting() {
  // Clients that do not read are let go first: what they held up still goes into the log.
  bool behind = false;
  for (auto& client : clients_) {
    if (client->unsent.empty() || client->gone) continue;
    client->gone = behind = true;
  }
  if (behind) {
    poller_.set_deadline(kDrainMs, [this] { stop_waiting(); });
    drop_gone();
    return end_if_done();
  }
  for (auto& output : outputs_) poller_.unwatch(output->fd.get());
  outputs_.clear();
  while (!execs_.empty()) drop_exec(*execs_.back());
  end_if_done();
}

void Monitor::end_if_done() {
  if (!ended_ || !outputs_.empty() || !execs_.empty()) return;
  for (auto& client : clients_)
    if (!client->unsent.empty() && !client->gone)
      return;  // an attached client has not taken the last bytes yet
  (void)log_.finish(system_clock().wall());
  state_.pid = 0;
  state_.pid_start_time = 0;
  set_phase(Phase::kStopped);
  poller_.stop();
}

}  // namespace kobuk::runtime
