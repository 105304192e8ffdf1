// What is no resource: version, discovery, OpenAPI.
#include "api/openapi.h"
#include "base/strings.h"
#include "codec/digest.h"
#include "controlplane/apiserver/handlers.h"

namespace kobuk::controlplane::apiserver {
namespace {

using io::http::Response;

constexpr std::string_view kVersion =
    R"({"major":"1","minor":"36","emulationMajor":"1","emulationMinor":"36","minCompatibilityMajor":"1","minCompatibilityMinor":"35",)"
    R"("gitVersion":"v1.36.2","gitCommit":"","gitTreeState":"clean","buildDate":"1970-01-01T00:00:00Z","goVersion":"","compiler":"clang",)"
    R"("platform":"linux/amd64"})";

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

// Documents are made when they are first asked for and kept: some hundred KB each.
std::optional<Response> openapi(const Core& core, const Call& call, std::string_view path) {
  auto& documents = core.openapi_documents;
  auto document = [&](std::string_view of) -> const OpenApiDocument* {
    auto found = documents.find(of);
    if (found != documents.end()) return &found->second;
    auto made = api::openapi_document(api::builtin_kinds(), is_served, of);
    if (!made) return nullptr;
    std::string hash(codec::Digest::of(*made).hex());
    return &documents.emplace(std::string(of), OpenApiDocument{share(*std::move(made)), hash}).first->second;
  };
  if (path.empty() || path == "/") {
    std::vector<std::pair<std::string, std::string>> hashes;
    for (const std::string& one : api::openapi_paths(api::builtin_kinds(), is_served)) hashes.emplace_back(one, document(one)->hash);
    return tagged(call, api::openapi_index(hashes), "application/json");
  }
  const OpenApiDocument* found = document(path.substr(1));
  if (!found) return std::nullopt;
  Response out;
  std::string tag = cat("\"", found->hash, "\"");
  std::string_view hash = call.option("hash");
  out.headers.set("Vary", "Accept");
  if (!hash.empty() && hash != found->hash) {
    out.status = 301;
    out.headers.set("Location", cat("/openapi/v3", path, "?hash=", found->hash));
    return out;
  }
  out.headers.set("ETag", tag);
  out.headers.set("Content-Type", "application/json");
  if (!hash.empty()) out.headers.set("Cache-Control", "public, immutable");
  if (call.request.headers.get("If-None-Match") == tag) out.status = 304;
  else out.body.add(found->json);
  return out;
}

std::string without_trailing_slash(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  return std::string(path);
}

}  // namespace

std::optional<Response> handle_path(Core& core, Call& call) {
  std::string path = without_trailing_slash(call.info.path);
  if (path == "/version") return io::http::json_response(200, std::string(kVersion));
  constexpr std::string_view kOpenApi = "/openapi/v3";
  if (path.starts_with(kOpenApi)) return openapi(core, call, std::string_view(path).substr(kOpenApi.size()));
  if (path == "/") return io::http::json_response(200, R"({"paths":["/api","/api/v1","/apis","/healthz","/livez","/openapi/v3","/readyz","/version"]})");
  return discovery(core, call, path);
}

}  // namespace kobuk::controlplane::apiserver
