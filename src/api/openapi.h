// OpenAPI v3 documents of what is served: kubectl apply looks for `fieldValidation` on PATCH in them, kubectl explain reads
// the schemas, client-side apply takes merge keys and strategies from them. One document a group version.
//
//   for (const std::string& path : openapi_paths(kinds, served)) …            // "api/v1", "apis/apps/v1"
//   std::string document = *openapi_document(kinds, served, "apis/apps/v1");  // some hundred KB: keep it
//   std::string index = openapi_index({{"apis/apps/v1", hash}, …});           // GET /openapi/v3
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/discovery.h"
#include "api/schema.h"

namespace kobuk::api {

std::vector<std::string> openapi_paths(const KindRegistry& kinds, const Served& served);
// Nothing when no kind is served under that path.
std::optional<std::string> openapi_document(const KindRegistry& kinds, const Served& served, std::string_view path);
// `hashes`: path and hash of the document; the hash becomes part of its URL, so that clients may keep it for ever.
std::string openapi_index(const std::vector<std::pair<std::string, std::string>>& hashes);

}  // namespace kobuk::api
