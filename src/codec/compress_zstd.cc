// Zstandard, RFC 8878, by libzstd.
#include <zstd.h>

#include <vector>

#include "codec/compress_streams.h"

namespace kobuk::codec {
namespace {

constexpr int kLevel = 3;

class ZstdDecompressor final : public Decompressor {
 public:
  explicit ZstdDecompressor(const DecompressLimits& limits)
      : output_(limits), context_(ZSTD_createDCtx(), ZSTD_freeDCtx), block_(ZSTD_DStreamOutSize()) {
    if (!context_) std::abort();  // only without memory
  }

  Result<void> feed(std::string_view input, const ByteSink& sink) override {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    bool full = false;
    while (in.pos < in.size || full) {
      ZSTD_outBuffer out{block_.data(), block_.size(), 0};
      size_t status = ZSTD_decompressStream(context_.get(), &out, &in);
      if (ZSTD_isError(status)) return fail(Code::kInvalid, "zstd: ", std::string_view(ZSTD_getErrorName(status)));
      KOBUK_CHECK(output_.write({block_.data(), out.pos}, sink));
      any_frame_ = true;
      in_frame_ = status != 0;
      full = in_frame_ && out.pos == out.size;  // the decoder may hold more than fitted
    }
    return {};
  }

  Result<void> finish(const ByteSink&) override {
    if (in_frame_ || !any_frame_) return fail(Code::kInvalid, "zstd: unexpected end of data");
    return {};
  }

 private:
  BoundedOutput output_;
  std::unique_ptr<ZSTD_DCtx, decltype(&ZSTD_freeDCtx)> context_;
  std::vector<char> block_;
  bool in_frame_ = false;
  bool any_frame_ = false;
};

class ZstdCompressor final : public Compressor {
 public:
  ZstdCompressor() : context_(ZSTD_createCCtx(), ZSTD_freeCCtx), block_(ZSTD_CStreamOutSize()) {
    if (!context_) std::abort();  // only without memory
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_compressionLevel, kLevel);
    ZSTD_CCtx_setParameter(context_.get(), ZSTD_c_checksumFlag, 1);
  }

  Result<void> feed(std::string_view input, const ByteSink& sink) override {
    ZSTD_inBuffer in{input.data(), input.size(), 0};
    while (in.pos < in.size) KOBUK_CHECK(step(in, ZSTD_e_continue, sink));
    return {};
  }

  Result<void> finish(const ByteSink& sink) override {
    ZSTD_inBuffer in{nullptr, 0, 0};
    while (true) {
      KOBUK_TRY(size_t left, step(in, ZSTD_e_end, sink));
      if (left == 0) return {};
    }
  }

 private:
  // How many bytes are still to be flushed.
  Result<size_t> step(ZSTD_inBuffer& in, ZSTD_EndDirective directive, const ByteSink& sink) {
    ZSTD_outBuffer out{block_.data(), block_.size(), 0};
    size_t status = ZSTD_compressStream2(context_.get(), &out, &in, directive);
    if (ZSTD_isError(status)) return fail(Code::kInternal, "zstd: ", std::string_view(ZSTD_getErrorName(status)));
    if (out.pos) KOBUK_CHECK(sink({block_.data(), out.pos}));
    return status;
  }

  std::unique_ptr<ZSTD_CCtx, decltype(&ZSTD_freeCCtx)> context_;
  std::vector<char> block_;
};

}  // namespace

std::unique_ptr<Decompressor> make_zstd_decompressor(const DecompressLimits& limits) {
  return std::make_unique<ZstdDecompressor>(limits);
}

std::unique_ptr<Compressor> make_zstd_compressor() { return std::make_unique<ZstdCompressor>(); }

}  // namespace kobuk::codec
