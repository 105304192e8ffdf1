// The client chooses between HTTP/1.1 and HTTP/2; and calls within the process.
#include <sys/socket.h>

#include <cerrno>

#include "io/address.h"
#include "io/http.h"
#include "io/http1_parser.h"
#include "io/http_clients.h"
#include "io/tls_stream.h"

namespace kobuk::io::http {

Task<Result<Dialed>> dial(Loop& loop, std::shared_ptr<const ClientOptions> options, bool http1_only) {
  Dialed out;
  KOBUK_CO_TRY(out.stream, co_await connect(loop, options->address, options->connect_timeout));
  if (!options->tls) co_return out;
  auto name = detail::split_host_port(options->address);
  std::string host = name ? name->host : "localhost";
  KOBUK_CO_TRY(auto secured, co_await connect_tls(loop, std::move(out.stream), options->tls, host, options->connect_timeout, http1_only));
  out.stream = std::move(secured.stream);
  out.alpn = std::move(secured.info.alpn);
  co_return out;
}

namespace {

class Client final : public Transport {
 public:
  Client(Loop& loop, std::shared_ptr<const ClientOptions> options)
      : options_(options), http1_(std::make_shared<Http1Client>(loop, options)), http2_(std::make_shared<Http2Client>(loop, options)) {}

  Task<Result<Response>> send(Request request) override {
    auto http1 = http1_;
    auto http2 = http2_;
    if (request.host.empty()) request.host = options_->address.starts_with("unix:") ? "localhost" : options_->address;
    KOBUK_CO_CHECK(check_request(request));
    bool may_http2 = options_->tls ? offers_http2(*options_->tls) : options_->h2c;
    if (may_http2 && !request.headers.has("Upgrade")) {
      KOBUK_CO_TRY(auto answer, co_await http2->send(request));
      if (answer) co_return std::move(*answer);
      if (auto connection = http2->take_http1()) http1->adopt(std::move(connection));
    }
    auto answer = co_await http1->send(std::move(request));
    co_return answer;
  }

 private:
  std::shared_ptr<const ClientOptions> options_;
  std::shared_ptr<Http1Client> http1_;
  std::shared_ptr<Http2Client> http2_;
};

class InProcess final : public Transport {
 public:
  InProcess(Loop& loop, Handler& handler, std::string user, std::vector<std::string> groups)
      : loop_(loop), handler_(handler), user_(std::move(user)), groups_(std::move(groups)) {}
  Task<Result<Response>> send(Request request) override {
    Loop& loop = loop_;
    request.peer.address = "in-process";
    request.peer.trusted_user = user_;
    request.peer.trusted_groups = groups_;
    auto response = co_await handler_.handle(std::move(request));
    if (response.status == 101 && response.upgrade) KOBUK_CO_CHECK(join_upgrade(loop, response));
    co_return response;
  }

 private:
  static Task<void> run_upgrade(UpgradeFn upgrade, std::unique_ptr<Stream> stream) { co_await upgrade(std::move(stream)); }

  // The handler's end and the caller's end of one connection.
  static Result<void> join_upgrade(Loop& loop, Response& response) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) return fail_errno(errno, "socketpair");
    response.upgraded = adopt_fd(loop, ends[0]);
    loop.spawn(run_upgrade(std::exchange(response.upgrade, nullptr), adopt_fd(loop, ends[1])));
    return {};
  }

  Loop& loop_;
  Handler& handler_;
  std::string user_;
  std::vector<std::string> groups_;
};

}  // namespace

std::unique_ptr<Transport> make_client(Loop& loop, ClientOptions options) {
  return std::make_unique<Client>(loop, std::make_shared<const ClientOptions>(std::move(options)));
}

std::unique_ptr<Transport> make_in_process_transport(Loop& loop, Handler& handler, std::string user, std::vector<std::string> groups) {
  return std::make_unique<InProcess>(loop, handler, std::move(user), std::move(groups));
}

}  // namespace kobuk::io::http
