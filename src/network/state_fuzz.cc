// What is read from a state file is written and read again to the same.
#include <cstdlib>

#include "network/state.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::network;
  auto state = decode_state({reinterpret_cast<const char*>(data), size});
  if (!state) return 0;
  std::string bytes = encode_state(*state);
  auto again = decode_state(bytes);
  if (!again || encode_state(*again) != bytes) abort();
  for (const Bridge& bridge : state->bridges) (void)choose_address(*state, bridge, "");
  return 0;
}
