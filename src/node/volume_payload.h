// The files of configMap, secret, downwardAPI and projected volumes, as data. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "base/result.h"
#include "node/field_ref.h"
#include "node/objects.h"
#include "node/pod.h"

namespace kobuk::node {

struct VolumeFile {
  std::string bytes;
  int32_t mode = 0644;
  bool operator==(const VolumeFile&) const = default;
};
using VolumePayload = std::map<std::string, VolumeFile>;  // by path below the volume

// Tokens of the volume's serviceAccountToken sources, by their path; absent where the API serves none.
using VolumeTokens = std::map<std::string, std::string>;

bool has_payload(const core::Volume& volume);
// Errors are those of FailedMount events: `configmap "x" not found`, `references non-existent config key: k`.
Result<VolumePayload> make_payload(const core::Volume& volume, const core::Pod& pod, const PodObjects& objects,
                                   const VolumeTokens& tokens, const NodeIdentity& node);
// The volume that Kubernetes adds to every pod; it may go without a token.
bool is_default_token_volume(const core::Volume& volume);

}  // namespace kobuk::node
