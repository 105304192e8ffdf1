// Both JSON parsers on the same bytes: they never disagree on a text that both take, and what is written reads back.
#include <cstdlib>

#include "codec/json.h"
#include "codec/json_scanner.h"

using namespace kobuk::codec;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  std::vector<std::string> duplicates;
  Arena arena;
  ParseLimits limits{.max_bytes = 1 << 16, .max_depth = 64};
  auto fast = parse_json(text, arena, limits, &duplicates);
  if (!fast) return 0;
  auto slow = scan_json(text, arena, limits, nullptr);
  std::string written = to_json(*fast);
  if (!slow || to_json(*slow) != written) std::abort();
  auto again = parse_json(written, arena, ParseLimits{});
  if (!again || to_json(*again) != written) std::abort();
  if (!parse_json(to_json_pretty(*fast), arena, ParseLimits{})) std::abort();
  return 0;
}
