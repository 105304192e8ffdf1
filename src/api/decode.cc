// Decoding and encoding of generated structs. JSON as Go's encoding/json maps it (RFC 8259; base64 of RFC 4648 for bytes).
#include "api/decode.h"

#include <map>
#include <optional>
#include <vector>

#include "api/int_or_string.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Value;

template <class T>
T& at(void* base, uint32_t offset) {
  return *reinterpret_cast<T*>(static_cast<char*>(base) + offset);
}
template <class T>
const T& at(const void* base, uint32_t offset) {
  return *reinterpret_cast<const T*>(static_cast<const char*>(base) + offset);
}

std::string_view go_name(const Value& value) {
  switch (value.kind()) {
    case codec::Kind::kBool: return "bool";
    case codec::Kind::kInt:
    case codec::Kind::kDouble: return "number";
    case codec::Kind::kString: return "string";
    case codec::Kind::kArray: return "array";
    case codec::Kind::kObject: return "object";
    case codec::Kind::kNull: break;
  }
  return "null";
}

class Decoder {
 public:
  Result<void> object(const Value& value, const StructTable& table, void* out) {
    if (value.is_null()) return {};
    if (!value.is_object()) return mismatch(value, table.name);
    const StructTable* outer = std::exchange(table_, &table);
    size_t next = 0;  // members mostly come in the order of the fields
    for (const auto& member : value.members()) {
      const StructField* field = find(table, member.key, next);
      if (!field || member.value.is_null()) continue;
      size_t length = path_.size();
      if (!path_.empty()) path_ += '.';
      path_ += member.key;
      KOBUK_CHECK(this->field(member.value, *field, out));
      path_.resize(length);
    }
    table_ = outer;
    return {};
  }

 private:
  static const StructField* find(const StructTable& table, std::string_view name, size_t& next) {
    size_t count = table.fields.size();
    for (size_t i = 0; i < count; ++i) {
      size_t at = next + i < count ? next + i : next + i - count;
      if (table.fields[at].name == name) {
        next = at + 1;
        return &table.fields[at];
      }
    }
    return nullptr;
  }

  std::unexpected<Error> mismatch(const Value& value, std::string_view type) const {
    if (path_.empty()) return fail(Code::kInvalid, "json: cannot unmarshal ", go_name(value), " into Go value of type ", type);
    return fail(Code::kInvalid, "json: cannot unmarshal ", go_name(value), " into Go struct field ",
                table_ ? table_->name : "", ".", path_, " of type ", type);
  }

  Result<void> text(const Value& value, std::string& out) {
    if (!value.is_string()) return mismatch(value, "string");
    out = value.as_string();
    return {};
  }

  Result<void> bytes(const Value& value, std::string& out) {
    if (!value.is_string()) return mismatch(value, "[]uint8");
    auto raw = unbase64(value.as_string());
    if (!raw) return fail(Code::kInvalid, "illegal base64 data in ", path_);
    out = std::move(*raw);
    return {};
  }

  template <class T>
  Result<void> number(const Value& value, T& out, std::string_view type) {
    if (!value.is_number()) return mismatch(value, type);
    if constexpr (std::is_same_v<T, double>) {
      out = value.as_double();
    } else {
      int64_t whole = value.as_int(0);
      if ((!value.is_int() && static_cast<double>(whole) != value.as_double()) || !std::in_range<T>(whole))
        return mismatch(value, type);
      out = static_cast<T>(whole);
    }
    return {};
  }

  Result<void> boolean(const Value& value, bool& out) {
    if (!value.is_bool()) return mismatch(value, "bool");
    out = value.as_bool();
    return {};
  }

  Result<void> int_or_string(const Value& value, IntOrString& out) {
    if (value.is_string()) {
      out = IntOrString(std::string(value.as_string()));
      return {};
    }
    out = IntOrString();
    return number(value, out.number, "intstr.IntOrString");
  }

  template <class T, class Decode>
  Result<void> list(const Value& value, std::vector<T>& out, Decode decode) {
    if (!value.is_array()) return mismatch(value, "[]string");
    out.clear();
    for (const Value& item : value.items()) KOBUK_CHECK(decode(item, out.emplace_back()));
    return {};
  }

  template <class Decode>
  Result<void> map(const Value& value, std::map<std::string, std::string>& out, Decode decode) {
    if (!value.is_object()) return mismatch(value, "map[string]string");
    out.clear();
    for (const auto& member : value.members()) KOBUK_CHECK(decode(member.value, out[std::string(member.key)]));
    return {};
  }

  Result<void> structs(const Value& value, const StructField& field, void* list) {
    if (!value.is_array()) return mismatch(value, cat("[]", field.table->name));
    auto* element = static_cast<char*>(field.list->resize(list, value.size()));
    for (const Value& item : value.items()) {
      KOBUK_CHECK(object(item, *field.table, element));
      element += field.list->element_size;
    }
    return {};
  }

