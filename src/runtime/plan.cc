// From an OCI-like specification to steps: OCI runtime-spec 1.2, config.md and config-linux.md.
#include "runtime/plan.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/mount_options.h"

namespace kobuk::runtime {
namespace {

constexpr size_t kMaxSetting = 255;  // of one string of fsconfig(2)

bool valid_id(std::string_view id) {
  auto alphanumeric = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
  };
  if (id.empty() || id.size() > 128 || !alphanumeric(id[0])) return false;
  return std::all_of(id.begin(), id.end(),
                     [&](char c) { return alphanumeric(c) || c == '_' || c == '.' || c == '-'; });
}

uint64_t clone_flag(NamespaceKind kind) {
  switch (kind) {
    case NamespaceKind::kMount:
      return CLONE_NEWNS;
    case NamespaceKind::kPid:
      return CLONE_NEWPID;
    case NamespaceKind::kNetwork:
      return CLONE_NEWNET;
    case NamespaceKind::kIpc:
      return CLONE_NEWIPC;
    case NamespaceKind::kUts:
      return CLONE_NEWUTS;
    case NamespaceKind::kCgroup:
      return CLONE_NEWCGROUP;
  }
  return 0;
}

Result<std::string> inside(const std::string& path) {
  if (path.empty() || path[0] != '/')
    return fail(Code::kInvalid, "the path ", go_quote(path), " in the container is not absolute");
  size_t start = path.find_first_not_of('/');
  return start == path.npos ? std::string() : path.substr(start);
}

// Collects the steps of one container.
class Planner {
 public:
  Planner(const ContainerSpec& spec, const sys::HostFacts& facts) : spec_(spec), facts_(facts) {}

  Result<Plan> make() {
    if (!valid_id(spec_.id)) return fail(Code::kInvalid, "invalid container id ", go_quote(spec_.id));
    plan_.id = spec_.id;
    plan_.pause = spec_.pause;
    KOBUK_CHECK(namespaces());
    KOBUK_CHECK(cgroup());
    KOBUK_TRY(uint64_t propagation, root_propagation());
    // The host's mounts are never peers of what is mounted here; shared sources are opened before this.
    bool is_private = (propagation & MS_PRIVATE) != 0;
    add(SetPropagation{is_private ? uint64_t{MS_REC | MS_PRIVATE} : uint64_t{MS_REC | MS_SLAVE}});
    KOBUK_CHECK(host());
    KOBUK_CHECK(root());
    if (new_cgroup_) add(NewCgroupNamespace{});
    if (!spec_.pause) {
      KOBUK_CHECK(mounts());
      KOBUK_CHECK(devices());
      if (spec_.process.terminal) add(OpenTerminal{});
      KOBUK_CHECK(paths());
      if (spec_.rootfs.readonly) add(ReadonlyRoot{});
    }
    add(PivotRoot{});
    if ((propagation & (MS_SHARED | MS_UNBINDABLE)) != 0) add(SetPropagation{propagation});
    if (spec_.pause) {
      plan_.process.cwd = "/";
      plan_.process.no_new_privileges = true;
      plan_.process.set_oom_score = spec_.process.oom_score_adj.has_value();
      plan_.process.oom_score_adj = spec_.process.oom_score_adj.value_or(0);
    } else {
      KOBUK_TRY(plan_.process, make_process_plan(spec_.process, facts_));
    }
    plan_.stdin_open = spec_.stdin_open;
    plan_.stdin_once = spec_.stdin_once;
    if (spec_.log.format != LogFormat::kNone && (spec_.log.path.empty() || spec_.log.path[0] != '/'))
      return fail(Code::kInvalid, "the log path ", go_quote(spec_.log.path), " is not absolute");
    plan_.log = spec_.log;
    return std::move(plan_);
  }

 private:
  template <class T>
  void add(T step) {
    plan_.steps.emplace_back(std::move(step));
  }
  bool is_new(NamespaceKind kind) const { return (plan_.clone_flags & clone_flag(kind)) != 0; }

