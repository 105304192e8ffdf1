// From what a client sent to the form in which objects are stored: types checked, unknown members dropped, empty values
// left out as Kubernetes leaves them out, quantities and times in canonical form.
//
//   std::vector<std::string> unknown;
//   KOBUK_CHECK(normalize(doc.root, *kind->schema, doc.arena, {.unknown = &unknown}));
//   if (strict && !unknown.empty()) return fail(Code::kInvalid, strict_message(unknown));
//
// Errors: kInvalid with Go's text, e.g. `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas
// of type int32`; the object is then half changed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"
#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

struct NormalizeOptions {
  // `unknown field "spec.foo"` for each, at most 100.
  std::vector<std::string>* unknown = nullptr;
  // Off for what is only a part of an object (an applied configuration): zero values stay, nothing is added.
  bool complete = true;
  // Wrong types in the words in which Kubernetes refuses a strategic merge patch: `unrecognized type: int32`.
  bool unstructured = false;
};
Result<void> normalize(codec::Value& object, const Schema& schema, codec::Arena& arena, const NormalizeOptions& options = {});

// `strict decoding error: unknown field "spec.foo", duplicate field "spec.bar"`.
std::string strict_message(const std::vector<std::string>& errors);
// `duplicate field "spec.bar"` from the path that parse_json reports (".spec.bar").
std::string duplicate_message(std::string_view path);
// `Deployment in version "v1" cannot be handled as a Deployment: ` before the message of a decoding error.
std::string decode_failure_message(std::string_view kind, std::string_view version, std::string_view message);

}  // namespace kobuk::api
