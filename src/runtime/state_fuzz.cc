// Any text as a container's state, and as /etc/passwd and /etc/group of a hostile image.
#include <cstdlib>

#include "runtime/state.h"
#include "runtime/user.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::runtime;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto state = decode_state(text)) {
    auto again = decode_state(encode_state(*state));
    if (!again || *again != *state) std::abort();
  }
  (void)look_up_user(text.substr(0, size / 3), text.substr(size / 3), text.substr(size / 2));
  (void)home_of(1000, text);
  return 0;
}
