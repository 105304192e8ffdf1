// Small text functions that every room needs. cat() is how messages are built: no format strings, cheap to compile.
#pragma once

#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kobuk {

inline void append_piece(std::string& out, std::string_view piece) { out.append(piece); }
inline void append_piece(std::string& out, char piece) { out.push_back(piece); }
// A template, so that a `const char*` converts to string_view and never to bool.
template <std::same_as<bool> T>
void append_piece(std::string& out, T piece) {
  out.append(piece ? "true" : "false");
}
template <std::integral T>
  requires(!std::same_as<T, char> && !std::same_as<T, bool>)
void append_piece(std::string& out, T piece) {
  char buffer[24];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, piece).ptr;
  out.append(buffer, end);
}
void append_piece(std::string& out, double piece);  // shortest form that reads back the same

// cat("port ", 80, " is taken") == "port 80 is taken"
template <class... Args>
std::string cat(Args&&... args) {
  std::string out;
  (append_piece(out, args), ...);
  return out;
}
template <class... Args>
void cat_to(std::string& out, Args&&... args) {
  (append_piece(out, args), ...);
}

// split("a,,b", ',') == {"a", "", "b"}; split("", ',') == {}. Views into `text`.
std::vector<std::string_view> split(std::string_view text, char separator);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string_view trim(std::string_view text);  // ASCII white space at both ends
std::string to_lower(std::string_view text);   // ASCII only
bool equals_ignore_case(std::string_view a, std::string_view b);
std::string hex(std::string_view bytes);                            // lower case
std::optional<std::string> unhex(std::string_view text);            // nullopt unless an even number of hex digits
std::optional<int64_t> parse_int(std::string_view text);            // the whole text, decimal, no blanks, no overflow
std::optional<uint64_t> parse_uint(std::string_view text);
std::string base64(std::string_view bytes);                         // RFC 4648 §4, padded
std::string base64_url(std::string_view bytes);                     // §5, not padded
std::optional<std::string> unbase64(std::string_view text);         // either alphabet, padding optional; nullopt when malformed
std::string go_quote(std::string_view text);                        // as Go's %q: "a\"b\n"

}  // namespace kobuk
