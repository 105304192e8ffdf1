// Generated structs (api/types.h) to JSON and back. Table driven: the generator writes data, the code is here once.
//
//   KOBUK_TRY(auto pod, api::from_json<api::core::v1::Pod>(text));
//   pod.spec.node_name = "n1";
//   std::string text = api::to_json(pod);
//
// Decoding: unknown members are skipped, null is absent, a missing member leaves the field as it was. Errors: kInvalid
// with Go's text ("json: cannot unmarshal string into Go struct field PodSpec.spec.priority of type int32").
// Encoding leaves out what is empty (see schemas/README.md), writes apiVersion and kind of kinds, bytes as base64.
// Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

struct StructTable;

// How a list of structs is reached without knowing the struct.
struct ListAccess {
  void* (*resize)(void* list, size_t count);  // returns the first element
  const void* (*data)(const void* list, size_t* count);
  size_t element_size;
};
// The same for Opt<T> and for T itself.
struct OptAccess {
  void* (*emplace)(void* opt);
  const void* (*get)(const void* opt);
};

enum class Storage : uint8_t {
  kString,        // std::string
  kBytes,         // std::string of raw bytes, base64 in JSON
  kJson,          // std::string of compact JSON
  kBool,
  kInt32,
  kInt64,
  kDouble,
  kOptBool,       // std::optional<bool> …
  kOptInt32,
  kOptInt64,
  kOptDouble,
  kIntOrString,
  kOptIntOrString,
  kStruct,        // T
  kOptStruct,     // Opt<T>
  kStringList,    // std::vector<std::string>
  kJsonList,      // the same, each compact JSON
  kInt32List,
  kInt64List,
  kStructList,    // std::vector<T>
  kStringMap,     // std::map<std::string, std::string>
  kBytesMap,
  kJsonMap,
};

struct StructField {
  std::string_view name;  // in JSON
  uint32_t offset;
  Storage storage;
  bool always;                    // written even when zero
  const StructTable* table;       // of structs
  union {
    const void* none;
    const ListAccess* list;
    const OptAccess* opt;
  };
};

struct StructTable {
  std::string_view name;         // of the type: "PodSpec"
  std::string_view api_version;  // of kinds, else empty
  std::string_view kind;
  std::span<const StructField> fields;
};

Result<void> decode_struct(const codec::Value& value, const StructTable& table, void* out);
Result<void> decode_struct_json(std::string_view json, const StructTable& table, void* out);
void encode_struct(std::string& out, const StructTable& table, const void* in);

template <class T>
Result<void> decode(const codec::Value& value, T& out) {
  return decode_struct(value, T::kTable, &out);
}
template <class T>
Result<T> from_value(const codec::Value& value) {
  T out;
  KOBUK_CHECK(decode_struct(value, T::kTable, &out));
  return out;
}
template <class T>
Result<T> from_json(std::string_view json) {
  T out;
  KOBUK_CHECK(decode_struct_json(json, T::kTable, &out));
  return out;
}
template <class T>
std::string to_json(const T& in) {
  std::string out;
  encode_struct(out, T::kTable, &in);
  return out;
}
// The struct as a value in `arena`.
codec::Value struct_to_value(codec::Arena& arena, const StructTable& table, const void* in);
template <class T>
codec::Value to_value(codec::Arena& arena, const T& in) {
  return struct_to_value(arena, T::kTable, &in);
}
// Equal when they encode alike.
template <class T>
bool equal(const T& a, const T& b) {
  return to_json(a) == to_json(b);
}

}  // namespace kobuk::api
