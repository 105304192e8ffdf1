// pods/log through a kubelet that is a small HTTPS server here.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "controlplane/apiserver/testing/api_fixture.h"
#include "controlplane/apiserver/testing/pki.h"

namespace kobuk::controlplane {
namespace {

using apiserver::testing::ApiTest;
using apiserver::testing::Pki;

// Answers with what it was asked; container "slow" never ends, "new" is waiting.
class Kubelet final : public io::http::Handler {
 public:
  explicit Kubelet(io::Loop& loop) : loop_(loop) {}
  io::Task<io::http::Response> handle(io::http::Request request) override {
    client_certificate = request.peer.certificate_der;
    if (request.target.find("/new") != std::string::npos)
      co_return io::http::text_response(400, "container \"new\" in pod \"web\" is waiting to start: ContainerCreating");
    if (request.target.find("/slow") == std::string::npos) co_return io::http::text_response(200, cat(request.target, "\n"));
    struct Endless final : io::http::BodySource {
      explicit Endless(Kubelet& of) : kubelet(of), never(of.loop_) { ++kubelet.streams; }
      ~Endless() override { --kubelet.streams; }
      io::Task<Result<std::string>> next() override {
        if (!std::exchange(said, true)) co_return std::string("first line\n");
        co_await never.wait();
        co_return std::string();
      }
      Kubelet& kubelet;
      io::Event never;
      bool said = false;
    };
    io::http::Response out;
    out.body = io::http::Body(std::make_unique<Endless>(*this));
    co_return out;
  }
  std::string client_certificate;
  int streams = 0;

 private:
  io::Loop& loop_;
};

class Log : public ApiTest {
 protected:
  Log() {
    https_ = std::make_unique<io::http::Server>(loop_, kubelet_);
    auto listening = https_->listen("127.0.0.1:0", pki_.server_context());
    EXPECT_TRUE(listening);
    loop_.run_until_done(server_->shutdown());
    auto [certificate, key] = pki_.client("kube-apiserver-kubelet-client", {"system:masters"});
    ApiServerOptions options{.kubelet = {.ca_pem = pki_.ca_pem(), .certificate_pem = certificate, .key_pem = key}};
    server_ = std::make_unique<ApiServer>(loop_, *store_, options);
    EXPECT_TRUE(loop_.run_until_done(server_->start()));
    post("/api/v1/nodes", cat(R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n"},"status":{"addresses":[{"type":"InternalIP","address":"127.0.0.1"}],)",
                              R"("daemonEndpoints":{"kubeletEndpoint":{"Port":)", https_->port(), "}}}}"));
    post("/api/v1/namespaces/default/pods", R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web"},"spec":{"nodeName":"n","containers":[)"
                                            R"({"name":"c","image":"i"},{"name":"new","image":"i"},{"name":"slow","image":"i"}]}})");
  }
  ~Log() override { loop_.run_until_done(https_->shutdown(std::chrono::seconds(0))); }
  Pki pki_;
  Kubelet kubelet_{loop_};
  std::unique_ptr<io::http::Server> https_;
};

constexpr std::string_view kLog = "/api/v1/namespaces/default/pods/web/log";

TEST_F(Log, PassesTheKubeletsAnswerOn) {
  auto log = get(cat(kLog, "?container=c&tailLines=5&timestamps=true&follow=false"));
  EXPECT_EQ(log.status, 200);
  EXPECT_EQ(log.body, "/containerLogs/default/web/c?tailLines=5&timestamps=true\n");
  EXPECT_EQ(log.headers.get("Content-Type"), "text/plain");
  EXPECT_FALSE(kubelet_.client_certificate.empty());
}

TEST_F(Log, RefusesAsKubernetesDoes) {
  EXPECT_EQ(get(std::string(kLog)).message(), "a container name must be specified for pod web, choose one of: [c new slow]");
  EXPECT_EQ(get(cat(kLog, "?container=x")).message(), "container x is not valid for pod web");
  auto waiting = get(cat(kLog, "?container=new"));
  EXPECT_EQ(waiting.status, 400);
  EXPECT_EQ(waiting.message(), "container \"new\" in pod \"web\" is waiting to start: ContainerCreating");
  EXPECT_EQ(get("/api/v1/namespaces/default/pods/no/log").message(), "pods \"no\" not found");
  EXPECT_EQ(get(cat(kLog, "?container=c&tailLines=-1")).message(),
            "PodLogOptions \"web\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0");
  loop_.run_until_done(https_->shutdown(std::chrono::seconds(0)));
  auto gone = get(cat(kLog, "?container=c"));
  EXPECT_EQ(gone.status, 500);
  EXPECT_TRUE(gone.message().starts_with("Internal error occurred: Get \"https://127.0.0.1:")) << gone.message();
}

io::Task<std::string> first_piece(io::http::Body& body) {
  auto piece = co_await body.next();
  co_return piece ? *piece : piece.error().message();
}
io::Task<io::http::Response> ask(ApiServer& server, io::http::Request request) {
  auto response = co_await server.handle(std::move(request));
  co_return response;
}
io::Task<bool> all_ended(io::Loop& loop, Kubelet& kubelet) {
  for (int i = 0; i < 2000 && kubelet.streams > 0; ++i) co_await loop.sleep(std::chrono::milliseconds(1));
  co_return kubelet.streams == 0;
}

TEST_F(Log, EndsWhenTheClientGoes) {
  io::CancelSource client;
  io::http::Request request{.target = cat(kLog, "?container=slow&follow=true")};
  request.peer.trusted_user = user_;
  request.peer.trusted_groups = groups_;
  request.cancel = client.token();
  auto response = loop_.run_until_done(ask(*server_, std::move(request)));
  EXPECT_EQ(loop_.run_until_done(first_piece(response.body)), "first line\n");
  EXPECT_EQ(kubelet_.streams, 1);
  client.cancel();
  EXPECT_EQ(loop_.run_until_done(first_piece(response.body)), "");
  response = {};
  EXPECT_TRUE(loop_.run_until_done(all_ended(loop_, kubelet_)));
}

}  // namespace
}  // namespace kobuk::controlplane
