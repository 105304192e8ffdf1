#include "runtime/monitor/birth.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "runtime/protocol.h"
#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::runtime {
namespace {

// The child's end.
class SocketGate final : public Gate {
 public:
  SocketGate(int socket, bool cgroups_pending) : socket_(socket), pending_(cgroups_pending) {}

  Result<void> wait_for_cgroups() override {
    if (!pending_) return {};
    pending_ = false;
    return expect("C");
  }
  Result<void> ready(sys::UniqueFd terminal) override {
    std::vector<int> fds;
    if (terminal) fds.push_back(terminal.get());
    KOBUK_CHECK(sys::send_packet(socket_, "R", fds));
    return expect("G");
  }
  Error born(const sys::Cloned& child, sys::UniqueFd terminal) override {
    std::vector<int> fds = {child.pidfd.get()};
    if (terminal) fds.push_back(terminal.get());
    auto sent = sys::send_packet(socket_, cat('B', child.pid), fds);
    if (sent) _exit(0);
    return std::move(sent).error();
  }
  Result<void> wait_for_go() override { return expect("G"); }
  void failed(const Error& error) { (void)sys::send_packet(socket_, cat('E', encode(error_reply(error)))); }

 private:
  Result<void> expect(std::string_view word) {
    KOBUK_TRY(sys::Packet packet, sys::receive_packet(socket_, 8));
    if (packet.bytes != word) _exit(1);  // the monitor is gone, and nobody would hear an error
    return {};
  }
  int socket_;
  bool pending_;
};

struct Prepared {
  sys::UniqueFd ours, theirs;
  sys::UniqueFd cgroup;
};

Result<Prepared> prepare(const sys::CgroupPlan& cgroup) {
  Prepared p;
  KOBUK_TRY(auto pair, sys::packet_socket_pair());
  p.ours = std::move(pair.first);
  KOBUK_CHECK(sys::learn_senders(p.ours.get()));
  p.theirs = std::move(pair.second);
  if (!cgroup.born_in.empty()) {
    KOBUK_TRY(p.cgroup, sys::open_cgroup(cgroup.born_in));
  }
  return p;
}

// Runs in the parent once the child exists: the moves take milliseconds, which the child uses for its mounts.
Result<Born> finish(sys::Cloned child, Prepared p, const sys::CgroupPlan& cgroup) {
  Born born{child.pid, std::move(child.pidfd), std::move(p.ours), {}};
  if (cgroup.join.empty()) return born;
  auto joined = sys::join_cgroup(cgroup, born.pid);
  if (joined) joined = sys::send_packet(born.gate.get(), "C");
  if (joined) return born;
  // The child may have failed before; its own reason is the better one.
  auto ready = wait_ready(born);
  abandon(born);
  return fail(ready ? std::move(joined).error() : std::move(ready).error());
}

// Of the monitor's descriptors, which came along as copies, the child keeps what it needs. Most of all not that of the
// host's cgroup folder: a program named /proc/self/fd/<it>/../… would be one of the host's (as CVE-2024-21626), for
// close-on-exec comes after execve has looked its path up.
void keep_only(std::vector<int> fds, SocketGate& gate) {
  auto closed = sys::close_all_but(std::move(fds));
  if (closed) return;
  gate.failed(closed.error());
  _exit(1);
}

// Ignored signals stay ignored over execve: the program is to start with the defaults.
void restore_signals() {
  for (int s : {SIGPIPE, SIGHUP, SIGTERM, SIGINT, SIGQUIT, SIGUSR1, SIGUSR2}) signal(s, SIG_DFL);
}

// Our own next children are born in `target`'s pid namespace; the guard takes that back.
class PidNamespace {
 public:
  Result<void> enter(int target) {
    KOBUK_TRY(own_, sys::open_file("/proc/self/ns/pid", O_RDONLY));
    auto joined = sys::real_kernel().join_namespace(target, CLONE_NEWPID);
    if (!joined) own_.reset();
    return joined;
  }
  ~PidNamespace() {
    if (own_) (void)sys::real_kernel().join_namespace(own_.get(), CLONE_NEWPID);
  }

 private:
  sys::UniqueFd own_;
};

// Whether a container that joins this pid namespace can be built outside of it. Only its proc may be in the way, which
// kernels before 6.18 mount for nobody but who is inside: to them the option is unknown. Any other failure is one.
Result<bool> works_from_outside(int pid_namespace) {
  auto proc = sys::real_kernel().new_mount("proc", "proc", {sys::proc_of(pid_namespace)}, 0);
  if (!proc && proc.error().system_errno() == EINVAL) return false;
  if (!proc) return fail(std::move(proc).error());
  return true;
}

}  // namespace

