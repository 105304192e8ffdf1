// Writes the files of a volume so that a container sees either all old ones or all new ones, at all times.
//
// The layout is Kubernetes': files in a folder "..<time>", the symlink "..data" to it, which rename(2) replaces, and a
// symlink per first component, "cfg.yaml" → "..data/cfg.yaml".
#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/result.h"
#include "node/volume_payload.h"

namespace kobuk::node {

// True when something has changed. `gid`: fsGroup, which then owns and may read the files. Blocking.
Result<bool> write_payload(const std::string& directory, const VolumePayload& payload, std::optional<int64_t> gid,
                           WallTime now);

// "a/b.txt" is fine; "", "/a", "..", "a/../b" and "..x" are not: kInvalid.
Result<void> check_payload_path(std::string_view path);

}  // namespace kobuk::node
