// A pool of HTTP/1.1 connections (RFC 9112) to one address.
#include <cerrno>
#include <deque>

#include "io/http1_connection.h"
#include "io/http_clients.h"

namespace kobuk::io::http {

constexpr size_t kMaxResponseHead = 256 << 10;
constexpr int kMaxInformational = 32;

class Http1Connections : public std::enable_shared_from_this<Http1Connections> {
 public:
  Http1Connections(Loop& loop, std::shared_ptr<const ClientOptions> options) : loop_(loop), options_(std::move(options)), freed_(loop) {}

  using Connection = std::shared_ptr<Http1Connection>;
  struct Leased {
    Connection connection;
    bool reused = false;
  };

  Task<Result<Leased>> lease() {
    while (idle_.empty() && open_ >= options_->max_connections) {
      freed_.reset();
      co_await freed_.wait();
    }
    while (!idle_.empty()) {
      Idle newest = std::move(idle_.back());
      idle_.pop_back();
      bool usable = newest.connection->quiet() && loop_.mono() - newest.since < options_->idle_timeout;
      if (usable) co_return Leased{std::move(newest.connection), true};
      --open_;
    }
    ++open_;
    // Until there is a connection, an error or an abandoned request gives the place back.
    struct Place {
      Http1Connections* pool;
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
  void adopt(std::unique_ptr<Stream> stream) {
    ++open_;
    give_back(std::make_shared<Http1Connection>(loop_, std::move(stream)));
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
  
 private:
  struct Idle {
    Connection connection;
    MonoTime since;
  };
  Task<Result<Connection>> connect_one() {
    KOBUK_CO_TRY(auto dialed, co_await dial(loop_, options_, true));
    co_return std::make_shared<Http1Connection>(loop_, std::move(dialed.stream));
  }

  Loop& loop_;
  std::shared_ptr<const ClientOptions> options_;
  std::deque<Idle> idle_;
  size_t open_ = 0;
  Event freed_;
};

namespace {

// Holds a connection for one exchange: back into the pool when that ended cleanly, closed otherwise.
class Exchange {
 public:
  Exchange(std::shared_ptr<Http1Connections> pool, Http1Connections::Leased leased) : pool_(std::move(pool)), leased_(std::move(leased)) {}
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
  std::shared_ptr<Http1Connections> pool_;
  Http1Connections::Leased leased_;
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

std::string request_head(const Request& request, Framing framing) {
  bool bodiless = !request.body.streaming() && request.body.size() == 0 &&
                  (request.method == "GET" || request.method == "HEAD" || request.method == "DELETE");
  return format_request_head(request, bodiless ? Framing::kNone : framing, request.body.length().value_or(0));
}

Task<Result<Response>> exchange(Exchange exchange, std::string method, std::string head, Body body, Framing framing) {
  auto written = co_await write_body(exchange.connection().stream(), std::move(body), framing, head);
  // Who is answered before all is written learns more from the answer than from the broken pipe.
  bool refused = !written && (written.error().system_errno() == EPIPE || written.error().system_errno() == ECONNRESET);
  if (!written && !refused) co_return fail(std::move(written).error());
  MessageHead answer;
  int informational = 0;
  do {
    if (++informational > kMaxInformational) co_return fail(Code::kUnavailable, "the server sends informational answers only");
    auto got = co_await exchange.connection().read_head(kMaxResponseHead);
    if (refused && (!got || !*got)) co_return fail(std::move(written).error());
    KOBUK_CO_TRY(auto text, std::move(got));
    if (!text) co_return fail(Code::kUnavailable, "the server closed the connection without an answer");
    KOBUK_CO_TRY(answer, parse_response_head(*text, method));
  } while (answer.status < 200 && answer.status != 101);
  Response out;
  out.status = answer.status;
  exchange.connection().begin_body(answer);
  answer.keep_alive = answer.keep_alive && !refused;
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

}  // namespace

Http1Client::Http1Client(Loop& loop, std::shared_ptr<const ClientOptions> options)
    : connections_(std::make_shared<Http1Connections>(loop, std::move(options))) {}

void Http1Client::adopt(std::unique_ptr<Stream> stream) { connections_->adopt(std::move(stream)); }

Task<Result<Response>> Http1Client::send(Request request) {
  auto pool = connections_;
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

}  // namespace kobuk::io::http
