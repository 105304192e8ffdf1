// Validation of whole objects, after normalize() and apply_defaults(): Kubernetes' rules and texts.
//
//   FieldErrors errors = validate_create(*kind, doc.root);
//   if (!errors.empty()) … 422 with invalid_message(kind->qualified_kind(), name, errors)
//
// Rules of the kind come first (validation_*.cc), then what the schema says of every field (enums, bounds). Pure.
#pragma once

#include <string_view>

#include "api/field_error.h"
#include "api/schema.h"
#include "codec/value.h"

namespace kobuk::api {

FieldErrors validate_create(const KindInfo& kind, const codec::Value& object);
// `subresource`: empty, or "status": then the spec is taken as unchanged and only the metadata is looked at.
FieldErrors validate_update(const KindInfo& kind, const codec::Value& object, const codec::Value& old,
                            std::string_view subresource = {});

// Enums and bounds of a schema alone: what a custom resource, or a part of an object, is checked by.
void validate_schema(const codec::Value& value, const Schema& schema, const Path& path, FieldErrors& errors);

// The metadata of an object of this kind.
void validate_object_meta(const codec::Value& object, const KindInfo& kind, FieldErrors& errors);

}  // namespace kobuk::api
