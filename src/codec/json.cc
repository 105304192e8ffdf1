// JSON, RFC 8259: simdjson's tape copied into our arena. Texts that simdjson refuses go to the careful scanner.
#include "codec/json.h"

#include <simdjson.h>

#include <memory>

#include "codec/json_scanner.h"
#include "codec/member_path.h"

namespace kobuk::codec {
namespace {

namespace dom = simdjson::dom;

// simdjson keeps about 9 bytes for each byte of the largest text it has seen; a thread keeps no more than this text's.
constexpr size_t kKeptCapacity = 512u << 10;

struct ThreadParser {
  dom::parser parser;
  std::string padded;
};

thread_local std::unique_ptr<ThreadParser> thread_parser;

class TapeCopier {
 public:
  TapeCopier(Arena& arena, int max_depth, std::vector<std::string>* duplicates)
      : arena_(arena), max_depth_(max_depth), duplicates_(duplicates) {}

  Value copy(dom::element element, const MemberPath& path, int depth) {
    switch (element.type()) {
      case dom::element_type::OBJECT: return object(element.get_object().value_unsafe(), path, depth);
      case dom::element_type::ARRAY: return array(element.get_array().value_unsafe(), path, depth);
      case dom::element_type::STRING: return Value::string(arena_, element.get_string().value_unsafe());
      case dom::element_type::INT64: return Value::integer(element.get_int64().value_unsafe());
      case dom::element_type::UINT64:
        return Value::number(static_cast<double>(element.get_uint64().value_unsafe()));
      case dom::element_type::DOUBLE: return Value::number(element.get_double().value_unsafe());
      case dom::element_type::BOOL: return Value::boolean(element.get_bool().value_unsafe());
      case dom::element_type::NULL_VALUE: return Value();
    }
    return Value();
  }

  bool too_deep() const { return too_deep_; }

 private:
  Value object(dom::object source, const MemberPath& path, int depth) {
    if (depth > max_depth_) return too_deep_ = true, Value();
    Value out = Value::object(arena_, source.size());
    for (dom::key_value_pair field : source) {
      std::string_view key = arena_.copy(field.key);
      Value value = copy(field.value, MemberPath{.parent = &path, .key = key}, depth + 1);
      out.add_unchecked(arena_, key, value);
    }
    drop_duplicate_members(out, path, duplicates_);
    return out;
  }

  Value array(dom::array source, const MemberPath& path, int depth) {
    if (depth > max_depth_) return too_deep_ = true, Value();
    Value out = Value::array(arena_, source.size());
    size_t index = 0;
    for (dom::element element : source) {
      Value value = copy(element, MemberPath{.parent = &path, .index = index++}, depth + 1);
      out.push(arena_, value);
    }
    return out;
  }

  Arena& arena_;
  int max_depth_;
  std::vector<std::string>* duplicates_;
  bool too_deep_ = false;
};

}  // namespace

Result<Value> parse_json(std::string_view text, Arena& arena, const ParseLimits& limits,
                         std::vector<std::string>* duplicates) {
  if (text.size() > limits.max_bytes) {
    return fail(Code::kTooLarge, "JSON text of ", text.size(), " bytes, the limit is ", limits.max_bytes);
  }
  if (!thread_parser) thread_parser = std::make_unique<ThreadParser>();
  ThreadParser& state = *thread_parser;
  state.padded.resize(std::max(state.padded.size(), text.size() + simdjson::SIMDJSON_PADDING));
  std::memcpy(state.padded.data(), text.data(), text.size());

  dom::element root;
  auto error = state.parser.parse(state.padded.data(), text.size(), false).get(root);
  Value out;
  bool too_deep = false;
  if (!error) {
    TapeCopier copier(arena, limits.max_depth, duplicates);
    out = copier.copy(root, MemberPath{}, 1);
    too_deep = copier.too_deep();
  }
  if (text.size() > kKeptCapacity) thread_parser.reset();
  if (too_deep) return fail(Code::kTooLarge, "exceeded max depth of ", limits.max_depth);
  if (error) return scan_json(text, arena, limits, duplicates);
  return out;
}

Result<Document> parse_json(std::string_view text, const ParseLimits& limits,
                            std::vector<std::string>* duplicates) {
  Document out;
  KOBUK_TRY(out.root, parse_json(text, out.arena, limits, duplicates));
  return out;
}

}  // namespace kobuk::codec