  Result<void> field(const Value& value, const StructField& field, void* out) {
    auto json = [](const Value& v, std::string& to) -> Result<void> {
      to = codec::to_json(v);
      return {};
    };
    auto text = [this](const Value& v, std::string& to) { return this->text(v, to); };
    switch (field.storage) {
      case Storage::kString: return text(value, at<std::string>(out, field.offset));
      case Storage::kBytes: return bytes(value, at<std::string>(out, field.offset));
      case Storage::kJson: return json(value, at<std::string>(out, field.offset));
      case Storage::kBool: return boolean(value, at<bool>(out, field.offset));
      case Storage::kInt32: return number(value, at<int32_t>(out, field.offset), "int32");
      case Storage::kInt64: return number(value, at<int64_t>(out, field.offset), "int64");
      case Storage::kDouble: return number(value, at<double>(out, field.offset), "float64");
      case Storage::kOptBool: return boolean(value, at<std::optional<bool>>(out, field.offset).emplace());
      case Storage::kOptInt32: return number(value, at<std::optional<int32_t>>(out, field.offset).emplace(), "int32");
      case Storage::kOptInt64: return number(value, at<std::optional<int64_t>>(out, field.offset).emplace(), "int64");
      case Storage::kOptDouble: return number(value, at<std::optional<double>>(out, field.offset).emplace(), "float64");
      case Storage::kIntOrString: return int_or_string(value, at<IntOrString>(out, field.offset));
      case Storage::kOptIntOrString: return int_or_string(value, at<std::optional<IntOrString>>(out, field.offset).emplace());
      case Storage::kStruct: return object(value, *field.table, static_cast<char*>(out) + field.offset);
      case Storage::kOptStruct:
        return object(value, *field.table, field.opt->emplace(static_cast<char*>(out) + field.offset));
      case Storage::kStringList: return list(value, at<std::vector<std::string>>(out, field.offset), text);
      case Storage::kJsonList: return list(value, at<std::vector<std::string>>(out, field.offset), json);
      case Storage::kInt32List:
        return list(value, at<std::vector<int32_t>>(out, field.offset),
                    [this](const Value& v, int32_t& to) { return number(v, to, "int32"); });
      case Storage::kInt64List:
        return list(value, at<std::vector<int64_t>>(out, field.offset),
                    [this](const Value& v, int64_t& to) { return number(v, to, "int64"); });
      case Storage::kStructList: return structs(value, field, static_cast<char*>(out) + field.offset);
      case Storage::kStringMap: return map(value, at<std::map<std::string, std::string>>(out, field.offset), text);
      case Storage::kJsonMap: return map(value, at<std::map<std::string, std::string>>(out, field.offset), json);
      case Storage::kBytesMap:
        return map(value, at<std::map<std::string, std::string>>(out, field.offset),
                   [this](const Value& v, std::string& to) { return bytes(v, to); });
    }
    return {};
  }

  std::string path_;
  const StructTable* table_ = nullptr;
};

class Encoder {
 public:
  explicit Encoder(std::string& out) : out_(out) {}

  // Writes {…}; false (and nothing written) when there is no member and `skip_empty`.
  bool object(const StructTable& table, const void* in, bool skip_empty) {
    size_t start = out_.size();
    out_ += '{';
    if (!table.kind.empty()) {
      name("kind");
      codec::append_json_string(out_, table.kind);
      name("apiVersion");
      codec::append_json_string(out_, table.api_version);
    }
    for (const StructField& field : table.fields) this->field(field, in);
    if (skip_empty && out_.size() == start + 1) {
      out_.resize(start);
      return false;
    }
    out_ += '}';
    return true;
  }

 private:
  void name(std::string_view name) {
    if (out_.back() != '{') out_ += ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }

  void text(const StructField& field, const std::string& value) {
    if (value.empty() && !field.always) return;
    name(field.name);
    codec::append_json_string(out_, value);
  }

  template <class T>
  void number(const StructField& field, T value) {
    if (value == T{} && !field.always) return;
    name(field.name);
    cat_to(out_, value);
  }
  template <class T>
  void number(const StructField& field, const std::optional<T>& value) {
    if (!value) return;
    name(field.name);
    cat_to(out_, *value);
  }

  void int_or_string(const IntOrString& value) {
    if (value.is_string) codec::append_json_string(out_, value.string);
    else cat_to(out_, value.number);
  }

  template <class List, class Encode>
  void list(const StructField& field, const List& values, Encode encode) {
    if (values.empty() && !field.always) return;
    name(field.name);
    out_ += '[';
    for (const auto& value : values) {
      if (out_.back() != '[') out_ += ',';
      encode(value);
    }
    out_ += ']';
  }

