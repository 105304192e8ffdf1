#include "codec/compress.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace kobuk::codec {
namespace {

std::string sample(size_t size) {
  std::string out;
  while (out.size() < size) {
    cat_to(out, "line ", out.size() % 977, " of text\n");
    if (out.size() % 13 == 0) out += random_bytes(100);
  }
  out.resize(size);
  return out;
}

// Through the stream in pieces of `piece` bytes.
Result<std::string> decompress_pieces(Compression compression, std::string_view input, size_t piece) {
  std::string out;
  ByteSink sink = [&](std::string_view bytes) -> Result<void> {
    out.append(bytes);
    return {};
  };
  auto decompressor = make_decompressor(compression);
  for (size_t i = 0; i < input.size(); i += piece) {
    KOBUK_CHECK(decompressor->feed(input.substr(i, piece), sink));
  }
  KOBUK_CHECK(decompressor->finish(sink));
  return out;
}

class CompressTest : public testing::TestWithParam<Compression> {};

TEST_P(CompressTest, RoundTripsAnySizeInAnyPieces) {
  for (size_t size : {0u, 1u, 1000u, 65536u, 300000u}) {
    std::string text = sample(size);
    std::string packed = compress(GetParam(), text);
    EXPECT_EQ(detect_compression(packed), GetParam());
    for (size_t piece : {1u, 3u, 511u, 100000u, 10000000u}) {
      auto out = decompress_pieces(GetParam(), packed, piece);
      ASSERT_TRUE(out) << out.error().message();
      EXPECT_EQ(*out, text) << size << " in pieces of " << piece;
    }
  }
}

TEST_P(CompressTest, CompressorTakesPieces) {
  std::string text = sample(200000), packed;
  ByteSink sink = [&](std::string_view bytes) -> Result<void> {
    packed.append(bytes);
    return {};
  };
  auto compressor = make_compressor(GetParam());
  for (size_t i = 0; i < text.size(); i += 777) ASSERT_TRUE(compressor->feed(std::string_view(text).substr(i, 777), sink));
  ASSERT_TRUE(compressor->finish(sink));
  EXPECT_LT(packed.size(), text.size());
  EXPECT_EQ(decompress(Compression::kDetect, packed, 1 << 20).value_or(""), text);
}

TEST_P(CompressTest, JoinedStreamsAreOneText) {
  std::string packed = compress(GetParam(), "one ") + compress(GetParam(), "") + compress(GetParam(), "two");
  for (size_t piece : {1u, 2u, 5u, 19u, 1000u}) {
    EXPECT_EQ(decompress_pieces(GetParam(), packed, piece).value_or("error"), "one two") << piece;
    EXPECT_EQ(decompress_pieces(Compression::kDetect, packed, piece).value_or("error"), "one two") << piece;
  }
}

TEST_P(CompressTest, EveryCutIsNoticed) {
  std::string packed = compress(GetParam(), sample(500));
  for (size_t n = 0; n < packed.size(); ++n) {
    auto out = decompress(GetParam(), std::string_view(packed).substr(0, n), 1 << 20);
    ASSERT_FALSE(out) << n;
    EXPECT_EQ(out.error().code(), Code::kInvalid) << n;
  }
}

TEST_P(CompressTest, EveryFlippedByteIsNoticedOrHarmless) {
  std::string text = sample(500);
  std::string packed = compress(GetParam(), text);
  size_t harmless = 0;
  for (size_t i = 0; i < packed.size(); ++i) {
    std::string bad = packed;
    bad[i] = static_cast<char>(bad[i] ^ 0x55);
    auto out = decompress(GetParam(), bad, 1 << 20);
    if (!out) continue;
    EXPECT_EQ(*out, text) << i;  // header bytes like the time of a gzip file
    ++harmless;
  }
  EXPECT_LT(harmless, 12u);
}

TEST_P(CompressTest, OutputIsBounded) {
  std::string packed = compress(GetParam(), std::string(10 << 20, 'a'));
  EXPECT_LT(packed.size(), 1u << 20);
  auto out = decompress(GetParam(), packed, 1 << 20);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code(), Code::kTooLarge);
  EXPECT_EQ(decompress(GetParam(), packed, 10 << 20).value_or("").size(), 10u << 20);
}

TEST_P(CompressTest, ErrorsOfTheSinkComeThrough) {
  std::string packed = compress(GetParam(), sample(1000));
  ByteSink full = [](std::string_view) -> Result<void> { return fail(Code::kResourceExhausted, "disk full"); };
  auto fed = make_decompressor(GetParam())->feed(packed, full);
  ASSERT_FALSE(fed);
  EXPECT_EQ(fed.error().message(), "disk full");
}

INSTANTIATE_TEST_SUITE_P(Formats, CompressTest, testing::Values(Compression::kGzip, Compression::kZstd),
                         [](const auto& info) { return std::string(compression_name(info.param)); });

TEST(Compress, PlainTextsPassDetection) {
  for (auto text : {"", "a", "ab", "abc", "abcd", "some longer text"}) {
    EXPECT_EQ(decompress_pieces(Compression::kDetect, text, 1).value_or("error"), text);
  }
  EXPECT_FALSE(decompress(Compression::kNone, "12345", 4));
}

TEST(Compress, GzipIgnoresZeroesAtTheEndOnly) {
  std::string packed = compress(Compression::kGzip, "x");
  EXPECT_EQ(decompress(Compression::kGzip, packed + std::string(512, '\0'), 10).value_or(""), "x");
  EXPECT_FALSE(decompress(Compression::kGzip, packed + "trailing", 10));
  EXPECT_FALSE(decompress(Compression::kGzip, packed + std::string(3, '\0') + packed, 10));
}

TEST(Compress, ZstdSkipsSkippableFrames) {
  std::string skippable("\x53\x2a\x4d\x18\x03\0\0\0abc", 11);
  std::string packed = skippable + compress(Compression::kZstd, "x");
  EXPECT_EQ(detect_compression(packed), Compression::kZstd);
  EXPECT_EQ(decompress(Compression::kDetect, packed, 10).value_or(""), "x");
}

}  // namespace
}  // namespace kobuk::codec
