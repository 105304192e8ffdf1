// What server-side apply does with values by schema: which fields a value sets, how two values differ, merging one into
// another, and taking fields away. Topology: x-kubernetes-list-type and map-type (KEP-555).
#pragma once

#include "api/field_set.h"
#include "api/schema.h"
#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

// The fields that `value` sets. Errors: kInvalid for list elements without their keys, and for repeated ones.
Result<FieldSet> fields_of(const codec::Value& value, const Schema& schema);

struct Difference {
  FieldSet added, modified, removed;
};
Difference compare(const codec::Value& before, const codec::Value& after, const Schema& schema);

// `patch` over `base`: maps and keyed lists are united, all else is replaced.
codec::Value merge_typed(const codec::Value& base, const codec::Value& patch, const Schema& schema, codec::Arena& arena);

// `value` without `fields`. Where a path of `fields` has something below it, all that goes too, but for `keep` (what other
// managers own) and the keys of list elements. What is left empty goes.
codec::Value remove_fields(const codec::Value& value, const FieldSet& fields, const FieldSet& keep, const Schema& schema,
                           codec::Arena& arena);

}  // namespace kobuk::api
