// gzip, RFC 1952, by isa-l.
#include <isa-l/igzip_lib.h>

#include <vector>

#include "codec/compress_streams.h"

namespace kobuk::codec {
namespace {

// isa-l counts input in 32 bits and does not write to it.
constexpr size_t kLargestInput = 1u << 30;
uint8_t* input_bytes(std::string_view input) {
  return const_cast<uint8_t*>(reinterpret_cast<const uint8_t*>(input.data()));
}

class GzipDecompressor final : public Decompressor {
 public:
  explicit GzipDecompressor(const DecompressLimits& limits) : output_(limits), block_(kCompressBlock) {
    isal_inflate_init(&state_);
  }

  Result<void> feed(std::string_view input, const ByteSink& sink) override {
    while (!input.empty()) {
      if (!in_member_) KOBUK_CHECK(start_member(input));
      if (in_member_) KOBUK_CHECK(inflate(input, sink));
    }
    return {};
  }

  Result<void> finish(const ByteSink&) override {
    if (in_member_ || !any_member_) return fail(Code::kInvalid, "gzip: unexpected end of data");
    return {};
  }

 private:
  // Between members: zeroes are padding, and nothing but zeroes may follow them.
  Result<void> start_member(std::string_view& input) {
    if (any_member_ && input[0] == '\0') {
      padding_ = true;
      input.remove_prefix(std::min(input.find_first_not_of('\0'), input.size()));
      return {};
    }
    if (padding_) return fail(Code::kInvalid, "gzip: data after the end of the stream");
    isal_inflate_reset(&state_);
    state_.crc_flag = ISAL_GZIP;
    in_member_ = any_member_ = true;
    return {};
  }

  Result<void> inflate(std::string_view& input, const ByteSink& sink) {
    size_t offered = std::min(input.size(), kLargestInput);
    state_.next_in = input_bytes(input);
    state_.avail_in = static_cast<uint32_t>(offered);
    while (true) {
      state_.next_out = block_.data();
      state_.avail_out = static_cast<uint32_t>(block_.size());
      int status = isal_inflate(&state_);
      if (status < 0 || status == ISAL_NEED_DICT) return fail(Code::kInvalid, "gzip: ", reason(status));
      size_t produced = block_.size() - state_.avail_out;
      KOBUK_CHECK(output_.write({reinterpret_cast<const char*>(block_.data()), produced}, sink));
      if (state_.block_state == ISAL_BLOCK_FINISH) {
        in_member_ = false;
        break;
      }
      if (state_.avail_in == 0 && state_.avail_out != 0) break;
    }
    input.remove_prefix(offered - state_.avail_in);
    return {};
  }

  static std::string_view reason(int status) {
    switch (status) {
      case ISAL_INVALID_WRAPPER: return "invalid header";
      case ISAL_UNSUPPORTED_METHOD: return "unsupported compression method";
      case ISAL_INCORRECT_CHECKSUM: return "invalid checksum";
      case ISAL_INVALID_LOOKBACK: return "invalid distance in the data";
      default: return "corrupt data";
    }
  }

  BoundedOutput output_;
  std::vector<uint8_t> block_;
  inflate_state state_;
  bool in_member_ = false;
  bool any_member_ = false;
  bool padding_ = false;
};

class GzipCompressor final : public Compressor {
 public:
  GzipCompressor() : level_buffer_(ISAL_DEF_LVL1_DEFAULT), block_(kCompressBlock) {
    isal_deflate_init(&state_);
    state_.level = 1;
    state_.level_buf = level_buffer_.data();
    state_.level_buf_size = static_cast<uint32_t>(level_buffer_.size());
    state_.gzip_flag = IGZIP_GZIP;
    state_.flush = NO_FLUSH;
  }

  Result<void> feed(std::string_view input, const ByteSink& sink) override {
    while (!input.empty()) {
      std::string_view part = input.substr(0, kLargestInput);
      KOBUK_CHECK(deflate(part, sink));
      input.remove_prefix(part.size());
    }
    return {};
  }

  Result<void> finish(const ByteSink& sink) override {
    state_.end_of_stream = 1;
    return deflate({}, sink);
  }

 private:
  Result<void> deflate(std::string_view input, const ByteSink& sink) {
    state_.next_in = input_bytes(input);
    state_.avail_in = static_cast<uint32_t>(input.size());
    do {
      state_.next_out = block_.data();
      state_.avail_out = static_cast<uint32_t>(block_.size());
      if (isal_deflate(&state_) != COMP_OK) return fail(Code::kInternal, "gzip: the compressor failed");
      size_t produced = block_.size() - state_.avail_out;
      if (produced) KOBUK_CHECK(sink({reinterpret_cast<const char*>(block_.data()), produced}));
    } while (state_.avail_out == 0 || state_.avail_in != 0);
    return {};
  }

  std::vector<uint8_t> level_buffer_;
  std::vector<uint8_t> block_;
  isal_zstream state_;
};

}  // namespace

std::unique_ptr<Decompressor> make_gzip_decompressor(const DecompressLimits& limits) {
  return std::make_unique<GzipDecompressor>(limits);
}

std::unique_ptr<Compressor> make_gzip_compressor() { return std::make_unique<GzipCompressor>(); }

}  // namespace kobuk::codec
