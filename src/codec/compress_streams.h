// The formats behind compress.h; for compress*.cc only.
#pragma once

#include "codec/compress.h"

namespace kobuk::codec {

inline constexpr size_t kCompressBlock = 64u << 10;

// Counts what goes to the sink and stops at the limit.
class BoundedOutput {
 public:
  explicit BoundedOutput(const DecompressLimits& limits) : left_(limits.max_output), limit_(limits.max_output) {}
  Result<void> write(std::string_view bytes, const ByteSink& sink) {
    if (bytes.empty()) return {};
    if (bytes.size() > left_) return fail(Code::kTooLarge, "decompressed data exceeds the limit of ", limit_, " bytes");
    left_ -= bytes.size();
    return sink(bytes);
  }

 private:
  uint64_t left_;
  uint64_t limit_;
};

std::unique_ptr<Decompressor> make_gzip_decompressor(const DecompressLimits& limits);
std::unique_ptr<Decompressor> make_zstd_decompressor(const DecompressLimits& limits);
std::unique_ptr<Compressor> make_gzip_compressor();
std::unique_ptr<Compressor> make_zstd_compressor();

}  // namespace kobuk::codec
