// PEM: what certificates and keys are kept in.
//
//   KOBUK_TRY(std::vector<PemBlock> blocks, decode_pem(text));
//   blocks[0].label == "CERTIFICATE";  blocks[0].der is the bytes
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::codec {

struct PemBlock {
  std::string label;
  std::string der;
};

// All blocks of a text, in order; what stands between them is ignored. None is not an error. kInvalid for a block that
// is malformed or has no end; kTooLarge above 1 MiB of text.
Result<std::vector<PemBlock>> decode_pem(std::string_view text);
// The first block with that label, or kInvalid "no CERTIFICATE block in the PEM text".
Result<std::string> decode_pem_block(std::string_view text, std::string_view label);
std::string encode_pem(std::string_view label, std::string_view der);

}  // namespace kobuk::codec
