// OCI distribution-spec 1.1: "Pull", and "Push" with its uploads in one piece or resumed.
#include "image/registry_client.h"

#include <cerrno>

#include "image/manifest.h"
#include "image/registry_session.h"
#include "image/until_stalled.h"

namespace kobuk::image {
namespace {

constexpr int kRetries = 4;
constexpr uint64_t kMonolithicUpload = 256 << 10;  // up to here an upload is one request
constexpr std::string_view kHubDomain = "docker.io", kHubHost = "registry-1.docker.io";

bool worth_retrying(const Error& error) {
  bool passing = error.code() == Code::kUnavailable || error.code() == Code::kTimeout;
  return passing && error.system_errno() != ECONNREFUSED;
}

std::string accepted_manifests() {
  return cat(media::kOciIndex, ", ", media::kOciManifest, ", ", media::kDockerList, ", ", media::kDockerManifest, ", ", media::kDockerSchema1Signed);
}

std::string with_parameter(std::string target, std::string_view name, std::string_view value) {
  cat_to(target, target.contains('?') ? "&" : "?", name, '=', io::http::percent_encode(value));
  return target;
}

// Of an upload's "0-1023" (some say "bytes=0-1023").
std::optional<uint64_t> range_end(std::string_view range) {
  if (range.starts_with("bytes=")) range.remove_prefix(6);
  return range.starts_with("0-") ? parse_uint(range.substr(2)) : std::nullopt;
}

// Counts what goes through, so that a slow upload is told from a dead one.
class CountedSource final : public io::http::BodySource {
 public:
  CountedSource(std::unique_ptr<io::http::BodySource> source, std::shared_ptr<uint64_t> moved) : source_(std::move(source)), moved_(std::move(moved)) {}
  io::Task<Result<std::string>> next() override {
    auto piece = co_await source_->next();
    if (piece) *moved_ += piece->size();
    co_return piece;
  }

 private:
  std::unique_ptr<io::http::BodySource> source_;
  std::shared_ptr<uint64_t> moved_;
};

class RegistryRepository final : public Repository {
 public:
  RegistryRepository(std::shared_ptr<Hosts> hosts, Reference reference, std::optional<Credentials> credentials, Access access);

  const Reference& reference() const override { return reference_; }
  io::Task<Result<Fetched>> manifest(std::string tag_or_digest) override;
  io::Task<Result<BlobBody>> blob(codec::Digest digest, uint64_t offset) override;
  io::Task<Result<bool>> has_blob(codec::Digest digest) override;
  io::Task<Result<bool>> mount_blob(codec::Digest digest, std::string from_repository) override;
  io::Task<Result<void>> upload(codec::Digest digest, uint64_t size, Source source) override;
  io::Task<Result<codec::Digest>> put_manifest(std::string tag, std::string media_type, std::string bytes) override;

 private:
  struct Place {
    std::shared_ptr<Session> session;
    bool mirror = false;
  };
  Session& registry() { return *places_.back().session; }
  io::Loop& loop() { return hosts_->loop(); }
  std::string path(std::string_view rest) const { return cat("/v2/", reference_.path, '/', rest); }
  std::string path_at(const Place& place, std::string_view rest) const {
    return place.mirror ? with_parameter(path(rest), "ns", reference_.domain) : path(rest);
  }
  io::Task<Result<Fetched>> manifest_at(Place place, std::string tag_or_digest);
  io::Task<Result<BlobBody>> blob_at(Place place, codec::Digest digest, uint64_t offset);
  io::Task<Result<Url>> begin_upload();
  io::Task<Result<void>> upload_once(codec::Digest digest, uint64_t size, Source source, std::shared_ptr<Url> location);
  io::Task<Result<uint64_t>> received(std::shared_ptr<Url> location);
  io::Task<Result<void>> finish_upload(Url location, codec::Digest digest, std::function<Result<io::http::Body>()> body, std::shared_ptr<uint64_t> moved);
  io::Task<std::unexpected<Error>> push_error(io::http::Response response);

