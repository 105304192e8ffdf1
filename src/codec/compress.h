// Streaming gzip (RFC 1952) and zstd (RFC 8878): bytes are pushed in, results come out through a sink.
//
//   auto decompressor = make_decompressor(Compression::kDetect, {.max_output = 4ull << 30});
//   for (each piece) KOBUK_CHECK(decompressor->feed(piece, sink));
//   KOBUK_CHECK(decompressor->finish(sink));          // fails when the input was cut off
//
// One object is for one stream and one thread at a time. After an error it is of no more use.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::codec {

// The view is valid during the call only. An error stops the stream and is handed through.
using ByteSink = std::function<Result<void>(std::string_view)>;

enum class Compression : uint8_t { kNone, kGzip, kZstd, kDetect };
std::string_view compression_name(Compression compression);  // "none", "gzip", "zstd", "detect"

inline constexpr size_t kCompressionMagicSize = 4;
// By the first kCompressionMagicSize bytes (or all there are); never kDetect.
Compression detect_compression(std::string_view prefix);

struct DecompressLimits {
  uint64_t max_output = UINT64_MAX;  // bytes; past it kTooLarge
};

class Decompressor {
 public:
  virtual ~Decompressor() = default;
  // Errors: kInvalid for malformed input, kTooLarge past the limit, and whatever the sink returns.
  virtual Result<void> feed(std::string_view input, const ByteSink& sink) = 0;
  // The input is complete. kInvalid "unexpected end" when it isn't.
  virtual Result<void> finish(const ByteSink& sink) = 0;
};

// gzip: any number of members, zero bytes after the last are ignored. zstd: any number of frames, windows up to 128 MiB.
// kDetect decides by the first bytes; what is neither passes unchanged.
std::unique_ptr<Decompressor> make_decompressor(Compression compression, const DecompressLimits& limits = {});

class Compressor {
 public:
  virtual ~Compressor() = default;
  virtual Result<void> feed(std::string_view input, const ByteSink& sink) = 0;
  virtual Result<void> finish(const ByteSink& sink) = 0;
};

// kGzip (fastest level), kZstd (level 3) or kNone. The same input gives the same bytes, however it is cut.
std::unique_ptr<Compressor> make_compressor(Compression compression);

// Whole texts.
Result<std::string> decompress(Compression compression, std::string_view input, uint64_t max_output);
std::string compress(Compression compression, std::string_view input);

}  // namespace kobuk::codec
