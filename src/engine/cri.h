// The Container Runtime Interface (cri-api runtime.v1), as the node uses it: the engine implements it in this process,
// a client implements it over the engine's socket, a fake in tests. Names and meanings are those of the CRI.
//
// All on the Loop's thread. Errors: kNotFound (no such sandbox, container, image), kInvalid, kUnavailable (engine gone).
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/stream.h"

namespace kobuk::engine {

using StringMap = std::map<std::string, std::string>;

struct PodSandboxMetadata {
  std::string name, uid, space;  // space: the namespace
  uint32_t attempt = 0;
  bool operator==(const PodSandboxMetadata&) const = default;
};

struct CriPortMapping {
  std::string protocol = "TCP";
  int32_t container_port = 0, host_port = 0;
  std::string host_ip;
};

enum class NamespaceMode : uint8_t { kPod, kContainer, kNode };  // who shares it

struct CriSecurityContext {
  std::optional<int64_t> run_as_user, run_as_group;
  std::string run_as_username;
  std::vector<int64_t> supplemental_groups;
  bool privileged = false, readonly_rootfs = false, no_new_privs = false;
  std::vector<std::string> add_capabilities, drop_capabilities;  // "NET_ADMIN", "ALL"
  bool seccomp_unconfined = false;
  std::string seccomp_localhost;  // path of a profile; empty: the default one
  std::vector<std::string> masked_paths, readonly_paths;
  bool default_proc_mount = true;  // the runtime's masks; false: masked_paths and readonly_paths as they are
};

struct PodSandboxConfig {
  PodSandboxMetadata metadata;
  std::string hostname;
  std::string log_directory;
  std::vector<std::string> dns_servers, dns_searches, dns_options;
  std::vector<CriPortMapping> port_mappings;
  StringMap labels, annotations, sysctls;
  std::string cgroup_parent;  // "/kobuk-default/pods/burstable/pod<uid>"
  NamespaceMode network = NamespaceMode::kPod, pid = NamespaceMode::kContainer, ipc = NamespaceMode::kPod;
  CriSecurityContext security;
};

struct CriMount {
  std::string container_path, host_path;
  bool readonly = false, recursive_readonly = false;
  std::string propagation;  // "private", "host-to-container", "bidirectional"
};

struct CriDevice {
  std::string container_path, host_path, permissions;
};

struct CriResources {
  int64_t cpu_period = 0, cpu_quota = 0, cpu_shares = 0;
  int64_t memory_limit = 0;  // bytes; 0 in all of these: not set
  int64_t memory_swap_limit = 0;  // bytes of memory and swap together; equal to memory_limit: no swap
  int64_t oom_score_adj = 0;
  std::string cpuset_cpus, cpuset_mems;
  int64_t pids_limit = 0;
  StringMap unified;
};

struct ContainerConfig {
  std::string name;
  uint32_t attempt = 0;
  std::string image;  // id, or a name that the engine has
  std::vector<std::string> command, args;  // entry point and its arguments; empty: of the image
  std::string working_dir;
  std::vector<std::pair<std::string, std::string>> envs;
  std::vector<CriMount> mounts;
  std::vector<CriDevice> devices;
  StringMap labels, annotations;
  std::string log_path;  // relative to the sandbox' log_directory, in the CRI format
  bool stdin_open = false, stdin_once = false, tty = false;
  CriResources resources;
  CriSecurityContext security;
  NamespaceMode pid = NamespaceMode::kContainer;
  std::string stop_signal;
  uint64_t log_max_bytes = 10 << 20;  // rotation, which the monitor does
  uint32_t log_max_files = 5;
};

struct PodSandboxStatus {
  std::string id;
  PodSandboxMetadata metadata;
  bool ready = false;
  WallTime created{};
  std::vector<std::string> ips;
  StringMap labels, annotations;
  NamespaceMode network = NamespaceMode::kPod, pid = NamespaceMode::kPod, ipc = NamespaceMode::kPod;
};

enum class ContainerPhase : uint8_t { kCreated, kRunning, kExited, kUnknown };

struct ContainerStatus {
  std::string id, sandbox_id, name;
  uint32_t attempt = 0;
  ContainerPhase phase = ContainerPhase::kUnknown;
  WallTime created{}, started{}, finished{};
  int32_t exit_code = 0;
  std::string image, image_id, image_ref;  // as asked for; "sha256:…"; "docker.io/library/nginx@sha256:…"
  std::string reason, message;  // "OOMKilled", "Error", "Completed", "StartError"
  StringMap labels, annotations;
  std::string log_path;  // absolute
  std::string user;      // "1000:1000" that it runs as
};

struct ExecResult {
  std::string out, err;  // at most 16 MiB each; over a socket together
  int32_t exit_code = 0;
};

struct CriImage {
  std::string id;
  std::vector<std::string> repo_tags, repo_digests;
  uint64_t size = 0;
  std::string user;  // of the config: "1000", "nginx"
};

struct CriStats {
  WallTime time{};
  uint64_t cpu_usage_ns = 0, memory_working_set = 0, memory_usage = 0, memory_rss = 0;
};

// One change of a container or sandbox, so that nobody needs to poll.
struct CriEvent {
  std::string sandbox_id, container_id;  // container_id empty: the sandbox itself
};

// Standard streams of an exec or attach; a terminal has no err.
class CriProcess {
 public:
  virtual ~CriProcess() = default;
  virtual io::Stream* in() = 0;
  virtual io::Stream* out() = 0;
  virtual io::Stream* err() = 0;
  virtual void close_in() = 0;
  virtual Result<void> resize(uint16_t columns, uint16_t rows) = 0;
  virtual io::Task<Result<int>> wait() = 0;
};

class Cri {
 public:
  virtual ~Cri() = default;

