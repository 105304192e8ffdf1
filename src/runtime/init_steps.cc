// Applies the steps of a plan. No path inside the container is looked up twice: a target is opened below the
// root once, and the mount is moved onto that descriptor (mount_setattr, move_mount; the races of
// CVE-2025-31133, -52565 and -52881 have no window here).
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>

#include "runtime/init.h"

namespace kobuk::runtime {
namespace {

class Applier {
 public:
  Applier(sys::Kernel& kernel, const Plan& plan, const std::string& directory, int pid_namespace, Gate& gate)
      : k_(kernel), plan_(plan), directory_(directory), pid_namespace_(pid_namespace), gate_(gate) {}

  Result<sys::Terminal> apply() {
    KOBUK_CHECK(open_sources());
    for (const Step& step : plan_.steps) {
      auto done = std::visit([this](const auto& s) { return (*this)(s); }, step);
      if (!done) return fail(std::move(done).error().context(describe(step)));
    }
    return std::move(terminal_);
  }

  Result<void> operator()(const SetPropagation& s) { return k_.set_propagation("/", s.flags); }

  Result<void> operator()(const RootOverlay& s) {
    std::vector<sys::MountOption> options;
    if (s.lowerdir_plus) {
      for (const std::string& layer : s.lower) options.push_back({"lowerdir+", layer});
    } else {
      options.push_back({"lowerdir", join(s.lower, ":")});
    }
    if (!s.upper.empty()) {
      options.push_back({"upperdir", s.upper});
      options.push_back({"workdir", s.work});
    }
    options.push_back(
        {"index", "off"});  // a snapshot may have been written under another mount of the same layers
    KOBUK_TRY(sys::UniqueFd mount, k_.new_mount("overlay", "overlay", options, 0));
    return attach_root(std::move(mount));
  }
  Result<void> operator()(const RootDirectory& s) {
    KOBUK_TRY(sys::UniqueFd folder, k_.open(s.path, O_PATH | O_DIRECTORY));
    KOBUK_TRY(sys::UniqueFd mount, k_.clone_mount(folder.get(), true));
    KOBUK_CHECK(k_.change_mount(mount.get(), {0, 0, MS_SLAVE, true}));
    return attach_root(std::move(mount));
  }
  Result<void> operator()(const RootEmpty&) {
    KOBUK_TRY(sys::UniqueFd mount,
              k_.new_mount("tmpfs", "tmpfs", {{"size", "4k"}, {"nr_inodes", "2"}, {"mode", "555"}},
                           MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC));
    return attach_root(std::move(mount));
  }

  Result<void> operator()(const NewMount& s) {
    std::vector<sys::MountOption> options = s.options;
    if (s.type == "proc" && pid_namespace_ >= 0) options.push_back(sys::proc_of(pid_namespace_));
    KOBUK_TRY(sys::UniqueFd mount, k_.new_mount(s.type, s.source, options, s.change.set));
    if (s.change.propagation != 0)
      KOBUK_CHECK(k_.change_mount(mount.get(), {0, 0, s.change.propagation, false}));
    KOBUK_TRY(sys::UniqueFd target, k_.make_directory_in_root(root_.get(), s.target, 0755));
    return k_.attach_mount(mount.get(), target.get());
  }

  Result<void> operator()(const BindMount& s) {
    sys::UniqueFd source = std::move(sources_[next_source_++]);
    if (!source) return {};  // optional and absent
    for (const sys::MountChange& change : s.changes) KOBUK_CHECK(k_.change_mount(source.get(), change));
    KOBUK_TRY(sys::FileKind kind, k_.file_kind(source.get()));
    bool folder = S_ISDIR(kind.mode);
    KOBUK_TRY(sys::UniqueFd target, folder ? k_.make_directory_in_root(root_.get(), s.target, 0755)
                                           : k_.make_file_in_root(root_.get(), s.target, 0644));
    auto attached = k_.attach_mount(source.get(), target.get());
    if (!attached && attached.error().system_errno() == ENOTDIR)
      return fail(Code::kInvalid, "one of source and target is a folder, the other a file");
    return attached;
  }

  Result<void> operator()(const ChangeMount& s) {
    KOBUK_TRY(sys::UniqueFd at, k_.open_in_root(root_.get(), s.target, O_PATH));
    return k_.change_mount(at.get(), s.change);
  }

  Result<void> operator()(const MakeNode& s) {
    auto made = k_.make_node_in_root(root_.get(), s.path, s.mode, makedev(s.major, s.minor), s.uid, s.gid);
    return made;
  }
  Result<void> operator()(const MakeLink& s) {
    return k_.make_symlink_in_root(root_.get(), s.path, s.target);
  }

  Result<void> operator()(const OpenTerminal&) {
    KOBUK_TRY(terminal_, k_.open_terminal(root_.get()));
    KOBUK_TRY(sys::UniqueFd mount, k_.clone_mount(terminal_.slave.get(), false));
    KOBUK_TRY(sys::UniqueFd target, k_.make_file_in_root(root_.get(), "dev/console", 0600));
    return k_.attach_mount(mount.get(), target.get());
  }

