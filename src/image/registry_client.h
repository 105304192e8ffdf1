// The client of registries (OCI distribution-spec 1.1): manifests and blobs of one repository, as one user.
//
//   Registries registries(loop, {.mirrors = …});
//   auto repository = registries.repository(reference, credentials, Access::kPull);
//   KOBUK_CO_TRY(Fetched manifest, co_await repository->manifest("latest"));
//   KOBUK_CO_TRY(BlobBody blob, co_await repository->blob(digest, 0));
//
// Tokens are fetched as the registry's challenge says, redirects followed without credentials to other hosts, answers
// of 429 and 5xx asked for again with back-off. Pulls try the mirrors of the domain first; pushes go to the registry
// itself. Loop thread only. Errors in Docker's words: see describe_pull_error().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/digest.h"
#include "image/images.h"
#include "image/reference.h"
#include "io/http.h"

namespace kobuk::image {

struct RegistryOptions {
  std::map<std::string, std::vector<std::string>> mirrors;
  std::vector<std::string> insecure_registries;
  std::string certificates_directory;  // certs.d as Docker has it: <host[:port]>/ca.crt, client.cert, client.key
  Duration backoff = std::chrono::milliseconds(500);  // before the first retry; doubled each time
  Duration patience = std::chrono::seconds(60);       // for an answer, and between two pieces of one
};

enum class Access : uint8_t { kPull, kPush };

struct Fetched {
  std::string bytes, media_type;
  codec::Digest digest;  // of the bytes, verified when a digest was asked for
};

struct BlobBody {
  io::http::Body body;
  uint64_t offset = 0;  // of its first byte: a registry may ignore what was asked for and begin at 0
};

class Repository {
 public:
  virtual ~Repository() = default;
  virtual const Reference& reference() const = 0;

  virtual io::Task<Result<Fetched>> manifest(std::string tag_or_digest) = 0;
  // From `offset` on, of the place that answered last or the next one; not retried: downloads resume by asking again.
  virtual io::Task<Result<BlobBody>> blob(codec::Digest digest, uint64_t offset) = 0;

  // Pushes.
  virtual io::Task<Result<bool>> has_blob(codec::Digest digest) = 0;
  // True when the blob was mounted from the other repository of the same registry.
  virtual io::Task<Result<bool>> mount_blob(codec::Digest digest, std::string from_repository) = 0;
  // The blob's bytes from an offset on. Called again when an upload broke and is resumed.
  using Source = std::function<Result<std::unique_ptr<io::http::BodySource>>(uint64_t offset)>;
  virtual io::Task<Result<void>> upload(codec::Digest digest, uint64_t size, Source source) = 0;
  virtual io::Task<Result<codec::Digest>> put_manifest(std::string tag, std::string media_type, std::string bytes) = 0;
};

class Registries {
 public:
  Registries(io::Loop& loop, RegistryOptions options);
  ~Registries();
  // Must not outlive the Registries.
  std::shared_ptr<Repository> repository(const Reference& reference, std::optional<Credentials> credentials, Access access);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

}  // namespace kobuk::image
