// OCI distribution-spec 1.1; paths, headers and error codes as the spec's tables name them (end-1 … end-13).
#include "image/registry_server.h"

#include <algorithm>

#include "codec/json.h"
#include "image/file_source.h"
#include "image/reference.h"
#include "image/registry_storage.h"
#include "image/registry_upload.h"

namespace kobuk::image {

using io::http::Request;
using io::http::Response;

Response registry_error(int status, std::string_view code, std::string_view message) {
  std::string body = cat("{\"errors\":[{\"code\":\"", code, "\",\"message\":");
  codec::append_json_string(body, message);
  return io::http::json_response(status, body + "}]}\n");
}

Response registry_error(const Error& error, std::string_view not_found_code) {
  switch (error.code()) {
    case Code::kNotFound: return registry_error(404, not_found_code, error.message());
    case Code::kDataLoss: return registry_error(400, "DIGEST_INVALID", error.message());
    case Code::kTooLarge: return registry_error(413, "SIZE_INVALID", error.message());
    case Code::kResourceExhausted: return registry_error(507, "UNAVAILABLE", error.message());
    case Code::kInvalid:
    case Code::kUnsupported: return registry_error(400, "UNSUPPORTED", error.message());
    default: return registry_error(500, "UNKNOWN", error.message());
  }
}

namespace {

constexpr size_t kDefaultPage = 100, kMaxPage = 10'000;

struct Range {
  uint64_t start = 0, length = 0;
  bool whole = true;
};

// RFC 9110 §14.2: one range; several, or what is malformed, are as if none had been asked for. nullopt: not satisfiable.
std::optional<Range> parse_range(std::string_view header, uint64_t size) {
  Range all{0, size, true};
  if (!header.starts_with("bytes=") || header.contains(',')) return all;
  header.remove_prefix(6);
  size_t dash = header.find('-');
  if (dash == std::string_view::npos) return all;
  auto first = parse_uint(header.substr(0, dash)), last = parse_uint(header.substr(dash + 1));
  if (dash == 0) {
    if (!last) return all;
    if (*last == 0 || size == 0) return std::nullopt;
    uint64_t length = std::min(*last, size);
    return Range{size - length, length, false};
  }
  if (!first || (!last && dash + 1 < header.size()) || (last && *last < *first)) return all;
  if (*first >= size) return std::nullopt;
  uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return Range{*first, end - *first + 1, false};
}

std::string strings_json(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) {
    if (out.size() > 1) out += ',';
    codec::append_json_string(out, text);
  }
  return out + "]";
}

}  // namespace

Result<std::unique_ptr<RegistryServer>> RegistryServer::open(io::Loop& loop, std::string directory) {
  KOBUK_TRY(auto storage, RegistryStorage::open(std::move(directory)));
  return std::unique_ptr<RegistryServer>(new RegistryServer(loop, std::move(storage)));
}
RegistryServer::RegistryServer(io::Loop& loop, std::shared_ptr<RegistryStorage> storage) : loop_(loop), storage_(std::move(storage)) {}
RegistryServer::~RegistryServer() = default;

