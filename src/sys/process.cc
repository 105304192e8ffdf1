#include "sys/process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "sys/file.h"

namespace kobuk::sys {

Result<Cloned> clone_process(uint64_t flags, int cgroup) {
  int pidfd = -1;
  clone_args args{};
  args.flags = flags | CLONE_PIDFD;
  args.pidfd = reinterpret_cast<uint64_t>(&pidfd);
  args.exit_signal = SIGCHLD;
  if (cgroup >= 0) {
    args.flags |= CLONE_INTO_CGROUP;
    args.cgroup = static_cast<uint64_t>(cgroup);
  }
  long pid = syscall(SYS_clone3, &args, sizeof args);
  if (pid < 0) return fail_errno(errno, "clone3");
  if (pid == 0) return Cloned{};
  return Cloned{static_cast<pid_t>(pid), UniqueFd(pidfd)};
}

namespace {

// Everything that the child of spawn touches: prepared before, because between vfork and exec it shares our
// memory.
struct ChildPlan {
  const SpawnOptions* options;
  std::vector<char*> argv, envp;
  int null = -1;
  int error = 0;  // written by the child
};

// Runs in the child, on its own stack, with our memory: system calls only.
int child_main(void* argument) {
  auto* plan = static_cast<ChildPlan*>(argument);
  const SpawnOptions& o = *plan->options;
  auto give_up = [plan] {
    plan->error = errno;
    _exit(127);
    return 0;
  };
  for (int s = 1; s < NSIG; ++s) {
    struct sigaction action {};
    if (sigaction(s, nullptr, &action) == 0 && action.sa_handler != SIG_DFL) {
      action = {};
      action.sa_handler = SIG_DFL;
      sigaction(s, &action, nullptr);
    }
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  if (o.new_session && setsid() < 0) return give_up();
  // First out of the way of the numbers that are to be filled, then into place.
  constexpr int kHigh = 64;
  int moved[16];
  size_t count = std::min<size_t>(o.fds.size(), std::size(moved));
  for (size_t i = 0; i < count; ++i)
    if ((moved[i] = fcntl(o.fds[i].first, F_DUPFD_CLOEXEC, kHigh)) < 0) return give_up();
  int null = fcntl(plan->null, F_DUPFD_CLOEXEC, kHigh);
  int executable = o.executable >= 0 ? fcntl(o.executable, F_DUPFD_CLOEXEC, kHigh) : -1;
  if (null < 0 || (o.executable >= 0 && executable < 0)) return give_up();
  for (int fd = 0; fd < 3; ++fd)
    if (dup2(null, fd) < 0) return give_up();
  int last = 2;
  for (size_t i = 0; i < count; ++i) {
    if (dup2(moved[i], o.fds[i].second) < 0) return give_up();
    last = std::max(last, o.fds[i].second);
  }
  if (close_range(static_cast<unsigned>(last) + 1, ~0u, CLOSE_RANGE_CLOEXEC) != 0) return give_up();
  if (executable >= 0) {
    syscall(SYS_execveat, executable, "", plan->argv.data(), plan->envp.data(), AT_EMPTY_PATH);
  } else {
    execve(o.path.c_str(), plan->argv.data(), plan->envp.data());
  }
  return give_up();
}

}  // namespace

Result<Spawned> spawn(const SpawnOptions& options) {
  if (options.fds.size() > 16) return fail(Code::kInvalid, "spawn with ", options.fds.size(), " descriptors");
  ChildPlan plan{&options, {}, {}};
  for (const auto& a : options.args) plan.argv.push_back(const_cast<char*>(a.c_str()));
  for (const auto& e : options.env) plan.envp.push_back(const_cast<char*>(e.c_str()));
  plan.argv.push_back(nullptr);
  plan.envp.push_back(nullptr);
  KOBUK_TRY(UniqueFd null, open_file("/dev/null", O_RDWR));
  plan.null = null.get();

  // No signal handler of ours may run in the child while it shares our memory.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  constexpr size_t kStack = 64 << 10;
  void* stack = mmap(nullptr, kStack, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
  int pidfd = -1;
  int pid = -1;
  int error = 0;
  if (stack == MAP_FAILED) {
    error = errno;
  } else {
    pid = clone(child_main, static_cast<char*>(stack) + kStack,
                CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, &plan, &pidfd);
    if (pid < 0) error = errno;
    munmap(stack, kStack);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (error != 0) return fail_errno(error, "clone");
  Spawned child{pid, UniqueFd(pidfd)};
  if (plan.error != 0) {
    waitpid(pid, nullptr, 0);
    return fail_errno(plan.error, cat("start ", options.path));
  }
  return child;
}

Result<int> wait_for(const Spawned& child) {
  int status = 0;
  while (waitpid(child.pid, &status, 0) < 0)
    if (errno != EINTR) return fail_errno(errno, "waitpid");
  return status;
}

int exit_code_of(int wait_status) {
  if (WIFEXITED(wait_status)) return WEXITSTATUS(wait_status);
  return 128 + WTERMSIG(wait_status);
}

Result<UniqueFd> open_pidfd(pid_t pid) {
  long fd = syscall(SYS_pidfd_open, pid, 0);
  if (fd < 0) return fail_errno(errno, cat("pidfd_open ", pid));
  return UniqueFd(static_cast<int>(fd));
}

Result<void> send_signal(int pidfd, int signal) {
  if (syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0) != 0)
    return fail_errno(errno, cat("send signal ", signal));
  return {};
}

bool is_alive(int pidfd) {
  pollfd p{pidfd, POLLIN, 0};
  return poll(&p, 1, 0) == 0;
}

Result<uint64_t> start_time_of(pid_t pid) {
  KOBUK_TRY(std::string stat, read_file(cat("/proc/", pid, "/stat"), 8192));
  // The second field is the name in parentheses and may hold anything; the last ')' ends it.
  size_t end = stat.rfind(')');
  if (end == std::string::npos) return fail(Code::kInternal, "malformed /proc/", pid, "/stat");
  auto fields = split(std::string_view(stat).substr(end + 2), ' ');
  constexpr size_t kStartTime = 22 - 3;
  auto ticks = fields.size() > kStartTime ? parse_uint(fields[kStartTime]) : std::nullopt;
  if (!ticks) return fail(Code::kInternal, "malformed /proc/", pid, "/stat");
  return *ticks;
}

Result<UniqueFd> sealed_memory(const char* name, std::string_view bytes, bool executable) {
  constexpr unsigned kExec = 0x10u, kNoexecSeal = 0x8u;  // MFD_EXEC, MFD_NOEXEC_SEAL: Linux 6.3
  unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
  UniqueFd fd(memfd_create(name, flags | (executable ? kExec : kNoexecSeal)));
  if (!fd && errno == EINVAL) fd.reset(memfd_create(name, flags));
  if (!fd) return fail_errno(errno, "memfd_create");
  KOBUK_CHECK(write_all(fd.get(), bytes, name));
  if (fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) != 0)
    return fail_errno(errno, "seal a memory file");
  // A second, read-only description: an executable that is open for writing can not be run.
  return open_file(fd_path(fd.get()), O_RDONLY);
}

Result<void> set_nonblocking(int fd) {
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return fail_errno(errno, "set O_NONBLOCK");
  return {};
}

Result<void> close_all_but(std::vector<int> keep) {
  std::sort(keep.begin(), keep.end());
  unsigned from = 3;
  for (int fd : keep) {
    if (fd < static_cast<int>(from)) continue;
    auto kept = static_cast<unsigned>(fd);
    if (kept > from && close_range(from, kept - 1, 0) != 0) return fail_errno(errno, "close_range");
    from = kept + 1;
  }
  if (close_range(from, ~0u, 0) != 0) return fail_errno(errno, "close_range");
  return {};
}

Result<std::pair<UniqueFd, UniqueFd>> make_pipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return fail_errno(errno, "pipe");
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

}  // namespace kobuk::sys
