#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>

#include "sys/file.h"
#include "sys/kernel.h"

namespace kobuk::sys {
namespace {

Result<void> check(long result, std::string_view what) {
  if (result < 0) return fail_errno(errno, what);
  return {};
}

// What the kernel wrote into the fs context's log: "overlay: …". Much better than "Invalid argument".
std::string context_log(int context) {
  char line[512];
  std::string out;
  for (int i = 0; i < 8; ++i) {
    ssize_t got = ::read(context, line, sizeof line);
    if (got <= 0) break;
    std::string_view text(line, static_cast<size_t>(got));
    if (text.size() > 2 && text[1] == ' ') text.remove_prefix(2);
    cat_to(out, out.empty() ? " (" : "; ", trim(text));
  }
  if (!out.empty()) out += ')';
  return out;
}

class RealKernel final : public Kernel {
 public:
  Result<UniqueFd> open(const std::string& path, int flags) override { return open_file(path, flags); }
  Result<UniqueFd> open_in_root(int root, std::string_view path, int flags) override {
    return sys::open_in_root(root, path, flags);
  }
  Result<UniqueFd> make_directory_in_root(int root, std::string_view path, mode_t mode) override {
    return sys::make_directory_in_root(root, path, mode);
  }
  Result<UniqueFd> make_file_in_root(int root, std::string_view path, mode_t mode) override {
    return sys::make_file_in_root(root, path, mode);
  }
  Result<void> make_node_in_root(int root, std::string_view path, mode_t mode, dev_t device, uid_t uid,
                                 gid_t gid) override {
    KOBUK_TRY(Place place, make_parent_in_root(root, path));
    const char* name = place.name.c_str();
    if (mknodat(place.parent.get(), name, mode, device) != 0) {
      int error = errno;
      struct stat st {};
      bool same = error == EEXIST && fstatat(place.parent.get(), name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                  (st.st_mode & S_IFMT) == (mode & S_IFMT) && st.st_rdev == device;
      if (!same) return fail_errno(error, cat("mknod ", path));
    }
    // By name with NOFOLLOW: /dev is a fresh tmpfs that nobody else reaches yet.
    if (fchmodat(place.parent.get(), name, mode & 07777, 0) != 0)
      return fail_errno(errno, cat("chmod ", path));
    return check(fchownat(place.parent.get(), name, uid, gid, AT_SYMLINK_NOFOLLOW), cat("chown ", path));
  }
  Result<void> make_symlink_in_root(int root, std::string_view path, const std::string& target) override {
    size_t slash = path.rfind('/');
    std::string_view parent = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
    KOBUK_TRY(UniqueFd folder, sys::make_directory_in_root(root, parent, 0755));
    std::string name(slash == std::string_view::npos ? path : path.substr(slash + 1));
    if (symlinkat(target.c_str(), folder.get(), name.c_str()) != 0 && errno != EEXIST)
      return fail_errno(errno, cat("symlink ", path));
    return {};
  }
  Result<FileKind> file_kind(int fd) override {
    struct stat st {};
    struct statfs fs {};
    if (fstat(fd, &st) != 0 || fstatfs(fd, &fs) != 0) return fail_errno(errno, "stat");
    return FileKind{st.st_mode, st.st_rdev, static_cast<uint64_t>(fs.f_type)};
  }
  Result<std::string> read_in_root(int root, std::string_view path, size_t max) override {
    KOBUK_TRY(UniqueFd fd, sys::open_in_root(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY));
    return read_all(fd.get(), path, max);
  }
  Result<void> write_fd(int fd, std::string_view bytes) override {
    ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    return check(wrote, cat("write \"", bytes.substr(0, 80), '"'));
  }
  Result<void> change_owner(int fd, uid_t uid, gid_t gid) override {
    return check(fchown(fd, uid, gid), "fchown");
  }

  Result<void> set_propagation(const char* path, uint64_t flags) override {
    return check(mount(nullptr, path, nullptr, flags, nullptr), cat("set the mount propagation of ", path));
  }
  Result<UniqueFd> clone_mount(int fd, bool recursive) override {
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0);
    long tree = syscall(SYS_open_tree, fd, "", flags);
    if (tree < 0) return fail_errno(errno, "open_tree");
    return UniqueFd(static_cast<int>(tree));
  }
  Result<UniqueFd> new_mount(const std::string& type, const std::string& source,
                             const std::vector<MountOption>& options, uint64_t attributes) override {
    UniqueFd context(static_cast<int>(syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC)));
    if (!context && errno == ENODEV)
      return fail(Code::kUnsupported, "this kernel has no file system ", go_quote(type), "; if it is a module, load it: modprobe ", type);
    if (!context) return fail_errno(errno, cat("fsopen ", type));
    auto set = [&](unsigned command, const char* key, const char* value) {
      return syscall(SYS_fsconfig, context.get(), command, key, value, 0);
    };
    if (!source.empty() && set(FSCONFIG_SET_STRING, "source", source.c_str()) != 0)
      return fail_errno(errno, cat("set the source of ", type));
    for (const MountOption& option : options) {
      bool flag = option.value.empty();
      long result = set(flag ? FSCONFIG_SET_FLAG : FSCONFIG_SET_STRING, option.key.c_str(),
                        flag ? nullptr : option.value.c_str());
      if (result != 0) {
        int error = errno;
        return fail_errno(error, cat("mount ", type, " with ", option.key, flag ? "" : "=",
                                     option.value.substr(0, 200), context_log(context.get())));
      }
    }
    if (set(FSCONFIG_CMD_CREATE, nullptr, nullptr) != 0) {
      int error = errno;
      return fail_errno(error, cat("mount ", type, context_log(context.get())));
    }
    UniqueFd mounted(static_cast<int>(syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC, attributes)));
    if (!mounted) return fail_errno(errno, cat("fsmount ", type));
    return mounted;
  }
  Result<void> change_mount(int mount, const MountChange& change) override {
    mount_attr attr{};
    attr.attr_set = change.set;
    attr.attr_clr = change.clear;
    attr.propagation = change.propagation;
    unsigned flags = AT_EMPTY_PATH | (change.recursive ? AT_RECURSIVE : 0);
    return check(syscall(SYS_mount_setattr, mount, "", flags, &attr, sizeof attr), "mount_setattr");
  }
  Result<void> attach_mount(int mount, int target) override {
    return check(
        syscall(SYS_move_mount, mount, "", target, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH),
        "move_mount");
  }
  Result<void> pivot_root(int root) override {
    KOBUK_TRY(UniqueFd old, open_file("/", O_PATH | O_DIRECTORY));
    if (fchdir(root) != 0) return fail_errno(errno, "fchdir to the new root");
    // With "." twice the old root ends up on top of the new one and is then detached: no folder for it is
    // needed.
    if (syscall(SYS_pivot_root, ".", ".") != 0) return fail_errno(errno, "pivot_root");
    if (fchdir(old.get()) != 0) return fail_errno(errno, "fchdir to the old root");  // "." was the new one
    KOBUK_CHECK(set_propagation(".", MS_REC | MS_SLAVE));  // unmounting below must not reach the host
    if (umount2(".", MNT_DETACH) != 0) return fail_errno(errno, "unmount the old root");
    return check(chdir("/"), "chdir to the new root");
  }

