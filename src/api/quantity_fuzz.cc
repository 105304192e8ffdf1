#include <cstdlib>

#include "api/quantity.h"

// What parses must have a canonical text that parses to the same amount.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  auto quantity = kobuk::api::Quantity::parse({reinterpret_cast<const char*>(data), size});
  if (!quantity) return 0;
  auto again = kobuk::api::Quantity::parse(quantity->text());
  if (!again || *again != *quantity) abort();
  return 0;
}
