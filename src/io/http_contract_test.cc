// What requests can rely on, whatever carries them: one suite over each protocol and transport.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "io/http.h"
#include "io/testing/certificates.h"
#include "io/testing/run_command.h"

namespace kobuk::io::http {
namespace {

using namespace std::chrono_literals;

// Pieces that come when the test says so.
class Feed final : public BodySource {
 public:
  Feed(Loop& loop, int pieces, size_t size, size_t* made) : loop_(loop), left_(pieces), size_(size), made_(made) {}
  Task<Result<std::string>> next() override {
    co_await loop_.yield();
    if (left_-- <= 0) co_return std::string();
    ++*made_;
    co_return std::string(size_, 'x');
  }
  Headers trailers() override {
    Headers out;
    out.set("x-after", "all");
    return out;
  }

 private:
  Loop& loop_;
  int left_;
  size_t size_;
  size_t* made_;
};
class Broken final : public BodySource {
 public:
  Task<Result<std::string>> next() override { co_return fail(Code::kInternal, "the disk is on fire"); }
};
class Never final : public BodySource {
 public:
  Never(Loop& loop, size_t* alive) : event_(loop), alive_(alive) { ++*alive_; }
  ~Never() override { --*alive_; }
  Task<Result<std::string>> next() override {
    if (std::exchange(first_, false)) co_return "begun";
    co_await event_.wait();
    co_return std::string();
  }

