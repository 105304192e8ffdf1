// What the engine knows of a container or sandbox: what it is to be (ContainerRecord) and how it stands (StatusRecord).
// Both doors fill the same record; container_spec.h makes the runtime's spec of it. Stored as JSON by records.h.
//
// Plain data. A field that has its default value is not stored, so that records grow without migrations.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/result.h"
#include "network/networks.h"
#include "sys/cgroup.h"

namespace kobuk::engine {

enum class Origin : uint8_t { kDocker, kCri, kSandbox };

enum class MountType : uint8_t { kBind, kVolume, kTmpfs };
struct MountRecord {
  MountType type = MountType::kBind;
  std::string source;       // host path of a bind, name of a volume
  std::string destination;
  bool readonly = false;
  bool recursive_readonly = false;
  std::string propagation;  // "rprivate", "rslave", "rshared"; empty: rprivate
  bool create_source = false;  // a folder is made where nothing is: -v, but not --mount
  bool copy = true;            // volume: an empty one is filled from the image
  bool anonymous = false;      // volume: goes with its container (rm -v, --rm)
  std::string options;         // tmpfs: "size=64m,mode=1777"
  bool operator==(const MountRecord&) const = default;
};

struct DeviceRecord {
  std::string host, container, permissions;
  bool operator==(const DeviceRecord&) const = default;
};

struct UlimitRecord {
  std::string name;
  int64_t soft = 0, hard = 0;
  bool operator==(const UlimitRecord&) const = default;
};

// A network that a container is in, and what it got there while it runs.
struct EndpointRecord {
  std::string network;   // name
  std::string interface = "eth0";
  std::vector<std::string> aliases;
  std::string wanted_address;
  std::string id, address, gateway, mac;
  int prefix = 0;
  bool operator==(const EndpointRecord&) const = default;
};

struct HealthRecord {
  std::vector<std::string> test;  // "CMD", "CMD-SHELL"; empty: none
  int64_t interval_ns = 0, timeout_ns = 0, start_period_ns = 0, start_interval_ns = 0;
  int64_t retries = 0;
  bool operator==(const HealthRecord&) const = default;
};

struct LogRecord {
  std::string type = "json-file";  // "json-file", "none", "cri"
  std::string path;                // absolute
  uint64_t max_bytes = 0;
  uint32_t max_files = 1;
  bool operator==(const LogRecord&) const = default;
};

enum class RestartMode : uint8_t { kNo, kAlways, kUnlessStopped, kOnFailure };

struct ContainerRecord {
  Origin origin = Origin::kDocker;
  std::string id, name;
  WallTime created{};
  std::string image, image_id;  // as asked for; "sha256:…"

  std::vector<std::string> args, env;
  size_t entrypoint_size = 0;  // how many of args are the entry point
  std::string cwd, user;       // user as in an image's config; empty: root
  std::vector<std::string> groups;
  bool tty = false, stdin_open = false, stdin_once = false;
  uint16_t columns = 0, rows = 0;

  bool privileged = false, no_new_privileges = false, readonly_rootfs = false;
  std::vector<std::string> cap_add, cap_drop;
  std::string seccomp;  // empty: default; "unconfined"; or a profile's JSON
  std::optional<std::vector<std::string>> masked_paths, readonly_paths;
  std::vector<MountRecord> mounts;
  std::vector<DeviceRecord> devices;
  std::vector<std::string> device_rules;  // "c 1:* rwm"
  std::vector<UlimitRecord> ulimits;
  std::optional<int64_t> oom_score_adj;
  std::map<std::string, std::string> sysctls;
  int64_t shm_size = 0;
  std::string hostname, domainname;
  // "bridge", "none", "host", "container:<id>", or a network's name. The others: "", "host", "container:<id>".
  std::string network_mode = "none";
  std::string pid_mode, ipc_mode, uts_mode, cgroupns_mode;
  std::string cgroup_parent;
  sys::CgroupLimits limits;

  LogRecord log;
  std::string stop_signal;   // "SIGTERM", "15"; empty: SIGTERM
  std::optional<int64_t> stop_timeout;  // seconds
  RestartMode restart = RestartMode::kNo;
  int64_t restart_tries = 0;  // of kOnFailure; 0: for ever
  bool auto_remove = false;
  std::map<std::string, std::string> labels, annotations;
  std::vector<EndpointRecord> endpoints;
  std::vector<network::PortMapping> ports;
  std::vector<std::string> exposed_ports;  // "80/tcp"
  std::vector<std::string> dns, dns_search, dns_options, extra_hosts;  // "name:address"
  HealthRecord health;

  std::string docker_config, docker_host_config;  // as given, for inspect

  // Of the CRI.
  std::string sandbox_id;
  uint32_t attempt = 0;
  std::string pod_name, pod_uid, pod_namespace;
  std::string log_directory;
  bool operator==(const ContainerRecord&) const = default;
};

enum class Status : uint8_t { kCreated, kRunning, kPaused, kRestarting, kRemoving, kExited, kDead };
std::string_view status_name(Status status);  // "created", "running", … as Docker writes them

struct StatusRecord {
  Status status = Status::kCreated;
  int64_t exit_code = 0;
  bool oom_killed = false;
  bool stopped_by_user = false;
  bool starting = false;  // written before the runtime is asked: what is found half done is undone
  std::string error;
  WallTime started{}, finished{};
  int64_t restart_count = 0;
  std::vector<EndpointRecord> endpoints;      // with their addresses, while it runs
  std::vector<network::PortMapping> ports;    // with the host's ports, while it runs
  bool operator==(const StatusRecord&) const = default;
};

// "true" or "false": whether traffic that leaves a network gets the host's address.
inline constexpr const char* kMasqueradeOption = "com.docker.network.bridge.enable_ip_masquerade";

struct NetworkRecord {
  std::string id, name, driver;  // "bridge", "host", "null"
  WallTime created{};
  std::string subnet, gateway;
  bool internal = false;
  int64_t mtu = 0;
  std::map<std::string, std::string> labels, options;
  bool operator==(const NetworkRecord&) const = default;
};

struct VolumeRecord {
  std::string name;
  WallTime created{};
  bool anonymous = false;
  std::map<std::string, std::string> labels, options;
  bool operator==(const VolumeRecord&) const = default;
};

// JSON both ways. kDataLoss when the text is no such record; members that are not known are passed over.
std::string encode(const ContainerRecord& record);
std::string encode(const StatusRecord& record);
std::string encode(const NetworkRecord& record);
std::string encode(const VolumeRecord& record);
Result<ContainerRecord> decode_container(std::string_view json);
Result<StatusRecord> decode_status(std::string_view json);
Result<NetworkRecord> decode_network(std::string_view json);
Result<VolumeRecord> decode_volume(std::string_view json);

}  // namespace kobuk::engine
