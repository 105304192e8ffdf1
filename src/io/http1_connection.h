// One HTTP/1.1 connection's input: a buffer that heads and bodies are read from, and a watch for the peer's leaving
// while a handler works. Internal to io.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "io/http.h"
#include "io/http1_parser.h"

namespace kobuk::io::http {

class Http1Connection : public std::enable_shared_from_this<Http1Connection> {
 public:
  Http1Connection(Loop& loop, std::unique_ptr<Stream> stream) : loop_(loop), stream_(std::move(stream)), read_ahead_ended_(loop), watch_(loop) {}

  // A message head with its empty line. nullopt: the peer closed between messages. kTooLarge past `limit`.
  Task<Result<std::optional<std::string>>> read_head(size_t limit);
  // More bytes of the body that `framing` describes; empty at its end.
  Task<Result<std::string>> read_body();
  void begin_body(const MessageHead& head);
  bool body_ended() const { return body_ended_; }
  // From now on, reads ahead (within a bound) and cancels `gone` when the peer closes.
  void watch_peer(CancelSource gone);
  // The raw connection with what was read ahead: after an upgrade.
  std::unique_ptr<Stream> release_as_stream();
  // Bytes that were read already, or the stream's next ones; empty at the end.
  Task<Result<std::string>> read_some(size_t max);

  Stream& stream() { return *stream_; }
  Loop& loop() { return loop_; }
  // Neither ended nor holding bytes that no request asked for: what an idle connection must be to be used again.
  bool quiet() const { return buffer_.empty() && !ended_ && !failed_; }

 private:
  Task<void> read_ahead(CancelSource gone);
  // Appends to the buffer; false at the end of the stream.
  Task<Result<bool>> fill();

  Loop& loop_;
  std::unique_ptr<Stream> stream_;
  std::string buffer_;
  Framing framing_ = Framing::kNone;
  uint64_t length_left_ = 0;
  ChunkedDecoder chunked_;
  bool body_ended_ = true;
  bool reading_ahead_ = false, ended_ = false;
  std::optional<Error> failed_;
  Event read_ahead_ended_;
  TaskGroup watch_;
};

// Serialises the head. `framing`: how the body is sent.
std::string format_response_head(const Response& response, Framing framing, uint64_t length, bool keep_alive, bool http10);
std::string format_request_head(const Request& request, Framing framing, uint64_t length);
// Sends a body as chunks or plainly; flushes every piece.
Task<Result<void>> write_body(Stream& stream, Body body, Framing framing, std::string head);

}  // namespace kobuk::io::http
