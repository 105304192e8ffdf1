// The server's side of HTTP/2: a request becomes a call of the Handler, its stream carries the answer.
#include <nghttp2/nghttp2.h>

#include "io/http2_connection.h"

namespace kobuk::io::http {
namespace {

class RequestBody final : public BodySource {
 public:
  RequestBody(Http2StreamPtr stream, bool expects_continue) : stream_(std::move(stream)), expects_continue_(expects_continue) {}
  Task<Result<std::string>> next() override {
    auto stream = stream_;
    bool waits = std::exchange(expects_continue_, false) && stream->inbox.empty() && !stream->input_ended;
    if (waits && stream->connection != nullptr) stream->connection->submit_continue(*stream);
    auto piece = co_await read_http2_body(stream);
    co_return piece;
  }
  Headers trailers() override { return stream_->trailers; }

 private:
  Http2StreamPtr stream_;
  bool expects_continue_;
};

class ServerConnection final : public Http2Connection {
 public:
  ServerConnection(ServerShared shared, std::unique_ptr<Stream> stream, Peer peer)
      : Http2Connection(shared.loop, std::move(stream), Role::kServer, limits_of(shared.limits)), shared_(shared), peer_(std::move(peer)), handlers_(shared.loop) {}
  ~ServerConnection() override { shared_.answering -= counted_; }
  // The handlers have been told to end; they do so in their own time.
  Task<void> join() { return handlers_.join(); }

 private:
  static Http2Limits limits_of(const ServerLimits& limits) {
    return {.max_header_bytes = limits.max_header_bytes,
            .max_streams = static_cast<uint32_t>(limits.max_streams),
            .first_timeout = limits.header_timeout,
            .head_timeout = limits.header_timeout,
            .idle_timeout = limits.idle_timeout,
            .stall_timeout = limits.write_timeout};
  }

  void head_received(Http2StreamPtr stream) override {
    ++shared_.answering;
    ++counted_;
    // A client that resets and asks again leaves handlers behind that have not noticed yet.
    if (handlers_.running() >= 2 * shared_.limits.max_streams) return reset(*stream, NGHTTP2_REFUSED_STREAM);
    handlers_.spawn(answer(std::move(stream)));
  }
  void stream_closed(Http2Stream& stream) override {
    if (!stream.head_received) return;
    --shared_.answering;
    --counted_;
    shared_.answered.set();
  }

  Request make_request(const Http2StreamPtr& stream) {
    Request out;
    out.method = std::move(stream->method);
    out.target = out.method == "CONNECT" ? stream->host : std::move(stream->target);
    out.host = std::move(stream->host);
    out.version = 20;
    out.peer = peer_;
    out.cancel = stream->gone.token();
    bool expects_continue = equals_ignore_case(stream->headers.get("expect"), "100-continue");
    out.headers = std::move(stream->headers);
    stream->body_timeout = shared_.limits.body_timeout;
    if (!stream->input_ended || !stream->inbox.empty()) out.body = Body(std::make_unique<RequestBody>(stream, expects_continue));
    return out;
  }

  Task<void> answer(Http2StreamPtr stream) {
    Request request = make_request(stream);
    bool head_only = request.method == "HEAD";
    Response response;
    if (stream->head_too_large) {
      response = text_response(431, cat("the header is larger than ", shared_.limits.max_header_bytes, " bytes\n"));
    } else {
      response = co_await shared_.handler.handle(std::move(request));
    }
    if (stream->closed) co_return;
    if (response.status < 200) {
      reset(*stream, NGHTTP2_HTTP_1_1_REQUIRED);  // an upgrade
      co_return;
    }
    bool none = response.status == 204 || response.status == 304;
    bool streaming = response.body.streaming();
    bool trailers = !streaming && response.body.trailers().size() > 0;
    bool bodiless = head_only || none || (!streaming && response.body.size() == 0 && !trailers);
    stream->followed = response.body.followed();
    submit_response(*stream, response, bodiless, none ? std::nullopt : response.body.length());
    if (!bodiless) send_body(stream, std::move(response.body));
  }

  ServerShared shared_;
  Peer peer_;
  size_t counted_ = 0;
  TaskGroup handlers_;  // last: its tasks use the members above
};

}  // namespace

Task<void> serve_http2(ServerShared shared, std::unique_ptr<Stream> stream, Peer peer, std::string already_read) {
  ServerConnection connection(shared, std::move(stream), std::move(peer));
  auto stopping = shared.stop.on_cancel([&connection] { connection.go_away(); });
  auto aborting = shared.abort.on_cancel([&connection] { connection.close(); });
  co_await connection.run(std::move(already_read));
  co_await connection.join();
}

}  // namespace kobuk::io::http
