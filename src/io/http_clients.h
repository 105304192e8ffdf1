// The two ways in which a client sends: a pool of HTTP/1.1 connections, or streams of HTTP/2 connections. Internal to io.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "io/http.h"

namespace kobuk::io::http {

struct Dialed {
  std::unique_ptr<Stream> stream;
  std::string alpn;
};
Task<Result<Dialed>> dial(Loop& loop, std::shared_ptr<const ClientOptions> options, bool http1_only);

class Http1Connections;
class Http1Client {
 public:
  Http1Client(Loop& loop, std::shared_ptr<const ClientOptions> options);
  Task<Result<Response>> send(Request request);
  void adopt(std::unique_ptr<Stream> stream);  // a connection that has just been made

 private:
  std::shared_ptr<Http1Connections> connections_;
};

class Http2ClientConnection;
class Http2Client : public std::enable_shared_from_this<Http2Client> {
 public:
  Http2Client(Loop& loop, std::shared_ptr<const ClientOptions> options);
  // nullopt: the server has chosen HTTP/1.1; the request is as it was, take_http1() has the connection.
  Task<Result<std::optional<Response>>> send(Request& request);
  std::unique_ptr<Stream> take_http1() { return std::move(http1_); }

 private:
  using Connection = std::shared_ptr<Http2ClientConnection>;
  struct Picked {
    Connection connection;  // null: HTTP/1.1
    bool reused = false;
  };
  struct Attempt {
    Result<Response> answer;
    bool untouched = false;  // the server has not acted on the request
  };
  Task<Result<Picked>> pick();
  Task<Result<void>> add_connection();
  Connection with_room();
  static Task<Attempt> attempt(Connection connection, Request request, std::string scheme);

  Loop& loop_;
  std::shared_ptr<const ClientOptions> options_;
  std::vector<Connection> connections_;
  std::shared_ptr<Event> changed_;  // a stream or a dial has ended
  bool dialing_ = false, speaks_http1_ = false;
  uint64_t failed_dials_ = 0;
  std::optional<Error> dial_error_;
  std::unique_ptr<Stream> http1_;
};

}  // namespace kobuk::io::http
