// One line of a container's log, which holds what the container wrote.
#include <cstddef>
#include <cstdint>

#include "engine/logs.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto line = kobuk::engine::parse_log_line(std::string_view(reinterpret_cast<const char*>(data), size));
  (void)line;
  return 0;
}
