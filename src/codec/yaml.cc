// YAML 1.1 (https://yaml.org/spec/1.1/): libyaml's events composed into Values, with go-yaml v2's error texts.
#include "codec/yaml.h"

#include <yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>

#include "codec/member_path.h"
#include "codec/yaml_resolve.h"

namespace kobuk::codec {
namespace {

constexpr size_t kExpansionFactor = 10;
constexpr size_t kExpansionFloor = 1u << 20;
constexpr std::string_view kTagPrefix = "tag:yaml.org,2002:";

std::string_view view(const yaml_char_t* text) {
  return text ? std::string_view(reinterpret_cast<const char*>(text)) : std::string_view();
}

// One libyaml event; move only.
class Event {
 public:
  Event() = default;
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  ~Event() { yaml_event_delete(&raw_); }

  yaml_event_type_t type() const { return raw_.type; }
  size_t line() const { return raw_.start_mark.line + 1; }
  std::string_view text() const {
    const auto& scalar = raw_.data.scalar;
    return {reinterpret_cast<const char*>(scalar.value), scalar.length};
  }
  bool plain() const { return raw_.data.scalar.plain_implicit != 0; }
  std::string_view tag() const { return view(raw_.data.scalar.tag); }
  // The name that an alias refers to, or that a node is given.
  std::string_view anchor() const {
    switch (raw_.type) {
      case YAML_ALIAS_EVENT: return view(raw_.data.alias.anchor);
      case YAML_SCALAR_EVENT: return view(raw_.data.scalar.anchor);
      case YAML_SEQUENCE_START_EVENT: return view(raw_.data.sequence_start.anchor);
      case YAML_MAPPING_START_EVENT: return view(raw_.data.mapping_start.anchor);
      default: return {};
    }
  }
  yaml_event_t* reset() {
    yaml_event_delete(&raw_);
    return &raw_;
  }

 private:
  yaml_event_t raw_ = {};
};

class Parser {
 public:
  explicit Parser(std::string_view text) {
    if (!yaml_parser_initialize(&raw_)) std::abort();  // only without memory
    yaml_parser_set_encoding(&raw_, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&raw_, reinterpret_cast<const unsigned char*>(text.data()), text.size());
  }
  Parser(const Parser&) = delete;
  Parser& operator=(const Parser&) = delete;
  ~Parser() { yaml_parser_delete(&raw_); }

  Result<void> next(Event& event) {
    if (yaml_parser_parse(&raw_, event.reset())) return {};
    return fail(Code::kInvalid, "yaml: ", where(), raw_.problem ? raw_.problem : "unknown problem parsing YAML content");
  }

 private:
  // go-yaml names the line this way: marks count from 0, and only the scanner's is corrected.
  std::string where() const {
    size_t line = raw_.problem_mark.line;
    if (line != 0) {
      if (raw_.error == YAML_SCANNER_ERROR) ++line;
    } else {
      line = raw_.context_mark.line;
    }
    return line ? cat("line ", line, ": ") : std::string();
  }

  yaml_parser_t raw_;
};

size_t weight(const Value& value) {
  size_t out = sizeof(Value) + value.as_string().size();
  for (const Value& item : value.items()) out += weight(item);
  for (const Member& member : value.members()) out += member.key.size() + weight(member.value);
  return out;
}

// A double that JSON writes without a fraction is an integer to every reader of that JSON.
Value as_json_number(Value number) {
  if (number.is_int()) return number;
  double value = number.as_double();
  bool integral = std::abs(value) < 0x1p63 && std::trunc(value) == value;
  return integral ? Value::integer(static_cast<int64_t>(value)) : number;
}

std::string float_key(double value) {
  if (std::isnan(value)) return ".nan";
  if (std::isinf(value)) return value > 0 ? ".inf" : "-.inf";
  char buffer[32];
  auto end = std::to_chars(buffer, buffer + sizeof buffer, static_cast<float>(value)).ptr;
  return std::string(buffer, end);
}

class Composer {
 public:
  Composer(std::string_view text, const ParseLimits& limits, std::vector<std::string>* duplicates)
      : parser_(text),
        limits_(limits),
        duplicates_(duplicates),
        expansion_left_(std::max(text.size() * kExpansionFactor, kExpansionFloor)) {}

