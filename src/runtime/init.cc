// The order of runc's and crun's init, which is the one in which each right is still there when it is needed:
// joins, mounts, pivot, user, bounding set, identity, "ready", seccomp, capabilities, execve.
//
// A process that is in a pid namespace with others can be seized by those with CAP_SYS_PTRACE, dumpable or not. So who
// joins one does everything outside of it, where they can not name it, and at the end bears a process in there that has
// nothing left which they have not: no privileges, no descriptors, no mounts of the host. For a container's init this
// takes a kernel that mounts the proc of another pid namespace (6.18); on older ones it is born inside, and may be caught.
#include "runtime/init.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>

#include "runtime/user.h"
#include "sys/seccomp_check.h"

namespace kobuk::runtime {
namespace {

// Opened while the host's /proc is still what /proc names.
Result<void> set_oom_score(sys::Kernel& kernel, const ProcessPlan& process) {
  if (!process.set_oom_score) return {};
  KOBUK_TRY(sys::UniqueFd file, kernel.open("/proc/self/oom_score_adj", O_WRONLY));
  auto written = kernel.write_fd(file.get(), cat(process.oom_score_adj));
  // Without CAP_SYS_RESOURCE a score can only rise: a lower one is a wish.
  if (!written && written.error().code() == Code::kPermissionDenied) return {};
  return written;
}

Result<void> join_namespaces(sys::Kernel& kernel, const Plan& plan) {
  for (const JoinNamespace& join : plan.joins) {
    if (join.kind == CLONE_NEWPID) continue;  // by the monitor before the birth, or at the end (bear)
    KOBUK_TRY(sys::UniqueFd fd, kernel.open(join.path, O_RDONLY));
    auto joined = kernel.join_namespace(fd.get(), static_cast<int>(join.kind));
    if (!joined) return fail(std::move(joined).error().context("join ", join.path));
  }
  return {};
}

// By the process itself: the kernel makes a move wait for milliseconds, in which the monitor has better to
// do.
Result<void> join_cgroups(sys::Kernel& kernel, const sys::CgroupPlan& cgroup) {
  for (const std::string& directory : cgroup.join) {
    KOBUK_TRY(sys::UniqueFd procs, kernel.open(directory + "/cgroup.procs", O_WRONLY));
    KOBUK_CHECK(kernel.write_fd(procs.get(), "0"));
  }
  return {};
}

std::string_view variable(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string& item : env)
    if (item.size() > name.size() && item.starts_with(name) && item[name.size()] == '=')
      return std::string_view(item).substr(name.size() + 1);
  return {};
}
bool has_variable(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string& item : env)
    if (item.size() > name.size() && item.starts_with(name) && item[name.size()] == '=') return true;
  return false;
}

Result<std::string> read_optional(sys::Kernel& kernel, int root, std::string_view path) {
  auto text = kernel.read_in_root(root, path, 16u << 20);
  if (!text && (text.error().code() == Code::kNotFound || text.error().system_errno() == ENOTDIR))
    return std::string();
  return text;
}

Result<Identity> identity_of(sys::Kernel& kernel, int root, const ProcessPlan& process) {
  Identity identity;
  bool needs_home = !has_variable(process.env, "HOME");
  if (process.user.empty() && !needs_home) {
    identity.uid = process.uid, identity.gid = process.gid;
  } else {
    KOBUK_TRY(std::string passwd, read_optional(kernel, root, "etc/passwd"));
    if (process.user.empty()) {
      identity.uid = process.uid, identity.gid = process.gid;
      identity.home = home_of(process.uid, passwd);
    } else {
      KOBUK_TRY(std::string group, read_optional(kernel, root, "etc/group"));
      KOBUK_TRY(identity, look_up_user(process.user, passwd, group));
    }
  }
  // The primary group is among them: else a file that denies its group could be read by leaving it
  // (CVE-2022-36109).
  std::vector<uint32_t> groups = {identity.gid};
  identity.groups.insert(identity.groups.end(), process.groups.begin(), process.groups.end());
  for (uint32_t gid : identity.groups)
    if (std::find(groups.begin(), groups.end(), gid) == groups.end()) groups.push_back(gid);
  identity.groups = std::move(groups);
  return identity;
}

enum class Candidate { kAbsent, kDirectory, kNotExecutable, kExecutable };
Candidate look_at(sys::Kernel& kernel, const std::string& path) {
  auto file = kernel.open(path, O_PATH);
  if (!file)
    return file.error().code() == Code::kPermissionDenied ? Candidate::kNotExecutable : Candidate::kAbsent;
  auto kind = kernel.file_kind(file->get());
  if (!kind) return Candidate::kAbsent;
  if (S_ISDIR(kind->mode)) return Candidate::kDirectory;
  return (kind->mode & 0111) != 0 ? Candidate::kExecutable : Candidate::kNotExecutable;
}

