// Protobuf of Kubernetes objects: encoding. Fields go out in the order of the schema; inlined messages are written once,
// after the others, as protobuf leaves the order free.
#include <map>

#include "api/protobuf.h"
#include "base/clock.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/protobuf.h"

namespace kobuk::api {
namespace {

using codec::Value;
using Writer = codec::ProtobufWriter;

void message(Writer& out, const Value& object, const Schema& schema);

void time(Writer& out, const Value& value) {
  auto when = parse_rfc3339(value.as_string());
  if (!when) return;
  int64_t nanos = when->time_since_epoch().count();
  int64_t seconds = nanos / 1'000'000'000, rest = nanos % 1'000'000'000;
  if (rest < 0) --seconds, rest += 1'000'000'000;
  out.integer(1, seconds);
  if (rest) out.integer(2, rest);
}

void int_or_string(Writer& out, const Value& value) {
  out.integer(1, value.is_string() ? 1 : 0);
  out.integer(2, value.as_int());
  out.bytes(3, value.as_string());
}

void put(Writer& out, uint32_t number, const Value& value, const Schema& schema) {
  switch (schema.type) {
    case Type::kBool: return out.boolean(number, value.as_bool());
    case Type::kInt32:
    case Type::kInt64: return out.integer(number, value.as_int());
    case Type::kDouble: return out.number(number, value.as_double());
    case Type::kString: return out.bytes(number, value.as_string());
    case Type::kBytes: {
      auto raw = unbase64(value.as_string());
      return out.bytes(number, raw ? *raw : "");
    }
    case Type::kObject: return out.message(number, [&](Writer& inner) { message(inner, value, schema); });
    case Type::kTime:
    case Type::kMicroTime: return out.message(number, [&](Writer& inner) { time(inner, value); });
    case Type::kIntOrString: return out.message(number, [&](Writer& inner) { int_or_string(inner, value); });
    case Type::kQuantity: return out.message(number, [&](Writer& inner) { inner.bytes(1, value.as_string()); });
    case Type::kAny:
    case Type::kFields: return out.message(number, [&](Writer& inner) { inner.bytes(1, codec::to_json(value)); });
    case Type::kArray:
      for (const Value& item : value.items()) put(out, number, item, *schema.element);
      return;
    case Type::kMap:
      for (const auto& member : value.members())
        out.message(number, [&](Writer& entry) {
          entry.bytes(1, member.key);
          put(entry, 2, member.value, *schema.element);
        });
      return;
  }
}

void message(Writer& out, const Value& object, const Schema& schema) {
  std::map<uint32_t, Writer> inlined;
  for (const Field& field : schema.fields) {
    const Value* value = object.find(field.name);
    if (!value || value->is_null() || field.number == 0) continue;
    if (field.inner) put(inlined[field.number], field.inner, *value, *field.schema);
    else put(out, field.number, *value, *field.schema);
  }
  for (const auto& [number, inner] : inlined) out.bytes(number, inner.text());
}

}  // namespace

std::string encode_message(const Value& object, const Schema& schema) {
  Writer out;
  message(out, object, schema);
  return out.take();
}

std::string encode_protobuf(const Value& object, const KindInfo& kind) {
  Writer out;
  out.message(1, [&](Writer& type) {
    type.bytes(1, object["apiVersion"].as_string(kind.api_version));
    type.bytes(2, object["kind"].as_string(kind.kind));
  });
  out.message(2, [&](Writer& raw) { message(raw, object, *kind.schema); });
  out.bytes(3, "");
  out.bytes(4, "");
  return std::string(kProtobufMagic) + out.text();
}

}  // namespace kobuk::api