// /v2/<name>/<kind>/<rest>: a name may hold any of the words, so the kind is looked for from the end.
Result<RegistryServer::Route> RegistryServer::find_route(std::string_view path) {
  Route out;
  if (path == "/v2/" || path == "/v2") return out;
  if (!path.starts_with("/v2/")) return fail(Code::kNotFound, "404 page not found");
  path.remove_prefix(4);
  if (path == "_catalog") {
    out.kind = Route::kCatalog;
    return out;
  }
  size_t cut = std::string_view::npos;
  size_t uploads = path.rfind("/blobs/uploads/"), last = path.rfind('/'), kind = last == 0 || last == std::string_view::npos ? std::string_view::npos : path.rfind('/', last - 1);
  if (uploads != std::string_view::npos && !path.substr(uploads + 15).contains('/')) {
    out.kind = uploads + 15 == path.size() ? Route::kUploads : Route::kUpload;
    out.rest = path.substr(uploads + 15);
    cut = uploads;
  } else if (path.ends_with("/blobs/uploads")) {
    out.kind = Route::kUploads;
    cut = path.size() - 14;
  } else if (kind != std::string_view::npos) {
    std::string_view word = path.substr(kind + 1, last - kind - 1);
    out.rest = path.substr(last + 1);
    cut = kind;
    if (word == "blobs") out.kind = Route::kBlob;
    else if (word == "manifests") out.kind = Route::kManifest;
    else if (word == "referrers") out.kind = Route::kReferrers;
    else if (word == "tags" && out.rest == "list") out.kind = Route::kTags;
    else cut = std::string_view::npos;
  }
  if (cut == std::string_view::npos) return fail(Code::kNotFound, "404 page not found");
  out.name = path.substr(0, cut);
  if (!valid_repository(out.name)) return fail(Code::kInvalid, "invalid repository name");
  return out;
}

io::Task<Response> RegistryServer::handle(Request request) {
  auto path = io::http::percent_decode(request.path());
  auto route = path ? find_route(*path) : Result<Route>(fail(Code::kInvalid, "malformed path"));
  Response out;
  if (!route) {
    bool name = route.error().code() == Code::kInvalid;
    out = registry_error(name ? 400 : 404, name ? "NAME_INVALID" : "NOT_FOUND", route.error().message());
  } else {
    const std::string& method = request.method;
    bool get = method == "GET" || method == "HEAD";
    Route::Kind kind = route->kind;
    if (kind == Route::kBase && get) out = io::http::json_response(200, "{}");
    else if (kind == Route::kCatalog && get) out = co_await list(std::move(request), *route);
    else if (kind == Route::kTags && get) out = co_await list(std::move(request), *route);
    else if (kind == Route::kReferrers && get) out = co_await referrers(std::move(request), *route);
    else if (kind == Route::kBlob && get) out = co_await get_blob(std::move(request), *route);
    else if (kind == Route::kBlob && method == "DELETE") out = co_await delete_blob(*route);
    else if (kind == Route::kUploads && method == "POST") out = co_await begin_upload(std::move(request), *route);
    else if (kind == Route::kUpload) out = co_await use_upload(std::move(request), *route);
    else if (kind == Route::kManifest && get) out = co_await get_manifest(*route);
    else if (kind == Route::kManifest && method == "PUT") out = co_await put_manifest(std::move(request), *route);
    else if (kind == Route::kManifest && method == "DELETE") out = co_await delete_manifest(*route);
    else out = registry_error(405, "UNSUPPORTED", "The operation is unsupported.");
  }
  out.headers.set("Docker-Distribution-Api-Version", "registry/2.0");
  co_return out;
}

io::Task<Response> RegistryServer::get_blob(Request request, Route route) {
  auto digest = codec::Digest::parse(route.rest);
  if (!digest) co_return registry_error(400, "DIGEST_INVALID", digest.error().message());
  auto look = [storage = storage_, route, digest = *digest] { return storage->blob(route.name, digest); };
  auto size = co_await loop_.offload("registry blob", look);
  if (!size) co_return registry_error(size.error(), "BLOB_UNKNOWN");
  auto range = parse_range(request.headers.get("Range"), static_cast<uint64_t>(*size));
  Response out;
  out.headers.set("Docker-Content-Digest", digest->text());
  out.headers.set("ETag", cat('"', digest->text(), '"'));
  out.headers.set("Accept-Ranges", "bytes");
  if (!range) {
    out = registry_error(416, "SIZE_INVALID", "the range lies outside of the blob");
    out.headers.set("Content-Range", cat("bytes */", *size));
    co_return out;
  }
  out.headers.set("Content-Type", "application/octet-stream");
  if (!range->whole) {
    out.status = 206;
    out.headers.set("Content-Range", cat("bytes ", range->start, '-', range->start + range->length - 1, '/', *size));
  }
  auto source = open_file_source(loop_, storage_->blobs().path(*digest), range->start, range->length);
  if (!source) co_return registry_error(source.error(), "BLOB_UNKNOWN");
  out.body = io::http::Body(*std::move(source), range->length);
  co_return out;
}

