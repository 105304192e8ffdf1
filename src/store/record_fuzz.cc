#include <cstdlib>

#include "store/record.h"

// What decodes must encode to the same bytes.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  size_t split = size < 12 ? size : 12;
  auto change = kobuk::store::decode_change(text.substr(0, split), text.substr(split));
  if (!change) return 0;
  if (kobuk::store::record_key(change->kv.mod_revision, change->kv.key) != text.substr(0, split)) abort();
  if (change->kv.value && kobuk::store::encode_change(*change) != text.substr(split)) abort();
  return 0;
}