  Result<void> namespaces() {
    for (const Namespace& ns : spec_.namespaces) {
      uint64_t flag = clone_flag(ns.kind);
      bool twice = (plan_.clone_flags & flag) != 0 || (flag == CLONE_NEWCGROUP && new_cgroup_);
      for (const JoinNamespace& join : plan_.joins) twice = twice || join.kind == flag;
      if (twice) return fail(Code::kInvalid, "a namespace is listed twice");
      if (!ns.path.empty()) {
        if (ns.kind == NamespaceKind::kMount)
          return fail(Code::kUnsupported,
                      "a container can not join a mount namespace; give it a new one and bind mounts");
        if (ns.path[0] != '/')
          return fail(Code::kInvalid, "the namespace path ", go_quote(ns.path), " is not absolute");
        plan_.joins.push_back({flag, ns.path});
      } else if (ns.kind == NamespaceKind::kCgroup) {
        new_cgroup_ = true;  // not at birth: it would be rooted at the monitor's group
      } else {
        plan_.clone_flags |= flag;
      }
    }
    if (!is_new(NamespaceKind::kMount))
      return fail(Code::kInvalid, "a container needs a mount namespace of its own");
    plan_.kill_rest = !is_new(NamespaceKind::kPid);
    return {};
  }

  Result<void> cgroup() {
    if (spec_.cgroup_path.empty()) {
      if (spec_.limits != sys::CgroupLimits{}) return fail(Code::kInvalid, "limits need a cgroup path");
      if (plan_.kill_rest)
        return fail(Code::kInvalid, "a container without a pid namespace of its own needs a cgroup path");
      if (!sys::allows_every_device(spec_.device_rules))
        return fail(Code::kInvalid, "a container whose devices are restricted needs a cgroup path");
      return {};
    }
    KOBUK_TRY(plan_.cgroup, sys::plan_cgroup(facts_.cgroups, spec_.cgroup_path, spec_.limits, spec_.device_rules));
    if (const auto* memory = facts_.cgroups.find("memory"))
      plan_.memory_events =
          cat(memory->mount_point, spec_.cgroup_path, memory->v2 ? "/memory.events" : "/memory.oom_control");
    return {};
  }

  Result<uint64_t> root_propagation() const {
    std::string_view name = spec_.rootfs_propagation;
    if (name.empty()) return uint64_t{MS_REC | MS_SLAVE};
    uint64_t recursive = name.starts_with('r') ? MS_REC : 0;
    std::string_view kind = recursive != 0 ? name.substr(1) : name;
    if (kind == "private") return recursive | MS_PRIVATE;
    if (kind == "slave") return recursive | MS_SLAVE;
    if (kind == "shared") return recursive | MS_SHARED;
    if (kind == "unbindable") return recursive | MS_UNBINDABLE;
    return fail(Code::kInvalid, "unknown propagation of the root filesystem ", go_quote(name));
  }

  // Hostname, loopback, kernel parameters: what the namespaces hold besides mounts.
  Result<void> host() {
    if (!spec_.hostname.empty() || !spec_.domainname.empty()) {
      if (!is_new(NamespaceKind::kUts))
        return fail(Code::kInvalid,
                    "a hostname needs a UTS namespace of its own: it would rename the host or the pod");
      if (spec_.hostname.size() > 64 || spec_.domainname.size() > 64)
        return fail(Code::kInvalid, "a hostname or domain name has more than 64 characters");
      add(SetHostname{spec_.hostname, spec_.domainname});
    }
    if (is_new(NamespaceKind::kNetwork)) add(LoopbackUp{});
    for (const auto& [name, value] : spec_.sysctls) KOBUK_CHECK(sysctl(name, value));
    return {};
  }

  Result<void> sysctl(const std::string& name, const std::string& value) {
    static constexpr std::string_view kIpc[] = {"kernel.msgmax", "kernel.msgmnb",         "kernel.msgmni",
                                                "kernel.sem",    "kernel.shmall",         "kernel.shmmax",
                                                "kernel.shmmni", "kernel.shm_rmid_forced"};
    std::string path = name;
    // As sysctl(8): "net/ipv4/conf/eth0.1/…" may be given with slashes, where dots are part of names.
    if (path.find('/') == path.npos) std::replace(path.begin(), path.end(), '.', '/');
    auto parts = split(path, '/');
    bool strange =
        std::any_of(parts.begin(), parts.end(), [](auto p) { return p.empty() || p == "." || p == ".."; });
    if (strange || parts.size() < 2) return fail(Code::kInvalid, "invalid sysctl ", go_quote(name));
    auto owned_by = [&](NamespaceKind kind) {
      return is_new(kind) || std::any_of(plan_.joins.begin(), plan_.joins.end(),
                                         [&](auto& j) { return j.kind == clone_flag(kind); });
    };
    std::string dotted = path;
    std::replace(dotted.begin(), dotted.end(), '/', '.');
    bool ipc = std::find(std::begin(kIpc), std::end(kIpc), dotted) != std::end(kIpc) ||
               dotted.starts_with("fs.mqueue.");
    bool allowed = (parts[0] == "net" && owned_by(NamespaceKind::kNetwork)) ||
                   (ipc && owned_by(NamespaceKind::kIpc)) ||
                   (dotted == "kernel.domainname" && owned_by(NamespaceKind::kUts));
    if (!allowed)
      return fail(Code::kInvalid, "sysctl ", go_quote(name),
                  " is not in a separate kernel namespace: it would change the host");
    add(SetSysctl{path, value});
    return {};
  }

