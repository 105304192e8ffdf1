// FakeKernel: records what a plan's applier asks of the kernel, and lets the n-th call fail. Descriptors are real ones of
// /dev/null, so that a test can count those that leak.
#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <map>
#include <string>
#include <vector>

#include "sys/kernel.h"

namespace kobuk::sys::testing {

class FakeKernel final : public Kernel {
 public:
  int fail_at = 0;                  // the call, counted from 1, that fails with EIO; 0: none
  pid_t sibling = 0;                // what clone_sibling() returns: 0 goes on as the child
  std::vector<std::string> calls;   // "open /dev/null"
  bool executed = false;

  // For other seams of the same test: one more call that may fail.
  Result<void> call(std::string text) {
    calls.push_back(std::move(text));
    if (static_cast<int>(calls.size()) == fail_at) return fail_errno(EIO, cat("injected into ", calls.back()));
    return {};
  }
  UniqueFd descriptor(const std::string& path) {
    UniqueFd fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
    paths_[fd.get()] = path;
    return fd;
  }

  Result<UniqueFd> open(const std::string& path, int) override { return opened("open ", path); }
  Result<UniqueFd> open_in_root(int, std::string_view path, int) override { return opened("open_in_root ", path); }
  Result<UniqueFd> make_directory_in_root(int, std::string_view path, mode_t) override { return opened("make_directory_in_root ", path); }
  Result<UniqueFd> make_file_in_root(int, std::string_view path, mode_t) override { return opened("make_file_in_root ", path); }
  Result<void> make_node_in_root(int, std::string_view path, mode_t, dev_t, uid_t, gid_t) override { return call(cat("make_node_in_root ", path)); }
  Result<void> make_symlink_in_root(int, std::string_view path, const std::string&) override { return call(cat("make_symlink_in_root ", path)); }
  // A path that ends in dev/null is the null device, one that ends in a slash a folder, any other a program.
  Result<FileKind> file_kind(int fd) override {
    std::string path = paths_[fd];
    KOBUK_CHECK(call(cat("file_kind ", path)));
    if (path.ends_with("dev/null")) return FileKind{.mode = S_IFCHR | 0666, .device = makedev(1, 3)};
    return FileKind{.mode = (path.ends_with('/') ? S_IFDIR : S_IFREG) | 0755u};
  }
  Result<std::string> read_in_root(int, std::string_view path, size_t) override {
    KOBUK_CHECK(call(cat("read_in_root ", path)));
    return std::string(path == "etc/passwd" ? "app:x:7:8::/home:/bin/sh\n" : "app:x:8:\n");
  }
  Result<void> write_fd(int fd, std::string_view bytes) override { return call(cat("write_fd ", paths_[fd], " ", bytes)); }
  Result<void> change_owner(int, uid_t, gid_t) override { return call("change_owner"); }

  Result<void> set_propagation(const char* path, uint64_t) override { return call(cat("set_propagation ", std::string_view(path))); }
  Result<UniqueFd> clone_mount(int fd, bool) override { return opened("clone_mount ", paths_[fd]); }
  Result<UniqueFd> new_mount(const std::string& type, const std::string&, const std::vector<MountOption>& options, uint64_t) override {
    std::string text = type;
    for (const MountOption& o : options) cat_to(text, ' ', o.key, o.value.empty() ? "" : "=", o.value);
    return opened("new_mount ", text);
  }
  Result<void> change_mount(int mount, const MountChange&) override { return call(cat("change_mount ", paths_[mount])); }
  Result<void> attach_mount(int, int target) override { return call(cat("attach_mount ", paths_[target])); }
  Result<void> pivot_root(int) override { return call("pivot_root"); }

  Result<void> join_namespace(int, int) override { return call("join_namespace"); }
  Result<void> unshare(int) override { return call("unshare"); }
  Result<void> set_hostname(const std::string&) override { return call("set_hostname"); }
  Result<void> set_domainname(const std::string&) override { return call("set_domainname"); }
  Result<void> loopback_up() override { return call("loopback_up"); }
  Result<Terminal> open_terminal(int) override {
    KOBUK_CHECK(call("open_terminal"));
    return Terminal{descriptor("dev/ptmx"), descriptor("dev/pts/0")};
  }

  Result<void> new_session() override { return call("new_session"); }
  Result<void> set_controlling_terminal(int) override { return call("set_controlling_terminal"); }
  Result<void> new_session_keyring() override { return call("new_session_keyring"); }
  Result<void> set_rlimit(int, uint64_t, uint64_t) override { return call("set_rlimit"); }
  Result<void> set_umask(mode_t) override { return call("set_umask"); }
  Result<void> change_directory(const std::string& path) override { return call(cat("change_directory ", path)); }
  Result<std::string> working_directory() override {
    KOBUK_CHECK(call("working_directory"));
    return std::string("/work");
  }
  Result<void> drop_bounding(uint64_t) override { return call("drop_bounding"); }
  Result<void> set_identity(uid_t, gid_t, const std::vector<gid_t>&) override { return call("set_identity"); }
  Result<void> set_capabilities(const CapabilitySets&) override { return call("set_capabilities"); }
  Result<void> set_no_new_privileges() override { return call("set_no_new_privileges"); }
  Result<void> load_seccomp(std::string_view) override { return call("load_seccomp"); }
  Result<Cloned> clone_sibling() override {
    KOBUK_CHECK(call("clone_sibling"));
    return Cloned{.pid = sibling, .pidfd = {}};
  }
  Result<void> die_with_parent() override { return call("die_with_parent"); }
  Result<void> close_on_exec_from(int) override { return call("close_on_exec_from"); }
  Result<void> duplicate_onto(int, int) override { return call("duplicate_onto"); }
  Error execute(const std::string& path, const std::vector<std::string>&, const std::vector<std::string>&) override {
    executed = true;
    return Error(Code::kCancelled, cat("execute ", path));
  }

 private:
  Result<UniqueFd> opened(std::string_view name, std::string_view path) {
    KOBUK_CHECK(call(cat(name, path)));
    return descriptor(std::string(path));
  }
  std::map<int, std::string> paths_;
};

}  // namespace kobuk::sys::testing
