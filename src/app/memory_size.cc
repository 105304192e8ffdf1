#include "app/memory_size.h"

#include "base/strings.h"

namespace kobuk::app {

Result<int64_t> parse_memory_size(std::string_view text) {
  constexpr int64_t kLeast = int64_t{64} << 20;
  size_t digits = text.find_first_not_of("0123456789");
  std::string unit = digits == std::string_view::npos ? "m" : to_lower(text.substr(digits));
  auto amount = parse_int(text.substr(0, digits));
  int shift = unit == "k" || unit == "kb" || unit == "ki" ? 10 : unit == "m" || unit == "mb" || unit == "mi" ? 20
              : unit == "g" || unit == "gb" || unit == "gi" ? 30 : 0;
  if (!amount || shift == 0 || *amount > (INT64_MAX >> shift)) {
    return fail(Code::kInvalid, "--memory ", go_quote(text), " is no amount of memory; use 4096 (MiB), 4096m or 4g");
  }
  int64_t bytes = *amount << shift;
  if (bytes < kLeast) return fail(Code::kInvalid, "--memory ", go_quote(text), " is too little: give at least 64m");
  return bytes;
}

}  // namespace kobuk::app
