#include <cstdint>
#include <cstdlib>

#include "app/profile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto profile = kobuk::app::decode_profile({reinterpret_cast<const char*>(data), size});
  if (!profile) return 0;
  auto again = kobuk::app::decode_profile(kobuk::app::encode_profile(*profile));
  if (!again) std::abort();
  return 0;
}
