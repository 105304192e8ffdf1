// HTTP/1.1 message heads and chunked bodies (RFC 9112), without I/O. Strict: what two parsers could read in two ways
// (bare LF, folded lines, a length beside a transfer coding) is refused. Internal to io.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "io/http.h"

namespace kobuk::io::http {

enum class Framing { kNone, kLength, kChunked, kUntilClose };

struct MessageHead {
  std::string method, target;  // requests
  int status = 0;              // responses
  int version = 11;            // 10 or 11
  Headers headers;
  Framing framing = Framing::kNone;
  uint64_t length = 0;  // with kLength
  bool keep_alive = true;
};

// `head`: up to and with the empty line. A response's framing also depends on the request's method.
Result<MessageHead> parse_request_head(std::string_view head);
Result<MessageHead> parse_response_head(std::string_view head, std::string_view request_method);

// Takes the coding off a chunked body. Chunk extensions and trailers are read over, within bounds.
class ChunkedDecoder {
 public:
  // Appends the content that `input` holds to `out`; returns how much of the input it took: all of it, unless the
  // body ended within.
  Result<size_t> feed(std::string_view input, std::string& out);
  bool done() const { return state_ == State::kDone; }

 private:
  enum class State { kSize, kData, kDataEnd, kTrailer, kDone };
  Result<void> take_size_line();
  State state_ = State::kSize;
  uint64_t left_ = 0;
  std::string line_;
  size_t trailer_bytes_ = 0;
};

// What a request is made of fits on its lines and cannot begin another request.
Result<void> check_request(const Request& request);

std::string_view reason_phrase(int status);

}  // namespace kobuk::io::http
