#include <cstddef>
#include <cstdint>

#include "engine/filters.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto filters = kobuk::engine::Filters::parse(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!filters) return 0;
  (void)filters->check({"name", "label"});
  (void)filters->exact("name", "x");
  (void)filters->labels({{"a", "b"}});
  (void)filters->boolean("dangling", true);
  return 0;
}
