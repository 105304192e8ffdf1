// JSON text (RFC 8259) to Value and back. Bounded by ParseLimits, fuzzed.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/value.h"

namespace kobuk::codec {

struct ParseLimits {
  size_t max_bytes = 16u << 20;
  int max_depth = 512;
};

// Errors: kInvalid with line and column, kTooLarge past a limit. A repeated key keeps the last value; when
// `duplicates` is given, the path of each (".spec.replicas") is appended to it.
Result<Document> parse_json(std::string_view text, const ParseLimits& limits = {},
                            std::vector<std::string>* duplicates = nullptr);
// The same into an existing arena.
Result<Value> parse_json(std::string_view text, Arena& arena, const ParseLimits& limits = {},
                         std::vector<std::string>* duplicates = nullptr);

// Compact text, members in their order; HTML characters are not escaped; doubles in the shortest form.
std::string to_json(const Value& value);
void append_json(std::string& out, const Value& value);
void append_json_string(std::string& out, std::string_view text);  // with quotes
std::string to_json_pretty(const Value& value, int indent = 2);    // as Go's MarshalIndent

}  // namespace kobuk::codec
