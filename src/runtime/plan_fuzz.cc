// Any bytes as a plan: refused, or a plan whose encoding is stable.
#include <cstdlib>

#include "runtime/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::runtime;
  std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (auto plan = decode_plan(bytes)) {
    std::string once = encode_plan(*plan);
    auto again = decode_plan(once);
    if (!again || encode_plan(*again) != once) std::abort();
    (void)describe(*plan);
  }
  (void)decode_process(bytes);
  return 0;
}
