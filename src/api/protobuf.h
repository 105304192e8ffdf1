// Kubernetes' protobuf form of objects: an envelope ("k8s\0" and a runtime.Unknown) around a message whose field numbers
// the schema knows. Typed clients send it since client-go 1.32; answers may always be JSON.
//
//   KOBUK_TRY(codec::Document doc, decode_protobuf(body, builtin_kinds()));   // has apiVersion and kind
//   std::string bytes = encode_protobuf(doc.root, *kind);
//
// Errors: kInvalid for malformed input or a kind without a schema. Zero values of fields that have no presence are left
// out, so that the document reads as the JSON form would. Bounded by the input and by the schema's depth.
#pragma once

#include <string>
#include <string_view>

#include "api/schema.h"
#include "base/result.h"
#include "codec/value.h"

namespace kobuk::api {

inline constexpr std::string_view kProtobufMagic{"k8s\0", 4};

// `fallback`: the kind when the envelope names none, else nullptr.
Result<codec::Document> decode_protobuf(std::string_view bytes, const KindRegistry& kinds, const KindInfo* fallback = nullptr);
std::string encode_protobuf(const codec::Value& object, const KindInfo& kind);

// A message without envelope.
Result<codec::Value> decode_message(std::string_view bytes, const Schema& schema, codec::Arena& arena);
std::string encode_message(const codec::Value& object, const Schema& schema);

}  // namespace kobuk::api
