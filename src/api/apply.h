// Server-side apply and the bookkeeping of who owns which field (metadata.managedFields), KEP-555.
//
//   Write write{.manager = "kubectl", .api_version = "apps/v1", .now = clock.wall()};
//   KOBUK_TRY(Applied applied, apply_configuration(live, config, *kind, write, force, arena));
//   if (!applied.conflicts.empty()) … 409 Conflict with conflict_message(applied.conflicts)
//   // then default, validate and store applied.object
//
//   track_update(object, live, *kind, write, arena);      // after every write that is no apply: create, update, patch
//
// Values of the results may be shared with the inputs; all live in `arena`, which must retain what the inputs live in.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"
#include "base/clock.h"
#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

struct Write {
  std::string_view manager;      // fieldManager, or the User-Agent up to the first '/'; "unknown" when empty
  std::string_view api_version;  // of the request: "apps/v1"
  std::string_view subresource;  // "status", "scale", or empty
  WallTime now;
  // Top-level fields that this endpoint does not write, so that nobody comes to own them by it: "status" on the object
  // itself, "spec" on its status.
  std::span<const std::string_view> reset = {};
};

struct ApplyConflict {
  std::string manager;  // `"kubectl-client-side-apply" using apps/v1`
  std::string field;    // ".spec.replicas"
};
// "Apply failed with 1 conflict: conflict with …: .spec.replicas"
std::string conflict_message(const std::vector<ApplyConflict>& conflicts);

struct Applied {
  codec::Value object;  // with managedFields; null when there are conflicts
  std::vector<ApplyConflict> conflicts;
};

// `live`: null to create. Types of `config` have been checked (normalize with complete = false). Errors: kInvalid for
// lists with repeated or missing keys, and for a config with managedFields.
Result<Applied> apply_configuration(const codec::Value& live, const codec::Value& config, const KindInfo& kind,
                                    const Write& write, bool force, codec::Arena& arena);

// Sets object.metadata.managedFields from those of `live` (or of `object`, when the client sent some) and from what
// differs between the two. `live`: null on create. A client resets the tracking by sending [{}].
void track_update(codec::Value& object, const codec::Value& live, const KindInfo& kind, const Write& write, codec::Arena& arena);

}  // namespace kobuk::api
