// Content by digest, in a directory: blobs/<algorithm>/<hex>, whole and verified or absent.
//
//   KOBUK_TRY(auto blobs, Blobs::open("/var/lib/kobuk/default/images"));
//   KOBUK_TRY(auto writer, blobs->writer());
//   KOBUK_CHECK(writer.append(bytes));
//   KOBUK_CHECK(writer.commit(expected));       // kDataLoss when the bytes have another digest
//
// A blob is written below ingest/, synced and renamed, so that kill -9 or a power loss leaves no half of one. What an
// ended process left in ingest/ is thrown into trash/ by the next open(), and empty_trash() removes it for good.
// One process at a time owns the directory. Blocking: call from the offload pool, except for has(), path(), size() and
// discard(). Any thread; one writer is for one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/digest.h"
#include "sys/fd.h"

namespace kobuk::image {

class Blobs {
 public:
  // kFailedPrecondition when another process has it open.
  static Result<std::shared_ptr<Blobs>> open(std::string directory);

  std::string path(const codec::Digest& digest) const;
  bool has(const codec::Digest& digest) const;
  Result<int64_t> size(const codec::Digest& digest) const;            // kNotFound
  // The whole blob, verified: kNotFound, kTooLarge, kDataLoss.
  Result<std::string> read(const codec::Digest& digest, size_t max) const;
  Result<codec::Digest> write(std::string_view bytes) const;
  Result<void> write(std::string_view bytes, const codec::Digest& expected) const;  // kDataLoss when it differs
  Result<void> discard(const codec::Digest& digest) const;            // into the trash; an absent one is fine
  Result<std::vector<codec::Digest>> list() const;

  class Writer {
   public:
    Writer() = default;
    Writer(Writer&&) = default;
    Writer& operator=(Writer&&) = default;
    ~Writer();  // what was not committed is removed
    Result<void> append(std::string_view bytes);
    int64_t size() const { return size_; }
    // Empty `expected`: whatever the bytes have. Returns the digest.
    Result<codec::Digest> commit(const codec::Digest& expected);

   private:
    friend class Blobs;
    const Blobs* blobs_ = nullptr;
    std::string path_;
    sys::UniqueFd fd_;
    codec::Hasher hasher_;
    int64_t size_ = 0, next_check_ = 0;
  };
  // algorithm: of the digest that will be expected. The Blobs must outlive the writer.
  Result<Writer> writer(codec::HashAlgorithm algorithm = codec::HashAlgorithm::kSha256) const;

  const std::string& directory() const { return directory_; }
  // A fresh path below ingest/, on the same file system as the blobs.
  std::string temporary(std::string_view prefix) const;
  // A small file anywhere in the directory, durable and never half seen; nothing else appears in its folder meanwhile.
  Result<void> write_file(const std::string& path, std::string_view bytes) const;
  // Moves a file or folder of this file system into the trash: gone at once, freed by empty_trash().
  Result<void> discard_path(const std::string& path) const;
  Result<void> empty_trash() const;
  // Everything written so far, trees of files too, is on the disk when it returns.
  Result<void> sync_all() const;

 private:
  explicit Blobs(std::string directory) : directory_(std::move(directory)) {}
  std::string directory_;
  sys::UniqueFd lock_;
};

}  // namespace kobuk::image
