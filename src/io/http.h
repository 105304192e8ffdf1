// HTTP for kobuk: one Request and one Response type for servers and clients, over TCP, TLS and Unix sockets (HTTP/1.1
// and HTTP/2), and for calls within the process (a Handler is called directly, without socket, TLS and text).
//
// Server:  Task<Response> MyHandler::handle(Request request) { co_return text_response(200, "ok"); }
// Client:  KOBUK_CO_TRY(Response r, co_await client.send(std::move(request)));
//          KOBUK_CO_TRY(std::string body, co_await r.body.read_all(1 << 20));
//
// All of it runs on one Loop's thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/stream.h"
#include "io/tls.h"

namespace kobuk::io::http {

// Names compare without case and are sent as written. Values never hold CR, LF or NUL.
class Headers {
 public:
  std::string_view get(std::string_view name) const;  // the first, or empty
  bool has(std::string_view name) const;
  std::vector<std::string_view> get_all(std::string_view name) const;
  void set(std::string_view name, std::string_view value);  // replaces
  void add(std::string_view name, std::string_view value);
  void erase(std::string_view name);
  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  size_t size() const { return fields_.size(); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

// A body that is made or read piece by piece.
class BodySource {
 public:
  virtual ~BodySource() = default;  // an unfinished body ends its exchange: HTTP/1.1 closes, HTTP/2 resets the stream
  // The next piece; empty at the end.
  virtual Task<Result<std::string>> next() = 0;
  // What follows the body, once next() has returned the end.
  virtual Headers trailers() { return {}; }
};

// Either all there (shared pieces, sent without a copy) or a source.
class Body {
 public:
  Body() = default;
  Body(std::string bytes) { add(share(std::move(bytes))); }  // NOLINT: a text is a body
  explicit Body(std::unique_ptr<BodySource> source) : source_(std::move(source)) {}
  // A source that gives exactly `length` bytes: sent with a Content-Length. One that gives another number fails the
  // exchange and closes its connection.
  Body(std::unique_ptr<BodySource> source, uint64_t length) : source_(std::move(source)), length_(length) {}
  void add(SharedBytes piece);
  bool streaming() const { return source_ != nullptr; }
  const std::vector<SharedBytes>& pieces() const { return pieces_; }
  size_t size() const;  // of the pieces
  std::optional<uint64_t> length() const;  // of all of it; nullopt when only the source's end will tell
  // The whole body; kTooLarge past `max`.
  Task<Result<std::string>> read_all(size_t max);
  // The next piece of either form; empty at the end.
  Task<Result<std::string>> next();
  std::unique_ptr<BodySource> take_source() { return std::move(source_); }
  // Trailers travel over HTTP/2 and within the process; HTTP/1.1 leaves them out. Valid after the end of the body.
  Headers trailers() const { return source_ ? source_->trailers() : trailers_; }
  void set_trailers(Headers trailers) { trailers_ = std::move(trailers); }  // of a body of pieces
  // Of a response that somebody follows, a log: its reader may pause for as long as he likes.
  bool followed() const { return followed_; }
  void set_followed() { followed_ = true; }

 private:
  std::vector<SharedBytes> pieces_;
  Headers trailers_;
  size_t next_piece_ = 0;
  std::unique_ptr<BodySource> source_;
  std::optional<uint64_t> length_;  // of the source
  bool followed_ = false;
};

struct Peer {
  std::string address;          // "127.0.0.1:41234", "unix", or "in-process"
  std::string certificate_der;  // verified client certificate; empty when none
  bool tls = false;
  // Set only by callers within the process, never from the wire: the identity they act as.
  std::string trusted_user;
  std::vector<std::string> trusted_groups;
};

struct Request {
  std::string method = "GET";
  std::string target = "/";  // path and query, as on the wire
  std::string host;          // the Host header
  Headers headers;
  Body body;
  Peer peer;
  CancelToken cancel;  // server side: cancelled when the client goes away
  int version = 11;    // 10, 11 or 20
  std::string_view path() const;   // up to '?', not decoded
  std::string_view query() const;  // after '?'
};

// Called with the raw connection after a 101 has been sent. Only HTTP/1.1 can; an HTTP/2 client is told to use it.
using UpgradeFn = std::function<Task<void>(std::unique_ptr<Stream>)>;

struct Response {
  int status = 200;
  Headers headers;
  Body body;
  UpgradeFn upgrade;                  // server side: set together with status 101
  std::unique_ptr<Stream> upgraded;   // client side: the connection after a 101
};

Response text_response(int status, std::string body, std::string_view content_type = "text/plain; charset=utf-8");
Response json_response(int status, std::string body);

class Handler {
 public:
  virtual ~Handler() = default;
  virtual Task<Response> handle(Request request) = 0;
};

// Percent decoding and query strings (application/x-www-form-urlencoded): "a=1&b=%20x".
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);
std::string percent_encode(std::string_view text);  // everything but unreserved characters
using Query = std::vector<std::pair<std::string, std::string>>;
Result<Query> parse_query(std::string_view query);
std::string_view query_value(const Query& query, std::string_view name);  // the first, or empty
bool query_has(const Query& query, std::string_view name);

struct ServerLimits {
  size_t max_header_bytes = 64 << 10;
  size_t max_connections = 4096;
  Duration header_timeout = std::chrono::seconds(30);
  Duration idle_timeout = std::chrono::minutes(3);
  // The next two do not hold on Unix sockets, whose clients are this machine's own and may read from a slow pipe.
  Duration body_timeout = std::chrono::minutes(1);   // a request body that a handler waits for and that does not move
  Duration write_timeout = std::chrono::minutes(1);  // a response that the client does not take, unless it is followed()
  size_t max_streams = 250;                          // requests at once on an HTTP/2 connection
  uint32_t socket_mode = 0660;  // of a Unix socket
  bool h2c = false;  // plain sockets take HTTP/2 with prior knowledge too (gRPC over a Unix socket)
};

class Server {
 public:
  // The handler outlives the server. Bodies arrive as sources; the handler bounds them (read_all(max)).
  Server(Loop& loop, Handler& handler, ServerLimits limits = {});
  ~Server();
  // "127.0.0.1:6443", "[::]:0", "unix:/run/x.sock" (ServerLimits::socket_mode). tls null: plain text. HTTP/2 when TLS agrees on "h2".
  // kAlreadyExists when the address is taken. May be called for several addresses.
  Result<void> listen(std::string_view address, std::shared_ptr<TlsContext> tls);
  uint16_t port() const;  // of the first TCP listener
  // Stops accepting, lets requests end for up to `grace`, then closes.
  Task<void> shutdown(Duration grace);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// What sends requests: over the network, or straight into a Handler.
class Transport {
 public:
  virtual ~Transport() = default;
  virtual Task<Result<Response>> send(Request request) = 0;
};

struct ClientOptions {
  std::string address;               // as for connect()
  std::shared_ptr<TlsContext> tls;   // null: plain text
  size_t max_connections = 16;       // more HTTP/1.1 requests than that wait for a free one
  Duration connect_timeout = std::chrono::seconds(10);
  Duration idle_timeout = std::chrono::seconds(90);
  bool h2c = false;                  // plain text: HTTP/2 with prior knowledge
  Duration ping_interval{0};         // HTTP/2: a server that is silent for two of these, though asked, is given up
};
// Keeps connections to one address. Speaks HTTP/2 where TLS agrees on "h2" or `h2c` says so: then all requests, watches
// too, share one connection. Requests with an Upgrade header go by HTTP/1.1. A GET, HEAD or OPTIONS on a connection that the server closed meanwhile is sent
// again once; other methods may have had their effect and fail with kUnavailable. Errors are of the transport; a 404 is a Response.
std::unique_ptr<Transport> make_client(Loop& loop, ClientOptions options);
// Calls the handler in this process as `user` with `groups`.
std::unique_ptr<Transport> make_in_process_transport(Loop& loop, Handler& handler, std::string user,
                                                     std::vector<std::string> groups);

}  // namespace kobuk::io::http