  // False at the end of the stream.
  Result<bool> next_document(Document& out) {
    while (true) {
      KOBUK_CHECK(parser_.next(event_));
      if (event_.type() == YAML_STREAM_END_EVENT || event_.type() == YAML_NO_EVENT) return false;
      if (event_.type() == YAML_DOCUMENT_START_EVENT) break;
    }
    arena_ = &out.arena;
    anchors_.clear();
    KOBUK_CHECK(parser_.next(event_));
    KOBUK_TRY(out.root, node(MemberPath{}, 1));
    KOBUK_CHECK(parser_.next(event_));  // the end of the document
    return true;
  }

 private:
  struct Anchor {
    Value value;
    bool complete = false;
  };

  // Composes the node that starts with the current event; leaves its last event current.
  Result<Value> node(const MemberPath& path, int depth) {
    if (depth > limits_.max_depth + 1) return fail(Code::kTooLarge, "yaml: exceeded max depth of ", limits_.max_depth);
    if (event_.type() == YAML_ALIAS_EVENT) return alias();
    std::string anchor(event_.anchor());
    if (!anchor.empty()) anchors_[anchor] = Anchor();
    Result<Value> out = event_.type() == YAML_SCALAR_EVENT           ? scalar()
                        : event_.type() == YAML_SEQUENCE_START_EVENT ? sequence(path, depth)
                                                                     : mapping(path, depth);
    if (out && !anchor.empty()) anchors_[anchor] = Anchor{*out, true};
    return out;
  }

  Result<Value> alias() {
    auto found = anchors_.find(event_.anchor());
    if (found == anchors_.end()) {
      return fail(Code::kInvalid, "yaml: unknown anchor '", event_.anchor(), "' referenced");
    }
    if (!found->second.complete) {
      return fail(Code::kInvalid, "yaml: anchor '", event_.anchor(), "' value contains itself");
    }
    size_t cost = weight(found->second.value);
    if (cost > expansion_left_) return fail(Code::kTooLarge, "yaml: document contains excessive aliasing");
    expansion_left_ -= cost;
    return found->second.value.clone(*arena_);  // deep: a change of one copy is not seen in the others
  }

  Result<ResolvedScalar> resolved() {
    std::string_view tag = event_.tag();
    if (tag.empty()) return event_.plain() ? resolve_plain_scalar(event_.text()) : ResolvedScalar();
    if (!tag.starts_with(kTagPrefix)) return ResolvedScalar();
    tag.remove_prefix(kTagPrefix.size());
    static const std::map<std::string_view, YamlTag> kTags = {
        {"bool", YamlTag::kBool}, {"int", YamlTag::kInt},     {"float", YamlTag::kFloat},
        {"null", YamlTag::kNull}, {"merge", YamlTag::kMerge}, {"timestamp", YamlTag::kTimestamp}};
    auto wanted = kTags.find(tag);
    if (wanted == kTags.end()) return ResolvedScalar();
    ResolvedScalar out = resolve_plain_scalar(event_.text());
    if (out.tag == wanted->second) return out;
    if (out.tag == YamlTag::kInt && wanted->second == YamlTag::kFloat) {
      return ResolvedScalar{YamlTag::kFloat, Value::number(out.value.as_double())};
    }
    return fail(Code::kInvalid, "yaml: cannot decode ", yaml_tag_name(out.tag), " `", event_.text().substr(0, 64),
                "` as a !!", tag);
  }

  Result<Value> scalar() {
    if (event_.tag() == "tag:yaml.org,2002:binary") return binary();
    KOBUK_TRY(ResolvedScalar meaning, resolved());
    switch (meaning.tag) {
      case YamlTag::kNull: return Value();
      case YamlTag::kBool: return meaning.value;
      case YamlTag::kInt: return as_json_number(meaning.value);
      case YamlTag::kFloat:
        if (!std::isfinite(meaning.value.as_double())) {
          return fail(Code::kInvalid, "json: unsupported value: ", event_.text());
        }
        return as_json_number(meaning.value);
      case YamlTag::kString:
      case YamlTag::kMerge:
      case YamlTag::kTimestamp: break;
    }
    return Value::string(*arena_, event_.text());
  }

  Result<Value> binary() {
    std::string compact(event_.text());
    std::erase_if(compact, [](char c) { return c == '\n' || c == '\r'; });
    auto bytes = unbase64(compact);
    if (!bytes) return fail(Code::kInvalid, "yaml: !!binary value contains invalid base64 data");
    return Value::string(*arena_, *bytes);
  }

  Result<Value> sequence(const MemberPath& path, int depth) {
    Value out = Value::array();
    while (true) {
      KOBUK_CHECK(parser_.next(event_));
      if (event_.type() == YAML_SEQUENCE_END_EVENT) return out;
      KOBUK_TRY(Value item, node(MemberPath{.parent = &path, .index = out.size()}, depth + 1));
      out.push(*arena_, item);
    }
  }

