// Watch frames in pieces: no input crashes the decoder or makes it hand out an event without a type.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "api/client.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t step = size == 0 ? 1 : data[0] % 64 + 1;
  kobuk::api::WatchDecoder decoder(4096);
  for (size_t at = 0; at < size; at += step) {
    if (!decoder.feed(text.substr(at, step))) return 0;
    while (true) {
      auto event = decoder.next();
      if (!event) return 0;
      if (!*event) break;
      if ((*event)->type.empty()) std::abort();
    }
  }
  return 0;
}
