// What both sides of a gRPC call share. Internal to io.
#pragma once

#include <deque>

#include "io/grpc.h"

namespace kobuk::io::grpc {

// Messages on their way into an HTTP body. The writer waits while the body holds one that has not been taken.
class Outbox {
 public:
  explicit Outbox(Loop& loop) : changed_(loop) {}
  Task<Result<void>> write(std::string message);
  Task<Result<std::string>> take();  // empty: ended
  void end();
  void abandon();  // nobody takes any more: writers fail
  bool ended() const { return ended_; }

 private:
  Event changed_;
  std::string waiting_;
  bool ended_ = false, abandoned_ = false;
};

// Reads messages of a body that is being received.
Task<Result<std::optional<std::string>>> next_message(http::Body& body, MessageDecoder& decoder);

// "grpc-timeout": "100m" is 100 milliseconds.
std::string format_timeout(Duration timeout);
std::optional<Duration> parse_timeout(std::string_view text);
// The trailers of an ended call, as a result and back.
Result<void> read_status(const http::Headers& trailers);
http::Headers write_status(const Result<void>& result);

}  // namespace kobuk::io::grpc
