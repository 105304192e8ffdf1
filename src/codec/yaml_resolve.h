// What a plain YAML scalar means, by YAML 1.1 as go-yaml v2 reads it.
#pragma once

#include <string_view>

#include "codec/value.h"

namespace kobuk::codec {

enum class YamlTag : uint8_t { kString, kBool, kInt, kFloat, kNull, kMerge, kTimestamp };
std::string_view yaml_tag_name(YamlTag tag);  // "!!str", "!!int", …

struct ResolvedScalar {
  YamlTag tag = YamlTag::kString;
  Value value;         // of kBool, kInt and kFloat; null for the others (strings and timestamps are their text)
};
ResolvedScalar resolve_plain_scalar(std::string_view text);

// Would another YAML 1.1 parser read it as a base 60 number (1:30)? Such strings are quoted when written.
bool is_base60_number(std::string_view text);

}  // namespace kobuk::codec
