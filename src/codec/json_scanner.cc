// JSON, RFC 8259, by recursive descent.
#include "codec/json_scanner.h"

#include <cmath>
#include <cstdlib>

#include "codec/member_path.h"
#include "codec/utf8.h"

namespace kobuk::codec {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::string quoted_character(char c) {
  if (c == '\'') return R"('\'')";
  if (c == '"') return R"('"')";
  std::string text;
  append_utf8(text, static_cast<uint8_t>(c));  // Go prints the byte as a Latin-1 character
  std::string quoted = go_quote(text);
  return cat('\'', std::string_view(quoted).substr(1, quoted.size() - 2), '\'');
}

class Scanner {
 public:
  Scanner(std::string_view text, Arena& arena, const ParseLimits& limits, std::vector<std::string>* duplicates)
      : text_(text), arena_(arena), limits_(limits), duplicates_(duplicates) {}

  Result<Value> document() {
    KOBUK_TRY(Value root, value(MemberPath{}, 1));
    skip_space();
    if (position_ < text_.size()) return unexpected("after top-level value");
    return root;
  }

 private:
  std::unexpected<Error> error(std::string_view message) const {
    size_t line = 1, line_start = 0;
    for (size_t i = 0; i < position_; ++i) {
      if (text_[i] == '\n') {
        ++line;
        line_start = i + 1;
      }
    }
    return fail(Code::kInvalid, message, " (line ", line, ", column ", position_ - line_start + 1, ")");
  }
  // The character here (or the end of the text) is not allowed.
  std::unexpected<Error> unexpected(std::string_view where) const {
    if (position_ >= text_.size()) return error("unexpected end of JSON input");
    return error(cat("invalid character ", quoted_character(text_[position_]), " ", where));
  }
  char peek() const { return position_ < text_.size() ? text_[position_] : '\0'; }
  bool at(char c) const { return position_ < text_.size() && text_[position_] == c; }
  void skip_space() {
    while (at(' ') || at('\n') || at('\t') || at('\r')) ++position_;
  }

  Result<Value> value(const MemberPath& path, int depth) {
    skip_space();
    switch (peek()) {
      case '{': return object(path, depth);
      case '[': return array(path, depth);
      case '"': {
        KOBUK_TRY(std::string_view text, string());
        return Value::string_view(text);
      }
      case 't': return literal("true", Value::boolean(true));
      case 'f': return literal("false", Value::boolean(false));
      case 'n': return literal("null", Value());
      default:
        if (peek() == '-' || is_digit(peek())) return number();
        return unexpected("looking for beginning of value");
    }
  }

  Result<Value> literal(std::string_view word, Value meaning) {
    for (size_t i = 0; i < word.size(); ++i, ++position_) {
      if (!at(word[i])) return unexpected(cat("in literal ", word, " (expecting '", word[i], "')"));
    }
    return meaning;
  }

  Result<void> check_depth(int depth) const {
    if (depth <= limits_.max_depth) return {};
    return fail(Code::kTooLarge, "exceeded max depth of ", limits_.max_depth);
  }

  Result<Value> object(const MemberPath& path, int depth) {
    KOBUK_CHECK(check_depth(depth));
    ++position_;
    Value out = Value::object();
    skip_space();
    if (at('}')) return ++position_, out;
    while (true) {
      skip_space();
      if (!at('"')) return unexpected("looking for beginning of object key string");
      KOBUK_TRY(std::string_view key, string());
      skip_space();
      if (!at(':')) return unexpected("after object key");
      ++position_;
      KOBUK_TRY(Value member, value(MemberPath{.parent = &path, .key = key}, depth + 1));
      out.add_unchecked(arena_, key, member);
      skip_space();
      if (at('}')) break;
      if (!at(',')) return unexpected("after object key:value pair");
      ++position_;
    }
    ++position_;
    drop_duplicate_members(out, path, duplicates_);
    return out;
  }

  Result<Value> array(const MemberPath& path, int depth) {
    KOBUK_CHECK(check_depth(depth));
    ++position_;
    Value out = Value::array();
    skip_space();
    if (at(']')) return ++position_, out;
    while (true) {
      KOBUK_TRY(Value item, value(MemberPath{.parent = &path, .index = out.size()}, depth + 1));
      out.push(arena_, item);
      skip_space();
      if (at(']')) break;
      if (!at(',')) return unexpected("after array element");
      ++position_;
    }
    ++position_;
    return out;
  }

