// The merged file system of an image, or of a container that does not run: a mount that is attached nowhere, seen only
// through the descriptor, gone when that is closed. Blocking; any thread.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::engine {

// Read-only; layers as of image::Images::layers(), the top one first. A folder open for look-ups.
Result<sys::UniqueFd> open_layers(const std::vector<std::string>& layers);
// With the container's own changes, which may be added to. Not while it runs: two mounts may not share an upper folder.
Result<sys::UniqueFd> open_overlay(const std::vector<std::string>& layers, const std::string& upper, const std::string& work);
// The root of a running container as its layers and changes have it: without /proc, volumes and whatever else is mounted
// there. Of "/proc/<pid>/ns/mnt"; by a thread of its own, the caller's stays where it is.
Result<sys::UniqueFd> open_root_alone(const std::string& mount_namespace);

}  // namespace kobuk::engine
