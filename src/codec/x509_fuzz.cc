// Any bytes as PEM text, certificate and key.
#include <cstdlib>

#include "codec/pem.h"
#include "codec/x509.h"

using namespace kobuk::codec;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)parse_certificate(input);
  (void)is_issued_by(input, input);
  (void)PrivateKey::from_pem(encode_pem("PRIVATE KEY", input));
  auto blocks = decode_pem(input);
  if (!blocks) return 0;
  for (const PemBlock& block : *blocks) {
    if (block.label.contains('\n')) std::abort();
    auto again = decode_pem_block(encode_pem(block.label, block.der), block.label);
    if (!again || *again != block.der) std::abort();
  }
  return 0;
}
