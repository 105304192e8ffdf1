// FakeKernel: records what an applier does and lets the n-th call fail. Descriptors are real ones of an empty
// memory file, so that a test can count what is left open.
//
//   FakeKernel kernel;
//   kernel.files["/bin/sh"] = {S_IFREG | 0755};
//   kernel.fail_at = 7;                        // the seventh call returns EIO
//   … kernel.calls …
//
// All of it in this header, because tests of other rooms use it too.
#pragma once

#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <string>
#include <vector>

#include "sys/kernel.h"

namespace kobuk::sys::testing {

class FakeKernel final : public Kernel {
 public:
  std::map<std::string, FileKind> files;        // by path; others are folders
  std::map<std::string, std::string> contents;  // of read_in_root
  std::vector<std::string> absent;              // paths that open() and open_in_root() do not find
  size_t fail_at = 0;                           // 1: the first call; 0: none
  std::vector<std::string> calls;
  bool failed() const { return fail_at != 0 && calls.size() >= fail_at; }

  Result<UniqueFd> open(const std::string& path, int flags) override;
  Result<UniqueFd> open_in_root(int root, std::string_view path, int flags) override;
  Result<UniqueFd> make_directory_in_root(int root, std::string_view path, mode_t mode) override;
  Result<UniqueFd> make_file_in_root(int root, std::string_view path, mode_t mode) override;
  Result<void> make_node_in_root(int root, std::string_view path, mode_t mode, dev_t device, uid_t uid,
                                 gid_t gid) override;
  Result<void> make_symlink_in_root(int root, std::string_view path, const std::string& target) override;
  Result<FileKind> file_kind(int fd) override;
  Result<std::string> read_in_root(int root, std::string_view path, size_t max) override;
  Result<void> write_fd(int fd, std::string_view bytes) override;
  Result<void> change_owner(int fd, uid_t uid, gid_t gid) override;
  Result<void> set_propagation(const char* path, uint64_t flags) override;
  Result<UniqueFd> clone_mount(int fd, bool recursive) override;
  Result<UniqueFd> new_mount(const std::string& type, const std::string& source,
                             const std::vector<MountOption>& options, uint64_t attributes) override;
  Result<void> change_mount(int mount, const MountChange& change) override;
  Result<void> attach_mount(int mount, int target) override;
  Result<void> pivot_root(int root) override;
  Result<void> join_namespace(int fd, int kind) override;
  Result<void> unshare(int flags) override;
  Result<void> set_hostname(const std::string& name) override;
  Result<void> set_domainname(const std::string& name) override;
  Result<void> loopback_up() override;
  Result<Terminal> open_terminal(int root) override;
  Result<void> new_session() override;
  Result<void> set_controlling_terminal(int fd) override;
  Result<void> new_session_keyring() override;
  Result<void> set_rlimit(int resource, uint64_t soft, uint64_t hard) override;
  Result<void> set_umask(mode_t mask) override;
  Result<void> change_directory(const std::string& path) override;
  Result<std::string> working_directory() override;
  Result<void> drop_bounding(uint64_t keep) override;
  Result<void> set_identity(uid_t uid, gid_t gid, const std::vector<gid_t>& groups) override;
  Result<void> set_capabilities(const CapabilitySets& sets) override;
  Result<void> set_no_new_privileges() override;
  Result<void> load_seccomp(std::string_view filter) override;
  Result<void> die_with_parent() override;
  Result<void> close_on_exec_from(int first) override;
  Result<void> duplicate_onto(int from, int to) override;
  Error execute(const std::string& path, const std::vector<std::string>& args,
                const std::vector<std::string>& env) override;

