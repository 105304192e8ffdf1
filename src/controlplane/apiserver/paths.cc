// What is no resource: version, discovery, OpenAPI.
#include "api/openapi.h"
#include "api/openapi_v2.h"
#include "api/version.h"
#include "base/strings.h"
#include "codec/digest.h"
#include "controlplane/apiserver/handlers.h"

namespace kobuk::controlplane::apiserver {
namespace {

using io::http::Response;

std::string version_info() {
  return cat(R"({"major":"1","minor":"36","emulationMajor":"1","emulationMinor":"36","minCompatibilityMajor":"1","minCompatibilityMinor":"35",)",
             R"("gitVersion":")", api::kKubernetesVersion,
             R"(","gitCommit":"","gitTreeState":"clean","buildDate":"1970-01-01T00:00:00Z","goVersion":"","compiler":"clang",)",
             R"("platform":"linux/amd64"})");
}

Response tagged(const Call& call, std::string body, std::string_view type) {
  std::string tag = cat("\"", codec::Digest::of(body).hex().substr(0, 40), "\"");
  Response out;
  out.headers.set("ETag", tag);
  out.headers.set("Vary", "Accept");
  out.headers.set("Content-Type", type);
  if (call.request.headers.get("If-None-Match") == tag) {
    out.status = 304;
    return out;
  }
  out.body = io::http::Body(std::move(body));
  return out;
}

std::optional<Response> discovery(const Core& core, const Call& call, std::string_view path) {
  bool aggregated = call.accepted.shape == Shape::kAggregatedDiscovery;
  auto json = [&](std::optional<std::string> body) -> std::optional<Response> {
    if (!body) return std::nullopt;
    return io::http::json_response(200, *std::move(body));
  };
  if (path == "/api") {
    if (aggregated) return tagged(call, core.discovery.aggregated(true), call.accepted.content_type);
    return json(core.discovery.api_versions(cat(core.options.advertise_address, ":", core.options.secure_port)));
  }
  if (path == "/apis") {
    if (aggregated) return tagged(call, core.discovery.aggregated(false), call.accepted.content_type);
    return json(core.discovery.groups());
  }
  auto parts = split(path.substr(1), '/');
  if (parts.size() == 2 && parts[0] == "api") return json(core.discovery.resources("", parts[1]));
  if (parts.size() == 2 && parts[0] == "apis") return json(core.discovery.group(parts[1]));
  if (parts.size() == 3 && parts[0] == "apis") return json(core.discovery.resources(parts[1], parts[2]));
  return std::nullopt;
}

// The document of that name, made when it is first asked for and kept: some hundred KB each. Null when there is none.
template <class Make>
const OpenApiDocument* document(const Core& core, std::string_view name, Make make) {
  auto& documents = core.openapi_documents;
  if (auto found = documents.find(name); found != documents.end()) return &found->second;
  std::optional<std::string> made = make();
  if (!made) return nullptr;
  std::string hash(codec::Digest::of(*made).hex());
  return &documents.emplace(std::string(name), OpenApiDocument{share(*std::move(made)), hash}).first->second;
}

Response document_response(const Call& call, const OpenApiDocument& document, std::string_view type) {
  Response out;
  std::string tag = cat("\"", document.hash, "\"");
  out.headers.set("Vary", "Accept");
  out.headers.set("ETag", tag);
  out.headers.set("Content-Type", type);
  if (call.request.headers.get("If-None-Match") == tag) out.status = 304;
  else out.body.add(document.bytes);
  return out;
}

std::optional<Response> openapi_v2(const Core& core, const Call& call) {
  auto json = document(core, "v2", [] { return std::optional(api::openapi_v2_document(api::builtin_kinds(), is_served)); });
  bool protobuf = call.request.headers.get("Accept").find("proto-openapi.spec.v2") != std::string_view::npos;
  if (!protobuf) return document_response(call, *json, "application/json");
  auto bytes = document(core, "v2 protobuf", [&]() -> std::optional<std::string> {
    auto made = api::openapi_v2_protobuf(*json->bytes);
    return made ? std::optional(*std::move(made)) : std::nullopt;
  });
  if (bytes == nullptr) return std::nullopt;
  return document_response(call, *bytes, api::kOpenApiV2Protobuf);
}

std::optional<Response> openapi_v3(const Core& core, const Call& call, std::string_view path) {
  auto of = [&](std::string_view version) {
    return document(core, version, [&] { return api::openapi_document(api::builtin_kinds(), is_served, version); });
  };
  if (path.empty() || path == "/") {
    std::vector<std::pair<std::string, std::string>> hashes;
    for (const std::string& one : api::openapi_paths(api::builtin_kinds(), is_served)) hashes.emplace_back(one, of(one)->hash);
    return tagged(call, api::openapi_index(hashes), "application/json");
  }
  const OpenApiDocument* found = of(path.substr(1));
  if (!found) return std::nullopt;
  std::string_view hash = call.option("hash");
  if (!hash.empty() && hash != found->hash) {
    Response moved;
    moved.status = 301;
    moved.headers.set("Vary", "Accept");
    moved.headers.set("Location", cat("/openapi/v3", path, "?hash=", found->hash));
    return moved;
  }
  Response out = document_response(call, *found, "application/json");
  if (!hash.empty()) out.headers.set("Cache-Control", "public, immutable");
  return out;
}

std::string without_trailing_slash(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

}  // namespace

std::optional<Response> handle_path(Core& core, Call& call) {
  std::string path = without_trailing_slash(call.info.path);
  if (path == "/version") return io::http::json_response(200, version_info());
  if (path == "/openapi/v2") return openapi_v2(core, call);
  constexpr std::string_view kOpenApi = "/openapi/v3";
  if (path.starts_with(kOpenApi)) return openapi_v3(core, call, std::string_view(path).substr(kOpenApi.size()));
  if (path == "/") return io::http::json_response(200, R"({"paths":["/api","/api/v1","/apis","/healthz","/livez","/openapi/v2","/openapi/v3","/readyz","/version"]})");
  return discovery(core, call, path);
}

io::Task<Answer<Response>> list_custom_kinds(Core& core, Call&) {
  co_return io::http::json_response(200, cat(R"({"kind":"CustomResourceDefinitionList","apiVersion":"apiextensions.k8s.io/v1",)",
                                             R"("metadata":{"resourceVersion":")", core.store.revision(), R"("},"items":[]})"));
}

}  // namespace kobuk::controlplane::apiserver
