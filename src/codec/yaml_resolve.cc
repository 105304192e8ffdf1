// YAML 1.1 scalar types (https://yaml.org/type/), in the selection of go-yaml v2: no base 60, integers by Go's prefixes
// (0x, 0o, 0b, 0), underscores between digits.
#include "codec/yaml_resolve.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <optional>
#include <string>

#include "base/strings.h"

namespace kobuk::codec {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

size_t count_digits(std::string_view text) {
  size_t n = 0;
  while (n < text.size() && is_digit(text[n])) ++n;
  return n;
}

constexpr std::string_view kTrue[] = {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"};
constexpr std::string_view kFalse[] = {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"};
constexpr std::string_view kNull[] = {"", "~", "null", "Null", "NULL"};
constexpr std::string_view kNan[] = {".nan", ".NaN", ".NAN"};
constexpr std::string_view kInfinity[] = {".inf", ".Inf", ".INF"};

bool is_one_of(std::string_view text, std::span<const std::string_view> words) {
  return std::ranges::find(words, text) != words.end();
}

std::optional<ResolvedScalar> resolve_word(std::string_view text) {
  if (text.size() > 5) return {};
  if (is_one_of(text, kTrue)) return ResolvedScalar{YamlTag::kBool, Value::boolean(true)};
  if (is_one_of(text, kFalse)) return ResolvedScalar{YamlTag::kBool, Value::boolean(false)};
  if (is_one_of(text, kNull)) return ResolvedScalar{YamlTag::kNull, Value()};
  if (text == "<<") return ResolvedScalar{YamlTag::kMerge, Value()};
  if (is_one_of(text, kNan)) return ResolvedScalar{YamlTag::kFloat, Value::number(std::nan(""))};
  std::string_view unsigned_text = text.starts_with('+') || text.starts_with('-') ? text.substr(1) : text;
  if (is_one_of(unsigned_text, kInfinity)) {
    double infinity = std::numeric_limits<double>::infinity();
    return ResolvedScalar{YamlTag::kFloat, Value::number(text[0] == '-' ? -infinity : infinity)};
  }
  return {};
}

// [-+]?(0x|0o|0b|0)?digits, up to the range of uint64 (Go's ParseInt and ParseUint with base 0).
std::optional<Value> resolve_integer(std::string_view text) {
  bool negative = text.starts_with('-');
  bool has_sign = negative || text.starts_with('+');
  if (has_sign) text.remove_prefix(1);
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    char kind = static_cast<char>(text[1] | 0x20);
    base = kind == 'x' ? 16 : kind == 'b' ? 2 : 8;
    text.remove_prefix(kind == 'x' || kind == 'b' || kind == 'o' ? 2 : 1);
  }
  if (text.empty() || text[0] == '-') return {};
  uint64_t magnitude = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), magnitude, base);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (negative && magnitude <= kMax + 1) return Value::integer(static_cast<int64_t>(0 - magnitude));
  if (magnitude <= kMax) return Value::integer(static_cast<int64_t>(magnitude));
  if (has_sign) return {};
  return Value::number(static_cast<double>(magnitude));
}

// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
std::optional<Value> resolve_float(std::string_view text) {
  std::string number(text);
  if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
  size_t whole = count_digits(text);
  text.remove_prefix(whole);
  if (text.starts_with('.')) {
    size_t fraction = count_digits(text.substr(1));
    if (whole == 0 && fraction == 0) return {};
    text.remove_prefix(fraction + 1);
  } else if (whole == 0) {
    return {};
  }
  if (text.starts_with('e') || text.starts_with('E')) {
    text.remove_prefix(1);
    if (text.starts_with('-') || text.starts_with('+')) text.remove_prefix(1);
    size_t exponent = count_digits(text);
    if (exponent == 0) return {};
    text.remove_prefix(exponent);
  }
  if (!text.empty()) return {};
  double value = std::strtod(number.c_str(), nullptr);
  if (!std::isfinite(value)) return {};
  return Value::number(value);
}

// Digits between `least` and `most`, taken off `text`.
bool take_digits(std::string_view& text, size_t least, size_t most) {
  size_t n = count_digits(text);
  if (n < least || n > most) return false;
  text.remove_prefix(n);
  return true;
}

bool take(std::string_view& text, char c) {
  if (!text.starts_with(c)) return false;
  text.remove_prefix(1);
  return true;
}

// "2006-1-2", "2006-1-2 15:4:5.9", "2006-1-2T15:4:5.9Z", "…+07:00". Shapes only: an impossible day counts too, and is
// merely quoted when written.
bool is_timestamp(std::string_view text) {
  if (!take_digits(text, 4, 4) || !take(text, '-') || !take_digits(text, 1, 2) || !take(text, '-') ||
      !take_digits(text, 1, 2)) {
    return false;
  }
  if (text.empty()) return true;
  char separator = text[0];
  if (separator != 'T' && separator != 't' && separator != ' ') return false;
  text.remove_prefix(1);
  if (!take_digits(text, 1, 2) || !take(text, ':') || !take_digits(text, 1, 2) || !take(text, ':') ||
      !take_digits(text, 1, 2)) {
    return false;
  }
  if (take(text, '.') && !take_digits(text, 1, text.size())) return false;
  if (separator == ' ') return text.empty();
  if (text == "Z") return true;
  if (!take(text, '+') && !take(text, '-')) return false;
  return take_digits(text, 2, 2) && take(text, ':') && take_digits(text, 2, 2) && text.empty();
}

std::string without_underscores(std::string_view text) {
  std::string out(text);
  std::erase(out, '_');
  return out;
}

}  // namespace

std::string_view yaml_tag_name(YamlTag tag) {
  constexpr std::array<std::string_view, 7> kNames = {"!!str",  "!!bool",  "!!int",      "!!float",
                                                      "!!null", "!!merge", "!!timestamp"};
  return kNames[static_cast<size_t>(tag)];
}

ResolvedScalar resolve_plain_scalar(std::string_view text) {
  if (auto word = resolve_word(text)) return *word;
  char first = text[0];
  if (!is_digit(first) && first != '+' && first != '-' && first != '.') return {};
  if (is_timestamp(text)) return {YamlTag::kTimestamp, Value()};
  if (first == '.') {
    if (auto number = resolve_float(text)) return {YamlTag::kFloat, *number};
    return {};
  }
  std::string plain = without_underscores(text);
  if (auto number = resolve_integer(plain)) return {YamlTag::kInt, *number};
  if (auto number = resolve_float(plain)) return {YamlTag::kFloat, *number};
  return {};
}

bool is_base60_number(std::string_view text) {
  if (!take(text, '+')) take(text, '-');
  if (text.empty() || !is_digit(text[0]) || text.find(':') == std::string_view::npos) return false;
  while (!text.empty() && (is_digit(text[0]) || text[0] == '_')) text.remove_prefix(1);
  bool groups = false;
  while (take(text, ':')) {
    if (!take_digits(text, 1, 2)) return false;
    groups = true;
  }
  if (take(text, '.')) text.remove_prefix(std::min(text.find_first_not_of("0123456789_"), text.size()));
  return groups && text.empty();
}

}  // namespace kobuk::codec
