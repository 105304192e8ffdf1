// cri-api runtime.v1: PodSandboxConfig, ContainerConfig, LinuxContainerSecurityContext, ContainerStatus.
#include "engine/cri_convert.h"

#include <algorithm>

#include "image/reference.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

// "nginx:latest" as kubelets know it: "docker.io/library/nginx:latest".
std::string full_text(const std::string& tag) {
  auto reference = image::parse_reference(tag);
  return reference ? image::full(*reference) : tag;
}

constexpr const char* kPodNetwork = "pods";

network::Protocol protocol_of(const std::string& name) {
  return name == "UDP" ? network::Protocol::kUdp : name == "SCTP" ? network::Protocol::kSctp : network::Protocol::kTcp;
}

std::string user_of(const CriSecurityContext& security, const image::ImageInfo& image) {
  std::string user = !security.run_as_username.empty() ? security.run_as_username
                     : security.run_as_user            ? cat(*security.run_as_user)
                                                       : image.config.user;
  if (!security.run_as_group) return user;
  return cat(user.empty() ? "0" : user.substr(0, user.find(':')), ":", *security.run_as_group);
}

std::string propagation_of(const std::string& name) {
  return name == "host-to-container" ? "rslave" : name == "bidirectional" ? "rshared" : "rprivate";
}

Result<void> set_security(ContainerRecord& record, const CriSecurityContext& security) {
  record.privileged = security.privileged;
  record.readonly_rootfs = security.readonly_rootfs;
  record.no_new_privileges = security.no_new_privs;
  record.cap_add = security.add_capabilities;
  record.cap_drop = security.drop_capabilities;
  for (int64_t group : security.supplemental_groups) record.groups.push_back(cat(group));
  if (security.seccomp_unconfined) record.seccomp = "unconfined";
  if (!security.seccomp_localhost.empty()) {
    KOBUK_TRY(record.seccomp, sys::read_file(security.seccomp_localhost, 1 << 20));
  }
  if (!security.default_proc_mount) {
    record.masked_paths = security.masked_paths;
    record.readonly_paths = security.readonly_paths;
  }
  return {};
}

// The command takes the entry point's place and then the image's own arguments are not used either.
void set_args(ContainerRecord& record, const ContainerConfig& config, const image::ImageConfig& image) {
  record.args = config.command.empty() ? image.entrypoint : config.command;
  record.entrypoint_size = record.args.size();
  const auto& rest = config.args.empty() && config.command.empty() ? image.cmd : config.args;
  record.args.insert(record.args.end(), rest.begin(), rest.end());
}

void set_env(ContainerRecord& record, const ContainerConfig& config, const image::ImageConfig& image) {
  record.env = image.env;
  auto has_path = [](const std::string& entry) { return entry.starts_with("PATH="); };
  if (std::none_of(record.env.begin(), record.env.end(), has_path))
    record.env.insert(record.env.begin(), "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
  for (const auto& [name, value] : config.envs) {
    std::string prefix = cat(name, "=");
    std::erase_if(record.env, [&](const std::string& entry) { return entry.starts_with(prefix); });
    record.env.push_back(cat(prefix, value));
  }
}

std::string_view exit_reason(const StatusRecord& status) {
  if (status.oom_killed) return "OOMKilled";
  if (status.started == WallTime{}) return "StartError";
  return status.exit_code == 0 ? "Completed" : "Error";
}

}  // namespace

ContainerRecord sandbox_record(const PodSandboxConfig& config) {
  ContainerRecord out;
  out.origin = Origin::kSandbox;
  out.pod_name = config.metadata.name;
  out.pod_uid = config.metadata.uid;
  out.pod_namespace = config.metadata.space;
  out.attempt = config.metadata.attempt;
  out.hostname = config.hostname;
  out.log.type = "none";
  out.log_directory = config.log_directory;
  out.dns = config.dns_servers, out.dns_search = config.dns_searches, out.dns_options = config.dns_options;
  out.labels = config.labels, out.annotations = config.annotations, out.sysctls = config.sysctls;
  out.cgroup_parent = config.cgroup_parent;
  bool host_network = config.network == NamespaceMode::kNode;
  out.network_mode = host_network ? "host" : kPodNetwork;
  if (host_network) out.uts_mode = "host";
  if (config.ipc == NamespaceMode::kNode) out.ipc_mode = "host";
  if (config.pid == NamespaceMode::kNode) out.pid_mode = "host";
  if (!host_network) out.endpoints.push_back({.network = kPodNetwork});
  for (const CriPortMapping& port : config.port_mappings) {
    if (port.host_port == 0 || host_network) continue;
    out.ports.push_back({port.host_ip, static_cast<uint16_t>(port.host_port), static_cast<uint16_t>(port.container_port), protocol_of(port.protocol)});
  }
  return out;
}

sys::CgroupLimits cri_limits(const CriResources& resources) {
  sys::CgroupLimits out;
  if (resources.cpu_shares > 0) out.cpu_shares = static_cast<uint64_t>(resources.cpu_shares);
  if (resources.cpu_quota != 0) out.cpu_quota_us = resources.cpu_quota;
  if (resources.cpu_period > 0) out.cpu_period_us = static_cast<uint64_t>(resources.cpu_period);
  if (resources.memory_limit > 0) out.memory_max = resources.memory_limit;
  if (resources.memory_limit > 0 && resources.memory_swap_limit >= resources.memory_limit)
    out.memory_swap_max = resources.memory_swap_limit - resources.memory_limit;
  if (resources.pids_limit > 0) out.pids_max = resources.pids_limit;
  if (!resources.cpuset_cpus.empty()) out.cpuset_cpus = resources.cpuset_cpus;
  if (!resources.cpuset_mems.empty()) out.cpuset_mems = resources.cpuset_mems;
  out.unified = resources.unified;
  return out;
}

