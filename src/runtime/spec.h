// ContainerSpec: what a container is to be, modelled on the OCI runtime-spec's config.json (its Linux part).
// Filled by the engine, turned into a Plan by plan.h.
//
//   ContainerSpec spec = default_container_spec("4f2a", facts);    // runtime/defaults.h
//   spec.rootfs.lower = {layer_top, layer_base};
//   spec.process.args = {"/bin/sh", "-c", "echo hi"};
//
// Plain data; nothing here is checked before make_plan().
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "sys/capability.h"
#include "sys/cgroup.h"
#include "sys/seccomp.h"

namespace kobuk::runtime {

struct User {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> additional_gids;
  // As in an image's config: "name", "name:group", "1000", "1000:1000". Not empty: looked up in the
  // container's own /etc/passwd and /etc/group when it starts (before anything of it runs), in place of uid
  // and gid, and the groups that list the user are added. HOME is set when env has none.
  std::string name;
};

struct Rlimit {
  int resource = 0;  // RLIMIT_*
  uint64_t soft = 0;
  uint64_t hard = 0;  // ~0: unlimited
};

struct ConsoleSize {
  uint16_t columns = 0;
  uint16_t rows = 0;
};

struct Process {
  std::vector<std::string> args;
  std::vector<std::string> env;  // "KEY=value"; args[0] without a slash is searched in its PATH
  std::string cwd = "/";         // created when missing
  User user;
  sys::CapabilitySets capabilities;
  bool no_new_privileges = false;
  std::vector<Rlimit> rlimits;
  std::optional<int> oom_score_adj;  // lowered only as far as we may; never an error
  uint32_t umask = 0022;
  bool terminal = false;
  ConsoleSize console;
};

struct Rootfs {
  // Either an overlay: `lower` from the top layer down, and `upper` and `work` (empty: read-only). It is
  // mounted in the container's own mount namespace, so the host never sees it.
  std::vector<std::string> lower;
  std::string upper;
  std::string work;
  // Or a plain directory.
  std::string path;
  bool readonly = false;
};

// As in fstab: options are those of mount(8) ("ro", "nosuid", "rbind", "rslave", "size=64m", …).
struct Mount {
  std::string destination;  // absolute in the container; created when missing
  std::string source;       // host path for "bind"
  std::string type;         // "bind", "tmpfs", "proc", "sysfs", "devpts", "mqueue", "cgroup", …
  std::vector<std::string> options;
};

enum class NamespaceKind : uint8_t { kMount, kPid, kNetwork, kIpc, kUts, kCgroup };
struct Namespace {
  NamespaceKind kind = NamespaceKind::kMount;
  std::string path;  // empty: a new one; else joined ("/proc/7/ns/net")
};

struct Device {
  std::string path;  // in the container
  char type = 'c';   // 'c' 'b' 'p'
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t mode = 0666;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

enum class LogFormat : uint8_t { kNone, kJsonFile, kCri };
struct LogConfig {
  LogFormat format = LogFormat::kNone;
  std::string path;        // its folder must exist
  uint64_t max_bytes = 0;  // 0: never rotated
  uint32_t max_files = 1;  // the current one and its rotated predecessors path.1, path.2, …
};

struct ContainerSpec {
  std::string id;  // [a-zA-Z0-9][a-zA-Z0-9_.-]*
  Process process;
  // The process is a built-in one that holds the namespaces, reaps orphans and ends on SIGTERM or SIGINT:
  // what a pod sandbox needs. Rootfs and args are not used.
  bool pause = false;
  Rootfs rootfs;
  std::vector<Mount> mounts;  // in order
  std::vector<Device> devices;
  std::vector<sys::DeviceRule> device_rules;  // what it may make and open; sys::kEveryDevice among them: everything
  std::vector<std::string> masked_paths;
  std::vector<std::string> readonly_paths;
  std::vector<Namespace> namespaces;  // a kind that is not listed is shared with the host
  std::string hostname;
  std::string domainname;
  std::map<std::string, std::string> sysctls;  // "net.ipv4.ip_forward" → "1"
  std::string rootfs_propagation = "rslave";   // "private" "slave" "shared" and their r-forms
  std::string cgroup_path;  // "/kobuk-default/docker/<id>"; empty: stays in the monitor's group, with every device
  sys::CgroupLimits limits;
  std::optional<sys::SeccompProfile> seccomp;  // nothing: unconfined
  bool stdin_open = false;                     // else standard input is /dev/null
  bool stdin_once = false;                     // standard input closes when the first attached client leaves
  LogConfig log;
};

}  // namespace kobuk::runtime