  // Sandboxes: the pod's network, IPC and UTS namespaces. Stopping and removing what is gone is fine.
  virtual io::Task<Result<std::string>> run_pod_sandbox(PodSandboxConfig config) = 0;
  virtual io::Task<Result<void>> stop_pod_sandbox(std::string id) = 0;
  virtual io::Task<Result<void>> remove_pod_sandbox(std::string id) = 0;
  virtual io::Task<Result<PodSandboxStatus>> pod_sandbox_status(std::string id) = 0;
  virtual io::Task<Result<std::vector<PodSandboxStatus>>> list_pod_sandboxes() = 0;

  virtual io::Task<Result<std::string>> create_container(std::string sandbox, ContainerConfig config,
                                                         PodSandboxConfig sandbox_config) = 0;
  virtual io::Task<Result<void>> start_container(std::string id) = 0;
  // The stop signal, then SIGKILL after `timeout`; returns once it has ended.
  virtual io::Task<Result<void>> stop_container(std::string id, Duration timeout) = 0;
  virtual io::Task<Result<void>> remove_container(std::string id) = 0;
  virtual io::Task<Result<ContainerStatus>> container_status(std::string id) = 0;
  virtual io::Task<Result<std::vector<ContainerStatus>>> list_containers() = 0;
  virtual io::Task<Result<void>> update_container_resources(std::string id, CriResources resources) = 0;
  virtual io::Task<Result<void>> reopen_container_log(std::string id) = 0;
  virtual io::Task<Result<CriStats>> container_stats(std::string id) = 0;

  // kTimeout past `timeout` (the process is killed then).
  virtual io::Task<Result<ExecResult>> exec_sync(std::string id, std::vector<std::string> command, Duration timeout) = 0;
  virtual io::Task<Result<std::unique_ptr<CriProcess>>> exec(std::string id, std::vector<std::string> command, bool tty,
                                                             bool in, bool out, bool err) = 0;
  virtual io::Task<Result<std::unique_ptr<CriProcess>>> attach(std::string id, bool tty, bool in, bool out, bool err) = 0;
  // A connection to 127.0.0.1:port inside the sandbox's network namespace.
  virtual io::Task<Result<std::unique_ptr<io::Stream>>> port_forward(std::string sandbox, uint16_t port) = 0;

  virtual io::Task<Result<std::string>> pull_image(std::string image, std::string credentials_json) = 0;  // its id
  virtual io::Task<Result<std::optional<CriImage>>> image_status(std::string image) = 0;  // nothing: not here
  virtual io::Task<Result<std::vector<CriImage>>> list_images() = 0;
  virtual io::Task<Result<void>> remove_image(std::string image) = 0;

  // The next change since the last list_pod_sandboxes(); waits for one. One caller at a time. After kUnavailable: list
  // again, sandboxes first, then go on.
  virtual io::Task<Result<CriEvent>> next_event() = 0;
};

}  // namespace kobuk::engine
