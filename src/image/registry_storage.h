// What a registry keeps: blobs once, and for each repository which of them it has. Blocking; any thread.
//
//   repositories/<name>/_layers/<hex>              an empty file: the repository has the blob
//   repositories/<name>/_manifests/<hex>           the manifest's media type
//   repositories/<name>/_tags/<tag>                the manifest's digest
//   repositories/<name>/_referrers/<hex>/<hex>     the descriptor of a manifest whose subject is the first
//
// No component of a name begins with '_', so that names and files never meet. Digests are SHA-256.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "image/blobs.h"
#include "image/manifest.h"

namespace kobuk::image {

class RegistryStorage {
 public:
  static Result<std::shared_ptr<RegistryStorage>> open(std::string directory);

  Blobs& blobs() { return *blobs_; }
  // The size of a blob that the repository has.
  Result<int64_t> blob(const std::string& repository, const codec::Digest& digest) const;
  Result<void> link_blob(const std::string& repository, const codec::Digest& digest);
  // Commits what was uploaded, as a blob of the repository.
  Result<void> commit_blob(const std::string& repository, const codec::Digest& digest, Blobs::Writer& writer);
  // False when `from` does not have it.
  Result<bool> mount_blob(const std::string& repository, const codec::Digest& digest, const std::string& from);
  Result<void> delete_blob(const std::string& repository, const codec::Digest& digest);

  struct StoredManifest {
    codec::Digest digest;
    std::string media_type, bytes;
  };
  // reference: a tag or a digest.
  Result<StoredManifest> manifest(const std::string& repository, const std::string& reference) const;
  // The content was checked by the caller. tag may be empty.
  Result<codec::Digest> put_manifest(const std::string& repository, const std::string& tag, const std::string& media_type,
                                     const std::string& bytes, const Content& content);
  // A tag alone, or by digest the manifest with all its tags.
  Result<void> delete_manifest(const std::string& repository, const std::string& reference);
  bool has_manifest(const std::string& repository, const codec::Digest& digest) const;

  bool has_repository(const std::string& repository) const;
  Result<std::vector<std::string>> tags(const std::string& repository) const;  // sorted
  Result<std::vector<std::string>> repositories() const;                       // sorted; those that hold a manifest
  // Descriptors as JSON.
  Result<std::vector<std::string>> referrers(const std::string& repository, const codec::Digest& subject) const;

 private:
  explicit RegistryStorage(std::shared_ptr<Blobs> blobs) : blobs_(std::move(blobs)) {}
  std::string path(const std::string& repository, std::string_view kind, std::string_view name = "") const;
  Result<void> put_file(const std::string& repository, std::string_view kind, std::string_view name, std::string_view text) const;
  bool has_blob(const std::string& repository, const codec::Digest& digest) const;
  Result<void> discard_if_unused(const codec::Digest& digest) const;
  Result<std::vector<std::string>> all_repositories() const;
  Result<void> collect();
  Result<codec::Digest> resolve(const std::string& repository, const std::string& reference) const;

  std::shared_ptr<Blobs> blobs_;
  mutable std::mutex mutex_;  // over every change, and every look that leads to one
};

}  // namespace kobuk::image
