// OCI image spec, descriptor.md, "Digests"; FIPS 180-4 by OpenSSL.
#include "codec/digest.h"

#include <openssl/evp.h>

#include <cstdlib>

namespace kobuk::codec {
namespace {

const EVP_MD* implementation(HashAlgorithm algorithm) {
  return algorithm == HashAlgorithm::kSha512 ? EVP_sha512() : EVP_sha256();
}

// Hash functions fail only when OpenSSL has no memory or was built without them.
void check(int ok) {
  if (ok != 1) std::abort();
}

}  // namespace

std::string_view hash_name(HashAlgorithm algorithm) {
  return algorithm == HashAlgorithm::kSha512 ? "sha512" : "sha256";
}

Result<Digest> Digest::parse(std::string_view text) {
  size_t colon = text.find(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) {
    return fail(Code::kInvalid, "invalid checksum digest format");
  }
  std::string_view name = text.substr(0, colon);
  size_t length = name == "sha256" ? 64 : name == "sha512" ? 128 : 0;
  if (length == 0) return fail(Code::kUnsupported, "unsupported digest algorithm");
  std::string_view digits = text.substr(colon + 1);
  if (digits.size() != length) return fail(Code::kInvalid, "invalid checksum digest length");
  if (digits.find_first_not_of("0123456789abcdef") != std::string_view::npos) {
    return fail(Code::kInvalid, "invalid checksum digest format");
  }
  return Digest(std::string(text));
}

Digest Digest::of(std::string_view bytes, HashAlgorithm algorithm) {
  Hasher hasher(algorithm);
  hasher.update(bytes);
  return hasher.finish();
}

Digest Digest::from_raw(HashAlgorithm algorithm, std::string_view raw) {
  return Digest(cat(hash_name(algorithm), ':', kobuk::hex(raw)));
}

struct Hasher::State {
  HashAlgorithm algorithm;
  EVP_MD_CTX* context;
  explicit State(HashAlgorithm wanted) : algorithm(wanted), context(EVP_MD_CTX_new()) {
    check(context != nullptr);
    check(EVP_DigestInit_ex(context, implementation(algorithm), nullptr));
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Hasher::Hasher(HashAlgorithm algorithm) : state_(std::make_unique<State>(algorithm)) {}
Hasher::Hasher(Hasher&&) noexcept = default;
Hasher& Hasher::operator=(Hasher&&) noexcept = default;
Hasher::~Hasher() = default;

void Hasher::update(std::string_view bytes) { check(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size())); }

std::string Hasher::finish_raw() {
  unsigned char raw[EVP_MAX_MD_SIZE];
  unsigned size = 0;
  check(EVP_DigestFinal_ex(state_->context, raw, &size));
  check(EVP_DigestInit_ex(state_->context, implementation(state_->algorithm), nullptr));
  return std::string(reinterpret_cast<char*>(raw), size);
}

Digest Hasher::finish() { return Digest::from_raw(state_->algorithm, finish_raw()); }

}  // namespace kobuk::codec
