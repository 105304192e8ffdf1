// The client: a pool of HTTP/1.1 connections (RFC 9112) to one address, and calls within the process.
#include <deque>

#include "io/address.h"
#include "io/http.h"
#include "io/http1_connection.h"
#include "io/tls_stream.h"

namespace kobuk::io::http {
namespace {

constexpr size_t kMaxResponseHead = 256 << 10;
constexpr int kMaxInformational = 32;

class Pool : public std::enable_shared_from_this<Pool> {
 public:
  Pool(Loop& loop, ClientOptions options) : loop_(loop), options_(std::move(options)), freed_(loop) {}

  using Connection = std::shared_ptr<Http1Connection>;
  struct Leased {
    Connection connection;
    bool reused = false;
  };

  Task<Result<Leased>> lease() {
    while (idle_.empty() && open_ >= options_.max_connections) {
      freed_.reset();
      co_await freed_.wait();
    }
    while (!idle_.empty()) {
      Idle newest = std::move(idle_.back());
      idle_.pop_back();
      bool usable = newest.connection->quiet() && loop_.mono() - newest.since < options_.idle_timeout;
      if (usable) co_return Leased{std::move(newest.connection), true};
      --open_;
    }
    ++open_;
    // Until there is a connection, an error or an abandoned request gives the place back.
    struct Place {
      Pool* pool;
      ~Place() {
        if (pool != nullptr) pool->discard();
      }
    } place{this};
    KOBUK_CO_TRY(auto connected, co_await connect_one());
    place.pool = nullptr;
    co_return Leased{std::move(connected), false};
  }
  void give_back(Connection connection) {
    connection->watch_peer(CancelSource());  // so that lease() sees one that the server has closed
    idle_.push_back({std::move(connection), loop_.mono()});
    freed_.set();
  }
  void discard() {
    --open_;
    freed_.set();
  }
  // One idle connection was dead, so the others are likely to be.
  void drop_idle() {
    open_ -= idle_.size();
    idle_.clear();
    freed_.set();
  }
  const ClientOptions& options() const { return options_; }

 private:
  struct Idle {
    Connection connection;
    MonoTime since;
  };
  Task<Result<Connection>> connect_one() {
    KOBUK_CO_TRY(auto stream, co_await connect(loop_, options_.address, options_.connect_timeout));
    if (options_.tls) {
      auto name = detail::split_host_port(options_.address);
      std::string host = name ? name->host : "localhost";
      KOBUK_CO_TRY(auto secured, co_await connect_tls(loop_, std::move(stream), options_.tls, host, options_.connect_timeout));
      stream = std::move(secured.stream);
    }
    co_return std::make_shared<Http1Connection>(loop_, std::move(stream));
  }

  Loop& loop_;
  ClientOptions options_;
  std::deque<Idle> idle_;
  size_t open_ = 0;
  Event freed_;
};

// Holds a connection for one exchange: back into the pool when that ended cleanly, closed otherwise.
class Exchange {
 public:
  Exchange(std::shared_ptr<Pool> pool, Pool::Leased leased) : pool_(std::move(pool)), leased_(std::move(leased)) {}
  Exchange(Exchange&&) = default;
  ~Exchange() {
    if (!pool_) return;
    if (clean_ && leased_.connection->quiet()) {
      pool_->give_back(std::move(leased_.connection));
    } else {
      leased_.connection = nullptr;
      pool_->discard();
    }
  }
  Http1Connection& connection() { return *leased_.connection; }
  bool reused() const { return leased_.reused; }
  void ended_cleanly() { clean_ = true; }

 private:
  std::shared_ptr<Pool> pool_;
  Pool::Leased leased_;
  bool clean_ = false;
};

class ResponseBody final : public BodySource {
 public:
  ResponseBody(Exchange exchange, bool keep_alive) : exchange_(std::move(exchange)), keep_alive_(keep_alive) {}
  Task<Result<std::string>> next() override {
    auto piece = co_await exchange_.connection().read_body();
    if (piece && exchange_.connection().body_ended() && keep_alive_) exchange_.ended_cleanly();
    co_return piece;
  }

