// Any bytes as a DNS message: what reads can be sent, and reads back the same.
#include <cstdlib>

#include "codec/dns.h"

using namespace kobuk::codec;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto message = decode_dns({reinterpret_cast<const char*>(data), size});
  if (!message) return 0;
  auto packet = encode_dns(*message);
  if (!packet) {
    if (packet.error().code() != kobuk::Code::kTooLarge) std::abort();
    return 0;
  }
  auto again = decode_dns(*packet);
  if (!again) std::abort();
  if (again->truncated != message->truncated) return 0;
  auto packet_again = encode_dns(*again);
  if (!packet_again || *packet_again != *packet) std::abort();
  (void)encode_dns(*message, kDnsUdpSize);
  return 0;
}
