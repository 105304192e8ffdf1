// The client's side of HTTP/2: requests share one connection, or as few as the server's limit of streams allows.
#include <nghttp2/nghttp2.h>

#include <algorithm>

#include "io/http2_connection.h"
#include "io/http_clients.h"

namespace kobuk::io::http {

constexpr size_t kMaxResponseHead = 256 << 10;
constexpr size_t kMaxStreams = 1000;  // on one connection, should the server set no limit
constexpr int kMaxAttempts = 4;

class Http2ClientConnection final : public Http2Connection {
 public:
  Http2ClientConnection(Loop& loop, std::unique_ptr<Stream> stream, const ClientOptions& options, std::shared_ptr<Event> changed)
      : Http2Connection(loop, std::move(stream), Role::kClient,
                        {.max_header_bytes = kMaxResponseHead, .idle_timeout = options.idle_timeout, .ping_interval = options.ping_interval}),
        changed_(std::move(changed)),
        running_(loop) {
    running_.spawn(run(std::string()));
  }
  bool has_room() const { return open_streams() < std::min(peer_max_streams(), kMaxStreams); }

 private:
  void head_received(Http2StreamPtr) override {}
  void stream_closed(Http2Stream&) override { changed_->set(); }
  std::shared_ptr<Event> changed_;
  TaskGroup running_;  // last: its task uses the members above
};

namespace {

// One exchange: who lets go of it before its end takes the request back.
class Exchange {
 public:
  Exchange(std::shared_ptr<Http2ClientConnection> connection, Http2StreamPtr stream) : connection_(std::move(connection)), stream_(std::move(stream)) {}
  Exchange(Exchange&&) = default;
  ~Exchange() {
    if (connection_ && !stream_->closed) connection_->reset(*stream_, NGHTTP2_CANCEL);
  }
  const Http2StreamPtr& stream() const { return stream_; }

 private:
  std::shared_ptr<Http2ClientConnection> connection_;
  Http2StreamPtr stream_;
};

class ResponseBody final : public BodySource {
 public:
  explicit ResponseBody(Exchange exchange) : exchange_(std::move(exchange)) {}
  Task<Result<std::string>> next() override {
    auto piece = co_await read_http2_body(exchange_.stream());
    co_return piece;
  }
  Headers trailers() override { return exchange_.stream()->trailers; }

 private:
  Exchange exchange_;
};

}  // namespace

Http2Client::Http2Client(Loop& loop, std::shared_ptr<const ClientOptions> options)
    : loop_(loop), options_(std::move(options)), changed_(std::make_shared<Event>(loop)) {}

Http2Client::Connection Http2Client::with_room() {
  std::erase_if(connections_, [](const Connection& c) { return c->ended() || c->going_away(); });
  auto found = std::find_if(connections_.begin(), connections_.end(), [](const Connection& c) { return c->has_room(); });
  return found == connections_.end() ? nullptr : *found;
}

Task<Result<Http2Client::Picked>> Http2Client::pick() {
  bool waited = false;
  while (true) {
    if (speaks_http1_) co_return Picked{};
    if (auto connection = with_room()) co_return Picked{std::move(connection), !waited};
    if (dialing_ || connections_.size() >= options_->max_connections) {
      uint64_t failed = failed_dials_;
      changed_->reset();
      co_await changed_->wait();
      if (failed_dials_ != failed) co_return fail(*dial_error_);  // one failure is the answer to all who waited for it
    } else {
      KOBUK_CO_CHECK(co_await add_connection());
      waited = true;
    }
  }
}

Task<Result<void>> Http2Client::add_connection() {
  dialing_ = true;
  struct Dialing {
    Http2Client& client;
    ~Dialing() {
      client.dialing_ = false;
      client.changed_->set();
    }
  } dialing{*this};
  auto dialed = co_await dial(loop_, options_, false);
  if (!dialed) {
    ++failed_dials_;
    dial_error_ = dialed.error();
    co_return fail(std::move(dialed).error());
  }
  if (options_->tls && dialed->alpn != "h2") {
    speaks_http1_ = true;
    http1_ = std::move(dialed->stream);
    co_return Result<void>();
  }
  connections_.push_back(std::make_shared<Http2ClientConnection>(loop_, std::move(dialed->stream), *options_, changed_));
  co_return Result<void>();
}

Task<Http2Client::Attempt> Http2Client::attempt(Connection connection, Request request, std::string scheme) {
  bool has_body = request.body.streaming() || request.body.size() > 0 || request.body.trailers().size() > 0;
  Http2StreamPtr stream = connection->submit_request(request, scheme, has_body);
  if (!stream) co_return Attempt{fail(Code::kUnavailable, "http2: the connection takes no more requests"), true};
  Exchange exchange(connection, stream);
  if (has_body) connection->send_body(stream, std::move(request.body));
  while (!stream->head_received && !stream->closed) {
    stream->input.reset();
    co_await stream->input.wait();
  }
  if (!stream->head_received) co_return Attempt{fail(stream->failure()), stream->refused};
  if (stream->head_too_large) co_return Attempt{fail(Code::kTooLarge, "the response's header is larger than ", kMaxResponseHead, " bytes")};
  Response out;
  out.status = stream->status;
  out.headers = std::move(stream->headers);
  if (stream->input_ended && stream->inbox.empty()) {
    out.body.set_trailers(stream->trailers);
  } else {
    out.body = Body(std::make_unique<ResponseBody>(std::move(exchange)));
  }
  co_return Attempt{std::move(out)};
}

Task<Result<std::optional<Response>>> Http2Client::send(Request& request) {
  auto self = shared_from_this();
  std::string scheme = options_->tls ? "https" : "http";
  bool streaming = request.body.streaming();
  bool safe = request.method == "GET" || request.method == "HEAD" || request.method == "OPTIONS";
  for (int tries = 1;; ++tries) {
    KOBUK_CO_TRY(auto picked, co_await self->pick());
    if (!picked.connection) co_return std::nullopt;
    Request copy;  // pieces are shared, so another try costs little
    copy.method = request.method;
    copy.target = request.target;
    copy.host = request.host;
    copy.headers = request.headers;
    if (streaming) {
      copy.body = std::move(request.body);
    } else {
      for (const SharedBytes& piece : request.body.pieces()) copy.body.add(piece);
      copy.body.set_trailers(request.body.trailers());
    }
    auto done = co_await attempt(picked.connection, std::move(copy), scheme);
    bool stale = !done.answer && picked.reused && safe && picked.connection->ended();
    bool again = !done.answer && !streaming && tries < kMaxAttempts && (done.untouched || stale);
    if (again) continue;
    if (!done.answer) co_return fail(std::move(done.answer).error());
    co_return std::optional<Response>(*std::move(done.answer));
  }
}

}  // namespace kobuk::io::http
