// HostFacts: what this host can do. Read once at start and passed in, so that decisions are pure and tests
// state them.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "sys/cgroup.h"

namespace kobuk::sys {

struct HostFacts {
  int kernel_major = 0;
  int kernel_minor = 0;
  std::string machine;  // "x86_64", "aarch64"
  CgroupFacts cgroups;
  bool seccomp = false;
  bool apparmor = false;
  int last_capability = 0;        // highest that this kernel knows
  uint64_t own_capabilities = 0;  // our bounding set: no container can have more

  bool kernel_at_least(int major, int minor) const {
    return kernel_major > major || (kernel_major == major && kernel_minor >= minor);
  }
};

// kUnsupported, with the remedy, on a kernel older than 5.15 and where no control groups are mounted.
Result<HostFacts> read_host_facts();
// "6.18.44-x" → {6, 18}; kInvalid when it is no version.
Result<std::pair<int, int>> parse_kernel_release(std::string_view release);

}  // namespace kobuk::sys
