// The server: accepts connections and serves HTTP/1.1 (RFC 9112) on them, or HTTP/2 where that is agreed on.
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>

#include "base/log.h"
#include "io/address.h"
#include "io/fd_stream.h"
#include "io/http.h"
#include "io/http1_connection.h"
#include "io/http2_connection.h"
#include "io/tls_stream.h"

namespace kobuk::io::http {
namespace {

// A body that the handler left unread is read on for this long; after more than so much the connection serves no other request.
constexpr Duration kDrainTime = std::chrono::seconds(1);
constexpr size_t kDrainLimit = 256 << 10;

class RequestBody final : public BodySource {
 public:
  RequestBody(std::shared_ptr<Http1Connection> connection, bool expects_continue, CancelSource gone, Duration timeout)
      : connection_(std::move(connection)), expects_continue_(expects_continue), gone_(std::move(gone)), timeout_(timeout) {}
  Task<Result<std::string>> next() override {
    auto connection = connection_;
    if (std::exchange(expects_continue_, false)) {
      KOBUK_CO_CHECK(co_await connection->stream().write("HTTP/1.1 100 Continue\r\n\r\n"));
    }
    ScopedTimer timer{connection->loop(), 0};
    if (timeout_ > Duration{0}) timer.id = connection->loop().start_timer(timeout_, [c = connection.get()] { c->stream().close(); });
    auto piece = co_await connection->read_body();
    if (piece && connection->body_ended()) connection->watch_peer(gone_);
    co_return piece;
  }

 private:
  std::shared_ptr<Http1Connection> connection_;
  bool expects_continue_;
  CancelSource gone_;
  Duration timeout_;
};

Response error_response(const Error& error) {
  int status = error.code() == Code::kTooLarge ? 431 : 400;
  Response out = text_response(status, cat(error.message(), "\n"));
  return out;
}

}  // namespace

struct Server::Impl {
  Impl(Loop& l, Handler& h, ServerLimits lim) : loop(l), handler(h), limits(lim), local_limits(lim), answered(l), tasks(l) {
    local_limits.body_timeout = local_limits.write_timeout = Duration{0};
  }

  struct Listener {
    std::unique_ptr<detail::PollFd> poll;
    std::shared_ptr<TlsContext> tls;
    std::string unix_path;
  };

  Task<void> accept_loop(Listener* listener);
  Task<void> serve(int fd, std::string peer, std::shared_ptr<TlsContext> tls);
  Task<void> serve_http1(std::shared_ptr<Http1Connection> connection, Peer peer);
  const ServerLimits& limits_of(const Peer& peer) const { return peer.address == "unix" ? local_limits : limits; }
  ServerShared shared(const Peer& peer) {
    return {loop, handler, limits_of(peer), stop.token(), abort.token(), answering, answered};
  }
  Task<bool> answer(std::shared_ptr<Http1Connection> connection, MessageHead head, Peer peer);
  Task<bool> drain(std::shared_ptr<Http1Connection> connection);