 private:
  Result<void> call(std::string what);
  Result<UniqueFd> descriptor(std::string name);
  std::string name_of(int fd) const;
  std::map<int, std::string> names_;  // what a descriptor was opened as
  std::string cwd_ = "/";
};

inline Result<void> FakeKernel::call(std::string what) {
  calls.push_back(std::move(what));
  if (calls.size() == fail_at) return fail(Error(Code::kInternal, cat("injected: ", calls.back()), EIO));
  return {};
}

inline Result<UniqueFd> FakeKernel::descriptor(std::string name) {
  UniqueFd fd(memfd_create("fake", MFD_CLOEXEC));
  if (!fd) return fail_errno(errno, "memfd_create");
  names_[fd.get()] = std::move(name);
  return fd;
}

inline std::string FakeKernel::name_of(int fd) const {
  auto found = names_.find(fd);
  return found == names_.end() ? cat("#", fd) : found->second;
}

inline Result<UniqueFd> FakeKernel::open(const std::string& path, int) {
  KOBUK_CHECK(call(cat("open ", path)));
  if (std::find(absent.begin(), absent.end(), path) != absent.end())
    return fail_errno(ENOENT, cat("open ", path));
  return descriptor(path);
}
inline Result<UniqueFd> FakeKernel::open_in_root(int, std::string_view path, int) {
  KOBUK_CHECK(call(cat("open in root ", path)));
  std::string full = cat('/', path);
  if (std::find(absent.begin(), absent.end(), full) != absent.end())
    return fail_errno(ENOENT, cat("open ", path));
  return descriptor(full);
}
inline Result<UniqueFd> FakeKernel::make_directory_in_root(int, std::string_view path, mode_t) {
  KOBUK_CHECK(call(cat("mkdir ", path)));
  return descriptor(cat('/', path));
}
inline Result<UniqueFd> FakeKernel::make_file_in_root(int, std::string_view path, mode_t) {
  KOBUK_CHECK(call(cat("create ", path)));
  return descriptor(cat('/', path));
}
inline Result<void> FakeKernel::make_node_in_root(int, std::string_view path, mode_t, dev_t device, uid_t,
                                                  gid_t) {
  return call(cat("mknod ", path, ' ', major(device), ':', minor(device)));
}
inline Result<void> FakeKernel::make_symlink_in_root(int, std::string_view path, const std::string& target) {
  return call(cat("symlink ", path, " to ", target));
}
inline Result<FileKind> FakeKernel::file_kind(int fd) {
  std::string name = name_of(fd);
  KOBUK_CHECK(call(cat("stat ", name)));
  if (name == "/dev/null") return FileKind{S_IFCHR | 0666, makedev(1, 3), 0};
  auto found = files.find(name);
  return found == files.end() ? FileKind{S_IFDIR | 0755, 0, 0} : found->second;
}
inline Result<std::string> FakeKernel::read_in_root(int, std::string_view path, size_t) {
  KOBUK_CHECK(call(cat("read ", path)));
  auto found = contents.find(std::string(path));
  if (found == contents.end()) return fail_errno(ENOENT, cat("open ", path));
  return found->second;
}
inline Result<void> FakeKernel::write_fd(int fd, std::string_view bytes) {
  return call(cat("write ", bytes, " to ", name_of(fd)));
}
inline Result<void> FakeKernel::change_owner(int fd, uid_t uid, gid_t) {
  return call(cat("chown ", name_of(fd), " to ", uid));
}
inline Result<void> FakeKernel::set_propagation(const char* path, uint64_t flags) {
  return call(cat("propagation ", std::string_view(path), ' ', flags));
}
inline Result<UniqueFd> FakeKernel::clone_mount(int fd, bool recursive) {
  std::string name = name_of(fd);
  KOBUK_CHECK(call(cat(recursive ? "clone tree " : "clone ", name)));
  return descriptor(name);
}
inline Result<UniqueFd> FakeKernel::new_mount(const std::string& type, const std::string& source,
                                              const std::vector<MountOption>&, uint64_t) {
  KOBUK_CHECK(call(cat("new mount ", type, ' ', source)));
  return descriptor(cat("a new ", type));
}
inline Result<void> FakeKernel::change_mount(int mount, const MountChange&) {
  return call(cat("change ", name_of(mount)));
}
inline Result<void> FakeKernel::attach_mount(int mount, int target) {
  return call(cat("attach ", name_of(mount), " at ", name_of(target)));
}
inline Result<void> FakeKernel::pivot_root(int) { return call("pivot_root"); }
inline Result<void> FakeKernel::join_namespace(int fd, int kind) {
  return call(cat("setns ", name_of(fd), ' ', kind));
}
inline Result<void> FakeKernel::unshare(int flags) { return call(cat("unshare ", flags)); }
inline Result<void> FakeKernel::set_hostname(const std::string& name) { return call(cat("hostname ", name)); }
inline Result<void> FakeKernel::set_domainname(const std::string& name) {
  return call(cat("domainname ", name));
}
inline Result<void> FakeKernel::loopback_up() { return call("loopback"); }
inline Result<Terminal> FakeKernel::open_terminal(int) {
  KOBUK_CHECK(call("terminal"));
  Terminal terminal;
  KOBUK_TRY(terminal.master, descriptor("the master"));
  KOBUK_TRY(terminal.slave, descriptor("the terminal"));
  return terminal;
}
inline Result<void> FakeKernel::new_session() { return call("setsid"); }
inline Result<void> FakeKernel::set_controlling_terminal(int) { return call("controlling terminal"); }
inline Result<void> FakeKernel::new_session_keyring() { return call("keyring"); }
inline Result<void> FakeKernel::set_rlimit(int resource, uint64_t, uint64_t) {
  return call(cat("rlimit ", resource));
}
inline Result<void> FakeKernel::set_umask(mode_t) { return call("umask"); }
inline Result<void> FakeKernel::change_directory(const std::string& path) {
  KOBUK_CHECK(call(cat("chdir ", path)));
  cwd_ = path;
  return {};
}
inline Result<std::string> FakeKernel::working_directory() {
  KOBUK_CHECK(call("getcwd"));
  return cwd_;
}
inline Result<void> FakeKernel::drop_bounding(uint64_t keep) { return call(cat("bounding ", keep)); }
inline Result<void> FakeKernel::set_identity(uid_t uid, gid_t gid, const std::vector<gid_t>&) {
  return call(cat("identity ", uid, ':', gid));
}
inline Result<void> FakeKernel::set_capabilities(const CapabilitySets& sets) {
  return call(cat("capabilities ", sets.permitted));
}
inline Result<void> FakeKernel::set_no_new_privileges() { return call("no_new_privs"); }
inline Result<void> FakeKernel::load_seccomp(std::string_view) { return call("seccomp"); }
inline Result<void> FakeKernel::die_with_parent() { return call("pdeathsig"); }
inline Result<void> FakeKernel::close_on_exec_from(int first) {
  return call(cat("close on exec from ", first));
}
inline Result<void> FakeKernel::duplicate_onto(int from, int to) {
  return call(cat("dup ", name_of(from), " to ", to));
}
inline Error FakeKernel::execute(const std::string& path, const std::vector<std::string>&,
                                 const std::vector<std::string>&) {
  auto called = call(cat("execve ", path));
  return called ? Error(Code::kInternal, "executed") : called.error();
}

}  // namespace kobuk::sys::testing