Result<Born> bear_init(const Plan& plan, const std::string& directory, Streams streams) {
  KOBUK_TRY(Prepared p, prepare(plan.cgroup));
  PidNamespace pids;
  sys::UniqueFd join_last;
  for (const JoinNamespace& join : plan.joins) {
    if (join.kind != CLONE_NEWPID) continue;
    KOBUK_TRY(sys::UniqueFd target, sys::open_file(join.path, O_RDONLY));
    bool outside = false;
    if (!plan.pause) {
      KOBUK_TRY(outside, works_from_outside(target.get()));
    }
    if (outside) {
      join_last = std::move(target);
    } else {
      KOBUK_CHECK(pids.enter(target.get()));
    }
  }
  KOBUK_TRY(sys::Cloned child, sys::clone_process(plan.clone_flags, p.cgroup ? p.cgroup.get() : -1));
  if (child.pid == 0) {
    restore_signals();
    SocketGate gate(p.theirs.get(), !plan.cgroup.join.empty());
    int last = join_last ? join_last.get() : -1;
    keep_only({p.theirs.get(), last, streams.in, streams.out, streams.err}, gate);
    gate.failed(run_init(sys::real_kernel(), plan, directory, streams, last, gate));
    _exit(1);
  }
  return finish(std::move(child), std::move(p), plan.cgroup);
}

Result<Born> bear_exec(const ProcessPlan& process, const sys::CgroupPlan& cgroup, int init, Streams streams) {
  KOBUK_TRY(Prepared p, prepare(cgroup));
  KOBUK_TRY(sys::Cloned child, sys::clone_process(0, p.cgroup ? p.cgroup.get() : -1));
  if (child.pid == 0) {
    restore_signals();
    SocketGate gate(p.theirs.get(), false);
    keep_only({p.theirs.get(), init, streams.in, streams.out, streams.err}, gate);
    gate.failed(run_exec(sys::real_kernel(), process, cgroup, init, streams, gate));
    _exit(1);
  }
  return Born{child.pid, std::move(child.pidfd), std::move(p.ours), {}};
}

namespace {

Result<Word> take_born(Born& born, sys::Packet packet) {
  auto pid = parse_int(std::string_view(packet.bytes).substr(1));
  if (!pid || packet.fds.empty()) return fail(Code::kInternal, "the process said something strange");
  born.parent = std::exchange(born.pid, static_cast<pid_t>(*pid));
  born.parent_pidfd = std::exchange(born.pidfd, std::move(packet.fds[0]));
  if (packet.fds.size() > 1) born.terminal = std::move(packet.fds[1]);
  return Word::kReady;
}

}  // namespace

Result<Word> hear(Born& born) {
  KOBUK_TRY(sys::Packet packet, sys::receive_packet(born.gate.get(), kMaxMessage));
  if (packet.bytes.empty()) return Word::kEnd;
  // A process in the container's pid namespace may be seized there and made to speak: but for an error, only the one that
  // we bore is heard, and only until it has handed over to the one that it bore in there.
  bool handed_over = born.parent != 0 || packet.sender != born.pid;
  if (packet.bytes.starts_with('B') && !handed_over) return take_born(born, std::move(packet));
  if (packet.bytes == "R" && !handed_over) {
    if (!packet.fds.empty()) born.terminal = std::move(packet.fds[0]);
    return Word::kReady;
  }
  if (!packet.bytes.starts_with('E')) return fail(Code::kInternal, "the process said something strange");
  KOBUK_TRY(Reply reply, decode_reply(std::string_view(packet.bytes).substr(1)));
  return fail(error_of(reply));
}

Result<void> wait_ready(Born& born) {
  KOBUK_TRY(Word word, hear(born));
  if (word != Word::kReady) return fail(Code::kInternal, "the process ended before it was set up");
  if (born.parent == 0) return {};
  while (waitpid(born.parent, nullptr, 0) < 0 && errno == EINTR) {  // it has ended but for its exit
  }
  born.parent_pidfd.reset();
  return {};
}

Result<void> send_go(Born& born) { return sys::send_packet(born.gate.get(), "G"); }

Result<void> let_go(Born& born) {
  KOBUK_CHECK(send_go(born));
  KOBUK_TRY(Word word, hear(born));
  if (word != Word::kEnd) return fail(Code::kInternal, "the process was ready twice");
  born.gate.reset();
  return {};
}

void abandon(Born& born) {
  if (born.pid == 0) return;
  (void)sys::send_signal(born.pidfd.get(), SIGKILL);
  while (waitpid(born.pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  born = {};
}

}  // namespace kobuk::runtime
