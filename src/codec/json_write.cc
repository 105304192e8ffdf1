// JSON text, RFC 8259, in the form that Go's encoding/json gives it with HTML escaping off.
#include <array>
#include <charconv>
#include <cmath>

#include "codec/json.h"
#include "codec/utf8.h"

namespace kobuk::codec {
namespace {

// Bytes that may not stand in a string as they are: controls, quote, backslash; and those above ASCII, to be looked at.
constexpr auto kSpecial = [] {
  std::array<bool, 256> out{};
  for (size_t i = 0; i < 0x20; ++i) out[i] = true;
  for (size_t i = 0x80; i < 0x100; ++i) out[i] = true;
  out['"'] = out['\\'] = true;
  return out;
}();

void append_unicode_escape(std::string& out, uint32_t unit) {
  constexpr char kDigits[] = "0123456789abcdef";
  out += "\\u";
  for (int shift = 12; shift >= 0; shift -= 4) out.push_back(kDigits[unit >> shift & 0xf]);
}

// Writes the special character that `text` starts with; returns how many bytes it took.
size_t append_special(std::string& out, std::string_view text) {
  switch (text[0]) {
    case '"': return out += "\\\"", 1;
    case '\\': return out += "\\\\", 1;
    case '\n': return out += "\\n", 1;
    case '\r': return out += "\\r", 1;
    case '\t': return out += "\\t", 1;
    case '\b': return out += "\\b", 1;
    case '\f': return out += "\\f", 1;
    default: break;
  }
  Utf8Character character = decode_utf8(text);
  if (character.length == 0) return append_utf8(out, kReplacementCharacter), 1;
  if (character.code_point < 0x20 || character.code_point == 0x2028 || character.code_point == 0x2029) {
    append_unicode_escape(out, character.code_point);
  } else {
    out.append(text.substr(0, character.length));
  }
  return character.length;
}

void append_number(std::string& out, double number) {
  if (!std::isfinite(number)) {  // JSON has no word for it
    out += "null";
    return;
  }
  if (number == 0) {  // also -0, which would read back as the integer 0
    out.push_back('0');
    return;
  }
  if (number == 0) {  // -0 too: read back, it would be the integer 0
    out += '0';
    return;
  }
  char buffer[40];
  char* end = std::to_chars(buffer, buffer + sizeof buffer, number, std::chars_format::scientific).ptr;
  std::string_view text(buffer, static_cast<size_t>(end - buffer));
  if (text.front() == '-') {
    out.push_back('-');
    text.remove_prefix(1);
  }
  size_t e = text.find('e');
  std::string digits(1, text[0]);
  if (e > 2) digits += text.substr(2, e - 2);
  int exponent = 0;
  std::from_chars(text.data() + e + (text[e + 1] == '+' ? 2 : 1), text.data() + text.size(), exponent);
  auto count = static_cast<int>(digits.size());
  if (exponent < -6 || exponent >= 21) {
    cat_to(out, text.substr(0, e), exponent < 0 ? "e" : "e+", exponent);
  } else if (exponent < 0) {
    cat_to(out, "0.", std::string(static_cast<size_t>(-exponent - 1), '0'), digits);
  } else if (count <= exponent + 1) {
    cat_to(out, digits, std::string(static_cast<size_t>(exponent + 1 - count), '0'));
  } else {
    auto whole = static_cast<size_t>(exponent + 1);
    cat_to(out, std::string_view(digits).substr(0, whole), '.', std::string_view(digits).substr(whole));
  }
}

// Scalars and empty containers. False: a container with something in it.
bool append_simple(std::string& out, const Value& value) {
  switch (value.kind()) {
    case Kind::kNull: out += "null"; return true;
    case Kind::kBool: out += value.as_bool() ? "true" : "false"; return true;
    case Kind::kInt: append_piece(out, value.as_int()); return true;
    case Kind::kDouble: append_number(out, value.as_double()); return true;
    case Kind::kString: append_json_string(out, value.as_string()); return true;
    case Kind::kArray:
      if (value.empty()) out += "[]";
      return value.empty();
    case Kind::kObject:
      if (value.empty()) out += "{}";
      return value.empty();
  }
  return true;
}

void append_pretty(std::string& out, const Value& value, size_t indent, size_t depth) {
  if (append_simple(out, value)) return;
  auto new_line = [&](size_t level) {
    out.push_back('\n');
    out.append(indent * level, ' ');
  };
  bool first = true;
  auto next = [&] {
    if (!first) out.push_back(',');
    first = false;
    new_line(depth + 1);
  };
  out.push_back(value.is_array() ? '[' : '{');
  for (const Value& item : value.items()) {
    next();
    append_pretty(out, item, indent, depth + 1);
  }
  for (const Member& member : value.members()) {
    next();
    append_json_string(out, member.key);
    out += ": ";
    append_pretty(out, member.value, indent, depth + 1);
  }
  new_line(depth);
  out.push_back(value.is_array() ? ']' : '}');
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
  out.push_back('"');
  size_t plain = 0;
  for (size_t i = 0; i < text.size();) {
    if (!kSpecial[static_cast<uint8_t>(text[i])]) [[likely]] {
      ++i;
      continue;
    }
    out.append(text, plain, i - plain);
    i += append_special(out, text.substr(i));
    plain = i;
  }
  out.append(text, plain);
  out.push_back('"');
}

void append_json(std::string& out, const Value& value) {
  if (append_simple(out, value)) return;
  char separator = value.is_array() ? '[' : '{';
  for (const Value& item : value.items()) {
    out.push_back(separator);
    separator = ',';
    append_json(out, item);
  }
  for (const Member& member : value.members()) {
    out.push_back(separator);
    separator = ',';
    append_json_string(out, member.key);
    out.push_back(':');
    append_json(out, member.value);
  }
  out.push_back(value.is_array() ? ']' : '}');
}

std::string to_json(const Value& value) {
  std::string out;
  append_json(out, value);
  return out;
}

std::string to_json_pretty(const Value& value, int indent) {
  std::string out;
  append_pretty(out, value, static_cast<size_t>(indent), 0);
  return out;
}

}  // namespace kobuk::codec
