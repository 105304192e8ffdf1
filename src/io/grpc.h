// gRPC over our own HTTP/2: calls and services whose messages are bytes (codec/protobuf.h makes and reads them).
//
// Client:  grpc::Channel channel(loop, *transport);
//          KOBUK_CO_TRY(std::string reply, co_await channel.call("/pkg.Service/Method", request));
//          auto stream = channel.open("/pkg.Service/Watch");
//          KOBUK_CO_CHECK(co_await stream->write(request));
//          KOBUK_CO_TRY(auto message, co_await stream->read());     // nullopt: the call has ended well
// Server:  grpc::Service service(loop);
//          service.add("/pkg.Service/Method", [this](grpc::Message m) { return method(std::move(m)); });
//          http::Server server(loop, service, {.h2c = true});  server.listen("unix:/run/x.sock", nullptr);
//
// The transport is make_client() with `h2c`, or with TLS that offers "h2". Statuses become Codes and back as
// docs/ERRORS.md says. Loop thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "io/http.h"

namespace kobuk::io::grpc {

constexpr size_t kMaxMessageBytes = 16 << 20;

struct CallOptions {
  Duration timeout{0};  // of the whole call, told to the server too; zero: none. Past it the call fails with kTimeout
  http::Headers metadata;
  size_t max_message_bytes = kMaxMessageBytes;  // a longer answer is kTooLarge
};

// A call with any number of messages each way. Destroying it before its end cancels it.
class ClientStream {
 public:
  virtual ~ClientStream() = default;
  // Waits while the server does not take what was written before. One writer and one reader at a time.
  virtual Task<Result<void>> write(std::string message) = 0;
  virtual void close_writes() = 0;  // no more messages from here
  // nullopt: the server ended the call with OK. Otherwise its status is the error.
  virtual Task<Result<std::optional<std::string>>> read() = 0;
};

// Where calls go. The transport outlives the channel and its calls.
class Channel {
 public:
  Channel(Loop& loop, http::Transport& transport) : loop_(&loop), transport_(&transport) {}
  // One request, one answer.
  Task<Result<std::string>> call(std::string method, std::string request, CallOptions options = {});
  // Begins at once and waits for nothing; what goes wrong is read()'s error.
  std::unique_ptr<ClientStream> open(std::string method, CallOptions options = {});

 private:
  Loop* loop_;
  http::Transport* transport_;
};

// A message and what came with it.
struct Message {
  std::string bytes;
  http::Headers metadata;
  http::Peer peer;
  CancelToken cancel;  // when the caller goes away or its time is over
};

// The server's end of a call with streams.
class ServerStream {
 public:
  virtual ~ServerStream() = default;
  virtual const std::string& method() const = 0;
  virtual const http::Headers& metadata() const = 0;
  virtual const http::Peer& peer() const = 0;
  virtual CancelToken cancel() const = 0;
  virtual Task<Result<std::optional<std::string>>> read() = 0;  // nullopt: the caller sends no more
  virtual Task<Result<void>> write(std::string message) = 0;
};

using UnaryFn = std::function<Task<Result<std::string>>(Message)>;
// The stream lives as long as the call; the result is its status.
using StreamFn = std::function<Task<Result<void>>(std::shared_ptr<ServerStream>)>;

// Answers calls by method. What runs when the caller goes away is destroyed where it waits.
class Service final : public http::Handler {
 public:
  explicit Service(Loop& loop, size_t max_message_bytes = kMaxMessageBytes) : loop_(loop), max_message_bytes_(max_message_bytes) {}
  void add(std::string method, UnaryFn answer);
  void add_stream(std::string method, StreamFn answer);
  // Requests that are no gRPC go here; without one they are answered with 415.
  void set_fallback(http::Handler& handler) { fallback_ = &handler; }
  Task<http::Response> handle(http::Request request) override;

 private:
  Loop& loop_;
  size_t max_message_bytes_;
  std::map<std::string, StreamFn, std::less<>> methods_;
  http::Handler* fallback_ = nullptr;
};

// Status numbers of gRPC.
int status_of(Code code);
Code code_of_status(int status);

// Takes length-prefixed messages off a byte stream.
class MessageDecoder {
 public:
  explicit MessageDecoder(size_t max) : max_(max) {}
  void feed(std::string bytes);
  // nullopt: not yet whole. kTooLarge, or kUnsupported for a compressed message.
  Result<std::optional<std::string>> next();
  bool empty() const { return at_ == buffer_.size(); }

 private:
  std::string buffer_;
  size_t at_ = 0, max_;
};
std::string encode_message(std::string_view message);

}  // namespace kobuk::io::grpc
