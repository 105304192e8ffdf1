// Options of mount(8) and of the OCI runtime-spec ("Linux mount options") as mount_setattr(2) and fsconfig(2)
// settings.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/kernel.h"

namespace kobuk::runtime {

struct MountOptions {
  bool bind = false;
  bool recursive_bind = false;
  sys::MountChange attributes;            // of the mount itself
  sys::MountChange recursive_attributes;  // "rro", …: of all mounts below it too
  uint64_t propagation = 0;               // MS_PRIVATE, …; 0: not named
  bool recursive_propagation = false;
  std::vector<sys::MountOption> data;  // the filesystem's own
};

Result<MountOptions> parse_mount_options(const std::vector<std::string>& options);

}  // namespace kobuk::runtime
