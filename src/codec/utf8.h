// UTF-8 (RFC 3629), strict: no overlong forms, no surrogates, nothing above U+10FFFF.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace kobuk::codec {

inline constexpr uint32_t kReplacementCharacter = 0xfffd;

// The character that starts at `text` (not empty) and its length in bytes; length 0 when the bytes are malformed.
struct Utf8Character {
  uint32_t code_point = 0;
  uint32_t length = 0;
};
Utf8Character decode_utf8(std::string_view text);
void append_utf8(std::string& out, uint32_t code_point);
bool is_utf8(std::string_view text);

}  // namespace kobuk::codec