  Result<void> root() {
    const Rootfs& fs = spec_.rootfs;
    if (spec_.pause) {
      add(RootEmpty{});
    } else if (!fs.lower.empty()) {
      if (fs.upper.empty() != fs.work.empty())
        return fail(Code::kInvalid, "an overlay needs both upper and work, or neither");
      bool each = facts_.kernel_at_least(6, 8);
      size_t longest = each ? 0 : join(fs.lower, ":").size();
      for (const std::string& layer : fs.lower) longest = std::max(longest, layer.size());
      for (const std::string& path : {fs.upper, fs.work}) longest = std::max(longest, path.size());
      if (longest > kMaxSetting)
        return fail(Code::kUnsupported, "the paths of the overlay are too long for this kernel: ",
                    each ? "use a shorter data directory" : "many layers need Linux 6.8");
      add(RootOverlay{fs.lower, fs.upper, fs.work, each});
    } else if (!fs.path.empty()) {
      add(RootDirectory{fs.path});
    } else {
      return fail(Code::kInvalid, "a container needs a root filesystem");
    }
    return {};
  }

  Result<void> mounts() {
    for (const Mount& mount : spec_.mounts) {
      auto done = one_mount(mount);
      if (!done) return fail(std::move(done).error().context("mount at ", mount.destination));
    }
    return {};
  }

  Result<void> one_mount(const Mount& mount) {
    KOBUK_TRY(std::string target, inside(mount.destination));
    if (target.empty()) return fail(Code::kInvalid, "nothing can be mounted over the root; use rootfs");
    KOBUK_TRY(MountOptions options, parse_mount_options(mount.options));
    if (mount.type == "bind" || options.bind) return bind(mount, target, options);
    if (options.recursive_attributes.recursive)
      return fail(Code::kInvalid, "recursive options are for bind mounts");
    if (mount.type == "cgroup" || mount.type == "cgroup2") return cgroup_mount(target, options);
    if (mount.type.empty()) return fail(Code::kInvalid, "a mount needs a type");
    NewMount step{target, mount.type, mount.source.empty() ? mount.type : mount.source, options.data,
                  options.attributes};
    step.change.propagation = options.propagation;
    add(std::move(step));
    return {};
  }

  Result<void> bind(const Mount& mount, const std::string& target, const MountOptions& options) {
    if (mount.source.empty() || mount.source[0] != '/')
      return fail(Code::kInvalid, "the source ", go_quote(mount.source), " of a bind mount is not absolute");
    if (!options.data.empty())
      return fail(Code::kInvalid, "unknown option ", go_quote(options.data[0].key), " of a bind mount");
    BindMount step{target, mount.source, options.recursive_bind, {}};
    // Not named: what the host mounts below the source later shows up, what the container mounts stays its
    // own.
    bool named = options.propagation != 0;
    step.changes.push_back({0, 0, named ? options.propagation : uint64_t{MS_SLAVE},
                            named ? options.recursive_propagation : options.recursive_bind});
    if (!options.attributes.empty()) step.changes.push_back(options.attributes);
    if (!options.recursive_attributes.empty()) step.changes.push_back(options.recursive_attributes);
    add(std::move(step));
    return {};
  }

  Result<void> cgroup_mount(const std::string& target, const MountOptions& options) {
    if (facts_.cgroups.mode == sys::CgroupMode::kNone) return {};
    if (facts_.cgroups.mode == sys::CgroupMode::kV2) {
      add(NewMount{target, "cgroup2", "cgroup", {}, options.attributes});
      return {};
    }
    // v1 can't be mounted anew per container: a small tmpfs with the container's own folder of each
    // hierarchy.
    add(NewMount{target,
                 "tmpfs",
                 "tmpfs",
                 {{"mode", "755"}, {"size", "64k"}},
                 {MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC}});
    for (const sys::CgroupHierarchy& h : facts_.cgroups.hierarchies) {
      std::string name = h.mount_point.substr(h.mount_point.rfind('/') + 1);
      std::string source = h.mount_point + (spec_.cgroup_path.empty() ? h.own : spec_.cgroup_path);
      add(BindMount{
          cat(target, '/', name), source, false, {{options.attributes.set, 0, MS_PRIVATE, false}}, true});
      if (h.v2 || h.controllers.size() < 2) continue;
      for (const std::string& controller : h.controllers)
        if (controller != name) add(MakeLink{cat(target, '/', controller), name});
    }
    if ((options.attributes.set & MOUNT_ATTR_RDONLY) != 0) add(ChangeMount{target, {MOUNT_ATTR_RDONLY}});
    return {};
  }

