// Decoding rules of Kubernetes' JSON (sigs.k8s.io/json: case-sensitive encoding/json) applied to documents by schema.
#include "api/normalize.h"

#include "api/field_error.h"
#include "api/quantity.h"
#include "base/clock.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

constexpr size_t kMaxStrictErrors = 100;

std::string go_kind(const Value& value) {
  switch (value.kind()) {
    case codec::Kind::kNull: return "null";
    case codec::Kind::kBool: return "bool";
    case codec::Kind::kInt:
    case codec::Kind::kDouble: return "number";
    case codec::Kind::kString: return "string";
    case codec::Kind::kArray: return "array";
    case codec::Kind::kObject: return "object";
  }
  return {};
}

// "v1.PodSpec", "[]v1.Container", "map[string]string".
std::string go_type(const Schema& schema) {
  switch (schema.type) {
    case Type::kObject: {
      auto last = schema.name.rfind('.');
      if (last == schema.name.npos) return std::string(schema.name);
      auto before = schema.name.rfind('.', last - 1);
      return std::string(schema.name.substr(before == schema.name.npos ? 0 : before + 1));
    }
    case Type::kArray: return cat("[]", go_type(*schema.element));
    case Type::kMap: return cat("map[string]", go_type(*schema.element));
    case Type::kBool: return "bool";
    case Type::kInt32: return "int32";
    case Type::kInt64: return "int64";
    case Type::kDouble: return "float64";
    case Type::kBytes: return "[]uint8";
    case Type::kQuantity: return "resource.Quantity";
    case Type::kIntOrString: return "intstr.IntOrString";
    case Type::kTime: return "v1.Time";
    case Type::kMicroTime: return "v1.MicroTime";
    case Type::kFields: return "v1.FieldsV1";
    case Type::kString: return "string";
    case Type::kAny: return "interface {}";
  }
  return {};
}

// k8s.io/apimachinery/pkg/runtime/converter.go: values that are already parsed, into Go's types.
std::string unstructured_mismatch(const Value& value, const Schema& schema) {
  std::string_view from = value.is_string() ? "string" : value.is_bool() ? "bool" : value.is_int() ? "int64" : value.is_number() ? "float64"
                        : value.is_array() ? "slice" : value.is_object() ? "map" : "invalid";
  std::string type = go_type(schema);
  if (schema.type == Type::kObject) return cat("cannot restore struct from: ", from);
  if (schema.type == Type::kMap) return cat("cannot restore map from ", from);
  if (schema.type == Type::kArray || schema.type == Type::kBytes) return cat("cannot restore slice from ", from);
  bool convertible = (value.is_int() && schema.type != Type::kBool) || (value.is_number() && (schema.type == Type::kInt32 || schema.type == Type::kInt64));
  return convertible ? cat("cannot convert ", from, " to ", type) : cat("unrecognized type: ", type);
}

// Absent and empty are the same for fields without presence.
bool is_zero(const Value& value, const Schema& schema) {
  switch (value.kind()) {
    case codec::Kind::kNull: return true;
    case codec::Kind::kBool: return !value.as_bool();
    case codec::Kind::kInt: return value.as_int() == 0;
    case codec::Kind::kDouble: return value.as_double() == 0;
    case codec::Kind::kString: return value.as_string().empty() && schema.type != Type::kIntOrString;
    case codec::Kind::kArray: return value.empty();
    case codec::Kind::kObject: return value.empty() && schema.type == Type::kMap;
  }
  return false;
}

class Normalizer {
 public:
  Normalizer(Arena& arena, const NormalizeOptions& options) : arena_(arena), options_(options) {}

  // `owner` is the object type that the value is a field of.
  Result<void> value(Value& v, const Schema& schema, const Path& path, std::string_view owner) {
    switch (schema.type) {
      case Type::kAny: return {};
      case Type::kObject: return object(v, schema, path, owner);
      case Type::kArray: return array(v, schema, path, owner);
      case Type::kMap: return map(v, schema, path, owner);
      case Type::kFields:
        if (!v.is_object()) return mismatch(v, schema, path, owner);
        return {};
      case Type::kString:
        if (!v.is_string()) return mismatch(v, schema, path, owner);
        return {};
      case Type::kBool:
        if (!v.is_bool()) return mismatch(v, schema, path, owner);
        return {};
      case Type::kDouble:
        if (!v.is_number()) return mismatch(v, schema, path, owner);
        return {};
      default: return special(v, schema, path, owner);
    }
  }

 private:
  std::unexpected<Error> mismatch(const Value& v, const Schema& schema, const Path& path, std::string_view owner) {
    if (options_.unstructured) return fail(Code::kInvalid, unstructured_mismatch(v, schema));
    std::string what = go_kind(v);
    bool out_of_range = v.is_number() && (schema.type == Type::kInt32 || schema.type == Type::kInt64);
    if (out_of_range) cat_to(what, " ", codec::to_json(v));
    std::string at = path.go_text();
    if (at.empty()) return fail(Code::kInvalid, "json: cannot unmarshal ", what, " into Go value of type ", go_type(schema));
    return fail(Code::kInvalid, "json: cannot unmarshal ", what, " into Go struct field ", owner, ".", at, " of type ",
                go_type(schema));
  }