// As execvp, but before anything is given up, and with the words that users of Docker know.
Result<std::string> find_executable(sys::Kernel& kernel, const ProcessPlan& process) {
  const std::string& name = process.args[0];
  if (name.find('/') != name.npos) {
    switch (look_at(kernel, name)) {
      case Candidate::kExecutable:
        return name;
      case Candidate::kDirectory:
        return fail(Code::kPermissionDenied, "exec: ", go_quote(name), ": is a directory");
      case Candidate::kNotExecutable:
        return fail(Code::kPermissionDenied, "exec: ", go_quote(name), ": permission denied");
      case Candidate::kAbsent:
        break;
    }
    return fail(Code::kNotFound, "exec: ", go_quote(name), ": stat ", name, ": no such file or directory");
  }
  std::string_view path = variable(process.env, "PATH");
  if (path.empty()) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (std::string_view folder : split(path, ':')) {
    std::string candidate = folder.empty() ? cat("./", name) : cat(folder, '/', name);
    if (look_at(kernel, candidate) == Candidate::kExecutable) return candidate;
  }
  return fail(Code::kNotFound, "exec: ", go_quote(name), ": executable file not found in $PATH");
}

// So that a program that is not root can open /dev/stdout again.
Result<void> own_stream(sys::Kernel& kernel, int fd, uint32_t uid, uint32_t gid) {
  KOBUK_TRY(sys::FileKind kind, kernel.file_kind(fd));
  bool null = S_ISCHR(kind.mode) && kind.device == makedev(1, 3);
  if (null || uid == 0) return {};
  auto owned = kernel.change_owner(fd, uid, gid);
  if (!owned && (owned.error().system_errno() == EPERM || owned.error().system_errno() == EINVAL ||
                 owned.error().system_errno() == EROFS))
    return {};
  return owned;
}

// The container's: who holds the host's could change its mode.
Result<sys::UniqueFd> open_null(sys::Kernel& kernel, int root) {
  KOBUK_TRY(sys::UniqueFd null, kernel.open_in_root(root, "dev/null", O_RDWR | O_NOCTTY | O_NONBLOCK));
  KOBUK_TRY(sys::FileKind kind, kernel.file_kind(null.get()));
  if (!S_ISCHR(kind.mode) || kind.device != makedev(1, 3))
    return fail(Code::kFailedPrecondition, "/dev/null of the container is no null device");
  return null;
}

Result<void> connect_streams(sys::Kernel& kernel, int root, Streams streams, const sys::Terminal& terminal,
                             const Identity& identity) {
  sys::UniqueFd null;
  if (terminal.slave) {
    int fd = terminal.slave.get();
    streams = {fd, fd, fd};
  }
  int fds[] = {streams.in, streams.out, streams.err};
  for (int to = 0; to < 3; ++to) {
    if (fds[to] < 0 && !null) {
      KOBUK_TRY(null, open_null(kernel, root));
    }
    if (fds[to] < 0) fds[to] = null.get();
    KOBUK_CHECK(own_stream(kernel, fds[to], identity.uid, identity.gid));
    KOBUK_CHECK(kernel.duplicate_onto(fds[to], to));
  }
  return {};
}

Result<void> enter_directory(sys::Kernel& kernel, int root, const std::string& cwd, bool make,
                             bool& entered) {
  if (make) (void)kernel.make_directory_in_root(root, cwd, 0755);  // what is wrong with it, the chdir says
  auto changed = kernel.change_directory(cwd);
  entered = changed.has_value();
  // A folder that root may not enter (NFS) is tried again as the user.
  if (!changed && changed.error().code() != Code::kPermissionDenied) return changed;
  return {};
}

Result<void> check_directory(sys::Kernel& kernel) {
  // A working directory outside the root would be a way out (CVE-2024-21626).
  KOBUK_TRY(std::string where, kernel.working_directory());
  if (where.empty() || where[0] != '/')
    return fail(Code::kPermissionDenied, "the working directory lies outside the container");
  return {};
}