  Result<void> operator()(const SetHostname& s) {
    if (!s.name.empty()) KOBUK_CHECK(k_.set_hostname(s.name));
    if (!s.domain.empty()) KOBUK_CHECK(k_.set_domainname(s.domain));
    return {};
  }
  Result<void> operator()(const LoopbackUp&) { return k_.loopback_up(); }
  // The host's /proc/sys shows the caller's namespaces; the container's own could be anything.
  Result<void> operator()(const SetSysctl& s) {
    KOBUK_TRY(sys::UniqueFd file, k_.open(cat("/proc/sys/", s.path), O_WRONLY));
    return k_.write_fd(file.get(), s.value);
  }

  Result<void> operator()(const MaskPath& s) {
    auto at = k_.open_in_root(root_.get(), s.path, O_PATH);
    if (!at) return absent_is_fine(std::move(at).error());
    KOBUK_TRY(sys::FileKind kind, k_.file_kind(at->get()));
    KOBUK_TRY(sys::UniqueFd mask, S_ISDIR(kind.mode) ? empty_folder() : null_device());
    KOBUK_CHECK(k_.attach_mount(mask.get(), at->get()));
    if (S_ISDIR(kind.mode) && !empty_) empty_ = std::move(mask);
    return {};
  }
  Result<void> operator()(const ReadonlyPath& s) {
    auto at = k_.open_in_root(root_.get(), s.path, O_PATH);
    if (!at) return absent_is_fine(std::move(at).error());
    KOBUK_TRY(sys::UniqueFd copy, k_.clone_mount(at->get(), true));
    KOBUK_CHECK(k_.change_mount(copy.get(), {MOUNT_ATTR_RDONLY, 0, MS_PRIVATE, true}));
    return k_.attach_mount(copy.get(), at->get());
  }
  Result<void> operator()(const ReadonlyRoot&) { return k_.change_mount(root_.get(), {MOUNT_ATTR_RDONLY}); }

  Result<void> operator()(const NewCgroupNamespace&) {
    KOBUK_CHECK(gate_.wait_for_cgroups());
    return k_.unshare(CLONE_NEWCGROUP);
  }
  Result<void> operator()(const PivotRoot&) { return k_.pivot_root(root_.get()); }

 private:
  Result<void> open_sources() {
    for (const Step& step : plan_.steps) {
      const auto* bind = std::get_if<BindMount>(&step);
      if (bind == nullptr) continue;
      auto source = k_.open(bind->source, O_PATH);
      if (!source && bind->optional && source.error().code() == Code::kNotFound) {
        sources_.emplace_back();
        continue;
      }
      if (!source) return fail(std::move(source).error().context(describe(step)));
      auto copy = k_.clone_mount(source->get(), bind->recursive);
      if (!copy) return fail(std::move(copy).error().context(describe(step)));
      sources_.push_back(std::move(*copy));
    }
    return {};
  }

  Result<void> attach_root(sys::UniqueFd mount) {
    // Opened here, not by the monitor: it must be the folder in this mount namespace.
    KOBUK_TRY(sys::UniqueFd at, k_.open(directory_, O_PATH | O_DIRECTORY));
    KOBUK_CHECK(k_.attach_mount(mount.get(), at.get()));
    root_ = std::move(mount);
    return {};
  }

  // The host's own: the one in the container may be anything by now.
  Result<sys::UniqueFd> null_device() {
    if (!null_) {
      KOBUK_TRY(null_, k_.open("/dev/null", O_PATH));
      KOBUK_TRY(sys::FileKind kind, k_.file_kind(null_.get()));
      if (!S_ISCHR(kind.mode) || kind.device != makedev(1, 3))
        return fail(Code::kFailedPrecondition, "/dev/null of the host is no null device");
    }
    KOBUK_TRY(sys::UniqueFd mount, k_.clone_mount(null_.get(), false));
    // Read-only: its mode, owner and attributes are the host's.
    constexpr uint64_t kAttributes = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC;
    KOBUK_CHECK(k_.change_mount(mount.get(), {kAttributes, 0, MS_PRIVATE, false}));
    return mount;
  }
  Result<sys::UniqueFd> empty_folder() {
    if (empty_) return k_.clone_mount(empty_.get(), false);
    return k_.new_mount("tmpfs", "tmpfs", {{"size", "4k"}, {"nr_inodes", "2"}, {"mode", "755"}},
                        MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
  }
  static Result<void> absent_is_fine(Error error) {
    if (error.code() == Code::kNotFound || error.system_errno() == ENOTDIR) return {};
    return fail(std::move(error));
  }

  sys::Kernel& k_;
  const Plan& plan_;
  const std::string& directory_;
  int pid_namespace_;
  Gate& gate_;
  sys::UniqueFd root_, null_, empty_;
  std::vector<sys::UniqueFd> sources_;
  size_t next_source_ = 0;
  sys::Terminal terminal_;
};

}  // namespace

Result<sys::Terminal> apply_steps(sys::Kernel& kernel, const Plan& plan, const std::string& directory,
                                  int pid_namespace, Gate& gate) {
  return Applier(kernel, plan, directory, pid_namespace, gate).apply();
}

}  // namespace kobuk::runtime
