// Any bytes as a protobuf body: no crash, and what decodes survives a round trip.
#include <cstdlib>

#include "api/protobuf.h"
#include "codec/json.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk;
  std::string_view input(reinterpret_cast<const char*>(data), size);
  (void)api::decode_protobuf(input, api::builtin_kinds());
  const api::KindInfo& pod = *api::builtin_kinds().find_kind("v1", "Pod");
  codec::Arena arena;
  auto object = api::decode_message(input, *pod.schema, arena);
  if (!object) return 0;
  std::string once = api::encode_message(*object, *pod.schema);
  auto again = api::decode_message(once, *pod.schema, arena);
  if (!again || api::encode_message(*again, *pod.schema) != once) std::abort();
  return 0;
}
