#include <cstdlib>

#include "io/http1_parser.h"

// Heads of both kinds, and a chunked body fed whole and byte by byte, which must give the same.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk::io::http;
  std::string_view text(reinterpret_cast<const char*>(data), size);
  (void)parse_request_head(text);
  (void)parse_response_head(text, "GET");
  (void)parse_query(text);
  ChunkedDecoder whole, pieces;
  std::string out_whole, out_pieces;
  bool ok_whole = whole.feed(text, out_whole).has_value(), ok_pieces = true;
  for (size_t i = 0; i < text.size() && ok_pieces && !pieces.done(); ++i) {
    ok_pieces = pieces.feed(text.substr(i, 1), out_pieces).has_value();
  }
  if (ok_whole != ok_pieces || out_whole != out_pieces) abort();
  return 0;
}
