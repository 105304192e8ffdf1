// gRPC (https://grpc.io: PROTOCOL-HTTP2) client calls over an http::Transport that speaks HTTP/2. Messages are bytes;
// who calls encodes them with codec/protobuf.h or a generated lite message.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "io/http.h"

namespace kobuk::io::grpc {

// "/etcdserverpb.KV/Range". The grpc-status is mapped to a canonical code, grpc-message is the message.
Task<Result<std::string>> unary(http::Transport& transport, std::string method, std::string message, Duration timeout);

// A call with messages both ways. Destroying it cancels the call.
class Call {
 public:
  virtual ~Call() = default;
  virtual Task<Result<void>> send(std::string message) = 0;
  virtual Task<Result<std::optional<std::string>>> receive() = 0;  // nullopt: the server ended with status OK
  virtual void close_send() = 0;
};
Task<Result<std::unique_ptr<Call>>> open(http::Transport& transport, std::string method);

}  // namespace kobuk::io::grpc
