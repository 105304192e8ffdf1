// What server-side apply says of a configuration whose values are not of the types that the schema has, in its own words; and
// Go's form of values, as its messages show them.
//
//   check_typed(config, schema)   // ".spec.replicas: expected numeric (int or float), got string"
#pragma once

#include <string>

#include "api/schema.h"
#include "codec/value.h"

namespace kobuk::api {

// Empty: all is well. Several errors: "errors:", then one a line. Values that have a form of their own (quantities, times) are
// not looked at.
std::string check_typed(const codec::Value& value, const Schema& schema);

// As Go's %v: "map[spec:map[replicas:x]]".
std::string go_text(const codec::Value& value);

}  // namespace kobuk::api