Result<ContainerRecord> cri_container_record(const ContainerConfig& config, const PodSandboxConfig& sandbox_config,
                                             const ContainerRecord& sandbox, const image::ImageInfo& image) {
  ContainerRecord out;
  out.origin = Origin::kCri;
  out.sandbox_id = sandbox.id;
  out.pod_name = sandbox.pod_name, out.pod_uid = sandbox.pod_uid, out.pod_namespace = sandbox.pod_namespace;
  out.name = config.name;  // within the pod
  out.attempt = config.attempt;
  out.image = config.image, out.image_id = image.id;
  set_args(out, config, image.config);
  if (out.args.empty()) return fail(Code::kInvalid, "no command specified");
  set_env(out, config, image.config);
  out.cwd = config.working_dir.empty() ? image.config.working_dir : config.working_dir;
  out.user = user_of(config.security, image);
  out.tty = config.tty, out.stdin_open = config.stdin_open, out.stdin_once = config.stdin_once;
  KOBUK_CHECK(set_security(out, config.security));
  for (const CriMount& mount : config.mounts) {
    out.mounts.push_back({.source = mount.host_path, .destination = mount.container_path, .readonly = mount.readonly,
                          .recursive_readonly = mount.recursive_readonly, .propagation = propagation_of(mount.propagation)});
  }
  for (const CriDevice& device : config.devices) out.devices.push_back({device.host_path, device.container_path, device.permissions});
  out.limits = cri_limits(config.resources);
  if (config.resources.oom_score_adj != 0) out.oom_score_adj = config.resources.oom_score_adj;
  out.labels = config.labels, out.annotations = config.annotations;
  out.network_mode = sandbox.network_mode == "host" ? "host" : "none";  // the sandbox's namespace is joined
  out.uts_mode = sandbox.uts_mode, out.ipc_mode = sandbox.ipc_mode;
  out.pid_mode = config.pid == NamespaceMode::kNode ? "host" : config.pid == NamespaceMode::kPod ? "pod" : "";
  out.cgroup_parent = sandbox_config.cgroup_parent;
  out.stop_signal = config.stop_signal.empty() ? image.config.stop_signal : config.stop_signal;
  if (config.log_path.empty()) {
    out.log.type = "none";
  } else {
    out.log = {.type = "cri", .path = cat(sandbox.log_directory, "/", config.log_path), .max_bytes = config.log_max_bytes, .max_files = config.log_max_files};
  }
  return out;
}

PodSandboxStatus sandbox_status(const Entry& entry) {
  PodSandboxStatus out;
  const ContainerRecord& record = entry.record;
  out.id = record.id;
  out.metadata = {record.pod_name, record.pod_uid, record.pod_namespace, record.attempt};
  out.ready = entry.running();
  out.created = record.created;
  for (const EndpointRecord& endpoint : entry.status.endpoints)
    if (!endpoint.address.empty()) out.ips.push_back(endpoint.address);
  out.labels = record.labels, out.annotations = record.annotations;
  auto mode = [](const std::string& text) { return text == "host" ? NamespaceMode::kNode : NamespaceMode::kPod; };
  out.network = mode(record.network_mode), out.pid = mode(record.pid_mode), out.ipc = mode(record.ipc_mode);
  return out;
}

ContainerStatus cri_container_status(const Entry& entry, const image::ImageInfo* image) {
  ContainerStatus out;
  const ContainerRecord& record = entry.record;
  const StatusRecord& status = entry.status;
  out.id = record.id, out.sandbox_id = record.sandbox_id, out.name = record.name;
  out.attempt = record.attempt;
  out.phase = entry.running() ? ContainerPhase::kRunning
              : status.status == Status::kCreated && status.finished == WallTime{} ? ContainerPhase::kCreated
                                                                                  : ContainerPhase::kExited;
  out.created = record.created, out.started = status.started, out.finished = status.finished;
  if (out.phase == ContainerPhase::kExited) {
    out.exit_code = static_cast<int32_t>(status.exit_code);
    out.reason = exit_reason(status);
    out.message = status.error;
  }
  out.image = record.image, out.image_id = record.image_id, out.image_ref = record.image_id;
  if (image != nullptr && !image->repo_digests.empty()) out.image_ref = image->repo_digests.front();
  // By name where it has one: kubelets ask for an image by its id.
  if (image != nullptr && !image->tags.empty()) out.image = full_text(image->tags.front());
  out.labels = record.labels, out.annotations = record.annotations;
  out.log_path = record.log.path;
  out.user = record.user;
  return out;
}

CriImage cri_image(const image::ImageInfo& image) {
  std::vector<std::string> tags;
  for (const std::string& tag : image.tags) tags.push_back(full_text(tag));
  return {.id = image.id, .repo_tags = std::move(tags), .repo_digests = image.repo_digests, .size = static_cast<uint64_t>(image.size), .user = image.config.user};
}

}  // namespace kobuk::engine
