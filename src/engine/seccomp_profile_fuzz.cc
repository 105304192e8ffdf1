#include <cstddef>
#include <cstdint>

#include "engine/seccomp_profile.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto profile = kobuk::engine::parse_seccomp_profile(std::string_view(reinterpret_cast<const char*>(data), size), "x86_64", ~uint64_t{0});
  (void)profile;
  return 0;
}