  template <class Encode>
  void map(const StructField& field, const std::map<std::string, std::string>& values, Encode encode) {
    if (values.empty() && !field.always) return;
    name(field.name);
    char separator = '{';
    for (const auto& [key, value] : values) {
      out_ += std::exchange(separator, ',');
      codec::append_json_string(out_, key);
      out_ += ':';
      encode(value);
    }
    out_ += values.empty() ? "{}" : "}";
  }

  void structs(const StructField& field, const void* list) {
    size_t count = 0;
    auto* element = static_cast<const char*>(field.list->data(list, &count));
    if (count == 0 && !field.always) return;
    name(field.name);
    out_ += '[';
    for (size_t i = 0; i < count; ++i, element += field.list->element_size) {
      if (i) out_ += ',';
      object(*field.table, element, false);
    }
    out_ += ']';
  }

  void nested(const StructField& field, const void* in) {
    size_t start = out_.size();
    name(field.name);
    if (!object(*field.table, in, true)) out_.resize(start);
  }

  void field(const StructField& field, const void* in) {
    auto quoted = [this](const std::string& value) { codec::append_json_string(out_, value); };
    auto raw = [this](const std::string& value) { out_ += value.empty() ? "null" : value; };
    auto coded = [this](const std::string& value) { codec::append_json_string(out_, base64(value)); };
    auto whole = [this](int64_t value) { cat_to(out_, value); };
    const auto* base = static_cast<const char*>(in) + field.offset;
    switch (field.storage) {
      case Storage::kString: return text(field, at<std::string>(in, field.offset));
      case Storage::kBytes: {
        if (const auto& value = at<std::string>(in, field.offset); !value.empty()) name(field.name), coded(value);
        return;
      }
      case Storage::kJson: {
        if (const auto& value = at<std::string>(in, field.offset); !value.empty()) name(field.name), raw(value);
        return;
      }
      case Storage::kBool: return number(field, at<bool>(in, field.offset));
      case Storage::kInt32: return number(field, at<int32_t>(in, field.offset));
      case Storage::kInt64: return number(field, at<int64_t>(in, field.offset));
      case Storage::kDouble: return number(field, at<double>(in, field.offset));
      case Storage::kOptBool: return number(field, at<std::optional<bool>>(in, field.offset));
      case Storage::kOptInt32: return number(field, at<std::optional<int32_t>>(in, field.offset));
      case Storage::kOptInt64: return number(field, at<std::optional<int64_t>>(in, field.offset));
      case Storage::kOptDouble: return number(field, at<std::optional<double>>(in, field.offset));
      case Storage::kIntOrString: {
        const auto& value = at<IntOrString>(in, field.offset);
        if (value != IntOrString() || field.always) name(field.name), int_or_string(value);
        return;
      }
      case Storage::kOptIntOrString: {
        if (const auto& value = at<std::optional<IntOrString>>(in, field.offset); value) name(field.name), int_or_string(*value);
        return;
      }
      case Storage::kStruct: return nested(field, base);
      case Storage::kOptStruct: {
        if (const void* value = field.opt->get(base)) name(field.name), object(*field.table, value, false);
        return;
      }
      case Storage::kStringList: return list(field, at<std::vector<std::string>>(in, field.offset), quoted);
      case Storage::kJsonList: return list(field, at<std::vector<std::string>>(in, field.offset), raw);
      case Storage::kInt32List: return list(field, at<std::vector<int32_t>>(in, field.offset), whole);
      case Storage::kInt64List: return list(field, at<std::vector<int64_t>>(in, field.offset), whole);
      case Storage::kStructList: return structs(field, base);
      case Storage::kStringMap: return map(field, at<std::map<std::string, std::string>>(in, field.offset), quoted);
      case Storage::kBytesMap: return map(field, at<std::map<std::string, std::string>>(in, field.offset), coded);
      case Storage::kJsonMap: return map(field, at<std::map<std::string, std::string>>(in, field.offset), raw);
    }
  }

  std::string& out_;
};

}  // namespace

Result<void> decode_struct(const Value& value, const StructTable& table, void* out) {
  return Decoder().object(value, table, out);
}

Result<void> decode_struct_json(std::string_view json, const StructTable& table, void* out) {
  KOBUK_TRY(codec::Document document, codec::parse_json(json));
  return decode_struct(document.root, table, out);
}

void encode_struct(std::string& out, const StructTable& table, const void* in) { Encoder(out).object(table, in, false); }

Value struct_to_value(codec::Arena& arena, const StructTable& table, const void* in) {
  std::string text;
  encode_struct(text, table, in);
  auto value = codec::parse_json(text, arena);
  return value ? *value : Value();  // what a raw JSON member holds may be no JSON: then there is nothing to say
}

}  // namespace kobuk::api
