#include "codec/digest.h"

#include <gtest/gtest.h>

namespace kobuk::codec {
namespace {

constexpr std::string_view kEmptySha256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

TEST(Digest, OfKnownTexts) {
  EXPECT_EQ(Digest::of("").text(), kEmptySha256);
  EXPECT_EQ(Digest::of("abc").hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(Digest::of("abc").short_hex(), "ba7816bf8f01");
  EXPECT_TRUE(Digest::of("abc", HashAlgorithm::kSha512).text().starts_with("sha512:ddaf35a193617abacc417349ae204131"));
}

TEST(Digest, ParseTakesWhatItPrints) {
  for (auto algorithm : {HashAlgorithm::kSha256, HashAlgorithm::kSha512}) {
    Digest digest = Digest::of("x", algorithm);
    auto parsed = Digest::parse(digest.text());
    ASSERT_TRUE(parsed);
    EXPECT_EQ(*parsed, digest);
    EXPECT_EQ(parsed->algorithm(), algorithm);
  }
}

TEST(Digest, ParseRefusesTheRest) {
  auto message = [](std::string_view text) {
    auto parsed = Digest::parse(text);
    return parsed ? "accepted" : parsed.error().message();
  };
  EXPECT_EQ(message(""), "invalid checksum digest format");
  EXPECT_EQ(message("sha256:"), "invalid checksum digest format");
  EXPECT_EQ(message("sha256:abc"), "invalid checksum digest length");
  EXPECT_EQ(message("md5:d41d8cd98f00b204e9800998ecf8427e"), "unsupported digest algorithm");
  std::string upper(kEmptySha256);
  upper[8] = 'E';
  EXPECT_EQ(message(upper), "invalid checksum digest format");
  std::string path(kEmptySha256);
  path.replace(10, 3, "../");
  EXPECT_EQ(message(path), "invalid checksum digest format");
}

TEST(Digest, EmptyIsNotADigest) {
  Digest none;
  EXPECT_TRUE(none.empty());
  EXPECT_EQ(none.hex(), "");
  EXPECT_NE(none, Digest::of(""));
}

TEST(Hasher, PiecesGiveTheSameAsTheWholeAndItStartsAnew) {
  Hasher hasher;
  hasher.update("a");
  hasher.update("");
  hasher.update("bc");
  EXPECT_EQ(hasher.finish(), Digest::of("abc"));
  EXPECT_EQ(hasher.finish().text(), kEmptySha256);
  Hasher moved = std::move(hasher);
  moved.update("abc");
  EXPECT_EQ(moved.finish_raw().size(), 32u);
}

}  // namespace
}  // namespace kobuk::codec
