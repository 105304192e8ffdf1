// Amounts of memory as people give them to --memory.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.h"

namespace kobuk::app {

// Bytes of "4096" and "4096m", "4096mb", "4096Mi" (MiB), "4g", "4Gi", "2048000k". kInvalid for what is none of them, is
// below 64 MiB or does not fit.
Result<int64_t> parse_memory_size(std::string_view text);

}  // namespace kobuk::app
