// Mounts that a pod's volumes need on the host: tmpfs for memory, binds of what a descriptor names.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/result.h"

namespace kobuk::sys {

// A tmpfs at an existing folder; size 0: the kernel's default (half of the memory).
Result<void> mount_tmpfs(const std::string& directory, uint64_t size, mode_t mode);
// What `fd` names, with what is mounted below it, shown at `target` (a folder or file of the same type). No path of the
// source is looked up again, so nobody can swap it meanwhile.
Result<void> bind_mount(int fd, const std::string& target);
// Detaches what is mounted at `path`, in layers too. Nothing mounted there is fine.
Result<void> unmount(const std::string& path);

}  // namespace kobuk::sys
