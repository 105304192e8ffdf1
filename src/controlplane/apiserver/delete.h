// Deletion: at once, after a grace period that the kubelet confirms, or when the last finalizer is gone.
#pragma once

#include <optional>
#include <string>

#include "controlplane/apiserver/core.h"

namespace kobuk::controlplane::apiserver {

struct DeleteOptions {
  std::optional<int64_t> grace_seconds;
  std::string propagation;  // Background, Foreground, Orphan, or empty
  std::string uid, resource_version;  // preconditions
  bool dry_run = false;
};
Answer<DeleteOptions> parse_delete_options(const Call& call, const codec::Value& options);

struct Deleted {
  bool gone = false;  // else it has been marked
  std::string json;   // the object, or a Status
};
io::Task<Answer<Deleted>> delete_object(Core& core, Call& call, std::string space, std::string name, DeleteOptions options);
// All that the call selects. The answer is the list of what was there.
io::Task<Answer<std::string>> delete_collection(Core& core, Call& call, DeleteOptions options);

}  // namespace kobuk::controlplane::apiserver
