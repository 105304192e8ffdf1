// OCI distribution-spec 1.1, "Pushing Blobs": in one piece, in chunks, and mounted from another repository.
#include "image/registry_upload.h"

#include "base/random.h"
#include "image/reference.h"
#include "image/registry_storage.h"

namespace kobuk::image {

using io::http::Request;
using io::http::Response;

namespace {

constexpr size_t kMaxUploads = 1000;
constexpr auto kIdleUpload = std::chrono::hours(1);
constexpr size_t kBatch = 1 << 20;

std::string location_of(const std::string& repository, const std::string& id) { return cat("/v2/", repository, "/blobs/uploads/", id); }
std::string range_of(int64_t size) { return cat("0-", size > 0 ? size - 1 : 0); }

Response stored_response(const std::string& repository, const codec::Digest& digest) {
  Response out;
  out.status = 201;
  out.headers.set("Location", cat("/v2/", repository, "/blobs/", digest.text()));
  out.headers.set("Docker-Content-Digest", digest.text());
  return out;
}

// "start-end" or "bytes start-end/…", of a chunk.
std::optional<int64_t> chunk_start(std::string_view header) {
  if (header.starts_with("bytes ")) header.remove_prefix(6);
  return parse_int(header.substr(0, header.find('-')));
}

}  // namespace

void RegistryServer::drop_idle_uploads() {
  std::erase_if(uploads_, [&](const auto& entry) { return !entry.second->busy && loop_.mono() - entry.second->used > kIdleUpload; });
}

io::Task<Response> RegistryServer::begin_upload(Request request, Route route) {
  auto query = io::http::parse_query(request.query());
  if (!query) co_return registry_error(400, "UNSUPPORTED", query.error().message());
  std::string mount(io::http::query_value(*query, "mount")), from(io::http::query_value(*query, "from"));
  auto mounted = codec::Digest::parse(mount);
  if (mounted && valid_repository(from)) {
    auto work = [storage = storage_, route, digest = *mounted, from] { return storage->mount_blob(route.name, digest, from); };
    auto done = co_await loop_.offload("registry mount", work);
    if (done && *done) co_return stored_response(route.name, *mounted);
  }
  drop_idle_uploads();
  if (uploads_.size() >= kMaxUploads) co_return registry_error(503, "UNAVAILABLE", "too many uploads at a time");
  auto open = [storage = storage_] { return storage->blobs().writer(); };
  auto writer = co_await loop_.offload("registry upload", open);
  if (!writer) co_return registry_error(writer.error(), "BLOB_UPLOAD_UNKNOWN");
  auto upload = std::make_shared<Upload>();
  upload->id = random_uuid();
  upload->repository = route.name;
  upload->used = loop_.mono();
  upload->writer = *std::move(writer);
  uploads_[upload->id] = upload;
  if (io::http::query_has(*query, "digest")) {  // all of it in this one request
    Response whole = co_await finish_upload(&request, route, upload);
    uploads_.erase(upload->id);
    co_return whole;
  }
  Response out;
  out.status = 202;
  out.headers.set("Location", location_of(route.name, upload->id));
  out.headers.set("Docker-Upload-UUID", upload->id);
  out.headers.set("Range", "0-0");
  co_return out;
}

// The request's body, behind what the upload has.
io::Task<Result<void>> RegistryServer::receive(Request* request, std::shared_ptr<Upload> upload) {
  while (true) {
    std::string batch;
    bool ended = false;
    std::optional<Error> broken;
    while (batch.size() < kBatch && !ended && !broken) {
      auto piece = co_await request->body.next();
      if (!piece) broken = std::move(piece).error();
      else if (piece->empty()) ended = true;
      else batch += *piece;
    }
    // What came before the break is kept: the client asks how far it got, and goes on from there.
    if (!batch.empty()) {
      auto write = [upload, batch = std::move(batch)]() -> Result<int64_t> {
        std::lock_guard lock(upload->mutex);
        KOBUK_CHECK(upload->writer.append(batch));
        return upload->writer.size();
      };
      KOBUK_CO_TRY(upload->size, co_await loop_.offload("registry upload", std::move(write)));
      upload->used = loop_.mono();
    }
    if (broken) co_return fail(*std::move(broken));
    if (ended) co_return Result<void>();
  }
}

io::Task<Response> RegistryServer::finish_upload(Request* request, Route route, std::shared_ptr<Upload> upload) {
  auto query = io::http::parse_query(request->query());
  auto digest = codec::Digest::parse(query ? io::http::query_value(*query, "digest") : "");
  if (!digest) co_return registry_error(400, "DIGEST_INVALID", digest.error().message());
  if (digest->algorithm() != codec::HashAlgorithm::kSha256) co_return registry_error(400, "DIGEST_INVALID", "only sha256 is supported");
  auto received = co_await receive(request, upload);
  if (!received) co_return registry_error(received.error(), "BLOB_UPLOAD_UNKNOWN");
  auto commit = [storage = storage_, upload, route, digest = *digest] {
    std::lock_guard lock(upload->mutex);
    return storage->commit_blob(route.name, digest, upload->writer);
  };
  auto done = co_await loop_.offload("registry upload", commit);
  if (!done) co_return registry_error(done.error(), "BLOB_UPLOAD_UNKNOWN");
  co_return stored_response(route.name, *digest);
}

io::Task<Response> RegistryServer::use_upload(Request request, Route route) {
  auto found = uploads_.find(route.rest);
  if (found == uploads_.end() || found->second->repository != route.name) {
    co_return registry_error(404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry");
  }
  auto upload = found->second;
  Response out;
  out.headers.set("Location", location_of(route.name, upload->id));
  out.headers.set("Docker-Upload-UUID", upload->id);
  if (request.method == "GET" || request.method == "HEAD") {
    out.status = 204;
    out.headers.set("Range", range_of(upload->size));
    co_return out;
  }
  if (upload->busy) co_return registry_error(409, "BLOB_UPLOAD_INVALID", "another request is at this upload");
  if (request.method == "DELETE") {
    uploads_.erase(upload->id);
    out.status = 204;
    co_return out;
  }
  if (request.method != "PATCH" && request.method != "PUT") co_return registry_error(405, "UNSUPPORTED", "The operation is unsupported.");
  std::string_view range = request.headers.get("Content-Range");
  if (!range.empty() && chunk_start(range) != upload->size) {
    out = registry_error(416, "BLOB_UPLOAD_INVALID", "the chunk does not follow what was received");
    out.headers.set("Location", location_of(route.name, upload->id));
    out.headers.set("Range", range_of(upload->size));
    co_return out;
  }
  struct Busy {
    Upload& upload;
    explicit Busy(Upload& u) : upload(u) { upload.busy = true; }
    ~Busy() { upload.busy = false; }
  } busy(*upload);
  if (request.method == "PUT") {
    out = co_await finish_upload(&request, route, upload);
    uploads_.erase(upload->id);
    co_return out;
  }
  auto received = co_await receive(&request, upload);
  if (!received) co_return registry_error(received.error(), "BLOB_UPLOAD_UNKNOWN");
  out.status = 202;
  out.headers.set("Range", range_of(upload->size));
  co_return out;
}

}  // namespace kobuk::image
