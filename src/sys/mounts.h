// Mounts of this mount namespace, as /proc/self/mountinfo lists them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::sys {

// The mount points at or below `directory` in a mountinfo text, deepest and latest first: the order to unmount them in.
std::vector<std::string> mounts_below(std::string_view mountinfo, std::string_view directory);
// Detaches all of them. None is fine.
Result<void> unmount_below(const std::string& directory);

// Whether the root of this process is not the root of its mount namespace: a process that joins the namespace of a
// container made here would find itself outside of it. kPermissionDenied: not root, who can not tell.
Result<bool> in_chroot();

}  // namespace kobuk::sys
