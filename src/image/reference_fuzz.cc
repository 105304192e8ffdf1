// What parses is written so that it parses to the same.
#include <cstdlib>

#include "image/reference.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::image;
  auto reference = parse_reference(std::string_view(reinterpret_cast<const char*>(data), size));
  if (!reference) return 0;
  auto again = parse_reference(full(*reference));
  if (!again || *again != *reference) abort();
  auto short_form = parse_reference(familiar(*reference));
  if (!short_form || *short_form != *reference) abort();
  if (!valid_repository(reference->path) || (!reference->tag.empty() && !valid_tag(reference->tag))) abort();
  return 0;
}