io::Task<Response> RegistryServer::delete_blob(Route route) {
  auto digest = codec::Digest::parse(route.rest);
  if (!digest) co_return registry_error(400, "DIGEST_INVALID", digest.error().message());
  auto work = [storage = storage_, route, digest = *digest] { return storage->delete_blob(route.name, digest); };
  auto done = co_await loop_.offload("registry blob", work);
  if (!done) co_return registry_error(done.error(), "BLOB_UNKNOWN");
  Response out;
  out.status = 202;
  co_return out;
}

io::Task<Response> RegistryServer::get_manifest(Route route) {
  auto work = [storage = storage_, route] { return storage->manifest(route.name, route.rest); };
  auto manifest = co_await loop_.offload("registry manifest", work);
  if (!manifest && !storage_->has_repository(route.name)) {
    co_return registry_error(404, "NAME_UNKNOWN", "repository name not known to registry");
  }
  if (!manifest) co_return registry_error(manifest.error(), "MANIFEST_UNKNOWN");
  Response out = io::http::text_response(200, std::move(manifest->bytes), manifest->media_type);
  out.headers.set("Docker-Content-Digest", manifest->digest.text());
  out.headers.set("ETag", cat('"', manifest->digest.text(), '"'));
  co_return out;
}

// Whether everything a manifest names is there, as the spec lets a registry demand.
static Result<void> check_parts(RegistryStorage& storage, const std::string& repository, const Content& content) {
  if (content.index) {
    for (const Descriptor& entry : content.index->manifests) {
      if (!storage.has_manifest(repository, entry.digest)) return fail(Code::kNotFound, "manifest unknown: ", entry.digest.text());
    }
    return {};
  }
  std::vector<Descriptor> parts = content.manifest->layers;
  parts.push_back(content.manifest->config);
  for (const Descriptor& part : parts) {
    bool elsewhere = part.media_type.contains("nondistributable") || part.media_type.contains("foreign");
    if (!elsewhere && !storage.blob(repository, part.digest)) return fail(Code::kNotFound, "blob unknown to registry: ", part.digest.text());
  }
  return {};
}

io::Task<Response> RegistryServer::put_manifest(Request request, Route route) {
  auto bytes = co_await request.body.read_all(kMaxManifest);
  if (!bytes) co_return registry_error(bytes.error().code() == Code::kTooLarge ? 413 : 400, "MANIFEST_INVALID", bytes.error().message());
  bool by_digest = route.rest.contains(':');
  if (!by_digest && !valid_tag(route.rest)) co_return registry_error(400, "TAG_INVALID", "invalid tag name");
  codec::Digest digest = codec::Digest::of(*bytes);
  if (by_digest && route.rest != digest.text()) co_return registry_error(400, "DIGEST_INVALID", "provided digest did not match uploaded content");
  std::string type(trim(request.headers.get("Content-Type").substr(0, request.headers.get("Content-Type").find(';'))));
  auto content = parse_content(*bytes, type);
  if (!content) co_return registry_error(400, "MANIFEST_INVALID", content.error().message());
  const std::string& own = content->manifest ? content->manifest->media_type : content->index->media_type;
  if (type.empty() || type == "application/json") type = own;
  if (type != own) co_return registry_error(400, "MANIFEST_INVALID", cat("the Content-Type is ", type, ", the manifest says ", own));
  auto work = [storage = storage_, route, by_digest, type, bytes = *bytes, content = *content]() -> Result<codec::Digest> {
    KOBUK_CHECK(check_parts(*storage, route.name, content));
    return storage->put_manifest(route.name, by_digest ? "" : route.rest, type, bytes, content);
  };
  auto stored = co_await loop_.offload("registry manifest", work);
  if (!stored) co_return registry_error(stored.error(), "MANIFEST_BLOB_UNKNOWN");
  Response out;
  out.status = 201;
  out.headers.set("Location", cat("/v2/", route.name, "/manifests/", digest.text()));
  out.headers.set("Docker-Content-Digest", digest.text());
  const auto& subject = content->manifest ? content->manifest->subject : content->index->subject;
  if (subject) out.headers.set("OCI-Subject", subject->digest.text());
  co_return out;
}

