#include <cstdlib>

#include "io/http2_connection.h"

// A peer's bytes against the server's and the client's side, in pieces as a network would cut them. Whatever comes,
// the connection ends when the bytes do.
namespace {
using namespace kobuk;
using namespace kobuk::io;
using namespace kobuk::io::http;

class Replay final : public Stream {
 public:
  Replay(Loop& loop, std::string bytes, size_t piece) : loop_(loop), bytes_(std::move(bytes)), piece_(piece) {}
  Task<Result<std::string>> read(size_t max) override {
    co_await loop_.yield();
    if (closed_) co_return fail(Code::kCancelled, "closed");
    std::string out = bytes_.substr(at_, std::min(max, piece_));
    at_ += out.size();
    co_return out;
  }
  Task<Result<void>> write(std::string_view) override {
    if (closed_) co_return fail(Code::kCancelled, "closed");
    co_return Result<void>();
  }
  Task<Result<void>> shutdown_write() override { co_return Result<void>(); }
  void close() override { closed_ = true; }

 private:
  Loop& loop_;
  std::string bytes_;
  size_t piece_, at_ = 0;
  bool closed_ = false;
};

class Echo final : public Handler {
 public:
  Task<Response> handle(Request request) override {
    auto body = co_await request.body.read_all(100'000);
    Response out = text_response(200, body ? std::move(*body) : std::string(body.error().message()));
    Headers trailers;
    trailers.set("grpc-status", "0");
    out.body.set_trailers(trailers);
    co_return out;
  }
};

class ClientSide final : public Http2Connection {
 public:
  using Http2Connection::Http2Connection;

 private:
  void head_received(Http2StreamPtr) override {}
  void stream_closed(Http2Stream&) override {}
};

Task<void> read_all(Http2StreamPtr stream) {
  while (true) {
    auto piece = co_await read_http2_body(stream);
    if (!piece || piece->empty()) co_return;
  }
}

Task<void> serve(Loop& loop, std::unique_ptr<Stream> stream) {
  Echo echo;
  ServerLimits limits;
  CancelSource never;
  size_t answering = 0;
  Event answered(loop);
  ServerShared shared{loop, echo, limits, never.token(), never.token(), answering, answered};
  Peer peer;
  co_await serve_http2(shared, std::move(stream), std::move(peer), std::string());
  if (answering != 0) std::abort();
}

Task<void> ask(Loop& loop, std::unique_ptr<Stream> stream) {
  ClientSide connection(loop, std::move(stream), Http2Connection::Role::kClient, {});
  Request request;
  request.host = "a";
  TaskGroup readers(loop);
  for (int i = 0; i < 3; ++i) readers.spawn(read_all(connection.submit_request(request, "http", false)));
  co_await connection.run(std::string());
  co_await readers.join();
}

// Settings, GET / on stream 1, and the head of POST / on stream 3: what the peer begins with, so that random bytes get further.
constexpr char kBegun[] =
    "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    "\0\0\0\x04\0\0\0\0\0"
    "\0\0\x06\x01\x05\0\0\0\x01\x82\x84\x86\x41\x01\x61"
    "\0\0\x06\x01\x04\0\0\0\x03\x83\x84\x86\x41\x01\x61";
}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  bool server = (data[0] & 1) != 0, begun = (data[0] & 2) != 0;
  size_t piece = (data[0] & 4) != 0 ? 7 : 16384;
  if (begun) bytes.insert(0, server ? std::string(kBegun, sizeof kBegun - 1) : std::string("\0\0\0\x04\0\0\0\0\0\0\0\x01\x01\x04\0\0\0\x01\x88", 19));
  Loop loop;
  auto stream = std::make_unique<Replay>(loop, std::move(bytes), piece);
  loop.run_until_done(server ? serve(loop, std::move(stream)) : ask(loop, std::move(stream)));
  return 0;
}