  Loop& loop;
  Handler& handler;
  ServerLimits limits, local_limits;  // of clients anywhere; of those on Unix sockets
  std::vector<std::unique_ptr<Listener>> listeners;
  uint16_t port = 0;
  size_t connections = 0, answering = 0;
  bool stopping = false;
  CancelSource stop, abort;  // closes idle connections; closes all
  Event answered;            // set whenever a request has ended
  TaskGroup tasks;  // last: its tasks use the members above
};

Server::Server(Loop& loop, Handler& handler, ServerLimits limits) : impl_(std::make_unique<Impl>(loop, handler, limits)) {}
Server::~Server() {
  for (auto& listener : impl_->listeners) {
    if (!listener->unix_path.empty()) ::unlink(listener->unix_path.c_str());
  }
}
uint16_t Server::port() const { return impl_->port; }

// A socket file that nobody listens on any more is left over from a crash and replaced.
static bool is_stale_socket(const std::string& path, const detail::SocketAddress& address) {
  struct stat found {};
  // connect() is refused by a file of another kind too.
  if (lstat(path.c_str(), &found) != 0 || !S_ISSOCK(found.st_mode)) return false;
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return false;
  bool refused = ::connect(fd, address.get(), address.length) != 0 && errno == ECONNREFUSED;
  ::close(fd);
  return refused;
}

Result<void> Server::listen(std::string_view address, std::shared_ptr<TlsContext> tls) {
  KOBUK_TRY(auto to, detail::parse_address(address));
  bool local = to.storage.ss_family == AF_UNIX;
  int fd = socket(to.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return fail_errno(errno, "socket");
  auto poll = std::make_unique<detail::PollFd>(impl_->loop, fd);
  int on = 1;
  if (!local) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  std::string path = local ? std::string(address.substr(5)) : "";
  if (local && is_stale_socket(path, to)) ::unlink(path.c_str());
  // Who may use the socket is set before anybody can connect.
  if (local) fchmod(fd, impl_->limits.socket_mode);
  if (bind(fd, to.get(), to.length) != 0) {
    Error error = errno_error(errno, cat("listen on ", address));
    if (error.code() == Code::kAlreadyExists) error = std::move(error).context("the address is in use by another program");
    return fail(std::move(error));
  }
  if (local && ::chmod(path.c_str(), impl_->limits.socket_mode) != 0) return fail_errno(errno, cat("chmod ", path));
  if (::listen(fd, 1024) != 0) return fail_errno(errno, cat("listen on ", address));
  if (!local && impl_->port == 0) {
    sockaddr_in6 bound{};
    socklen_t length = sizeof bound;
    getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &length);
    impl_->port = ntohs(bound.sin6_port);  // sin_port stands at the same place
  }
  impl_->listeners.push_back(std::make_unique<Impl::Listener>(std::move(poll), std::move(tls), path));
  impl_->tasks.spawn(impl_->accept_loop(impl_->listeners.back().get()));
  return {};
}

Task<void> Server::Impl::accept_loop(Listener* listener) {
  while (!listener->poll->closed()) {
    detail::SocketAddress from;
    from.length = sizeof from.storage;
    int fd = accept4(listener->poll->fd(), reinterpret_cast<sockaddr*>(&from.storage), &from.length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0 && connections >= limits.max_connections) {
      ::close(fd);
      log::warn("connection refused", {{"reason", "too many connections"}, {"limit", cat(limits.max_connections)}});
    } else if (fd >= 0) {
      int on = 1;
      if (from.storage.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      tasks.spawn(serve(fd, detail::address_text(from), listener->tls));
    } else if (errno == EAGAIN) {
      co_await listener->poll->wait(Loop::kRead);
    } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
      co_await loop.sleep(std::chrono::milliseconds(50));  // until something closes: the backlog waits
    } else if (errno == EBADF || errno == EINVAL) {
      co_return;
    }
  }
}

Task<void> Server::Impl::serve(int fd, std::string from, std::shared_ptr<TlsContext> tls) {
  ++connections;
  struct Leave {
    size_t& count;
    ~Leave() { --count; }
  } leave{connections};
  Peer peer;
  peer.address = std::move(from);
  std::unique_ptr<Stream> stream = adopt_fd(loop, fd);
  stream->set_write_timeout(limits_of(peer).write_timeout);
  if (tls) {
    auto secured = co_await accept_tls(loop, std::move(stream), tls, limits.header_timeout);
    if (!secured) co_return;  // scanners and broken clients: nothing to say
    peer.tls = true;
    peer.certificate_der = secured->info.peer_certificate_der;
    stream = std::move(secured->stream);
    if (secured->info.alpn == "h2") {
      ServerShared own = shared(peer);
      co_await serve_http2(own, std::move(stream), std::move(peer), std::string());
      co_return;
    }
  }
  auto connection = std::make_shared<Http1Connection>(loop, std::move(stream));
  co_await serve_http1(connection, std::move(peer));
}

Task<void> Server::Impl::serve_http1(std::shared_ptr<Http1Connection> connection, Peer peer) {
  bool busy = false;
  auto closing = stop.token().on_cancel([&busy, c = connection.get()] {
    if (!busy) c->stream().close();
  });
  auto aborting = abort.token().on_cancel([c = connection.get()] { c->stream().close(); });
  for (bool first = true; !stopping; first = false) {
    Result<std::optional<std::string>> text = std::optional<std::string>();
    {
      Duration patience = first ? limits.header_timeout : limits.idle_timeout;
      ScopedTimer timer{loop, loop.start_timer(patience, [c = connection.get()] { c->stream().close(); })};
      text = co_await connection->read_head(limits.max_header_bytes);
    }
    if (text && !*text) co_return;
    if (first && limits.h2c && !peer.tls && text && kHttp2Preface.starts_with(**text)) {
      busy = true;  // it sees to its own end
      ServerShared own = shared(peer);
      co_await serve_http2(own, connection->release_as_stream(), std::move(peer), std::move(**text));
      co_return;
    }
    auto head = text ? parse_request_head(**text) : Result<MessageHead>(fail(text.error()));
    if (!head) {
      if (head.error().code() != Code::kInvalid && head.error().code() != Code::kTooLarge) co_return;
      Response refusal = error_response(head.error());
      std::string bytes = format_response_head(refusal, Framing::kLength, refusal.body.size(), false, false);
      auto sent = co_await write_body(connection->stream(), std::move(refusal.body), Framing::kLength, std::move(bytes));
      co_return;
    }
    busy = true;
    ++answering;
    bool again = co_await answer(connection, std::move(*head), peer);
    busy = false;
    --answering;
    answered.set();
    if (!again) co_return;
  }
}

static Framing response_framing(const Response& response, const MessageHead& request) {
  if (response.status < 200 || response.status == 204 || response.status == 304) return Framing::kNone;
  if (response.body.length()) return Framing::kLength;
  return request.version == 10 ? Framing::kUntilClose : Framing::kChunked;
}

// True when the connection can serve another request.
Task<bool> Server::Impl::answer(std::shared_ptr<Http1Connection> connection, MessageHead head, Peer peer) {
  CancelSource gone;
  const ServerLimits& own = limits_of(peer);
  Request request;
  request.method = head.method;
  request.target = head.target;
  request.host = head.headers.get("Host");
  request.version = head.version;
  request.peer = std::move(peer);
  request.cancel = gone.token();
  bool expects_continue = equals_ignore_case(head.headers.get("Expect"), "100-continue");
  connection->begin_body(head);
  request.headers = std::move(head.headers);
  if (connection->body_ended()) {
    connection->watch_peer(gone);
  } else {
    request.body = Body(std::make_unique<RequestBody>(connection, expects_continue, gone, own.body_timeout));
  }
  Response response = co_await handler.handle(std::move(request));
  if (response.status == 101 && response.upgrade) {
    std::string bytes = format_response_head(response, Framing::kNone, 0, true, false);
    auto sent = co_await connection->stream().write(bytes);
    connection->stream().set_write_timeout(Duration{0});  // an interactive client may pause
    if (sent) co_await response.upgrade(connection->release_as_stream());
    co_return false;
  }
  Framing framing = response_framing(response, head);
  // A client that was never told to go on will not send its body: the connection can't be used again.
  bool keep = head.keep_alive && framing != Framing::kUntilClose && !stopping && !(expects_continue && !connection->body_ended());
  uint64_t length = response.body.length().value_or(0);
  std::string bytes = format_response_head(response, framing, length, keep, head.version == 10);
  Body body = head.method == "HEAD" || framing == Framing::kNone ? Body() : std::move(response.body);
  if (head.method == "HEAD" && framing == Framing::kChunked) framing = Framing::kNone;
  if (body.followed()) connection->stream().set_write_timeout(Duration{0});
  auto sent = co_await write_body(connection->stream(), std::move(body), framing, std::move(bytes));
  connection->stream().set_write_timeout(own.write_timeout);
  if (!sent || (expects_continue && !connection->body_ended())) co_return false;
  bool drained = co_await drain(connection);
  co_return drained && keep;
}

// Closing while the client still writes would reset the connection, and its answer would be lost with it (RFC 9112 §9.6).
Task<bool> Server::Impl::drain(std::shared_ptr<Http1Connection> connection) {
  if (connection->body_ended()) co_return true;
  ScopedTimer timer{loop, loop.start_timer(kDrainTime, [c = connection.get()] { c->stream().close(); })};
  size_t drained = 0;
  while (!connection->body_ended()) {
    auto rest = co_await connection->read_body();
    if (!rest) co_return false;
    drained += rest->size();
  }
  co_return drained <= kDrainLimit;
}

Task<void> Server::shutdown(Duration grace) {
  Impl& impl = *impl_;
  impl.stopping = true;
  for (auto& listener : impl.listeners) listener->poll->close();
  impl.stop.cancel();
  auto deadline = impl.loop.mono() + grace;
  ScopedTimer timer{impl.loop, impl.loop.start_timer(grace, [&impl] { impl.answered.set(); })};
  while (impl.answering > 0 && impl.loop.mono() < deadline) {
    impl.answered.reset();
    co_await impl.answered.wait();
  }
  impl.abort.cancel();
}

}  // namespace kobuk::io::http