  Result<void> join_namespace(int fd, int kind) override { return check(setns(fd, kind), "setns"); }
  Result<void> unshare(int flags) override { return check(::unshare(flags), "unshare"); }
  Result<void> set_hostname(const std::string& name) override {
    return check(sethostname(name.data(), name.size()), cat("sethostname ", name));
  }
  Result<void> set_domainname(const std::string& name) override {
    return check(setdomainname(name.data(), name.size()), cat("setdomainname ", name));
  }
  Result<void> loopback_up() override {
    UniqueFd fd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!fd) return fail_errno(errno, "socket");
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    if (ioctl(fd.get(), SIOCGIFFLAGS, &request) != 0) return fail_errno(errno, "read the flags of lo");
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    return check(ioctl(fd.get(), SIOCSIFFLAGS, &request), "bring up lo");
  }
  Result<Terminal> open_terminal(int root) override {
    Terminal terminal;
    KOBUK_TRY(terminal.master, sys::open_in_root(root, "dev/pts/ptmx", O_RDWR | O_NOCTTY));
    KOBUK_TRY(FileKind kind, file_kind(terminal.master.get()));
    constexpr uint64_t kDevpts = 0x1cd1;
    if (kind.filesystem != kDevpts)
      return fail(Code::kPermissionDenied, "/dev/pts/ptmx is no terminal multiplexer");
    int unlock = 0;
    KOBUK_CHECK(check(ioctl(terminal.master.get(), TIOCSPTLCK, &unlock), "unlock the terminal"));
    // The peer by ioctl, not by a name in /dev/pts that something else may be mounted over.
    terminal.slave.reset(ioctl(terminal.master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal.slave) return fail_errno(errno, "open the terminal");
    return terminal;
  }

  Result<void> new_session() override { return check(setsid(), "setsid"); }
  Result<void> set_controlling_terminal(int fd) override {
    return check(ioctl(fd, TIOCSCTTY, 0), "set the controlling terminal");
  }
  Result<void> new_session_keyring() override {
    constexpr int kJoinSession = 1;  // KEYCTL_JOIN_SESSION_KEYRING, anonymous
    return check(syscall(SYS_keyctl, kJoinSession, nullptr, 0, 0, 0), "join a new session keyring");
  }
  Result<void> set_rlimit(int resource, uint64_t soft, uint64_t hard) override {
    rlimit64 limit{soft, hard};
    return check(prlimit64(0, static_cast<__rlimit_resource>(resource), &limit, nullptr),
                 cat("set resource limit ", resource));
  }
  Result<void> set_umask(mode_t mask) override {
    ::umask(mask);
    return {};
  }
  Result<void> change_directory(const std::string& path) override {
    return check(chdir(path.c_str()), cat("chdir to ", path));
  }
  Result<std::string> working_directory() override {
    char buffer[PATH_MAX];
    // The raw call says "(unreachable)/…" when the directory is outside the root, which libc would hide.
    long length = syscall(SYS_getcwd, buffer, sizeof buffer);
    if (length < 0) return fail_errno(errno, "getcwd");
    if (buffer[0] != '/')
      return fail(Code::kPermissionDenied, "the working directory lies outside the container's root");
    return std::string(buffer);
  }
  Result<void> drop_bounding(uint64_t keep) override {
    for (int i = 0; prctl(PR_CAPBSET_READ, i, 0, 0, 0) >= 0; ++i)
      if ((keep & capability_bit(i)) == 0 && prctl(PR_CAPBSET_DROP, i, 0, 0, 0) != 0)
        return fail_errno(errno, cat("drop ", capability_name(i), " from the bounding set"));
    return {};
  }
  Result<void> set_identity(uid_t uid, gid_t gid, const std::vector<gid_t>& groups) override {
    KOBUK_CHECK(check(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), "keep capabilities"));
    KOBUK_CHECK(check(setgroups(groups.size(), groups.data()), "setgroups"));
    KOBUK_CHECK(check(setresgid(gid, gid, gid), cat("setgid ", gid)));
    KOBUK_CHECK(check(setresuid(uid, uid, uid), cat("setuid ", uid)));
    KOBUK_CHECK(check(prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0), "keep capabilities"));
    // A change of uid empties the effective set; what follows (seccomp without no_new_privs) needs it once
    // more.
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    KOBUK_CHECK(check(syscall(SYS_capget, &header, data), "capget"));
    for (auto& part : data) part.effective = part.permitted;
    return check(syscall(SYS_capset, &header, data), "capset");
  }
  Result<void> set_capabilities(const CapabilitySets& sets) override {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[2]{};
    for (int i = 0; i < 2; ++i) {
      data[i].effective = static_cast<uint32_t>(sets.effective >> (32 * i));
      data[i].permitted = static_cast<uint32_t>(sets.permitted >> (32 * i));
      data[i].inheritable = static_cast<uint32_t>(sets.inheritable >> (32 * i));
    }
    KOBUK_CHECK(check(syscall(SYS_capset, &header, data), "capset"));
    KOBUK_CHECK(
        check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "clear ambient capabilities"));
    for (int i = 0; i < 64; ++i)
      if ((sets.ambient & capability_bit(i)) != 0 &&
          prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, i, 0, 0) != 0)
        return fail_errno(errno, cat("raise the ambient capability ", capability_name(i)));
    return {};
  }
  Result<void> set_no_new_privileges() override {
    return check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "set no_new_privs");
  }
  Result<void> load_seccomp(std::string_view filter) override {
    if (filter.empty() || filter.size() % sizeof(sock_filter) != 0 ||
        filter.size() / sizeof(sock_filter) > BPF_MAXINSNS)
      return fail(Code::kInvalid, "a seccomp filter of ", filter.size(), " bytes");
    std::vector<sock_filter> program(filter.size() / sizeof(sock_filter));
    std::memcpy(program.data(), filter.data(), filter.size());
    sock_fprog value{static_cast<unsigned short>(program.size()), program.data()};
    return check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &value), "load the seccomp filter");
  }
  Result<Cloned> clone_sibling() override {
    static_assert(kSiblingFlags == (CLONE_PARENT | CLONE_PIDFD | SIGCHLD));
    int pidfd = -1;
    // Not clone3: seccomp filters can not look into its arguments, and many answer ENOSYS.
    long pid = syscall(SYS_clone, kSiblingFlags, nullptr, &pidfd, nullptr, nullptr);
    if (pid < 0) return fail_errno(errno, "clone");
    if (pid == 0) return Cloned{};
    return Cloned{static_cast<pid_t>(pid), UniqueFd(pidfd)};
  }
  Result<void> die_with_parent() override {
    return check(prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0), "set the parent-death signal");
  }
  Result<void> close_on_exec_from(int first) override {
    return check(close_range(static_cast<unsigned>(first), ~0u, CLOSE_RANGE_CLOEXEC), "close_range");
  }
  Result<void> duplicate_onto(int from, int to) override {
    // dup3 refuses equal numbers, and the copy must survive the exec.
    if (from == to) return check(fcntl(from, F_SETFD, 0), "keep a descriptor");
    return check(dup3(from, to, 0), "dup3");
  }
  Error execute(const std::string& path, const std::vector<std::string>& args,
                const std::vector<std::string>& env) override {
    std::vector<char*> argv, envp;
    for (const auto& a : args) argv.push_back(const_cast<char*>(a.c_str()));
    for (const auto& e : env) envp.push_back(const_cast<char*>(e.c_str()));
    argv.push_back(nullptr);
    envp.push_back(nullptr);
    execve(path.c_str(), argv.data(), envp.data());
    return errno_error(errno, cat("exec ", path));
  }
};

}  // namespace

Kernel& real_kernel() {
  static RealKernel kernel;
  return kernel;
}

}  // namespace kobuk::sys
