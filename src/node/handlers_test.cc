// Probes against real servers on loopback.
#include "node/handlers.h"

#include <gtest/gtest.h>

#include "base/strings.h"
#include "codec/protobuf.h"
#include "io/grpc.h"
#include "io/http.h"
#include "node/testing/fake_cri.h"

namespace kobuk::node {
namespace {

using io::http::Request;
using io::http::Response;

class Pages final : public io::http::Handler {
 public:
  explicit Pages(io::Loop& loop) : loop_(loop) {}
  io::Task<Response> handle(Request request) override {
    std::string path(request.path());
    seen = request.host;
    header = request.headers.get("X-Probe");
    agent = request.headers.get("User-Agent");
    if (path == "/good") co_return io::http::text_response(204, "");
    if (path == "/hop") co_return redirect("/good");
    if (path == "/loop") co_return redirect("/loop");
    if (path == "/away") co_return redirect("http://example.invalid/");
    if (path == "/slow") co_await loop_.sleep(std::chrono::hours(1));
    co_return io::http::text_response(500, "no");
  }
  static Response redirect(std::string_view to) {
    Response out = io::http::text_response(302, "");
    out.headers.set("Location", to);
    return out;
  }
  std::string seen, header, agent;

 private:
  io::Loop& loop_;
};

class Handlers : public ::testing::Test {
 protected:
  Handlers() : pages(loop), server(loop, pages), cri(loop) {
    EXPECT_TRUE(server.listen("127.0.0.1:0", nullptr));
    target.ip = "127.0.0.1";
    target.container.ports.emplace_back().name = "web";
    target.container.ports[0].container_port = server.port();
  }
  Outcome http(const std::string& path, Duration timeout = std::chrono::seconds(5)) {
    core::HTTPGetAction action;
    action.path = path, action.port = "web";
    action.http_headers = {{"X-Probe", "yes"}, {"Host", "web.example"}};
    return loop.run_until_done(run_http(loop, action, target, timeout));
  }
  std::string url(const std::string& path) { return cat("http://127.0.0.1:", server.port(), path); }

  io::Loop loop;
  Pages pages;
  io::http::Server server;
  FakeCri cri;
  Target target;
};

TEST_F(Handlers, AskByHttp) {
  EXPECT_EQ(http("/good").verdict, Verdict::kSuccess);
  EXPECT_EQ(pages.seen, "web.example");
  EXPECT_EQ(pages.header, "yes");
  EXPECT_EQ(pages.agent, "kube-probe/1.36");
  EXPECT_EQ(http("/hop").verdict, Verdict::kSuccess);
  EXPECT_EQ(http("/away").verdict, Verdict::kWarning);
  EXPECT_EQ(http("/bad").text, "HTTP probe failed with statuscode: 500");
  EXPECT_EQ(http("/loop").text, cat("Get \"", url("/loop"), "\": stopped after 10 redirects"));
  EXPECT_EQ(http("/slow", std::chrono::milliseconds(50)).text,
            cat("Get \"", url("/slow"), "\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"));
  target.container.ports[0].name = "other";
  EXPECT_EQ(http("/good").verdict, Verdict::kUnknown);
}

TEST_F(Handlers, ConnectByTcp) {
  core::TCPSocketAction action;
  action.port = server.port();
  EXPECT_EQ(loop.run_until_done(run_tcp(loop, action, target, std::chrono::seconds(5))).verdict, Verdict::kSuccess);
  io::http::Server other(loop, pages);
  ASSERT_TRUE(other.listen("127.0.0.1:0", nullptr));
  action.port = other.port();
  loop.run_until_done(other.shutdown({}));
  Outcome refused = loop.run_until_done(run_tcp(loop, action, target, std::chrono::seconds(5)));
  EXPECT_EQ(refused.verdict, Verdict::kFailure);
  EXPECT_EQ(refused.text, cat("dial tcp 127.0.0.1:", action.port.number, ": connect: connection refused"));
}

io::Task<Result<std::string>> health(io::grpc::Message message) {
  codec::ProtobufReader reader(message.bytes);
  codec::ProtobufField field;
  bool sick = reader.next(field).value_or(false) && field.bytes == "sick";
  codec::ProtobufWriter out;
  out.varint(1, sick ? 2 : 1);
  co_return out.take();
}

TEST_F(Handlers, AskByGrpc) {
  io::grpc::Service service(loop);
  service.add("/grpc.health.v1.Health/Check", health);
  io::http::Server grpc(loop, service, {.h2c = true});
  ASSERT_TRUE(grpc.listen("127.0.0.1:0", nullptr));
  auto ask = [&](const std::string& name) {
    core::Probe probe;
    probe.timeout_seconds = 5;
    probe.grpc.emplace();
    probe.grpc->port = grpc.port(), probe.grpc->service = name;
    return loop.run_until_done(run_probe(loop, cri, probe, target));
  };
  EXPECT_EQ(ask("").verdict, Verdict::kSuccess);
  EXPECT_EQ(ask("sick").text, "service unhealthy (responded with \"NOT_SERVING\")");
}

}  // namespace
}  // namespace kobuk::node