  Result<void> special(Value& v, const Schema& schema, const Path& path, std::string_view owner) {
    switch (schema.type) {
      case Type::kInt32:
      case Type::kInt64: return integer(v, schema, path, owner);
      case Type::kBytes: {
        if (!v.is_string()) return mismatch(v, schema, path, owner);
        if (!unbase64(v.as_string())) return fail(Code::kInvalid, "illegal base64 data at input byte 0");
        return {};
      }
      case Type::kIntOrString:
        if (v.is_string()) return {};
        if (!v.is_number()) return mismatch(v, schema, path, owner);
        return integer(v, schema, path, owner);
      case Type::kQuantity: {
        if (!v.is_string() && !v.is_number()) return fail(Code::kInvalid, kQuantityMessage);
        auto parsed = Quantity::parse(v.is_string() ? v.as_string() : codec::to_json(v));
        if (!parsed) return std::unexpected(std::move(parsed).error());
        if (std::string text = parsed->text(); !v.is_string() || text != v.as_string()) v = Value::string(arena_, text);
        return {};
      }
      default: return time(v, schema, path, owner);
    }
  }

  Result<void> time(Value& v, const Schema& schema, const Path& path, std::string_view owner) {
    if (!v.is_string()) return mismatch(v, schema, path, owner);
    auto parsed = parse_rfc3339(v.as_string());
    if (!parsed)
      return fail(Code::kInvalid, "parsing time ", go_quote(go_quote(v.as_string())), " as ",
                  schema.type == Type::kTime ? "\"2006-01-02T15:04:05Z07:00\"" : "\"2006-01-02T15:04:05.000000Z07:00\"",
                  ": cannot parse ", go_quote(v.as_string()), " as \"2006\"");
    std::string text = schema.type == Type::kTime ? format_rfc3339(*parsed) : format_rfc3339_micro(*parsed);
    if (text != v.as_string()) v = Value::string(arena_, text);
    return {};
  }

  Result<void> integer(Value& v, const Schema& schema, const Path& path, std::string_view owner) {
    if (!v.is_number()) return mismatch(v, schema, path, owner);
    int64_t whole = v.as_int(0);
    if (!v.is_int()) {
      // 3.0 and 1e3 are whole numbers to a client that writes JSON from a double.
      if (static_cast<double>(whole) != v.as_double()) return mismatch(v, schema, path, owner);
      v = Value::integer(whole);
    }
    if (schema.type != Type::kInt64 && (whole < INT32_MIN || whole > INT32_MAX)) return mismatch(v, schema, path, owner);
    return {};
  }

  Result<void> array(Value& v, const Schema& schema, const Path& path, std::string_view owner) {
    if (!v.is_array()) return mismatch(v, schema, path, owner);
    size_t index = 0;
    for (Value& item : v.items()) {
      if (item.is_null() && schema.element->type == Type::kObject) item = Value::object();
      KOBUK_CHECK(value(item, *schema.element, path.at(index++), owner));
    }
    return {};
  }

  Result<void> map(Value& v, const Schema& schema, const Path& path, std::string_view owner) {
    if (!v.is_object()) return mismatch(v, schema, path, owner);
    for (auto& member : v.members()) {
      if (member.value.is_null() && schema.element->type == Type::kString) member.value = Value::string_view("");
      KOBUK_CHECK(value(member.value, *schema.element, path.key(member.key), owner));
    }
    return {};
  }

  Result<void> object(Value& v, const Schema& schema, const Path& path, std::string_view owner) {
    if (!v.is_object()) return mismatch(v, schema, path, owner);
    std::string_view name = schema.short_name();
    size_t kept = 0;  // what stays moves up; what is dropped is cut off at the end, all at once
    for (codec::Member& member : v.members()) {
      KOBUK_TRY(bool stays, this->member(member, schema, path, name));
      if (stays) v.members()[kept++] = member;
    }
    v.truncate(kept);
    if (options_.complete) add_plain_objects(v, schema);
    return {};
  }

  // False: it is to be dropped.
  Result<bool> member(codec::Member& member, const Schema& schema, const Path& path, std::string_view owner) {
    const Field* field = schema.find(member.key);
    if (!field) {
      bool type_meta = schema.has_type_meta && (member.key == "apiVersion" || member.key == "kind");
      if (!type_meta && !schema.preserve_unknown) unknown(path.child(member.key));
      return type_meta || schema.preserve_unknown;
    }
    if (member.value.is_null()) return false;
    KOBUK_CHECK(value(member.value, *field->schema, path.child(member.key), owner));
    return !options_.complete || field->presence || field->always || !is_zero(member.value, *field->schema);
  }

  // An object that is no pointer in the API is always there.
  void add_plain_objects(Value& v, const Schema& schema) {
    for (const Field& field : schema.fields) {
      if (field.presence || field.schema->type != Type::kObject || v.find(field.name)) continue;
      Value empty = Value::object();
      add_plain_objects(empty, *field.schema);
      v.add_unchecked(arena_, field.name, empty);
    }
  }

  void unknown(const Path& path) {
    if (options_.unknown && options_.unknown->size() < kMaxStrictErrors)
      options_.unknown->push_back(cat("unknown field ", go_quote(path.text())));
  }

  static constexpr std::string_view kQuantityMessage =
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

  Arena& arena_;
  const NormalizeOptions& options_;
};

}  // namespace

Result<void> normalize(Value& object, const Schema& schema, Arena& arena, const NormalizeOptions& options) {
  return Normalizer(arena, options).value(object, schema, Path(), schema.short_name());
}

std::string strict_message(const std::vector<std::string>& errors) {
  return cat("strict decoding error: ", join(errors, ", "));
}

std::string duplicate_message(std::string_view path) {
  if (path.starts_with('.')) path.remove_prefix(1);
  return cat("duplicate field ", go_quote(path));
}

std::string decode_failure_message(std::string_view kind, std::string_view version, std::string_view message) {
  return cat(kind, " in version ", go_quote(version), " cannot be handled as a ", kind, ": ", message);
}

}  // namespace kobuk::api
