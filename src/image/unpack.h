// A layer's tar to a directory that an overlay mount can take as a lower one.
//
//   KOBUK_TRY(auto unpacker, Unpacker::create("/…/fs", {}));
//   for (each piece of the uncompressed tar) KOBUK_CHECK(unpacker->feed(piece));
//   KOBUK_TRY(int64_t size, unpacker->finish());       // bytes of the files
//
// Whiteouts become what overlayfs knows: a character device 0:0, and trusted.overlay.opaque on directories. Nothing an
// archive holds can reach outside of the directory: every look-up is resolved below it (openat2, RESOLVE_IN_ROOT), and
// content, entries and metadata are bounded together. Needs root (devices, owners, trusted xattrs). Blocking; one
// thread at a time; the directory belongs to the unpacker alone until finish().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::image {

struct UnpackLimits {
  uint64_t max_bytes = 64ull << 30;     // of content, and 4 KiB for each entry
  uint64_t max_entries = 4'000'000;
  uint64_t min_free = 256ull << 20;     // bytes that the file system keeps free
};

class Unpacker {
 public:
  virtual ~Unpacker() = default;
  // The directory is made (0755) and must not exist.
  static Result<std::unique_ptr<Unpacker>> create(const std::string& directory, const UnpackLimits& limits);
  // Errors: kInvalid for a malformed or hostile archive, kTooLarge / kResourceExhausted past a bound, and the disk's.
  virtual Result<void> feed(std::string_view tar_bytes) = 0;
  virtual Result<int64_t> finish() = 0;
};

// "./a//b/../c/" is "a/c" and "/" is "": how an entry's name becomes a path below the root. kInvalid when it climbs out.
Result<std::string> clean_entry_path(std::string_view name);

}  // namespace kobuk::image