io::Task<Response> RegistryServer::delete_manifest(Route route) {
  auto work = [storage = storage_, route] { return storage->delete_manifest(route.name, route.rest); };
  auto done = co_await loop_.offload("registry manifest", work);
  if (!done) co_return registry_error(done.error(), "MANIFEST_UNKNOWN");
  Response out;
  out.status = 202;
  co_return out;
}

io::Task<Response> RegistryServer::list(Request request, Route route) {
  bool catalog = route.kind == Route::kCatalog;
  auto work = [storage = storage_, route, catalog] { return catalog ? storage->repositories() : storage->tags(route.name); };
  auto all = co_await loop_.offload("registry list", work);
  if (!all) co_return registry_error(all.error(), "NAME_UNKNOWN");
  auto query = io::http::parse_query(request.query());
  if (!query) co_return registry_error(400, "PAGINATION_NUMBER_INVALID", query.error().message());
  size_t count = catalog ? kDefaultPage : kMaxPage;
  if (io::http::query_has(*query, "n")) {
    auto n = parse_uint(io::http::query_value(*query, "n"));
    if (!n) co_return registry_error(400, "PAGINATION_NUMBER_INVALID", "invalid number of results requested");
    count = static_cast<size_t>(std::min<uint64_t>(*n, kMaxPage));
  }
  std::string after(io::http::query_value(*query, "last"));
  auto first = after.empty() ? all->begin() : std::upper_bound(all->begin(), all->end(), after);
  std::vector<std::string> page(first, first + static_cast<ptrdiff_t>(std::min<size_t>(count, static_cast<size_t>(all->end() - first))));
  std::string body = catalog ? cat("{\"repositories\":", strings_json(page), "}")
                             : cat("{\"name\":\"", route.name, "\",\"tags\":", strings_json(page), "}");
  Response out = io::http::json_response(200, body + "\n");
  bool more = !page.empty() && first + static_cast<ptrdiff_t>(page.size()) != all->end();
  if (more) {
    std::string path = catalog ? "/v2/_catalog" : cat("/v2/", route.name, "/tags/list");
    out.headers.set("Link", cat('<', path, "?last=", io::http::percent_encode(page.back()), "&n=", count, ">; rel=\"next\""));
  }
  co_return out;
}

io::Task<Response> RegistryServer::referrers(Request request, Route route) {
  auto subject = codec::Digest::parse(route.rest);
  if (!subject) co_return registry_error(400, "DIGEST_INVALID", subject.error().message());
  auto work = [storage = storage_, route, subject = *subject] { return storage->referrers(route.name, subject); };
  auto all = co_await loop_.offload("registry list", work);
  if (!all) co_return registry_error(all.error(), "NAME_UNKNOWN");
  auto query = io::http::parse_query(request.query());
  std::string wanted(query ? io::http::query_value(*query, "artifactType") : "");
  std::string entries;
  for (const std::string& descriptor : *all) {
    auto document = codec::parse_json(descriptor);
    if (!document || (!wanted.empty() && document->root["artifactType"].as_string() != wanted)) continue;
    cat_to(entries, entries.empty() ? "" : ",", descriptor);
  }
  Response out = io::http::text_response(200, cat("{\"schemaVersion\":2,\"mediaType\":\"", media::kOciIndex, "\",\"manifests\":[", entries, "]}"), media::kOciIndex);
  if (!wanted.empty()) out.headers.set("OCI-Filters-Applied", "artifactType");
  co_return out;
}

}  // namespace kobuk::image
