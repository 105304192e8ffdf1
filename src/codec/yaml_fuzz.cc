// What the YAML parser takes can be written and read back to the same value.
#include <cstdlib>

#include "codec/yaml.h"

using namespace kobuk::codec;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  ParseLimits limits{.max_bytes = 1 << 14, .max_depth = 32};
  std::vector<std::string> duplicates;
  auto documents = parse_yaml_stream(text, limits);
  auto document = parse_yaml(text, limits, &duplicates);
  if (!document) return 0;
  auto again = parse_yaml(to_yaml(document->root));
  if (!again) std::abort();
  if (!(again->root == document->root)) std::abort();
  return 0;
}
