// What is common to the compressions: detection by magic numbers (RFC 1952 §2.3.1, RFC 8878 §3.1), plain streams.
#include "codec/compress.h"

#include <algorithm>

#include "codec/compress_streams.h"

namespace kobuk::codec {
namespace {

class PlainDecompressor final : public Decompressor {
 public:
  explicit PlainDecompressor(const DecompressLimits& limits) : output_(limits) {}
  Result<void> feed(std::string_view input, const ByteSink& sink) override { return output_.write(input, sink); }
  Result<void> finish(const ByteSink&) override { return {}; }

 private:
  BoundedOutput output_;
};

class DetectingDecompressor final : public Decompressor {
 public:
  explicit DetectingDecompressor(const DecompressLimits& limits) : limits_(limits) {}

  Result<void> feed(std::string_view input, const ByteSink& sink) override {
    if (chosen_) return chosen_->feed(input, sink);
    size_t missing = std::min(kCompressionMagicSize - prefix_.size(), input.size());
    prefix_.append(input.substr(0, missing));
    input.remove_prefix(missing);
    if (prefix_.size() < kCompressionMagicSize) return {};
    KOBUK_CHECK(choose(sink));
    return input.empty() ? Result<void>() : chosen_->feed(input, sink);
  }

  Result<void> finish(const ByteSink& sink) override {
    if (!chosen_) KOBUK_CHECK(choose(sink));
    return chosen_->finish(sink);
  }

 private:
  Result<void> choose(const ByteSink& sink) {
    chosen_ = make_decompressor(detect_compression(prefix_), limits_);
    return prefix_.empty() ? Result<void>() : chosen_->feed(prefix_, sink);
  }

  DecompressLimits limits_;
  std::string prefix_;
  std::unique_ptr<Decompressor> chosen_;
};

class PlainCompressor final : public Compressor {
 public:
  Result<void> feed(std::string_view input, const ByteSink& sink) override { return sink(input); }
  Result<void> finish(const ByteSink&) override { return {}; }
};

}  // namespace

std::string_view compression_name(Compression compression) {
  switch (compression) {
    case Compression::kNone: return "none";
    case Compression::kGzip: return "gzip";
    case Compression::kZstd: return "zstd";
    case Compression::kDetect: return "detect";
  }
  return "unknown";
}

Compression detect_compression(std::string_view prefix) {
  if (prefix.starts_with("\x1f\x8b")) return Compression::kGzip;
  if (prefix.starts_with("\x28\xb5\x2f\xfd")) return Compression::kZstd;
  // A zstd stream may start with a skippable frame: 0x184D2A50 to 0x184D2A5F, little-endian.
  if (prefix.size() >= 4 && (prefix[0] & 0xf0) == 0x50 && prefix.substr(1, 3) == "\x2a\x4d\x18") {
    return Compression::kZstd;
  }
  return Compression::kNone;
}

std::unique_ptr<Decompressor> make_decompressor(Compression compression, const DecompressLimits& limits) {
  switch (compression) {
    case Compression::kGzip: return make_gzip_decompressor(limits);
    case Compression::kZstd: return make_zstd_decompressor(limits);
    case Compression::kDetect: return std::make_unique<DetectingDecompressor>(limits);
    case Compression::kNone: break;
  }
  return std::make_unique<PlainDecompressor>(limits);
}

std::unique_ptr<Compressor> make_compressor(Compression compression) {
  if (compression == Compression::kGzip) return make_gzip_compressor();
  if (compression == Compression::kZstd) return make_zstd_compressor();
  return std::make_unique<PlainCompressor>();
}

Result<std::string> decompress(Compression compression, std::string_view input, uint64_t max_output) {
  std::string out;
  ByteSink sink = [&out](std::string_view piece) -> Result<void> {
    out.append(piece);
    return {};
  };
  auto decompressor = make_decompressor(compression, {.max_output = max_output});
  KOBUK_CHECK(decompressor->feed(input, sink));
  KOBUK_CHECK(decompressor->finish(sink));
  return out;
}

std::string compress(Compression compression, std::string_view input) {
  std::string out;
  ByteSink sink = [&out](std::string_view piece) -> Result<void> {
    out.append(piece);
    return {};
  };
  auto compressor = make_compressor(compression);
  // Compression of memory into memory has no way to fail.
  if (!compressor->feed(input, sink) || !compressor->finish(sink)) std::abort();
  return out;
}

}  // namespace kobuk::codec
