// YAML to Value and back, by the rules of Kubernetes' parser (sigs.k8s.io/yaml over go-yaml v2: YAML 1.1 booleans
// and octals, merge keys, no anchors cycles). Bounded (aliases may expand to 10 × the input at the most), fuzzed.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"
#include "codec/value.h"

namespace kobuk::codec {

// One document. Errors: kInvalid "yaml: line 3: mapping values are not allowed in this context" (libyaml's texts).
Result<Document> parse_yaml(std::string_view text, const ParseLimits& limits = {},
                            std::vector<std::string>* duplicates = nullptr);
// A stream of documents separated by `---`; empty documents are left out.
Result<std::vector<Document>> parse_yaml_stream(std::string_view text, const ParseLimits& limits = {});
// Block style, sorted keys, as `kubectl get -o yaml` prints.
std::string to_yaml(const Value& value);

}  // namespace kobuk::codec
