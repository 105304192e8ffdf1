// Strategic merge patch: a merge patch that merges lists by a key of their elements where the schema says so, with the
// directives $patch (replace, delete, merge), $retainKeys, $setElementOrder/<list> and $deleteFromPrimitiveList/<list>.
// Rules: k8s.io/apimachinery/pkg/util/strategicpatch.
#pragma once

#include "api/schema.h"
#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

// Returns the patched value; it may share values with both inputs, and lives in `arena`. Errors: kInvalid in the texts
// of Kubernetes' server.
Result<codec::Value> apply_strategic_patch(const codec::Value& target, const codec::Value& patch, const Schema& schema,
                                           codec::Arena& arena);

}  // namespace kobuk::api
