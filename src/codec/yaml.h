// YAML to Value and back, by the rules of Kubernetes' parser (sigs.k8s.io/yaml over go-yaml v2: YAML 1.1 booleans
// and octals, merge keys, no anchors cycles). Bounded (aliases may expand to 10 × the input at the most, or to 1 MiB
// when that is more), fuzzed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/value.h"

namespace kobuk::codec {

// The first document of the text (null when there is none). Errors: kInvalid
// "yaml: line 3: mapping values are not allowed in this context" (libyaml's texts), kTooLarge past a limit. A repeated
// key keeps the last value and its path is appended to `duplicates`, as parse_json does.
Result<Document> parse_yaml(std::string_view text, const ParseLimits& limits = {},
                            std::vector<std::string>* duplicates = nullptr);
// A stream of documents separated by `---`; empty (null) documents are left out.
Result<std::vector<Document>> parse_yaml_stream(std::string_view text, const ParseLimits& limits = {});
// Block style, sorted keys, as `kubectl get -o yaml` prints.
std::string to_yaml(const Value& value);

}  // namespace kobuk::codec
