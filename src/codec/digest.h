// Content digests (OCI image spec, "Digests"): "sha256:" and 64 lower-case hex digits.
//
//   KOBUK_TRY(Digest digest, Digest::parse("sha256:e3b0…"));
//   Hasher hasher;                    // SHA-256
//   hasher.update(bytes);
//   if (hasher.finish() != digest) …
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::codec {

enum class HashAlgorithm : uint8_t { kSha256, kSha512 };
std::string_view hash_name(HashAlgorithm algorithm);  // "sha256", "sha512"

// A well-formed digest of a known algorithm, or empty. A value; any thread.
class Digest {
 public:
  Digest() = default;
  // kInvalid "invalid checksum digest format", "… length", or kUnsupported "unsupported digest algorithm".
  static Result<Digest> parse(std::string_view text);
  static Digest of(std::string_view bytes, HashAlgorithm algorithm = HashAlgorithm::kSha256);
  static Digest from_raw(HashAlgorithm algorithm, std::string_view raw);  // raw: 32 or 64 bytes

  bool empty() const { return text_.empty(); }
  const std::string& text() const { return text_; }                       // "sha256:…"
  HashAlgorithm algorithm() const { return text_.size() > 80 ? HashAlgorithm::kSha512 : HashAlgorithm::kSha256; }
  std::string_view hex() const { return empty() ? std::string_view() : std::string_view(text_).substr(7); }
  std::string_view short_hex() const { return hex().substr(0, 12); }  // as docker prints ids

  auto operator<=>(const Digest&) const = default;

 private:
  explicit Digest(std::string text) : text_(std::move(text)) {}
  std::string text_;
};

// Both algorithm names have six letters: hex() counts on it.
static_assert(sizeof("sha256:") == sizeof("sha512:"));

// Streaming. Movable, one thread at a time.
class Hasher {
 public:
  explicit Hasher(HashAlgorithm algorithm = HashAlgorithm::kSha256);
  Hasher(Hasher&&) noexcept;
  Hasher& operator=(Hasher&&) noexcept;
  ~Hasher();

  void update(std::string_view bytes);
  // The digest of all so far; the hasher starts anew.
  Digest finish();
  std::string finish_raw();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace kobuk::codec
