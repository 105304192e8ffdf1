#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "node/logs.h"

// The first bytes choose the options and the size of the pieces; the rest is a log.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::node;
  if (size < 2) return 0;
  LogOptions options;
  options.timestamps = data[0] & 1;
  if (data[0] & 2) options.limit_bytes = data[0] >> 2;
  if (data[0] & 4) options.stream = "stdout";
  if (data[0] & 8) options.since = kobuk::WallTime{std::chrono::seconds(1'700'000'000)};
  std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  std::string whole, pieces;
  LogFilter one(options), many(options);
  one.feed(text, whole);
  size_t step = data[1] % 7 + 1;
  for (size_t at = 0; at < text.size(); at += step) many.feed(text.substr(at, step), pieces);
  if (whole != pieces) __builtin_trap();
  if (options.limit_bytes && static_cast<int64_t>(whole.size()) > *options.limit_bytes) __builtin_trap();
  return 0;
}