  Result<Value> number() {
    size_t start = position_;
    bool integer = true;
    if (at('-')) ++position_;
    if (!is_digit(peek())) return unexpected("in numeric literal");
    if (at('0')) {
      ++position_;
    } else {
      skip_digits();
    }
    if (at('.')) {
      integer = false;
      ++position_;
      if (!is_digit(peek())) return unexpected("after decimal point in numeric literal");
      skip_digits();
    }
    if (at('e') || at('E')) {
      integer = false;
      ++position_;
      if (at('+') || at('-')) ++position_;
      if (!is_digit(peek())) return unexpected("in exponent of numeric literal");
      skip_digits();
    }
    std::string_view token = text_.substr(start, position_ - start);
    if (integer) {
      if (auto small = parse_int(token)) return Value::integer(*small);
    }
    double number = std::strtod(std::string(token).c_str(), nullptr);
    if (!std::isfinite(number)) {
      position_ = start;
      return error(cat("number ", token.substr(0, 32), token.size() > 32 ? "…" : "", " is out of range"));
    }
    return Value::number(number);
  }

  void skip_digits() {
    while (is_digit(peek())) ++position_;
  }

  Result<std::string_view> string() {
    ++position_;
    scratch_.clear();
    while (true) {
      if (position_ >= text_.size() || static_cast<uint8_t>(text_[position_]) < 0x20) {
        return unexpected("in string literal");
      }
      char c = text_[position_];
      if (c == '"') break;
      if (c == '\\') {
        KOBUK_CHECK(escape());
        continue;
      }
      Utf8Character character = decode_utf8(text_.substr(position_));
      if (character.length == 0) {
        append_utf8(scratch_, kReplacementCharacter);
        ++position_;
      } else {
        scratch_.append(text_, position_, character.length);
        position_ += character.length;
      }
    }
    ++position_;
    return arena_.copy(scratch_);
  }

  Result<void> escape() {
    ++position_;
    constexpr std::string_view kNames = "\"\\/bfnrt";
    constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
    if (at('u')) return unicode_escape();
    size_t index = position_ < text_.size() ? kNames.find(text_[position_]) : std::string_view::npos;
    if (index == std::string_view::npos) return unexpected("in string escape code");
    scratch_.push_back(kMeanings[index]);
    ++position_;
    return {};
  }

  Result<void> unicode_escape() {
    KOBUK_TRY(uint32_t first, hex4());
    if (first < 0xd800 || first > 0xdfff) return append_utf8(scratch_, first), Result<void>();
    if (first <= 0xdbff && text_.substr(position_).starts_with("\\u")) {
      size_t before = position_;
      ++position_;
      KOBUK_TRY(uint32_t second, hex4());
      if (second >= 0xdc00 && second <= 0xdfff) {
        append_utf8(scratch_, 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00));
        return {};
      }
      position_ = before;  // the second escape stands for itself
    }
    append_utf8(scratch_, kReplacementCharacter);
    return {};
  }

  // At the 'u'; leaves behind the four digits.
  Result<uint32_t> hex4() {
    ++position_;
    uint32_t out = 0;
    for (int i = 0; i < 4; ++i, ++position_) {
      char c = peek();
      char lower = static_cast<char>(c | 0x20);
      if (is_digit(c)) {
        out = out << 4 | static_cast<uint32_t>(c - '0');
      } else if (lower >= 'a' && lower <= 'f') {
        out = out << 4 | static_cast<uint32_t>(lower - 'a' + 10);
      } else {
        return unexpected("in \\u hexadecimal character escape");
      }
    }
    return out;
  }

  std::string_view text_;
  Arena& arena_;
  ParseLimits limits_;
  std::vector<std::string>* duplicates_;
  size_t position_ = 0;
  std::string scratch_;
};

}  // namespace

Result<Value> scan_json(std::string_view text, Arena& arena, const ParseLimits& limits,
                        std::vector<std::string>* duplicates) {
  return Scanner(text, arena, limits, duplicates).document();
}

}  // namespace kobuk::codec
