// Kernel: the calls by which a plan is applied to a container being born. The applier (runtime) speaks only
// to this interface, so that tests can record what it does and let the n-th call fail
// (sys/testing/fake_kernel.h).
//
// Mounts go by descriptors from the look-up of the target to move_mount(2): no path is resolved twice, so
// nobody can swap a folder for a symlink in between. real_kernel() is stateless; it acts on the calling
// thread's process, which must be the container's init or a process about to exec.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/strings.h"
#include "sys/capability.h"
#include "sys/fd.h"
#include "sys/process.h"

namespace kobuk::sys {

// One fsconfig(2) setting; a flag when value is empty.
struct MountOption {
  std::string key;
  std::string value;
  bool operator==(const MountOption&) const = default;
};

// Of new_mount("proc"): the processes of that pid namespace instead of the caller's (Linux 6.18). Good while the
// descriptor and the host's /proc are there.
inline MountOption proc_of(int pid_namespace) { return {"pidns", cat("/proc/self/fd/", pid_namespace)}; }

// mount_setattr(2): MOUNT_ATTR_* to set and to clear, and MS_PRIVATE / MS_SLAVE / MS_SHARED / MS_UNBINDABLE
// or 0.
struct MountChange {
  uint64_t set = 0;
  uint64_t clear = 0;
  uint64_t propagation = 0;
  bool recursive = false;
  bool empty() const { return set == 0 && clear == 0 && propagation == 0; }
  bool operator==(const MountChange&) const = default;
};

struct Terminal {
  UniqueFd master;
  UniqueFd slave;
};

struct FileKind {
  mode_t mode = 0;          // st_mode
  dev_t device = 0;         // st_rdev
  uint64_t filesystem = 0;  // f_type of statfs(2)
};

class Kernel {
 public:
  virtual ~Kernel() = default;

  // Files. Those with a root never leave it (sys/file.h).
  virtual Result<UniqueFd> open(const std::string& path, int flags) = 0;
  virtual Result<UniqueFd> open_in_root(int root, std::string_view path, int flags) = 0;
  virtual Result<UniqueFd> make_directory_in_root(int root, std::string_view path, mode_t mode) = 0;
  virtual Result<UniqueFd> make_file_in_root(int root, std::string_view path, mode_t mode) = 0;
  virtual Result<void> make_node_in_root(int root, std::string_view path, mode_t mode, dev_t device,
                                         uid_t uid, gid_t gid) = 0;
  virtual Result<void> make_symlink_in_root(int root, std::string_view path, const std::string& target) = 0;
  virtual Result<FileKind> file_kind(int fd) = 0;
  virtual Result<std::string> read_in_root(int root, std::string_view path, size_t max) = 0;
  virtual Result<void> write_fd(int fd, std::string_view bytes) = 0;
  virtual Result<void> change_owner(int fd, uid_t uid, gid_t gid) = 0;

  // Mounts.
  virtual Result<void> set_propagation(const char* path, uint64_t flags) = 0;
  virtual Result<UniqueFd> clone_mount(int fd, bool recursive) = 0;  // a detached copy of the tree at fd
  virtual Result<UniqueFd> new_mount(const std::string& type, const std::string& source,
                                     const std::vector<MountOption>& options, uint64_t attributes) = 0;
  virtual Result<void> change_mount(int mount, const MountChange& change) = 0;
  virtual Result<void> attach_mount(int mount, int target) = 0;
  // Makes the mount at `root` the process' root and working directory, and detaches the old one.
  virtual Result<void> pivot_root(int root) = 0;

  // Namespaces and their contents.
  virtual Result<void> join_namespace(int fd, int kind) = 0;  // setns(2); kind: CLONE_NEW*
  virtual Result<void> unshare(int flags) = 0;
  virtual Result<void> set_hostname(const std::string& name) = 0;
  virtual Result<void> set_domainname(const std::string& name) = 0;
  virtual Result<void> loopback_up() = 0;
  virtual Result<Terminal> open_terminal(int root) = 0;  // of the devpts at dev/pts below root

  // The process.
  virtual Result<void> new_session() = 0;
  virtual Result<void> set_controlling_terminal(int fd) = 0;
  virtual Result<void> new_session_keyring() = 0;
  virtual Result<void> set_rlimit(int resource, uint64_t soft, uint64_t hard) = 0;
  virtual Result<void> set_umask(mode_t mask) = 0;
  virtual Result<void> change_directory(const std::string& path) = 0;
  virtual Result<std::string> working_directory() = 0;  // kPermissionDenied when it lies outside the root
  virtual Result<void> drop_bounding(uint64_t keep) = 0;
  virtual Result<void> set_identity(uid_t uid, gid_t gid,
                                    const std::vector<gid_t>& groups) = 0;  // keeps permitted
  virtual Result<void> set_capabilities(
      const CapabilitySets& sets) = 0;  // effective, permitted, inheritable, ambient
  virtual Result<void> set_no_new_privileges() = 0;
  virtual Result<void> load_seccomp(std::string_view filter) = 0;
  // A child of our own parent, in the pid namespace joined last; pid 0 there. It is a copy of us as fork makes it.
  virtual Result<Cloned> clone_sibling() = 0;
  virtual Result<void> die_with_parent() = 0;
  virtual Result<void> close_on_exec_from(int first) = 0;
  virtual Result<void> duplicate_onto(int from, int to) = 0;
  // Returns only an error.
  virtual Error execute(const std::string& path, const std::vector<std::string>& args,
                        const std::vector<std::string>& env) = 0;
};

Kernel& real_kernel();

}  // namespace kobuk::sys
