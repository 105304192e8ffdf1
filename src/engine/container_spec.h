// From a container's record to the runtime's ContainerSpec. Pure: tested without root.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/record.h"
#include "runtime/spec.h"
#include "sys/host_facts.h"

namespace kobuk::engine {

// What the record leaves open and the engine has found.
struct SpecInputs {
  std::vector<std::string> layers;                // top first
  std::string upper, work;
  std::string resolv_conf, hosts, hostname_file;  // host paths; empty: not mounted
  std::string shm;                                // host path shared by a pod; empty: one of its own
  std::map<std::string, std::string> volumes;     // name → host path
  std::string network_namespace, ipc_namespace, uts_namespace, pid_namespace;  // to be joined; empty: by the record
  std::string cgroup_path;
  std::string image_user;
};
// kInvalid: what in the record can't be (a capability, a device, a ulimit, a profile), in Docker's words.
Result<runtime::ContainerSpec> make_container_spec(const ContainerRecord& record, const SpecInputs& inputs,
                                                   const sys::HostFacts& facts);

// The capabilities that a process of this container has, for execs too.
Result<uint64_t> capabilities_of(const ContainerRecord& record, const sys::HostFacts& facts);
// Adds uid, gid, group names: "1000", "nobody:nogroup", "".
void set_user(runtime::Process& process, const std::string& user);
Result<runtime::Rlimit> make_rlimit(const UlimitRecord& limit);
// "/cgroup-root/docker/<id>": always below the profile's own root, so that nothing of it can be left elsewhere.
std::string cgroup_path_of(const ContainerRecord& record, const std::string& cgroup_root);

}  // namespace kobuk::engine
