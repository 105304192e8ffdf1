// Every decompressor on the same bytes: bounded, and the cut of the input makes no difference.
#include <cstdlib>

#include "codec/compress.h"

using namespace kobuk;
using namespace kobuk::codec;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string_view input(reinterpret_cast<const char*>(data), size);
  for (auto compression : {Compression::kGzip, Compression::kZstd, Compression::kDetect}) {
    auto whole = decompress(compression, input, 1 << 20);
    std::string out;
    ByteSink sink = [&out](std::string_view piece) -> Result<void> {
      out.append(piece);
      return {};
    };
    auto decompressor = make_decompressor(compression, {.max_output = 1 << 20});
    bool ok = true;
    for (size_t i = 0; i < input.size() && ok; ++i) ok = decompressor->feed(input.substr(i, 1), sink).has_value();
    ok = ok && decompressor->finish(sink);
    if (ok != whole.has_value() || (ok && out != *whole)) std::abort();
  }
  return 0;
}