  Result<Value> mapping(const MemberPath& path, int depth) {
    Value out = Value::object();
    Value merged = Value::object();
    while (true) {
      KOBUK_CHECK(parser_.next(event_));
      if (event_.type() == YAML_MAPPING_END_EVENT) break;
      if (is_merge_key()) {
        KOBUK_CHECK(parser_.next(event_));
        KOBUK_TRY(Value source, node(MemberPath{.parent = &path, .key = "<<"}, depth + 1));
        KOBUK_CHECK(collect_merge(merged, source));
        continue;
      }
      KOBUK_TRY(std::string_view member_key, key(path, depth));
      KOBUK_CHECK(parser_.next(event_));
      KOBUK_TRY(Value value, node(MemberPath{.parent = &path, .key = member_key}, depth + 1));
      out.add_unchecked(*arena_, member_key, value);
    }
    drop_duplicate_members(out, path, duplicates_);
    if (merged.empty()) return out;
    // The mapping's own keys win over merged ones: merged first, own last, and the last value of a key stays.
    for (const Member& own : out.members()) merged.add_unchecked(*arena_, own.key, own.value);
    drop_duplicate_members(merged, path, nullptr);
    return merged;
  }

  bool is_merge_key() const {
    return event_.type() == YAML_SCALAR_EVENT && event_.text() == "<<" &&
           (event_.plain() || event_.tag() == "tag:yaml.org,2002:merge");
  }

  Result<void> collect_merge(Value& merged, const Value& source) {
    if (source.is_object()) {
      for (const Member& member : source.members()) merged.add_unchecked(*arena_, member.key, member.value);
      return {};
    }
    auto not_a_map = [] {
      return fail(Code::kInvalid, "yaml: map merge requires map or sequence of maps as the value");
    };
    if (!source.is_array()) return not_a_map();
    for (size_t i = source.size(); i-- > 0;) {  // earlier mappings win over later ones
      if (!source.at(i).is_object()) return not_a_map();
      KOBUK_CHECK(collect_merge(merged, source.at(i)));
    }
    return {};
  }

  // The key of a member as JSON has it: a text.
  Result<std::string_view> key(const MemberPath& path, int depth) {
    size_t line = event_.line();
    if (event_.type() == YAML_SCALAR_EVENT) {
      KOBUK_TRY(ResolvedScalar meaning, resolved());
      switch (meaning.tag) {
        case YamlTag::kNull: return fail(Code::kInvalid, "yaml: line ", line, ": unsupported map key: null");
        case YamlTag::kFloat: return arena_->copy(float_key(meaning.value.as_double()));
        case YamlTag::kBool: return meaning.value.as_bool() ? "true" : "false";
        case YamlTag::kInt:
          if (meaning.value.is_int()) return arena_->copy(cat(meaning.value.as_int()));
          [[fallthrough]];
        default: break;
      }
    }
    KOBUK_TRY(Value value, node(path, depth + 1));
    if (value.is_string()) return value.as_string();
    std::string shown = to_json(value).substr(0, 120);
    return fail(Code::kInvalid, "yaml: line ", line, ": invalid map key: ", shown);
  }

  Parser parser_;
  ParseLimits limits_;
  std::vector<std::string>* duplicates_;
  size_t expansion_left_;
  Arena* arena_ = nullptr;
  Event event_;
  std::map<std::string, Anchor, std::less<>> anchors_;
};

Result<void> check_size(std::string_view text, const ParseLimits& limits) {
  if (text.size() <= limits.max_bytes) return {};
  return fail(Code::kTooLarge, "yaml: text of ", text.size(), " bytes, the limit is ", limits.max_bytes);
}

}  // namespace

Result<Document> parse_yaml(std::string_view text, const ParseLimits& limits, std::vector<std::string>* duplicates) {
  KOBUK_CHECK(check_size(text, limits));
  Document out;
  KOBUK_CHECK(Composer(text, limits, duplicates).next_document(out));
  return out;
}

Result<std::vector<Document>> parse_yaml_stream(std::string_view text, const ParseLimits& limits) {
  KOBUK_CHECK(check_size(text, limits));
  Composer composer(text, limits, nullptr);
  std::vector<Document> out;
  while (true) {
    Document document;
    KOBUK_TRY(bool more, composer.next_document(document));
    if (!more) return out;
    if (!document.root.is_null()) out.push_back(std::move(document));
  }
}

}  // namespace kobuk::codec
