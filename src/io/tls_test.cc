// Certificates are made by the openssl program, so that what is tested is not only our own reading of X.509.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>

#include "io/http.h"
#include "io/testing/run_command.h"

namespace kobuk::io::http {
namespace {

class Who final : public Handler {
 public:
  Task<Response> handle(Request request) override {
    co_return text_response(200, cat(request.peer.tls ? "tls " : "plain ", request.peer.certificate_der.empty() ? "nobody" : "somebody"));
  }
};

Task<std::string> ask(Transport& client) {
  Request request;
  auto response = co_await client.send(std::move(request));
  if (!response) co_return "error: " + response.error().message();
  auto body = co_await response->body.read_all(100);
  co_return body ? *body : "error: " + body.error().message();
}

struct TlsTest : testing::Test {
  std::string dir;
  Loop loop;
  Who who;

  void SetUp() override {
    if (access("/usr/bin/openssl", X_OK) != 0) GTEST_SKIP() << "the openssl program is not installed";
    char name[] = "/tmp/tls_test.XXXXXX";
    dir = mkdtemp(name);
    std::string commands = cat(
        "cd ", dir, " && (openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca\n"
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout other.key -out other.pem -days 2 -subj /CN=other\n"
        "for n in server client; do openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout $n.key -out $n.csr -subj /CN=$n\n"
        "echo subjectAltName=IP:127.0.0.1,DNS:localhost >$n.ext\n"
        "openssl x509 -req -in $n.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile $n.ext -out $n.pem; done) >log 2>&1");
    ASSERT_EQ(std::system(commands.c_str()), 0);
  }
  void TearDown() override {
    if (!dir.empty()) std::system(cat("rm -rf ", dir).c_str());
  }
  std::string file(std::string name) {
    std::ifstream in(cat(dir, "/", name));
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  std::shared_ptr<TlsContext> server_context() {
    auto context = make_tls_server_context({.certificate_chain_pem = file("server.pem"), .private_key_pem = file("server.key"), .client_ca_pem = file("ca.pem")});
    EXPECT_TRUE(context) << context.error().message();
    return *context;
  }
  std::string answer(uint16_t port, TlsClientOptions options, std::string host = "127.0.0.1") {
    auto context = make_tls_client_context(options);
    if (!context) return context.error().message();
    auto client = make_client(loop, {.address = cat(host, ":", port), .tls = *context});
    return loop.run_until_done(ask(*client));
  }
};

TEST_F(TlsTest, TheServerIsVerifiedAndTheClientIsKnown) {
  Server server(loop, who);
  ASSERT_TRUE(server.listen("127.0.0.1:0", server_context()));
  EXPECT_EQ(answer(server.port(), {.ca_pem = file("ca.pem")}), "tls nobody");
  EXPECT_EQ(answer(server.port(), {.ca_pem = file("ca.pem"), .certificate_chain_pem = file("client.pem"), .private_key_pem = file("client.key")}),
            "tls somebody");
  EXPECT_EQ(answer(server.port(), {.ca_pem = file("other.pem"), .insecure_skip_verify = true}), "tls nobody");
  std::string untrusted = answer(server.port(), {.ca_pem = file("other.pem")});
  EXPECT_TRUE(untrusted.starts_with("error: tls: failed to verify certificate: ")) << untrusted;
  std::string misnamed = answer(server.port(), {.ca_pem = file("ca.pem"), .server_name = "elsewhere.example"});
  EXPECT_NE(misnamed.find("mismatch"), std::string::npos) << misnamed;
}

TEST_F(TlsTest, AForeignClientCertificateIsRefused) {
  Server server(loop, who);
  ASSERT_TRUE(server.listen("127.0.0.1:0", server_context()));
  std::string refused = answer(server.port(), {.ca_pem = file("ca.pem"), .certificate_chain_pem = file("other.pem"), .private_key_pem = file("other.key")});
  EXPECT_TRUE(refused.starts_with("error: ")) << refused;
}

TEST_F(TlsTest, KeysThatDoNotFitAreNamed) {
  auto context = make_tls_server_context({.certificate_chain_pem = file("server.pem"), .private_key_pem = file("client.key")});
  ASSERT_FALSE(context);
  EXPECT_TRUE(context.error().message().starts_with("private key: ")) << context.error().message();
  EXPECT_FALSE(make_tls_server_context({.certificate_chain_pem = "nonsense", .private_key_pem = ""}));
  EXPECT_FALSE(make_tls_client_context({.ca_pem = "nonsense"}));
}

TEST_F(TlsTest, CurlConnectsWithItsCertificate) {
  if (access("/usr/bin/curl", X_OK) != 0) GTEST_SKIP() << "curl is not installed";
  Server server(loop, who);
  ASSERT_TRUE(server.listen("127.0.0.1:0", server_context()));
  std::string base = cat("cd ", dir, " && curl -s --cacert ca.pem ");
  std::string url = cat(" https://localhost:", server.port(), "/");
  EXPECT_EQ(loop.run_until_done(run_command(loop, cat(base, "--cert client.pem --key client.key", url))), "tls somebody");
  EXPECT_EQ(loop.run_until_done(run_command(loop, cat(base, "--tls-max 1.2", url))), "tls nobody");
  EXPECT_EQ(loop.run_until_done(run_command(loop, cat(base, "--tls-max 1.1 -w '%{exitcode}'", url))).substr(0, 2), "35");
}

}  // namespace
}  // namespace kobuk::io::http
