// The defaults that users of Docker and Kubernetes count on: capabilities, masked paths, devices, mounts,
// seccomp.
#pragma once

#include <string>
#include <vector>

#include "runtime/spec.h"
#include "sys/host_facts.h"

namespace kobuk::runtime {

// CHOWN DAC_OVERRIDE FSETID FOWNER MKNOD NET_RAW SETGID SETUID SETFCAP SETPCAP NET_BIND_SERVICE SYS_CHROOT
// KILL AUDIT_WRITE
uint64_t default_capabilities();
// The five sets that give `mask` to a root process: bounding, permitted, effective; nothing inheritable or
// ambient.
sys::CapabilitySets capability_sets(uint64_t mask);

std::vector<std::string> default_masked_paths();
std::vector<std::string> default_readonly_paths();
std::vector<Device> default_devices();
// What runc allows to every container: making any node, opening those of default_devices(), terminals and /dev/net/tun.
std::vector<sys::DeviceRule> default_device_rules();
// /proc, /dev (tmpfs), /dev/pts, /dev/shm, /dev/mqueue, /sys (read-only), /sys/fs/cgroup (read-only).
std::vector<Mount> default_mounts(uint64_t shm_bytes = 64u << 20);
// What Docker allows by default, with the rules that depend on capabilities resolved for `capabilities`.
sys::SeccompProfile default_seccomp(const std::string& machine, uint64_t capabilities);

// All of the above: new mount, pid, network, ipc and uts namespaces (and cgroup, where the host is v2), 14
// capabilities, default seccomp.
ContainerSpec default_container_spec(std::string id, const sys::HostFacts& facts);
// A pod sandbox: the built-in pause process with new network, ipc and uts namespaces, no capabilities,
// no devices, default seccomp.
ContainerSpec default_sandbox_spec(std::string id, const sys::HostFacts& facts);
// --privileged: all capabilities that the host can give, no masks, no seccomp, every
// device, writable /sys and cgroups.
void make_privileged(ContainerSpec& spec, const sys::HostFacts& facts);

}  // namespace kobuk::runtime
