// Any packet as a request and as a reply.
#include <cstdlib>

#include "runtime/protocol.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::runtime;
  std::string_view packet(reinterpret_cast<const char*>(data), size);
  if (auto request = decode_request(packet)) {
    auto again = decode_request(encode(*request));
    if (!again || *again != *request) std::abort();
  }
  if (auto reply = decode_reply(packet)) {
    auto again = decode_reply(encode(*reply));
    if (!again || *again != *reply) std::abort();
    (void)error_of(*reply);
  }
  return 0;
}
