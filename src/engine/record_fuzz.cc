// Stored records: whatever stands on the disk is read or refused, and what was read can be written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "engine/record.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::engine;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto record = decode_container(text); record && !decode_container(encode(*record))) abort();
  if (auto status = decode_status(text); status && !decode_status(encode(*status))) abort();
  (void)decode_network(text);
  (void)decode_volume(text);
  return 0;
}
