// Patches on Documents: JSON Patch (RFC 6902) and JSON Merge Patch (RFC 7386). What needs a schema (strategic merge,
// apply) stands in files of its own.
//
// The result may share values with both inputs: it lives in `arena`, which must retain them. Errors: kInvalid with the
// texts of Kubernetes' server; the target is then unspecified and to be thrown away.
#pragma once

#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

struct PatchLimits {
  size_t max_operations = 10'000;
  size_t max_copy_bytes = 3u << 20;  // what `copy` operations may add in all
  size_t max_depth = 200;            // of what a value is put into, with the value: what is stored must be readable
};

// `operations`: the array of a JSON Patch. Changes `target` in place; values are copied into `arena`.
Result<void> apply_json_patch(codec::Value& target, const codec::Value& operations, codec::Arena& arena,
                              const PatchLimits& limits = {});

// Returns the merged value; null members of `patch` remove.
codec::Value apply_merge_patch(const codec::Value& target, const codec::Value& patch, codec::Arena& arena);

// The merge patch that turns `from` into `to`: what controllers send so that unknown fields survive.
codec::Value make_merge_patch(const codec::Value& from, const codec::Value& to, codec::Arena& arena);

}  // namespace kobuk::api