 private:
  Event event_;
  size_t* alive_;
  bool first_ = true;
};

class Contract final : public Handler {
 public:
  explicit Contract(Loop& loop) : loop_(loop), cancelled(loop) {}
  Task<Response> handle(Request request) override {
    ++calls;
    version = request.version;
    Response out;
    if (request.path() == "/stream") {
      out.body = Body(std::make_unique<Feed>(loop_, 500, 10'000, &made));
      co_return out;
    }
    if (request.path() == "/followed") {
      out.body = Body(std::make_unique<Feed>(loop_, 500, 10'000, &made));
      out.body.set_followed();
      co_return out;
    }
    if (request.path() == "/watch") {
      out.body = Body(std::make_unique<Never>(loop_, &watches));
      co_return out;
    }
    if (request.path() == "/known" || request.path() == "/short") {
      out.body = Body(std::make_unique<Feed>(loop_, 3, 100, &made), request.path() == "/known" ? 300 : 301);
      co_return out;
    }
    if (request.path() == "/broken") {
      out.body = Body(std::make_unique<Broken>());
      co_return out;
    }
    if (request.path() == "/hang") {
      Event gone(loop_);
      auto registration = request.cancel.on_cancel([&gone] { gone.set(); });
      co_await gone.wait();
      cancelled.set();
      co_return out;
    }
    if (request.path() == "/unread") co_return text_response(200, "did not look");
    if (request.path() == "/none") {
      out.status = 204;
      co_return out;
    }
    if (request.path() == "/upgrade") {
      out.status = 101;
      out.headers.set("Connection", "Upgrade");
      out.headers.set("Upgrade", "tcp");
      out.upgrade = [](std::unique_ptr<Stream> stream) { return echo_raw(std::move(stream)); };
      co_return out;
    }
    auto body = co_await request.body.read_all(8 << 20);
    if (!body) co_return text_response(413, body.error().message());
    out = text_response(200, cat(request.method, " ", request.target, " ", request.headers.get("X-Name"), " ", *body));
    out.headers.set("X-Host", request.host);
    out.headers.add("Warning", "299 - one");
    out.headers.add("Warning", "299 - two");
    co_return out;
  }
  static Task<void> echo_raw(std::unique_ptr<Stream> stream) {
    while (true) {
      auto got = co_await stream->read(4096);
      if (!got || got->empty()) co_return;
      auto sent = co_await stream->write(*got);
      if (!sent) co_return;
    }
  }

 private:
  Loop& loop_;

 public:
  Event cancelled;
  size_t made = 0, watches = 0;
  int calls = 0, version = 0;
};

struct Carrier {
  std::string name;
  bool tls, http2, unix_socket;
};

class HttpContract : public testing::TestWithParam<Carrier> {
 protected:
  void SetUp() override {
    const Carrier& carrier = GetParam();
    if (carrier.tls) tls_ = make_test_tls({"h2", "http/1.1"}, carrier.http2 ? std::vector<std::string>{"h2", "http/1.1"} : std::vector<std::string>{"http/1.1"});
    if (carrier.tls && !tls_.server) GTEST_SKIP() << "the openssl program is not installed";
    char name[] = "/tmp/http_contract.XXXXXX";
    folder_ = mkdtemp(name);
    serve({});
  }
  void serve(ServerLimits limits) {
    const Carrier& carrier = GetParam();
    limits.h2c = !carrier.tls;
    client_ = nullptr;
    server_ = nullptr;
    server_ = std::make_unique<Server>(loop_, handler_, limits);
    address_ = carrier.unix_socket ? cat("unix:", folder_, "/s") : "127.0.0.1:0";
    ASSERT_TRUE(server_->listen(address_, tls_.server));
    if (!carrier.unix_socket) address_ = cat("127.0.0.1:", server_->port());
    client_ = new_client();
  }
  void TearDown() override {
    client_ = nullptr;
    server_ = nullptr;
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  std::unique_ptr<Transport> new_client() {
    return make_client(loop_, {.address = address_, .tls = tls_.client, .max_connections = 4, .h2c = GetParam().http2 && !GetParam().tls});
  }
  static Task<std::string> ask(Transport& client, std::string method, std::string target, std::string body) {
    Request request;
    request.method = method;
    request.target = target;
    request.headers.set("X-Name", "näme");
    request.body = Body(body);
    auto response = co_await client.send(std::move(request));
    if (!response) co_return "error: " + response.error().message();
    auto text = co_await response->body.read_all(16 << 20);
    co_return cat(response->status, " ", text ? *text : "error: " + text.error().message());
  }
  std::string fetch(std::string method, std::string target, std::string body = {}) {
    return loop_.run_until_done(ask(*client_, method, target, body));
  }

  Loop loop_;
  Contract handler_{loop_};
  TestTls tls_;
  std::string folder_, address_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<Transport> client_;
};

TEST_P(HttpContract, RequestsCarryEverything) {
  EXPECT_EQ(fetch("GET", "/a?b=%20c"), "200 GET /a?b=%20c näme ");
  EXPECT_EQ(handler_.version, GetParam().http2 ? 20 : 11);
  EXPECT_EQ(fetch("POST", "/echo", "hello"), "200 POST /echo näme hello");
  std::string big(5'000'000, 'x');
  EXPECT_EQ(fetch("PUT", "/echo", big), "200 PUT /echo näme " + big);
  EXPECT_EQ(fetch("POST", "/unread", std::string(100'000, 'x')), "200 did not look");
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
  EXPECT_EQ(fetch("HEAD", "/echo"), "200 ");
  EXPECT_EQ(fetch("DELETE", "/echo"), "200 DELETE /echo näme ");
}

Task<std::string> headers_of(Transport& client) {
  Request request;
  request.host = "kobuk.example";
  auto response = co_await client.send(std::move(request));
  if (!response) co_return response.error().message();
  auto warnings = response->headers.get_all("warning");
  std::string out = cat(response->headers.get("X-HOST"));
  for (auto warning : warnings) cat_to(out, "|", warning);
  co_return out;
}
TEST_P(HttpContract, HeadersKeepTheirValuesAndOrder) {
  EXPECT_EQ(loop_.run_until_done(headers_of(*client_)), "kobuk.example|299 - one|299 - two");
}

Task<std::string> streamed(Loop& loop, Transport& client) {
  Request request;
  request.method = "POST";
  request.target = "/echo";
  size_t made = 0;
  request.body = Body(std::make_unique<Feed>(loop, 300, 1000, &made));
  auto response = co_await client.send(std::move(request));
  if (!response) co_return response.error().message();
  auto body = co_await response->body.read_all(1 << 20);
  co_return body ? cat(body->size()) : body.error().message();
}
TEST_P(HttpContract, BodiesStreamBothWays) {
  EXPECT_EQ(loop_.run_until_done(streamed(loop_, *client_)), cat(300'000 + std::string("POST /echo  ").size()));
  EXPECT_EQ(fetch("GET", "/stream").size(), 5'000'004u);
}

TEST_P(HttpContract, ABodyThatIsTooLongIsAnsweredBeforeItsEnd) {
  std::string answer = fetch("POST", "/echo", std::string(12'000'000, 'x'));
  EXPECT_TRUE(answer.starts_with("413 the body is larger")) << answer;
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
}

Task<std::string> slow(Loop& loop, Transport& client, size_t& made) {
  Request request;
  request.target = "/stream";
  auto response = co_await client.send(std::move(request));
  if (!response) co_return response.error().message();
  co_await loop.sleep(100ms);
  if (made > 499) co_return "everything was made before anybody read it";
  auto body = co_await response->body.read_all(16 << 20);
  if (!body) co_return body.error().message();
  co_return cat(body->size(), " ", response->body.trailers().get("X-After"));
}
TEST_P(HttpContract, AProducerWaitsForASlowReader) {
  EXPECT_EQ(loop_.run_until_done(slow(loop_, *client_, handler_.made)), GetParam().http2 ? "5000000 all" : "5000000 ");
}

Task<std::string> stuck(Loop& loop, Transport& client, std::string target) {
  Request request;
  request.target = target;
  auto response = co_await client.send(std::move(request));
  if (!response) co_return response.error().message();
  co_await loop.sleep(1s);
  auto body = co_await response->body.read_all(16 << 20);
  co_return body ? "all of it" : "broken off";
}
TEST_P(HttpContract, AReaderThatStopsLosesItsResponse) {
  serve({.write_timeout = 100ms});
  EXPECT_EQ(loop_.run_until_done(stuck(loop_, *client_, "/stream")), GetParam().unix_socket ? "all of it" : "broken off");
}
TEST_P(HttpContract, AReaderThatFollowsMayPause) {
  serve({.write_timeout = 100ms});
  EXPECT_EQ(loop_.run_until_done(stuck(loop_, *client_, "/followed")), "all of it");
}

class Pausing final : public BodySource {
 public:
  explicit Pausing(Loop& loop) : loop_(loop) {}
  Task<Result<std::string>> next() override {
    if (++pieces_ == 2) co_await loop_.sleep(500ms);
    co_return pieces_ > 2 ? std::string() : std::string("piece ");
  }

 private:
  Loop& loop_;
  int pieces_ = 0;
};
Task<std::string> send_slowly(Loop& loop, Transport& client) {
  Request request;
  request.method = "POST";
  request.target = "/echo";
  request.body = Body(std::make_unique<Pausing>(loop));
  auto response = co_await client.send(std::move(request));
  if (!response) co_return response.error().message();
  auto body = co_await response->body.read_all(1000);
  co_return body ? *body : body.error().message();
}
TEST_P(HttpContract, ASlowSenderIsWaitedForOnAUnixSocketAlone) {
  serve({.body_timeout = 100ms});
  bool whole = loop_.run_until_done(send_slowly(loop_, *client_)) == "POST /echo  piece piece ";
  EXPECT_EQ(whole, GetParam().unix_socket);
}

Task<std::string> length_of(Transport& client, std::string target) {
  Request request;
  request.target = target;
  auto response = co_await client.send(std::move(request));
  if (!response) co_return response.error().message();
  auto body = co_await response->body.read_all(1000);
  co_return cat(response->headers.get("Content-Length"), body ? " whole" : " broken off");
}
TEST_P(HttpContract, SourcesOfAKnownLengthSaySo) {
  EXPECT_EQ(loop_.run_until_done(length_of(*client_, "/known")), "300 whole");
  EXPECT_EQ(loop_.run_until_done(length_of(*client_, "/short")), "301 broken off");
}

TEST_P(HttpContract, ABodyThatBreaksOffIsAnError) {
  std::string answer = fetch("GET", "/broken");
  EXPECT_NE(answer.find("error"), std::string::npos) << answer;
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
}

Task<int> many(Loop& loop, Transport& client, int count) {
  TaskGroup group(loop);
  int good = 0;
  struct One {
    static Task<void> run(Transport& to, int n, int& good) {
      std::string body = cat("body ", n);
      std::string answer;
      Request request;
      request.method = "POST";
      request.target = "/echo";
      request.body = Body(body);
      auto response = co_await to.send(std::move(request));
      if (!response) co_return;
      auto text = co_await response->body.read_all(1000);
      good += text && *text == cat("POST /echo  ", body);
    }
  };
  for (int i = 0; i < count; ++i) group.spawn(One::run(client, i, good));
  co_await group.join();
  co_return good;
}
TEST_P(HttpContract, ManyAtOnceGetTheirOwnAnswers) { EXPECT_EQ(loop_.run_until_done(many(loop_, *client_, 1000)), 1000); }

Task<std::string> watch_and_ask(Loop& loop, Transport& client, int watches, size_t& alive, bool ended_with_client) {
  std::vector<Response> open;
  for (int i = 0; i < watches; ++i) {
    Request request;
    request.target = "/watch";
    auto response = co_await client.send(std::move(request));
    if (!response) co_return response.error().message();
    auto first = co_await response->body.next();
    if (!first || *first != "begun") co_return "no first piece";
    open.push_back(std::move(*response));
  }
  Request request;
  request.target = "/none";
  auto response = co_await client.send(std::move(request));
  std::string out = response ? cat(response->status, " ", alive) : response.error().message();
  open.clear();
  for (int i = 0; i < 400 && ended_with_client && alive > 0; ++i) co_await loop.sleep(5ms);
  co_return cat(out, " ", alive);
}
TEST_P(HttpContract, WatchesDoNotUseUpTheClient) {
  int watches = GetParam().http2 ? 600 : 3;  // more than one connection's streams
  EXPECT_EQ(loop_.run_until_done(watch_and_ask(loop_, *client_, watches, handler_.watches, GetParam().http2)), cat("204 ", watches, GetParam().http2 ? " 0" : cat(" ", watches)));
}

Task<void> leave(Loop& loop, Transport& client, Event& cancelled) {
  {
    TaskGroup group(loop);
    struct One {
      static Task<void> run(Transport& to) {
        Request request;
        request.target = "/hang";
        auto response = co_await to.send(std::move(request));
      }
    };
    group.spawn(One::run(client));
    co_await loop.sleep(20ms);
  }
  co_await cancelled.wait();
}
TEST_P(HttpContract, AHandlerLearnsThatTheCallerLeft) {
  loop_.run_until_done(leave(loop_, *client_, handler_.cancelled));
  EXPECT_TRUE(handler_.cancelled.is_set());
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
}

Task<std::string> upgraded(Transport& client) {
  Request request;
  request.method = "POST";
  request.target = "/upgrade";
  request.headers.set("Connection", "Upgrade");
  request.headers.set("Upgrade", "tcp");
  auto response = co_await client.send(std::move(request));
  if (!response || !response->upgraded) co_return "not upgraded";
  auto sent = co_await response->upgraded->write("ping");
  auto got = co_await response->upgraded->read(100);
  co_return got ? *got : got.error().message();
}
TEST_P(HttpContract, UpgradesWorkBesideHttp2) {
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
  EXPECT_EQ(loop_.run_until_done(upgraded(*client_)), "ping");
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
}
TEST_P(HttpContract, ACallerWithinTheProcessIsUpgradedToo) {
  auto client = make_in_process_transport(loop_, handler_, "me", {});
  EXPECT_EQ(loop_.run_until_done(upgraded(*client)), "ping");
}

Task<std::string> shut_down_beside(Loop& loop, Transport& client, Server& server) {
  Request request;
  request.target = "/stream";
  auto response = co_await client.send(std::move(request));
  if (!response) co_return response.error().message();
  TaskGroup group(loop);
  group.spawn(server.shutdown(5s));
  auto body = co_await response->body.read_all(16 << 20);
  co_await group.join();
  co_return body ? cat(body->size()) : body.error().message();
}
TEST_P(HttpContract, ShutdownLetsResponsesEndAndTakesNoNewOnes) {
  EXPECT_EQ(loop_.run_until_done(shut_down_beside(loop_, *client_, *server_)), "5000000");
  EXPECT_TRUE(fetch("GET", "/none").starts_with("error: "));
}

TEST_P(HttpContract, ARestartedServerCostsNoRequest) {
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
  std::string address = GetParam().unix_socket ? address_ : cat("127.0.0.1:", server_->port());
  server_ = nullptr;
  server_ = std::make_unique<Server>(loop_, handler_, ServerLimits{.h2c = !GetParam().tls});
  ASSERT_TRUE(server_->listen(address, tls_.server));
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
}

TEST_P(HttpContract, HugeHeadersAreRefused) {
  auto huge = [](Transport& client) -> Task<std::string> {
    Request request;
    request.headers.set("X-Huge", std::string(60'000, 'h'));
    request.headers.set("X-Huger", std::string(10'000, 'h'));
    auto response = co_await client.send(std::move(request));
    co_return response ? cat(response->status) : "error";
  };
  std::string answer = loop_.run_until_done(huge(*client_));
  EXPECT_TRUE(answer == "431" || answer == "error") << answer;
  EXPECT_EQ(handler_.calls, 0);
  EXPECT_EQ(fetch("GET", "/none"), "204 ");
}

TEST_P(HttpContract, CurlUnderstandsUs) {
  if (access("/usr/bin/curl", X_OK) != 0) GTEST_SKIP() << "curl is not installed";
  const Carrier& carrier = GetParam();
  std::string flags = carrier.http2 ? (carrier.tls ? "--http2" : "--http2-prior-knowledge") : "--http1.1";
  std::string socket = carrier.unix_socket ? cat(" --unix-socket ", folder_, "/s") : "";
  std::string url = carrier.unix_socket ? "http://localhost" : cat(carrier.tls ? "https://" : "http://", address_);
  auto curl = [&](std::string arguments) { return loop_.run_until_done(run_command(loop_, cat("curl -sk ", flags, socket, " ", arguments))); };
  EXPECT_EQ(curl(cat("-o /dev/null -w '%{http_version} %{size_download}' ", url, "/stream")), carrier.http2 ? "2 5000000" : "1.1 5000000");
  EXPECT_EQ(curl(cat("--data-binary hello ", url, "/echo")), "POST /echo  hello");
  EXPECT_EQ(curl(cat("-I -o /dev/null -w '%{http_code}' ", url, "/echo")), "200");
  std::string upload = loop_.run_until_done(run_command(
      loop_, cat("head -c 300000 /dev/zero | curl -sk ", flags, socket, " -H 'Expect: 100-continue' -T - -o /dev/null -w '%{http_code} %{size_download}' ", url, "/echo")));
  EXPECT_EQ(upload, "200 300011");
  if (carrier.http2 && !carrier.tls) return;  // curl 7.88 cannot use a connection of prior knowledge twice
  EXPECT_EQ(curl(cat(url, "/echo ", url, "/unread")), "GET /echo  did not look");
  if (carrier.http2) EXPECT_EQ(curl(cat("-Z --parallel-max 50 -w '%{http_code}\\n' '", url, "/none?[1-200]' 2>&1 | grep -c 204")), "200\n");
}

INSTANTIATE_TEST_SUITE_P(Carriers, HttpContract,
                         testing::Values(Carrier{"Http1", false, false, false}, Carrier{"Http1Tls", true, false, false}, Carrier{"Http2Tls", true, true, false},
                                         Carrier{"H2c", false, true, false}, Carrier{"H2cUnix", false, true, true}),
                         [](const testing::TestParamInfo<Carrier>& info) { return info.param.name; });

}  // namespace
}  // namespace kobuk::io::http
