// The server and the client against each other, raw sockets for what no client would send, and the real curl.
#include "io/http.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "io/stream.h"
#include "io/testing/run_command.h"

namespace kobuk::io::http {
namespace {

using namespace std::chrono_literals;

class Ticks final : public BodySource {
 public:
  explicit Ticks(Loop& loop) : loop_(loop) {}
  Task<Result<std::string>> next() override {
    co_await loop_.yield();
    if (left_ == 0) co_return std::string();
    co_return cat("tick ", left_--, "\n");
  }

 private:
  Loop& loop_;
  int left_ = 3;
};

// /echo answers with the body, /ticks streams, /hang waits until the client goes away, /upgrade echoes raw bytes.
class Echo final : public Handler {
 public:
  explicit Echo(Loop& loop) : loop_(loop), cancelled(loop) {}
  Task<Response> handle(Request request) override {
    if (request.path() == "/ticks") {
      Response out;
      out.body = Body(std::make_unique<Ticks>(loop_));
      co_return out;
    }
    if (request.path() == "/known" || request.path() == "/short") {
      Response out;
      out.body = Body(std::make_unique<Ticks>(loop_), request.path() == "/known" ? 21 : 22);
      co_return out;
    }
    if (request.path() == "/hang") {
      Event gone(loop_);
      auto registration = request.cancel.on_cancel([&gone] { gone.set(); });
      co_await gone.wait();
      cancelled.set();
      co_return Response();
    }
    if (request.path() == "/upgrade") {
      Response out;
      out.status = 101;
      out.headers.set("Connection", "Upgrade");
      out.headers.set("Upgrade", "tcp");
      out.upgrade = [](std::unique_ptr<Stream> stream) { return echo_raw(std::move(stream)); };
      co_return out;
    }
    if (request.path() == "/unread") co_return text_response(200, "did not look");
    if (request.path() == "/who") co_return text_response(200, request.peer.trusted_user);
    auto body = co_await request.body.read_all(1 << 20);
    if (!body) co_return text_response(413, body.error().message());
    co_return text_response(200, cat(request.method, " ", *body));
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
};

struct Fixture : testing::Test {
  Loop loop;
  Echo echo{loop};
  std::unique_ptr<Server> server;
  std::string address;
  void SetUp() override {
    server = std::make_unique<Server>(loop, echo);
    ASSERT_TRUE(server->listen("127.0.0.1:0", nullptr));
    address = cat("127.0.0.1:", server->port());
  }
};
using HttpTest = Fixture;

Task<std::string> fetch(Transport& client, std::string method, std::string target, std::string body) {
  Request request;
  request.method = method;
  request.target = target;
  request.body = Body(body);
  auto response = co_await client.send(std::move(request));
  if (!response) co_return "error: " + response.error().message();
  auto text = co_await response->body.read_all(1 << 22);
  co_return cat(response->status, " ", text ? *text : "error: " + text.error().message());
}

Task<std::string> raw(Loop& loop, std::string address, std::string bytes) {
  auto stream = co_await connect(loop, address, 5s);
  if (!stream) co_return stream.error().message();
  auto sent = co_await (*stream)->write(bytes);
  std::string all;
  while (true) {
    auto got = co_await (*stream)->read(4096);
    if (!got || got->empty()) co_return all;
    all += *got;
  }
}

TEST_F(HttpTest, AnswersATlsGreetingAtOnce) {
  auto answer = loop.run_until_done(raw(loop, address, std::string("\x16\x03\x01\x02\x00\x01", 6)));
  EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 ")) << answer;
}

TEST_F(HttpTest, SourcesOfAKnownLength) {
  auto answer = loop.run_until_done(raw(loop, address, "GET /known HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_NE(answer.find("Content-Length: 21\r\n"), std::string::npos) << answer;
  EXPECT_TRUE(answer.ends_with("\r\n\r\ntick 3\ntick 2\ntick 1\n")) << answer;
  auto head = loop.run_until_done(raw(loop, address, "HEAD /known HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_NE(head.find("Content-Length: 21\r\n"), std::string::npos) << head;
  EXPECT_TRUE(head.ends_with("\r\n\r\n")) << head;
  auto client = make_client(loop, {.address = address});
  EXPECT_EQ(loop.run_until_done(fetch(*client, "GET", "/short", "")), "200 error: the connection ended within a body");
  Request request;
  request.method = "POST";
  request.target = "/echo";
  request.body = Body(std::make_unique<Ticks>(loop), 21);
  auto response = loop.run_until_done(client->send(std::move(request)));
  ASSERT_TRUE(response);
  EXPECT_EQ(*loop.run_until_done(response->body.read_all(1000)), "POST tick 3\ntick 2\ntick 1\n");
}

TEST_F(HttpTest, KeepsConnectionsAndBodiesApart) {
  auto client = make_client(loop, {.address = address});
  EXPECT_EQ(loop.run_until_done(fetch(*client, "POST", "/echo", "hello")), "200 POST hello");
  EXPECT_EQ(loop.run_until_done(fetch(*client, "PUT", "/echo", std::string(900'000, 'x'))), "200 PUT " + std::string(900'000, 'x'));
  EXPECT_EQ(loop.run_until_done(fetch(*client, "POST", "/unread", std::string(100'000, 'x'))), "200 did not look");
  EXPECT_EQ(loop.run_until_done(fetch(*client, "GET", "/ticks", "")), "200 tick 3\ntick 2\ntick 1\n");
  EXPECT_EQ(loop.run_until_done(fetch(*client, "HEAD", "/echo", "")), "200 ");
  EXPECT_EQ(loop.run_until_done(fetch(*client, "GET", "/echo", "")), "200 GET ");
}

TEST_F(HttpTest, ManyAtOnceShareThePool) {
  auto client = make_client(loop, {.address = address, .max_connections = 4});
  auto all = [](Loop& on, Transport& transport) -> Task<int> {
    TaskGroup group(on);
    int good = 0;
    auto one = [](Transport& to, int& count) -> Task<void> {
      std::string answer = co_await fetch(to, "POST", "/echo", "x");
      count += answer == "200 POST x";
    };
    for (int i = 0; i < 200; ++i) group.spawn(one(transport, good));
    co_await group.join();
    co_return good;
  };
  EXPECT_EQ(loop.run_until_done(all(loop, *client)), 200);
}

TEST_F(HttpTest, MalformedRequestsAreRefusedAndTheConnectionEnds) {
  for (auto bytes : {"GET / HTTP/1.1\r\n\r\n", "NONSENSE\r\n\r\n", "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    EXPECT_TRUE(loop.run_until_done(raw(loop, address, bytes)).starts_with("HTTP/1.1 400 ")) << bytes;
  }
  std::string huge = "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(70'000, 'a');
  EXPECT_TRUE(loop.run_until_done(raw(loop, address, huge)).starts_with("HTTP/1.1 431 "));
  std::string bad_chunk = "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n";
  EXPECT_TRUE(loop.run_until_done(raw(loop, address, bad_chunk)).starts_with("HTTP/1.1 413 "));
}

TEST_F(HttpTest, PipelinedRequestsAreAnsweredInOrder) {
  std::string two =
      "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"
      "POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n0\r\n\r\n";
  std::string answer = loop.run_until_done(raw(loop, address, two));
  EXPECT_LT(answer.find("POST a"), answer.find("POST b"));
  EXPECT_NE(answer.find("POST b"), std::string::npos) << answer;
}

TEST_F(HttpTest, AHandlerLearnsThatTheClientLeft) {
  auto leave = [](Loop& on, std::string to, Event& cancelled) -> Task<void> {
    {
      auto stream = co_await connect(on, to, 5s);
      std::string_view request = "GET /hang HTTP/1.1\r\nHost: x\r\n\r\n";
      auto sent = co_await (*stream)->write(request);
      co_await on.sleep(5ms);
    }
    co_await cancelled.wait();
  };
  loop.run_until_done(leave(loop, address, echo.cancelled));
  EXPECT_TRUE(echo.cancelled.is_set());
}

TEST_F(HttpTest, UpgradesToARawStream) {
  auto talk = [](Loop& on, std::string to) -> Task<std::string> {
    auto client = make_client(on, {.address = to});
    Request request;
    request.method = "POST";
    request.target = "/upgrade";
    request.headers.set("Connection", "Upgrade");
    request.headers.set("Upgrade", "tcp");
    auto response = co_await client->send(std::move(request));
    if (!response || !response->upgraded) co_return "not upgraded";
    auto sent = co_await response->upgraded->write("ping");
    auto got = co_await response->upgraded->read(100);
    co_return got ? *got : got.error().message();
  };
  EXPECT_EQ(loop.run_until_done(talk(loop, address)), "ping");
}

TEST_F(HttpTest, UnixSocketsReplaceAStaleFile) {
  char dir[] = "/tmp/http_test.XXXXXX";
  ASSERT_NE(mkdtemp(dir), nullptr);
  std::string path = cat("unix:", dir, "/s");
  for (int i = 0; i < 2; ++i) {
    Server local(loop, echo);
    ASSERT_TRUE(local.listen(path, nullptr));
    auto client = make_client(loop, {.address = path});
    EXPECT_EQ(loop.run_until_done(fetch(*client, "GET", "/echo", "")), "200 GET ");
    Server second(loop, echo);
    auto taken = second.listen(path, nullptr);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code(), Code::kAlreadyExists);
    struct stat info;
    ASSERT_EQ(stat(path.c_str() + 5, &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0660u);
  }
  rmdir(dir);
}

TEST_F(HttpTest, InProcessCallsCarryTheIdentity) {
  auto client = make_in_process_transport(loop, echo, "system:kube-scheduler", {});
  EXPECT_EQ(loop.run_until_done(fetch(*client, "GET", "/who", "")), "200 system:kube-scheduler");
}

TEST_F(HttpTest, RefusedConnectionsAreErrors) {
  auto client = make_client(loop, {.address = "127.0.0.1:1"});
  EXPECT_TRUE(loop.run_until_done(fetch(*client, "GET", "/", "")).starts_with("error: connect to 127.0.0.1:1: "));
}

TEST_F(HttpTest, ShutdownLetsRequestsEnd) {
  auto client = make_client(loop, {.address = address});
  EXPECT_EQ(loop.run_until_done(fetch(*client, "GET", "/echo", "")), "200 GET ");
  loop.run_until_done(server->shutdown(1s));
  EXPECT_TRUE(loop.run_until_done(fetch(*client, "GET", "/echo", "")).starts_with("error: "));
}

TEST_F(HttpTest, CurlUnderstandsUs) {
  if (access("/usr/bin/curl", X_OK) != 0) GTEST_SKIP() << "curl is not installed";
  std::string url = cat("http://", address);
  EXPECT_EQ(loop.run_until_done(run_command(loop, cat("curl -s ", url, "/ticks"))), "tick 3\ntick 2\ntick 1\n");
  EXPECT_EQ(loop.run_until_done(run_command(loop, cat("curl -s --data-binary hello ", url, "/echo"))), "POST hello");
  EXPECT_EQ(loop.run_until_done(run_command(loop, cat("head -c 300000 /dev/zero | curl -s -o /dev/null -w '%{http_code} %{size_download}' -H 'Expect: 100-continue' -T - ", url, "/echo"))),
            "200 300004");
  EXPECT_EQ(loop.run_until_done(run_command(loop, cat("curl -s ", url, "/echo ", url, "/echo"))), "GET GET ");
  EXPECT_EQ(loop.run_until_done(run_command(loop, cat("curl -s --http1.0 ", url, "/ticks"))), "tick 3\ntick 2\ntick 1\n");
}

}  // namespace
}  // namespace kobuk::io::http
