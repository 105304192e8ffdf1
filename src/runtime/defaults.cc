#include "runtime/defaults.h"

namespace kobuk::runtime {

uint64_t default_capabilities() {
  static const uint64_t mask = *sys::capability_mask(
      {"CHOWN", "DAC_OVERRIDE", "FSETID", "FOWNER", "MKNOD", "NET_RAW", "SETGID", "SETUID", "SETFCAP",
       "SETPCAP", "NET_BIND_SERVICE", "SYS_CHROOT", "KILL", "AUDIT_WRITE"});
  return mask;
}

sys::CapabilitySets capability_sets(uint64_t mask) {
  return {.bounding = mask, .effective = mask, .permitted = mask};
}

std::vector<std::string> default_masked_paths() {
  return {"/proc/acpi",
          "/proc/asound",
          "/proc/interrupts",
          "/proc/kcore",
          "/proc/keys",
          "/proc/latency_stats",
          "/proc/sched_debug",
          "/proc/scsi",
          "/proc/timer_list",
          "/proc/timer_stats",
          "/sys/devices/virtual/powercap",
          "/sys/firmware"};
}

std::vector<std::string> default_readonly_paths() {
  return {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
}

std::vector<Device> default_devices() {
  return {{"/dev/null", 'c', 1, 3},   {"/dev/zero", 'c', 1, 5},    {"/dev/full", 'c', 1, 7},
          {"/dev/random", 'c', 1, 8}, {"/dev/urandom", 'c', 1, 9}, {"/dev/tty", 'c', 5, 0}};
}

// libcontainer/specconv/spec_linux.go of runc, AllowedDevices.
std::vector<sys::DeviceRule> default_device_rules() {
  using sys::DeviceRule, sys::kDeviceAll, sys::kDeviceMake;
  std::vector<DeviceRule> rules = {{'c', DeviceRule::kAny, DeviceRule::kAny, kDeviceMake},
                                   {'b', DeviceRule::kAny, DeviceRule::kAny, kDeviceMake}};
  for (const Device& device : default_devices()) rules.push_back({device.type, device.major, device.minor, kDeviceAll});
  rules.push_back({'c', 136, DeviceRule::kAny, kDeviceAll});  // /dev/pts
  rules.push_back({'c', 5, 2, kDeviceAll});                   // /dev/ptmx
  rules.push_back({'c', 10, 200, kDeviceAll});                // /dev/net/tun
  return rules;
}

std::vector<Mount> default_mounts(uint64_t shm_bytes) {
  return {
      {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts",
       "devpts",
       "devpts",
       {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
      {"/sys/fs/cgroup", "cgroup", "cgroup", {"nosuid", "noexec", "nodev", "ro"}},
      {"/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"}},
      {"/dev/shm", "shm", "tmpfs", {"nosuid", "noexec", "nodev", "mode=1777", cat("size=", shm_bytes)}},
  };
}

ContainerSpec default_container_spec(std::string id, const sys::HostFacts& facts) {
  ContainerSpec spec;
  spec.id = std::move(id);
  spec.process.env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  uint64_t mask = default_capabilities() & facts.own_capabilities;
  spec.process.capabilities = capability_sets(mask);
  spec.mounts = default_mounts();
  spec.devices = default_devices();
  spec.device_rules = default_device_rules();
  spec.masked_paths = default_masked_paths();
  spec.readonly_paths = default_readonly_paths();
  spec.namespaces = {{NamespaceKind::kMount, ""},
                     {NamespaceKind::kPid, ""},
                     {NamespaceKind::kNetwork, ""},
                     {NamespaceKind::kIpc, ""},
                     {NamespaceKind::kUts, ""}};
  // On v1 a cgroup namespace would hide nothing that the read-only binds show anyway, and Docker has none
  // there.
  if (facts.cgroups.mode == sys::CgroupMode::kV2) spec.namespaces.push_back({NamespaceKind::kCgroup, ""});
  if (facts.seccomp) spec.seccomp = default_seccomp(facts.machine, mask);
  return spec;
}

ContainerSpec default_sandbox_spec(std::string id, const sys::HostFacts& facts) {
  ContainerSpec spec;
  spec.id = std::move(id);
  spec.pause = true;
  spec.process.no_new_privileges = true;
  spec.process.oom_score_adj = -998;  // the last to go: it holds the pod's namespaces
  spec.namespaces = {{NamespaceKind::kMount, ""},
                     {NamespaceKind::kPid, ""},
                     {NamespaceKind::kNetwork, ""},
                     {NamespaceKind::kIpc, ""},
                     {NamespaceKind::kUts, ""}};
  if (facts.seccomp) spec.seccomp = default_seccomp(facts.machine, 0);
  return spec;
}

void make_privileged(ContainerSpec& spec, const sys::HostFacts& facts) {
  spec.process.capabilities = capability_sets(facts.own_capabilities);
  spec.process.no_new_privileges = false;
  spec.masked_paths.clear();
  spec.readonly_paths.clear();
  spec.seccomp.reset();
  spec.device_rules = {sys::kEveryDevice};
  for (Mount& mount : spec.mounts)
    if (mount.type == "sysfs" || mount.type == "cgroup") std::erase(mount.options, "ro");
}

}  // namespace kobuk::runtime