  Result<void> devices() {
    bool bound = std::any_of(spec_.mounts.begin(), spec_.mounts.end(), [](const Mount& m) {
      return m.destination == "/dev" &&
             (m.type == "bind" || std::find(m.options.begin(), m.options.end(), "bind") != m.options.end() ||
              std::find(m.options.begin(), m.options.end(), "rbind") != m.options.end());
    });
    if (bound) return {};  // the host's own folder: nothing may be created there
    for (const Device& device : spec_.devices) {
      KOBUK_TRY(std::string path, inside(device.path));
      uint32_t type = device.type == 'c' || device.type == 'u' ? S_IFCHR
                      : device.type == 'b'                     ? S_IFBLK
                      : device.type == 'p'                     ? S_IFIFO
                                                               : 0;
      if (type == 0) return fail(Code::kInvalid, "the device ", device.path, " is of no known type");
      add(MakeNode{path, type | (device.mode & 0777), device.major, device.minor, device.uid, device.gid});
    }
    add(MakeLink{"dev/core", "/proc/kcore"});
    add(MakeLink{"dev/fd", "/proc/self/fd"});
    add(MakeLink{"dev/stdin", "/proc/self/fd/0"});
    add(MakeLink{"dev/stdout", "/proc/self/fd/1"});
    add(MakeLink{"dev/stderr", "/proc/self/fd/2"});
    bool terminals = std::any_of(spec_.mounts.begin(), spec_.mounts.end(),
                                 [](const Mount& m) { return m.type == "devpts"; });
    if (terminals) add(MakeLink{"dev/ptmx", "pts/ptmx"});
    return {};
  }

  Result<void> paths() {
    for (const std::string& path : spec_.readonly_paths) {
      KOBUK_TRY(std::string in, inside(path));
      add(ReadonlyPath{in});
    }
    for (const std::string& path : spec_.masked_paths) {
      KOBUK_TRY(std::string in, inside(path));
      add(MaskPath{in});
    }
    return {};
  }

  const ContainerSpec& spec_;
  const sys::HostFacts& facts_;
  Plan plan_;
  bool new_cgroup_ = false;
};

bool has_nul(const std::vector<std::string>& texts) {
  return std::any_of(texts.begin(), texts.end(), [](const std::string& t) { return t.find('\0') != t.npos; });
}

}  // namespace

Result<Plan> make_plan(const ContainerSpec& spec, const sys::HostFacts& facts) {
  return Planner(spec, facts).make();
}

Result<ProcessPlan> make_process_plan(const Process& process, const sys::HostFacts& facts) {
  if (process.args.empty() || process.args[0].empty()) return fail(Code::kInvalid, "no command specified");
  if (has_nul(process.args) || has_nul(process.env))
    return fail(Code::kInvalid, "an argument or variable holds a NUL byte");
  if (process.cwd.empty() || process.cwd[0] != '/')
    return fail(Code::kInvalid, "the working directory ", go_quote(process.cwd), " is not absolute");
  ProcessPlan plan;
  plan.args = process.args;
  plan.env = process.env;
  plan.cwd = process.cwd;
  plan.uid = process.user.uid;
  plan.gid = process.user.gid;
  plan.groups = process.user.additional_gids;
  plan.user = process.user.name;
  // What the host's own bounding set lacks nobody can give.
  auto clip = [&](uint64_t mask) { return mask & facts.own_capabilities; };
  const sys::CapabilitySets& sets = process.capabilities;
  plan.capabilities = {clip(sets.bounding), clip(sets.effective), clip(sets.inheritable),
                       clip(sets.permitted), clip(sets.ambient)};
  plan.no_new_privileges = process.no_new_privileges;
  plan.rlimits = process.rlimits;
  for (const Rlimit& limit : process.rlimits)
    if (limit.soft > limit.hard) return fail(Code::kInvalid, "a soft resource limit is above its hard limit");
  plan.set_oom_score = process.oom_score_adj.has_value();
  plan.oom_score_adj = process.oom_score_adj.value_or(0);
  plan.umask = process.umask;
  plan.terminal = process.terminal;
  plan.console = process.console;
  return plan;
}

}  // namespace kobuk::runtime
