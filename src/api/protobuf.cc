// Protobuf wire format (https://protobuf.dev/programming-guides/encoding/) of Kubernetes objects: runtime.Unknown,
// resource.Quantity, meta/v1 Time and MicroTime, util/intstr IntOrString, runtime.RawExtension. Decoding.
#include "api/protobuf.h"

#include "base/clock.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/member_path.h"
#include "codec/protobuf.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;
using Piece = codec::ProtobufField;

constexpr int kMaxDepth = 100;

std::unexpected<Error> malformed(std::string_view what) { return fail(Code::kInvalid, "proto: ", what); }

// Calls `visit(piece)` for each field of a message.
template <class Visit>
Result<void> each(std::string_view bytes, Visit visit) {
  codec::ProtobufReader reader(bytes);
  Piece piece;
  while (true) {
    KOBUK_TRY(bool more, reader.next(piece));
    if (!more) return {};
    KOBUK_CHECK(visit(piece));
  }
}

class MessageDecoder {
 public:
  explicit MessageDecoder(Arena& arena) : arena_(arena) {}

  Result<Value> message(std::string_view bytes, const Schema& schema, int depth) {
    Value out = Value::object();
    KOBUK_CHECK(fields(bytes, schema, 0, out, depth));
    for (auto& member : out.members())
      if (const Field* field = schema.find(member.key); field && field->schema->type == Type::kMap)
        codec::drop_duplicate_members(member.value, {}, nullptr);
    return out;
  }

 private:
  // `outer`: 0, or the number of the inlined message that `bytes` is.
  Result<void> fields(std::string_view bytes, const Schema& schema, int outer, Value& out, int depth) {
    if (depth > kMaxDepth) return malformed("nested too deep");
    size_t next = 0;
    return each(bytes, [&](const Piece& piece) -> Result<void> {
      const Field* field = find(schema, outer, piece.number, next);
      if (!field) return {};
      if (outer != 0 || field->inner == 0) return this->field(piece, *field, out, depth);
      if (!piece.is_bytes()) return malformed("wrong wireType for an embedded message");
      return fields(piece.bytes, schema, field->number, out, depth + 1);
    });
  }

  static const Field* find(const Schema& schema, int outer, uint32_t number, size_t& next) {
    for (size_t i = 0; i < schema.fields.size(); ++i) {
      size_t at = next + i < schema.fields.size() ? next + i : next + i - schema.fields.size();
      const Field& field = schema.fields[at];
      bool match = outer == 0 ? field.number == number : field.number == outer && field.inner == number;
      if (match && number != 0) {
        next = at;  // again the same for repeated fields
        return &field;
      }
    }
    return nullptr;
  }

  Result<void> field(const Piece& piece, const Field& field, Value& out, int depth) {
    const Schema& schema = *field.schema;
    if (schema.type == Type::kArray) {
      Value& list = out.get_or_add(arena_, field.name);
      bool packed = piece.is_bytes() && (schema.element->type == Type::kInt32 || schema.element->type == Type::kInt64);
      if (packed) {
        std::string_view rest = piece.bytes;
        while (!rest.empty()) {
          KOBUK_TRY(uint64_t number, codec::take_varint(rest));
          list.push(arena_, Value::integer(static_cast<int64_t>(number)));
        }
        return {};
      }
      KOBUK_TRY(Value item, value(piece, *schema.element, depth));
      list.push(arena_, item);
      return {};
    }
    if (schema.type == Type::kMap) return entry(piece, schema, out.get_or_add(arena_, field.name), depth);
    KOBUK_TRY(Value v, value(piece, schema, depth));
    bool zero = v.is_null() || (!field.presence && is_zero(v));
    if (!zero) out.set(arena_, field.name, v);
    return {};
  }

  static bool is_zero(const Value& v) {
    return (v.is_string() && v.as_string().empty()) || (v.is_int() && v.as_int() == 0) || (v.is_bool() && !v.as_bool());
  }

  Result<void> entry(const Piece& piece, const Schema& schema, Value& map, int depth) {
    if (!piece.is_bytes()) return malformed("wrong wireType for a map");
    if (map.is_null()) map = Value::object();
    std::string_view key;
    Value v;
    KOBUK_CHECK(each(piece.bytes, [&](const Piece& part) -> Result<void> {
      if (part.number == 1) key = part.bytes;
      if (part.number != 2) return {};
      KOBUK_TRY(v, value(part, *schema.element, depth));
      return {};
    }));
    if (v.is_null() && schema.element->type == Type::kQuantity) v = Value::string_view("0");
    if (v.is_null()) v = Value::string_view("");
    map.add_unchecked(arena_, arena_.copy(key), v);  // of a repeated key the last value counts: message() sees to it
    return {};
  }

