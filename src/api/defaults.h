// Defaults of a kind: what the schema says (default=), and what it can't say because it hangs on other fields
// (imagePullPolicy on the tag, targetPort on port, requests on limits …).
//
// Expects a normalised object (normalize.h). Applying twice changes nothing the second time.
#pragma once

#include "api/schema.h"
#include "codec/value.h"

namespace kobuk::api {

// Schema defaults alone.
void apply_schema_defaults(codec::Value& object, const Schema& schema, codec::Arena& arena);
// Both. Also merges a Secret's stringData into data, as the API does on every write.
void apply_defaults(codec::Value& object, const KindInfo& kind, codec::Arena& arena);

}  // namespace kobuk::api
