#include <cstdlib>

#include "io/grpc_wire.h"

// Messages cut off a byte stream, whole and byte by byte, which must give the same; time-outs and statuses of a peer.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kobuk;
  using namespace kobuk::io::grpc;
  std::string text(reinterpret_cast<const char*>(data), size);
  auto decode = [&](size_t piece) {
    MessageDecoder decoder(1000);
    std::string out;
    for (size_t at = 0; at < text.size(); at += piece) {
      decoder.feed(text.substr(at, piece));
      while (true) {
        auto message = decoder.next();
        if (!message) return out + std::string(code_name(message.error().code()));
        if (!*message) break;
        cat_to(out, (*message)->size(), ":", **message);
      }
    }
    return out + (decoder.empty() ? "." : "");
  };
  if (decode(text.size() + 1) != decode(1)) abort();
  if (auto timeout = parse_timeout(text); timeout && *timeout > Duration{0} && !parse_timeout(format_timeout(*timeout))) abort();
  io::http::Headers trailers;
  trailers.set("grpc-status", text.substr(0, 3));
  trailers.set("grpc-message", text);
  (void)read_status(trailers);
  auto status = read_status(write_status(fail(Code::kNotFound, text)));
  if (status || status.error().code() != Code::kNotFound || (!text.empty() && status.error().message() != text)) abort();
  return 0;
}