  Result<Value> value(const Piece& piece, const Schema& schema, int depth) {
    switch (schema.type) {
      case Type::kBool:
      case Type::kInt32:
      case Type::kInt64:
        if (!piece.is_varint()) return malformed("wrong wireType for a number");
        if (schema.type == Type::kBool) return Value::boolean(piece.as_bool());
        return Value::integer(schema.type == Type::kInt32 ? piece.as_int32() : piece.as_int64());
      case Type::kDouble:
        if (piece.type != codec::WireType::kFixed64) return malformed("wrong wireType for a double");
        return Value::number(piece.as_double());
      default: break;
    }
    if (!piece.is_bytes()) return malformed("wrong wireType for a text or message");
    switch (schema.type) {
      case Type::kString: return Value::string(arena_, piece.bytes);
      case Type::kBytes: return Value::string(arena_, base64(piece.bytes));
      case Type::kObject: return message(piece.bytes, schema, depth + 1);
      case Type::kTime:
      case Type::kMicroTime: return time(piece.bytes, schema.type == Type::kMicroTime);
      case Type::kQuantity: return quantity(piece.bytes);
      case Type::kIntOrString: return int_or_string(piece.bytes);
      default: return raw(piece.bytes);
    }
  }

  Result<Value> time(std::string_view bytes, bool micro) {
    if (bytes.empty()) return Value();
    int64_t seconds = 0, nanos = 0;
    KOBUK_CHECK(each(bytes, [&](const Piece& piece) -> Result<void> {
      if (piece.number == 1) seconds = piece.as_int64();
      if (piece.number == 2) nanos = piece.as_int32();
      return {};
    }));
    // The year 1 is Go's zero time; past 9999 RFC 3339 has no text; the clock holds ±292 years around 1970.
    if (seconds == 0 || seconds < -9'000'000'000 || seconds > 9'000'000'000) return Value();
    WallTime when{std::chrono::seconds{seconds} + std::chrono::nanoseconds{nanos}};
    return Value::string(arena_, micro ? format_rfc3339_micro(when) : format_rfc3339(when));
  }

  Result<Value> quantity(std::string_view bytes) {
    std::string_view text = "0";
    KOBUK_CHECK(each(bytes, [&](const Piece& piece) -> Result<void> {
      if (piece.number == 1 && !piece.bytes.empty()) text = piece.bytes;
      return {};
    }));
    return Value::string(arena_, text);
  }

  Result<Value> int_or_string(std::string_view bytes) {
    uint64_t type = 0, number = 0;
    std::string_view text;
    KOBUK_CHECK(each(bytes, [&](const Piece& piece) -> Result<void> {
      if (piece.number == 1) type = piece.value;
      if (piece.number == 2) number = piece.value;
      if (piece.number == 3) text = piece.bytes;
      return {};
    }));
    if (type == 1) return Value::string(arena_, text);
    return Value::integer(static_cast<int32_t>(number));
  }

  // RawExtension and FieldsV1: field 1 holds JSON.
  Result<Value> raw(std::string_view bytes) {
    std::string_view json;
    KOBUK_CHECK(each(bytes, [&](const Piece& piece) -> Result<void> {
      if (piece.number == 1) json = piece.bytes;
      return {};
    }));
    if (json.empty()) return Value();
    return codec::parse_json(json, arena_, {.max_depth = kMaxDepth});
  }

  Arena& arena_;
};

struct Envelope {
  std::string_view api_version, kind, raw;
};

Result<Envelope> open_envelope(std::string_view bytes) {
  if (!bytes.starts_with(kProtobufMagic))
    return fail(Code::kInvalid, "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]");
  Envelope out;
  KOBUK_CHECK(each(bytes.substr(kProtobufMagic.size()), [&](const Piece& piece) -> Result<void> {
    if (piece.number == 2) out.raw = piece.bytes;
    if (piece.number == 3 && !piece.bytes.empty()) return malformed("the envelope's content is encoded");
    if (piece.number != 1) return {};
    return each(piece.bytes, [&](const Piece& part) -> Result<void> {
      if (part.number == 1) out.api_version = part.bytes;
      if (part.number == 2) out.kind = part.bytes;
      return {};
    });
  }));
  return out;
}

}  // namespace

Result<Value> decode_message(std::string_view bytes, const Schema& schema, Arena& arena) {
  return MessageDecoder(arena).message(bytes, schema, 0);
}

Result<codec::Document> decode_protobuf(std::string_view bytes, const KindRegistry& kinds, const KindInfo* fallback) {
  KOBUK_TRY(Envelope envelope, open_envelope(bytes));
  const KindInfo* kind = envelope.kind.empty() ? fallback : kinds.find_kind(envelope.api_version, envelope.kind);
  if (!kind)
    return fail(Code::kInvalid, "no kind ", go_quote(envelope.kind), " is registered for version ", go_quote(envelope.api_version));
  codec::Document out;
  KOBUK_TRY(out.root, decode_message(envelope.raw, *kind->schema, out.arena));
  Value root = Value::object();
  root.set(out.arena, "kind", Value::string(out.arena, envelope.kind.empty() ? kind->kind : envelope.kind));
  root.set(out.arena, "apiVersion", Value::string(out.arena, envelope.kind.empty() ? kind->api_version : envelope.api_version));
  for (const auto& member : out.root.members()) root.set(out.arena, member.key, member.value);
  out.root = root;
  return out;
}

}  // namespace kobuk::api
