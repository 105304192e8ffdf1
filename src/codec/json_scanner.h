// The careful JSON parser: slower than simdjson, knows where it is. parse_json falls back to it for the texts that
// simdjson refuses: it words the error (as Go's encoding/json does, which kubectl and docker users know) and accepts
// what Go accepts beyond strict JSON: integers of any size, lone surrogates and malformed UTF-8 (both become U+FFFD).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json.h"

namespace kobuk::codec {

// As parse_json. "invalid character '}' looking for beginning of value (line 3, column 7)".
Result<Value> scan_json(std::string_view text, Arena& arena, const ParseLimits& limits,
                        std::vector<std::string>* duplicates);

}  // namespace kobuk::codec
