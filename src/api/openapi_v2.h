// OpenAPI 2.0 of all that is served, in one document: kubectl checks the items of a List and of kinds that it does not know
// with it, and client generators read it.
//
//   std::string json = openapi_v2_document(kinds, served);  // a megabyte: keep it
//   std::string bytes = *openapi_v2_protobuf(json);          // what client-go asks for
#pragma once

#include <string>
#include <string_view>

#include "api/discovery.h"
#include "api/schema.h"
#include "base/result.h"

namespace kobuk::api {

std::string openapi_v2_document(const KindRegistry& kinds, const Served& served);

// The media type of a gnostic openapi.v2.Document, as it is answered: clients ask with "v2@v1.0", which Go can not parse.
inline constexpr std::string_view kOpenApiV2Protobuf = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
// `document`: what openapi_v2_document() has written. kInvalid when it is no JSON.
Result<std::string> openapi_v2_protobuf(std::string_view document);

}  // namespace kobuk::api