// Everything before the last wait. Returns the program's path.
Result<std::string> prepare(sys::Kernel& kernel, ProcessPlan& process, bool make_cwd, Streams streams,
                            const sys::Terminal& terminal) {
  auto keyring = kernel.new_session_keyring();
  (void)keyring;  // a kernel without keys, or out of quota: nothing is shared then either
  KOBUK_TRY(sys::UniqueFd root, kernel.open("/", O_PATH | O_DIRECTORY));
  KOBUK_TRY(Identity identity, identity_of(kernel, root.get(), process));
  if (!has_variable(process.env, "HOME")) process.env.push_back(cat("HOME=", identity.home));
  KOBUK_CHECK(connect_streams(kernel, root.get(), streams, terminal, identity));
  for (const Rlimit& limit : process.rlimits)
    KOBUK_CHECK(kernel.set_rlimit(limit.resource, limit.soft, limit.hard));
  bool entered = false;
  KOBUK_CHECK(enter_directory(kernel, root.get(), process.cwd, make_cwd, entered));
  KOBUK_CHECK(kernel.set_umask(process.umask));
  KOBUK_CHECK(kernel.drop_bounding(process.capabilities.bounding));
  KOBUK_CHECK(kernel.set_identity(identity.uid, identity.gid, identity.groups));
  if (!entered) KOBUK_CHECK(kernel.change_directory(process.cwd));
  KOBUK_CHECK(check_directory(kernel));
  KOBUK_TRY(std::string program, find_executable(kernel, process));
  KOBUK_CHECK(kernel.close_on_exec_from(3));
  if (process.no_new_privileges) KOBUK_CHECK(kernel.set_no_new_privileges());
  return program;
}

// After the wait: the fewest calls, for a strict filter must allow them. `filtered`: it is loaded already.
Result<void> confine(sys::Kernel& kernel, const ProcessPlan& process, bool filtered = false) {
  // Without no_new_privs a filter takes CAP_SYS_ADMIN, so it goes before the capabilities; else it can be the
  // last.
  bool filter = !process.seccomp_filter.empty() && !filtered;
  if (filter && !process.no_new_privileges) KOBUK_CHECK(kernel.load_seccomp(process.seccomp_filter));
  KOBUK_CHECK(kernel.set_capabilities(process.capabilities));
  KOBUK_CHECK(kernel.die_with_parent());  // last: a change of credentials resets it
  if (filter && process.no_new_privileges) KOBUK_CHECK(kernel.load_seccomp(process.seccomp_filter));
  return {};
}

// Whether a process that carries this filter can still be born, take its terminal, wait, and become the program.
bool born_under(std::string_view filter) {
  const sys::SystemCall calls[] = {
      {SYS_capset},  {SYS_prctl, {PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL}}, {SYS_prctl, {PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE}},
      {SYS_prctl, {PR_SET_PDEATHSIG, SIGKILL}},
      {SYS_setsid},  {SYS_clone, {sys::kSiblingFlags}},                       {SYS_ioctl, {0, TIOCSCTTY}},
      {SYS_sendmsg}, {SYS_recvmsg},  {SYS_recvfrom}, {SYS_close}, {SYS_exit_group}, {SYS_execve},
      {SYS_brk},     {SYS_mmap},     {SYS_munmap}};
  return std::all_of(std::begin(calls), std::end(calls), [&](auto& call) { return sys::seccomp_allows(filter, call); });
}

// What the process to be born has no more right to than the program: capabilities and calls. True when it carries its
// filter from birth. Else it loads it itself, for which it takes CAP_SYS_ADMIN unless it has no_new_privs: with a
// profile of one's own that forbids to fork, a process with CAP_SYS_PTRACE in the container may catch that one.
Result<bool> give_up_rights(sys::Kernel& kernel, const ProcessPlan& process) {
  sys::CapabilitySets capabilities = process.capabilities;
  bool filtered = false;
  if (!process.seccomp_filter.empty() && !process.no_new_privileges) {
    filtered = born_under(process.seccomp_filter);
    if (filtered) KOBUK_CHECK(kernel.load_seccomp(process.seccomp_filter));
    if (!filtered) capabilities.permitted |= sys::capability_bit(CAP_SYS_ADMIN);
    if (!filtered) capabilities.effective |= sys::capability_bit(CAP_SYS_ADMIN);
  }
  KOBUK_CHECK(kernel.set_capabilities(capabilities));
  return filtered;
}

template <class T>
Error error_of(Result<T> result) {
  return std::move(result).error();
}