 private:
  Exchange exchange_;
  bool keep_alive_;
};

class Http1Client final : public Transport {
 public:
  Http1Client(Loop& loop, ClientOptions options) : pool_(std::make_shared<Pool>(loop, std::move(options))) {}

  Task<Result<Response>> send(Request request) override {
    auto pool = pool_;
    if (request.host.empty()) request.host = pool->options().address.starts_with("unix:") ? "localhost" : pool->options().address;
    KOBUK_CO_CHECK(check_request(request));
    bool streaming = request.body.streaming();
    Body again;  // pieces are shared, so a second try costs nothing
    for (const SharedBytes& piece : request.body.pieces()) again.add(piece);
    KOBUK_CO_TRY(auto leased, co_await pool->lease());
    bool reused = leased.reused;
    Exchange first(pool, std::move(leased));
    std::string method = request.method;
    Framing framing = streaming && !request.body.length() ? Framing::kChunked : Framing::kLength;
    std::string head = request_head(request, framing);
    auto answer = co_await exchange(std::move(first), method, head, std::move(request.body), framing);
    bool safe = method == "GET" || method == "HEAD" || method == "OPTIONS";  // others may have had their effect
    bool stale = !answer && reused && safe && !streaming && answer.error().code() == Code::kUnavailable;
    if (!stale) co_return answer;
    // The server closed the idle connection while the request was on its way: a new connection, once.
    pool->drop_idle();
    KOBUK_CO_TRY(auto fresh, co_await pool->lease());
    Exchange second(pool, std::move(fresh));
    auto second_answer = co_await exchange(std::move(second), method, head, std::move(again), framing);
    co_return second_answer;
  }

 private:
  static std::string request_head(const Request& request, Framing framing) {
    bool bodiless = !request.body.streaming() && request.body.size() == 0 &&
                    (request.method == "GET" || request.method == "HEAD" || request.method == "DELETE");
    return format_request_head(request, bodiless ? Framing::kNone : framing, request.body.length().value_or(0));
  }

  static Task<Result<Response>> exchange(Exchange exchange, std::string method, std::string head, Body body, Framing framing) {
    KOBUK_CO_CHECK(co_await write_body(exchange.connection().stream(), std::move(body), framing, head));
    MessageHead answer;
    int informational = 0;
    do {
      if (++informational > kMaxInformational) co_return fail(Code::kUnavailable, "the server sends informational answers only");
      KOBUK_CO_TRY(auto text, co_await exchange.connection().read_head(kMaxResponseHead));
      if (!text) co_return fail(Code::kUnavailable, "the server closed the connection without an answer");
      KOBUK_CO_TRY(answer, parse_response_head(*text, method));
    } while (answer.status < 200 && answer.status != 101);
    Response out;
    out.status = answer.status;
    exchange.connection().begin_body(answer);
    out.headers = std::move(answer.headers);
    if (answer.status == 101) {
      out.upgraded = exchange.connection().release_as_stream();
      co_return out;
    }
    if (exchange.connection().body_ended()) {
      if (answer.keep_alive) exchange.ended_cleanly();
      co_return out;
    }
    out.body = Body(std::make_unique<ResponseBody>(std::move(exchange), answer.keep_alive));
    co_return out;
  }

  std::shared_ptr<Pool> pool_;
};

class InProcess final : public Transport {
 public:
  InProcess(Handler& handler, std::string user, std::vector<std::string> groups)
      : handler_(handler), user_(std::move(user)), groups_(std::move(groups)) {}
  Task<Result<Response>> send(Request request) override {
    request.peer.address = "in-process";
    request.peer.trusted_user = user_;
    request.peer.trusted_groups = groups_;
    auto response = co_await handler_.handle(std::move(request));
    co_return response;
  }

 private:
  Handler& handler_;
  std::string user_;
  std::vector<std::string> groups_;
};

}  // namespace

std::unique_ptr<Transport> make_client(Loop& loop, ClientOptions options) {
  return std::make_unique<Http1Client>(loop, std::move(options));
}

std::unique_ptr<Transport> make_in_process_transport(Loop&, Handler& handler, std::string user, std::vector<std::string> groups) {
  return std::make_unique<InProcess>(handler, std::move(user), std::move(groups));
}

}  // namespace kobuk::io::http
