#include <cstdlib>

#include "api/selector.h"

// What parses must have a text that parses to the same text.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)kobuk::api::FieldSelector::parse(text);
  auto selector = kobuk::api::LabelSelector::parse(text);
  if (!selector) return 0;
  auto again = kobuk::api::LabelSelector::parse(selector->text());
  if (!again || again->text() != selector->text()) abort();
  return 0;
}