Error pause(sys::Kernel& kernel, const Plan& plan, Gate& gate) {
  if (auto r = kernel.drop_bounding(0); !r) return error_of(std::move(r));
  if (auto r = kernel.close_on_exec_from(3); !r) return error_of(std::move(r));
  if (auto r = kernel.set_no_new_privileges(); !r) return error_of(std::move(r));
  if (auto r = gate.ready({}); !r) return error_of(std::move(r));
  if (auto r = confine(kernel, plan.process); !r) return error_of(std::move(r));
  run_pause();
}

}  // namespace

Error become(sys::Kernel& kernel, const ProcessPlan& plan, bool make_cwd, Streams streams,
             sys::Terminal terminal, Gate& gate) {
  ProcessPlan process = plan;
  if (terminal.slave)
    if (auto r = kernel.set_controlling_terminal(terminal.slave.get()); !r) return error_of(std::move(r));
  auto program = prepare(kernel, process, make_cwd, streams, terminal);
  if (!program) return error_of(std::move(program));
  if (auto r = gate.ready(std::move(terminal.master)); !r) return error_of(std::move(r));
  if (auto r = confine(kernel, process); !r) return error_of(std::move(r));
  return kernel.execute(*program, process.args, process.env);
}

namespace {

// The process that runs the program, just born, with nothing of the one that bore it but what it is to have.
Error start(sys::Kernel& kernel, const ProcessPlan& process, const std::string& program, bool filtered, Gate& gate) {
  if (auto r = kernel.new_session(); !r) return error_of(std::move(r));
  if (process.terminal)
    if (auto r = kernel.set_controlling_terminal(0); !r) return error_of(std::move(r));
  if (auto r = gate.wait_for_go(); !r) return error_of(std::move(r));
  if (auto r = confine(kernel, process, filtered); !r) return error_of(std::move(r));
  return kernel.execute(program, process.args, process.env);
}

// As become(), but the program runs in `pid_namespace` (a pidfd or a namespace), in a process born for it.
Error bear(sys::Kernel& kernel, const ProcessPlan& plan, bool make_cwd, Streams streams, sys::Terminal terminal,
           int pid_namespace, Gate& gate) {
  ProcessPlan process = plan;
  auto program = prepare(kernel, process, make_cwd, streams, terminal);
  if (!program) return error_of(std::move(program));
  terminal.slave.reset();
  if (auto r = kernel.join_namespace(pid_namespace, CLONE_NEWPID); !r) return error_of(std::move(r));
  auto filtered = give_up_rights(kernel, process);
  if (!filtered) return error_of(std::move(filtered));
  auto child = kernel.clone_sibling();
  if (!child) return error_of(std::move(child));
  if (child->pid != 0) return gate.born(*child, std::move(terminal.master));
  terminal.master.reset();
  return start(kernel, process, *program, *filtered, gate);
}

}  // namespace

Error run_init(sys::Kernel& kernel, const Plan& plan, const std::string& directory, Streams streams, int pid_namespace,
               Gate& gate) {
  if (auto r = kernel.die_with_parent(); !r) return error_of(std::move(r));
  if (auto r = set_oom_score(kernel, plan.process); !r) return error_of(std::move(r));
  if (auto r = join_namespaces(kernel, plan); !r) return error_of(std::move(r));
  if (auto r = kernel.new_session(); !r) return error_of(std::move(r));
  auto terminal = apply_steps(kernel, plan, directory, pid_namespace, gate);
  if (!terminal) return error_of(std::move(terminal));
  if (auto r = gate.wait_for_cgroups(); !r) return error_of(std::move(r));
  if (plan.pause) return pause(kernel, plan, gate);
  if (pid_namespace >= 0)
    return bear(kernel, plan.process, true, streams, std::move(*terminal), pid_namespace, gate);
  return become(kernel, plan.process, true, streams, std::move(*terminal), gate);
}

Error run_exec(sys::Kernel& kernel, const ProcessPlan& process, const sys::CgroupPlan& cgroup, int init,
               Streams streams, Gate& gate) {
  constexpr int kNamespaces = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
  if (auto r = set_oom_score(kernel, process); !r) return error_of(std::move(r));
  if (auto r = join_cgroups(kernel, cgroup); !r) return error_of(std::move(r));
  if (auto r = kernel.join_namespace(init, kNamespaces); !r) return error_of(std::move(r));
  sys::Terminal terminal;
  if (process.terminal) {
    auto root = kernel.open("/", O_PATH | O_DIRECTORY);
    if (!root) return error_of(std::move(root));
    auto opened = kernel.open_terminal(root->get());
    if (!opened) return error_of(std::move(opened));
    terminal = std::move(*opened);
  }
  return bear(kernel, process, false, streams, std::move(terminal), init, gate);
}

}  // namespace kobuk::runtime