  std::shared_ptr<Hosts> hosts_;
  Reference reference_;
  std::vector<Place> places_;  // mirrors, then the registry
  size_t serving_ = 0;         // the place that gave the manifest
};

RegistryRepository::RegistryRepository(std::shared_ptr<Hosts> hosts, Reference reference, std::optional<Credentials> credentials, Access access)
    : hosts_(std::move(hosts)), reference_(std::move(reference)) {
  auto mirrors = hosts_->options().mirrors.find(reference_.domain);
  if (access == Access::kPull && mirrors != hosts_->options().mirrors.end()) {
    for (const std::string& text : mirrors->second) {
      auto url = parse_url(text.contains("://") ? text : cat("https://", text));
      if (!url) continue;
      std::string prefix = url->target;
      while (prefix.ends_with('/')) prefix.pop_back();
      places_.push_back({std::make_shared<Session>(hosts_, url->scheme, url->authority, prefix, std::nullopt), true});
    }
  }
  std::string host(reference_.domain == kHubDomain ? kHubHost : std::string_view(reference_.domain));
  places_.push_back({std::make_shared<Session>(hosts_, "", host, "", std::move(credentials)), false});
  for (const Place& place : places_) {
    place.session->add_scope(cat("repository:", reference_.path, access == Access::kPush ? ":pull,push" : ":pull"));
  }
}

io::Task<Result<Fetched>> RegistryRepository::manifest_at(Place place, std::string tag_or_digest) {
  Ask ask;
  ask.target = path_at(place, cat("manifests/", tag_or_digest));
  ask.headers.set("Accept", accepted_manifests());
  KOBUK_CO_TRY(auto response, co_await place.session->send(std::move(ask)));
  if (response.status != 200) {
    RegistryError error = co_await error_of(loop(), std::move(response), hosts_->options().patience);
    co_return fail(describe_pull_error(error, reference_));
  }
  Fetched out;
  out.media_type = response.headers.get("Content-Type");
  KOBUK_CO_TRY(out.bytes, co_await until_stalled(loop(), response.body.read_all(kMaxManifest), hosts_->options().patience, nullptr, "read the manifest"));
  out.digest = codec::Digest::of(out.bytes);
  if (tag_or_digest.contains(':')) {
    KOBUK_CO_TRY(codec::Digest asked, codec::Digest::parse(tag_or_digest));
    out.digest = codec::Digest::of(out.bytes, asked.algorithm());
    if (out.digest != asked) co_return fail(Code::kDataLoss, "manifest verification failed for digest ", asked.text());
  }
  co_return out;
}

io::Task<Result<Fetched>> RegistryRepository::manifest(std::string tag_or_digest) {
  for (size_t i = 0;; ++i) {
    bool last = i + 1 == places_.size();
    for (int attempt = 0;; ++attempt) {
      auto got = co_await manifest_at(places_[i], tag_or_digest);
      if (got) serving_ = i;
      bool again = !got && worth_retrying(got.error()) && attempt < (last ? kRetries : 0);
      if (!again && (got || last)) co_return got;
      if (!again) break;
      co_await loop().sleep(hosts_->options().backoff * (1 << attempt));
    }
  }
}

io::Task<Result<BlobBody>> RegistryRepository::blob_at(Place place, codec::Digest digest, uint64_t offset) {
  Ask ask;
  ask.target = path_at(place, cat("blobs/", digest.text()));
  if (offset > 0) ask.headers.set("Range", cat("bytes=", offset, '-'));
  KOBUK_CO_TRY(auto response, co_await place.session->send(std::move(ask)));
  if (response.status != 200 && response.status != 206) {
    RegistryError error = co_await error_of(loop(), std::move(response), hosts_->options().patience);
    co_return fail(describe_pull_error(error, reference_).context("blob ", digest.text()));
  }
  BlobBody out;
  if (response.status == 206) {
    std::string_view range = response.headers.get("Content-Range");
    if (!range.starts_with("bytes ")) co_return fail(Code::kUnavailable, "blob ", digest.text(), ": a part came without its Content-Range");
    range.remove_prefix(6);
    auto start = parse_uint(range.substr(0, range.find('-')));
    if (!start || *start > offset) co_return fail(Code::kUnavailable, "blob ", digest.text(), ": another part came than was asked for");
    out.offset = *start;
  }
  out.body = std::move(response.body);
  co_return out;
}

io::Task<Result<BlobBody>> RegistryRepository::blob(codec::Digest digest, uint64_t offset) {
  size_t first = serving_;
  auto got = co_await blob_at(places_[first], digest, offset);
  for (size_t i = first + 1; !got && i < places_.size(); ++i) got = co_await blob_at(places_[i], digest, offset);
  co_return got;
}

io::Task<std::unexpected<Error>> RegistryRepository::push_error(io::http::Response response) {
  RegistryError error = co_await error_of(loop(), std::move(response), hosts_->options().patience);
  co_return fail(describe_push_error(error, reference_));
}

io::Task<Result<bool>> RegistryRepository::has_blob(codec::Digest digest) {
  Ask ask;
  ask.method = "HEAD";
  ask.target = path(cat("blobs/", digest.text()));
  KOBUK_CO_TRY(auto response, co_await registry().send(std::move(ask)));
  if (response.status == 200) co_return true;
  if (response.status == 404) co_return false;
  auto error = co_await push_error(std::move(response));
  co_return error;
}

io::Task<Result<bool>> RegistryRepository::mount_blob(codec::Digest digest, std::string from_repository) {
  registry().add_scope(cat("repository:", from_repository, ":pull"));
  Ask ask;
  ask.method = "POST";
  ask.target = with_parameter(with_parameter(path("blobs/uploads/"), "mount", digest.text()), "from", from_repository);
  KOBUK_CO_TRY(auto response, co_await registry().send(std::move(ask)));
  if (response.status != 202) co_return response.status == 201;  // whatever else it says, an upload may still be accepted
  // The registry has begun an upload in place of the mount: given up, so that it keeps nothing.
  auto location = resolve_url(registry().base(), response.headers.get("Location"));
  if (location) {
    Ask cancel;
    cancel.method = "DELETE";
    cancel.url = location;
    auto cancelled = co_await registry().send(std::move(cancel));
  }
  co_return false;
}

io::Task<Result<Url>> RegistryRepository::begin_upload() {
  Ask ask;
  ask.method = "POST";
  ask.target = path("blobs/uploads/");
  KOBUK_CO_TRY(auto response, co_await registry().send(std::move(ask)));
  if (response.status != 202) {
    auto error = co_await push_error(std::move(response));
    co_return error;
  }
  auto location = resolve_url(registry().base(), response.headers.get("Location"));
  if (!location) co_return fail(Code::kUnavailable, "the registry began an upload without saying where");
  co_return *location;
}

// How much of a broken upload has arrived.
io::Task<Result<uint64_t>> RegistryRepository::received(std::shared_ptr<Url> location) {
  Ask ask;
  ask.url = *location;
  KOBUK_CO_TRY(auto response, co_await registry().send(std::move(ask)));
  auto end = range_end(response.headers.get("Range"));
  if (response.status != 204 || !end) co_return fail(Code::kUnavailable, "the upload is lost");
  if (auto moved = resolve_url(*location, response.headers.get("Location"))) *location = *moved;
  co_return *end == 0 ? 0 : *end + 1;  // "0-0" is what registries say for nothing
}

io::Task<Result<void>> RegistryRepository::finish_upload(Url location, codec::Digest digest, std::function<Result<io::http::Body>()> body,
                                                         std::shared_ptr<uint64_t> moved) {
  Ask ask;
  ask.method = "PUT";
  location.target = with_parameter(location.target, "digest", digest.text());
  ask.url = std::move(location);
  ask.headers.set("Content-Type", "application/octet-stream");
  ask.body = std::move(body);
  ask.moved = std::move(moved);
  KOBUK_CO_TRY(auto response, co_await registry().send(std::move(ask)));
  if (response.status == 201 || response.status == 204) co_return Result<void>();
  auto error = co_await push_error(std::move(response));
  co_return error;
}

io::Task<Result<void>> RegistryRepository::upload_once(codec::Digest digest, uint64_t size, Source source, std::shared_ptr<Url> location) {
  uint64_t offset = 0;
  if (location->authority.empty()) {
    KOBUK_CO_TRY(*location, co_await begin_upload());
  } else {
    KOBUK_CO_TRY(offset, co_await received(location));
    if (offset > size) co_return fail(Code::kUnavailable, "the upload is lost");
  }
  auto moved = std::make_shared<uint64_t>(0);
  auto body = [source, offset, size, moved]() -> Result<io::http::Body> {
    KOBUK_TRY(auto bytes, source(offset));
    return io::http::Body(std::make_unique<CountedSource>(std::move(bytes), moved), size - offset);
  };
  if (offset == 0 && size <= kMonolithicUpload) {
    auto done = co_await finish_upload(*location, digest, body, moved);
    co_return done;
  }
  if (offset < size) {
    Ask ask;
    ask.method = "PATCH";
    ask.url = *location;
    ask.headers.set("Content-Type", "application/octet-stream");
    if (offset > 0) ask.headers.set("Content-Range", cat(offset, '-', size - 1));
    ask.body = body;
    ask.moved = moved;
    KOBUK_CO_TRY(auto response, co_await registry().send(std::move(ask)));
    if (response.status != 202) {
      auto error = co_await push_error(std::move(response));
      co_return error;
    }
    if (auto next = resolve_url(*location, response.headers.get("Location"))) *location = *next;
    auto end = range_end(response.headers.get("Range"));
    if (end && *end + 1 < size) co_return fail(Code::kUnavailable, "the registry has taken ", *end + 1, " bytes of ", size);
  }
  auto done = co_await finish_upload(*location, digest, nullptr, nullptr);
  co_return done;
}

io::Task<Result<void>> RegistryRepository::upload(codec::Digest digest, uint64_t size, Source source) {
  auto location = std::make_shared<Url>();
  for (int attempt = 0;; ++attempt) {
    auto done = co_await upload_once(digest, size, source, location);
    if (done || attempt >= kRetries || !worth_retrying(done.error())) co_return done;
    // An upload that is lost, or ended with an error of the registry's, begins anew.
    if (done.error().message() == "the upload is lost" || attempt + 1 == kRetries) *location = Url();
    co_await loop().sleep(hosts_->options().backoff * (1 << attempt));
  }
}

io::Task<Result<codec::Digest>> RegistryRepository::put_manifest(std::string tag, std::string media_type, std::string bytes) {
  codec::Digest digest = codec::Digest::of(bytes);
  for (int attempt = 0;; ++attempt) {
    Ask ask;
    ask.method = "PUT";
    ask.target = path(cat("manifests/", tag));
    ask.headers.set("Content-Type", media_type);
    ask.body = [bytes]() -> Result<io::http::Body> { return io::http::Body(bytes); };
    auto response = co_await registry().send(std::move(ask));
    if (response && (response->status == 201 || response->status == 200)) co_return digest;
    Error error = response ? Error(Code::kInternal, "") : response.error();
    if (response) {
      auto said = co_await push_error(*std::move(response));
      error = std::move(said).error();
    }
    if (attempt >= kRetries || !worth_retrying(error)) co_return fail(std::move(error));
    co_await loop().sleep(hosts_->options().backoff * (1 << attempt));
  }
}

}  // namespace

struct Registries::State {
  std::shared_ptr<Hosts> hosts;
};
Registries::Registries(io::Loop& loop, RegistryOptions options)
    : state_(std::make_shared<State>(std::make_shared<Hosts>(loop, std::move(options)))) {}
Registries::~Registries() = default;

std::shared_ptr<Repository> Registries::repository(const Reference& reference, std::optional<Credentials> credentials, Access access) {
  return std::make_shared<RegistryRepository>(state_->hosts, reference, std::move(credentials), access);
}

}  // namespace kobuk::image
