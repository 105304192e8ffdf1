// Docker's options and the CRI's, in terms of the OCI runtime-spec (config.md, config-linux.md).
#include "engine/container_spec.h"

#include <sys/resource.h>

#include <algorithm>

#include "engine/container_devices.h"
#include "engine/seccomp_profile.h"
#include "runtime/defaults.h"
#include "sys/capability.h"

namespace kobuk::engine {
namespace {

using runtime::ContainerSpec;
using runtime::Mount;
using runtime::NamespaceKind;

constexpr std::pair<std::string_view, int> kResources[] = {
    {"core", RLIMIT_CORE},     {"cpu", RLIMIT_CPU},         {"data", RLIMIT_DATA},       {"fsize", RLIMIT_FSIZE},
    {"locks", RLIMIT_LOCKS},   {"memlock", RLIMIT_MEMLOCK}, {"msgqueue", RLIMIT_MSGQUEUE}, {"nice", RLIMIT_NICE},
    {"nofile", RLIMIT_NOFILE}, {"nproc", RLIMIT_NPROC},     {"rss", RLIMIT_RSS},         {"rtprio", RLIMIT_RTPRIO},
    {"rttime", RLIMIT_RTTIME}, {"sigpending", RLIMIT_SIGPENDING}, {"stack", RLIMIT_STACK}};

// Joined when there is a path, the host's when so asked, else new.
void set_namespace(ContainerSpec& spec, NamespaceKind kind, const std::string& path, bool host) {
  std::erase_if(spec.namespaces, [&](const runtime::Namespace& n) { return n.kind == kind; });
  if (!host) spec.namespaces.push_back({kind, path});
}

void set_namespaces(ContainerSpec& spec, const ContainerRecord& record, const SpecInputs& inputs) {
  set_namespace(spec, NamespaceKind::kNetwork, inputs.network_namespace, record.network_mode == "host");
  set_namespace(spec, NamespaceKind::kIpc, inputs.ipc_namespace, record.ipc_mode == "host");
  set_namespace(spec, NamespaceKind::kUts, inputs.uts_namespace, record.uts_mode == "host");
  set_namespace(spec, NamespaceKind::kPid, inputs.pid_namespace, record.pid_mode == "host");
  if (record.cgroupns_mode == "host") set_namespace(spec, NamespaceKind::kCgroup, "", true);
  if (record.cgroupns_mode == "private") set_namespace(spec, NamespaceKind::kCgroup, "", false);
}

void replace_mount(ContainerSpec& spec, Mount mount) {
  std::erase_if(spec.mounts, [&](const Mount& old) { return old.destination == mount.destination; });
  spec.mounts.push_back(std::move(mount));
}

void add_file_mount(ContainerSpec& spec, const std::string& destination, const std::string& source) {
  if (!source.empty()) replace_mount(spec, {destination, source, "bind", {"rbind", "rprivate"}});
}

Mount bind_mount(const MountRecord& mount, const std::string& source) {
  Mount out{mount.destination, source, "bind", {"rbind", mount.propagation.empty() ? "rprivate" : mount.propagation}};
  if (mount.recursive_readonly) {
    out.options.emplace_back("rro");
  } else if (mount.readonly) {
    out.options.emplace_back("ro");
  }
  return out;
}

Mount tmpfs_mount(const MountRecord& mount) {
  Mount out{mount.destination, "tmpfs", "tmpfs", {"nosuid", "nodev", "noexec"}};
  for (std::string_view option : split(mount.options, ',')) {
    if (option == "exec" || option == "suid" || option == "dev") std::erase(out.options, cat("no", option));
    if (option != "exec" && option != "suid" && option != "dev") out.options.emplace_back(option);
  }
  if (mount.readonly) out.options.emplace_back("ro");
  return out;
}

Result<void> add_mounts(ContainerSpec& spec, const ContainerRecord& record, const SpecInputs& inputs) {
  add_file_mount(spec, "/etc/resolv.conf", inputs.resolv_conf);
  add_file_mount(spec, "/etc/hosts", inputs.hosts);
  add_file_mount(spec, "/etc/hostname", inputs.hostname_file);
  if (!inputs.shm.empty()) replace_mount(spec, {"/dev/shm", inputs.shm, "bind", {"rbind", "nosuid", "nodev", "noexec"}});
  std::vector<MountRecord> mounts = record.mounts;
  // Parents before what lies in them.
  std::sort(mounts.begin(), mounts.end(), [](const MountRecord& a, const MountRecord& b) {
    auto depth = [](const std::string& path) { return std::count(path.begin(), path.end(), '/'); };
    return std::pair(depth(a.destination), a.destination) < std::pair(depth(b.destination), b.destination);
  });
  for (const MountRecord& mount : mounts) {
    if (mount.type == MountType::kTmpfs) {
      replace_mount(spec, tmpfs_mount(mount));
    } else if (mount.type == MountType::kBind) {
      replace_mount(spec, bind_mount(mount, mount.source));
    } else {
      auto found = inputs.volumes.find(mount.source);
      if (found == inputs.volumes.end()) return fail(Code::kInternal, "volume ", mount.source, " was not prepared");
      replace_mount(spec, bind_mount(mount, found->second));
    }
  }
  return {};
}

Result<void> set_security(ContainerSpec& spec, const ContainerRecord& record, const sys::HostFacts& facts) {
  KOBUK_TRY(uint64_t mask, capabilities_of(record, facts));
  if (record.privileged) {
    runtime::make_privileged(spec, facts);
  } else if (record.seccomp == "unconfined") {
    spec.seccomp.reset();
  } else if (!record.seccomp.empty()) {
    KOBUK_TRY(spec.seccomp, parse_seccomp_profile(record.seccomp, facts.machine, mask));
  } else if (facts.seccomp) {
    spec.seccomp = runtime::default_seccomp(facts.machine, mask);
  }
  spec.process.capabilities = runtime::capability_sets(mask);
  spec.process.no_new_privileges = record.no_new_privileges;
  if (record.masked_paths) spec.masked_paths = *record.masked_paths;
  if (record.readonly_paths) spec.readonly_paths = *record.readonly_paths;
  spec.rootfs.readonly = record.readonly_rootfs;
  return {};
}

Result<void> set_process(ContainerSpec& spec, const ContainerRecord& record) {
  runtime::Process& process = spec.process;
  process.args = record.args;
  process.env = record.env;
  process.cwd = record.cwd.empty() ? "/" : record.cwd;
  process.terminal = record.tty;
  process.console = {record.columns, record.rows};
  set_user(process, record.user);
  for (const std::string& group : record.groups) {
    auto gid = parse_uint(group);
    if (!gid || *gid > UINT32_MAX)
      return fail(Code::kInvalid, "Unable to find group ", group, ": give additional groups by number");
    process.user.additional_gids.push_back(static_cast<uint32_t>(*gid));
  }
  for (const UlimitRecord& limit : record.ulimits) {
    KOBUK_TRY(runtime::Rlimit made, make_rlimit(limit));
    process.rlimits.push_back(made);
  }
  if (record.oom_score_adj) process.oom_score_adj = static_cast<int>(*record.oom_score_adj);
  return {};
}

void set_log(ContainerSpec& spec, const LogRecord& log) {
  if (log.type == "none") return;
  spec.log = {.format = log.type == "cri" ? runtime::LogFormat::kCri : runtime::LogFormat::kJsonFile,
              .path = log.path,
              .max_bytes = log.max_bytes,
              .max_files = log.max_files};
}

}  // namespace

std::string cgroup_path_of(const ContainerRecord& record, const std::string& cgroup_root) {
  if (record.cgroup_parent.empty()) return cat(cgroup_root, record.origin == Origin::kDocker ? "/docker/" : "/cri/", record.id);
  if (record.cgroup_parent.starts_with(cat(cgroup_root, "/"))) return cat(record.cgroup_parent, "/", record.id);
  return cat(cgroup_root, record.cgroup_parent.starts_with('/') ? "" : "/", record.cgroup_parent, "/", record.id);
}

void set_user(runtime::Process& process, const std::string& user) {
  process.user.name = user;  // empty: uid 0
}

Result<runtime::Rlimit> make_rlimit(const UlimitRecord& limit) {
  for (const auto& [name, resource] : kResources) {
    if (name != limit.name) continue;
    if (limit.hard != -1 && (limit.soft == -1 || limit.soft > limit.hard))
      return fail(Code::kInvalid, "ulimit soft limit must be less than or equal to hard limit: ", limit.soft, " > ", limit.hard);
    // -1 becomes ~0: unlimited.
    return runtime::Rlimit{resource, static_cast<uint64_t>(limit.soft), static_cast<uint64_t>(limit.hard)};
  }
  return fail(Code::kInvalid, "invalid ulimit type: ", limit.name);
}

Result<uint64_t> capabilities_of(const ContainerRecord& record, const sys::HostFacts& facts) {
  if (record.privileged) return facts.own_capabilities;
  auto add = sys::capability_mask(record.cap_add);
  auto drop = sys::capability_mask(record.cap_drop);
  for (const auto* mask : {&add, &drop})
    if (!*mask) return fail(Code::kInvalid, mask == &add ? "invalid CapAdd: " : "invalid CapDrop: ", mask->error().message());
  auto all = [](const std::vector<std::string>& names) {
    return std::any_of(names.begin(), names.end(), [](const std::string& n) { return equals_ignore_case(n, "ALL"); });
  };
  // As Docker: ALL on one side leaves the other side's names as the exceptions.
  uint64_t mask = runtime::default_capabilities();
  if (all(record.cap_add)) {
    mask = all(record.cap_drop) ? 0 : *add & ~*drop;
  } else if (all(record.cap_drop)) {
    mask = *add;
  } else {
    mask = (mask & ~*drop) | *add;
  }
  return mask & facts.own_capabilities;
}

Result<ContainerSpec> make_container_spec(const ContainerRecord& record, const SpecInputs& inputs, const sys::HostFacts& facts) {
  bool pause = record.origin == Origin::kSandbox;
  ContainerSpec spec = pause ? runtime::default_sandbox_spec(record.id, facts) : runtime::default_container_spec(record.id, facts);
  set_namespaces(spec, record, inputs);
  // A name belongs to the namespace: who joins one takes its name.
  if (inputs.uts_namespace.empty() && record.uts_mode != "host") spec.hostname = record.hostname, spec.domainname = record.domainname;
  spec.sysctls = record.sysctls;
  spec.cgroup_path = inputs.cgroup_path;
  if (pause) return spec;
  spec.limits = record.limits;
  spec.rootfs.lower = inputs.layers;
  spec.rootfs.upper = inputs.upper;
  spec.rootfs.work = inputs.work;
  if (record.shm_size > 0) spec.mounts = runtime::default_mounts(static_cast<uint64_t>(record.shm_size));
  KOBUK_CHECK(set_process(spec, record));
  KOBUK_CHECK(set_security(spec, record, facts));
  KOBUK_CHECK(add_mounts(spec, record, inputs));
  if (record.privileged) KOBUK_CHECK(add_host_devices(spec));
  for (const DeviceRecord& device : record.devices) KOBUK_CHECK(add_device(spec, device));
  for (const std::string& text : record.device_rules) {
    KOBUK_TRY(sys::DeviceRule rule, sys::parse_device_rule(text));
    spec.device_rules.push_back(rule);
  }
  spec.stdin_open = record.stdin_open;
  spec.stdin_once = record.stdin_once;
  set_log(spec, record.log);
  return spec;
}

}  // namespace kobuk::engine
