// A host as tests of pure decisions state it.
#pragma once

#include "sys/host_facts.h"

namespace kobuk::runtime::testing {

// Linux 6.18 on x86_64 with one v2 tree of control groups, everything allowed.
inline sys::HostFacts host() {
  sys::HostFacts facts;
  facts.kernel_major = 6, facts.kernel_minor = 18;
  facts.machine = "x86_64";
  facts.cgroups = sys::parse_cgroup_facts("30 20 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "0::/\n");
  facts.cgroups.hierarchies[0].controllers = {"cpuset", "cpu", "io", "memory", "pids"};
  facts.seccomp = true;
  facts.last_capability = 40;
  facts.own_capabilities = (uint64_t{1} << 41) - 1;
  return facts;
}

}  // namespace kobuk::runtime::testing
