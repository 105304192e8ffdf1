// Who gets to see credentials. 0.0.0.0 is this host, but no loopback address: it stands for somebody else's.
#include "image/registry_session.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace kobuk::image {
namespace {

using namespace std::chrono_literals;
using ::testing::HasSubstr;
using io::http::Request;
using io::http::Response;

struct Fake final : io::http::Handler {
  std::string challenge;  // answered with 401 until something is given
  std::string body = "{\"token\":\"t\"}";
  bool silent = false;    // the body never comes
  std::vector<std::string> authorizations;

  struct Silence final : io::http::BodySource {
    explicit Silence(io::Loop& loop) : never(loop) {}
    io::Task<Result<std::string>> next() override {
      co_await never.wait();
      co_return std::string();
    }
    io::Event never;
  };
  explicit Fake(io::Loop& l) : loop(l) {}
  io::Task<Response> handle(Request request) override {
    authorizations.emplace_back(request.headers.get("Authorization"));
    bool refused = !challenge.empty() && authorizations.back().empty();
    Response out = io::http::json_response(refused ? 401 : 200, body);
    if (refused) out.headers.set("WWW-Authenticate", challenge);
    if (silent) out.body = io::http::Body(std::make_unique<Silence>(loop), 100);
    co_return out;
  }
  io::Loop& loop;
};

class SessionTest : public ::testing::Test {
 protected:
  Result<Response> get(RegistryOptions options, const std::string& scheme, const std::string& authority) {
    options.patience = 300ms;
    auto hosts = std::make_shared<Hosts>(loop, std::move(options));
    Session session(hosts, scheme, authority, "", Credentials{"user", "secret", ""});
    Ask ask;
    ask.target = "/v2/";
    return loop.run_until_done(session.send(ask));
  }
  std::string at(io::http::Server& server) {
    EXPECT_TRUE(server.listen("127.0.0.1:0", nullptr));
    return cat(":", server.port());
  }
  io::Loop loop;
};

TEST_F(SessionTest, OnlyAddressesAreLoopback) {
  Hosts hosts(loop, {.insecure_registries = {"trusted.example:5000", "10.0.0.1"}});
  for (const char* good : {"localhost", "localhost:5000", "127.0.0.1", "127.9.8.7:5000", "[::1]:5000", "trusted.example:5000", "10.0.0.1:80"})
    EXPECT_TRUE(hosts.insecure(good)) << good;
  for (const char* bad : {"127.evil.com", "127.0.0.1.evil.com:5000", "127.1", "localhost.evil.com", "trusted.example", "0.0.0.0:5000", "[::1].evil.com", ""})
    EXPECT_FALSE(hosts.insecure(bad)) << bad;
}

TEST_F(SessionTest, CredentialsGoInClearOnlyWhereTheUserSaidSo) {
  Fake tokens(loop), registry(loop);
  io::http::Server token_server(loop, tokens), registry_server(loop, registry);
  std::string token_port = at(token_server), registry_port = at(registry_server);
  registry.challenge = cat("Bearer realm=\"http://0.0.0.0", token_port, "/token\",service=\"s\"");
  auto refused = get({}, "", "127.0.0.1" + registry_port);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code(), Code::kPermissionDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("credentials are not sent in clear to http://0.0.0.0"));
  EXPECT_TRUE(tokens.authorizations.empty());
  auto allowed = get({.insecure_registries = {"0.0.0.0" + token_port}}, "", "127.0.0.1" + registry_port);
  EXPECT_TRUE(allowed) << "a token server that the user listed";
  EXPECT_THAT(tokens.authorizations, ::testing::ElementsAre("Basic " + base64("user:secret")));
  registry.challenge = "Basic realm=\"r\"";
  auto mirror = get({}, "http", "0.0.0.0" + registry_port);
  EXPECT_TRUE(mirror) << "given with its scheme by the user";
}

TEST_F(SessionTest, ABodyThatNeverComesIsGivenUp) {
  Fake tokens(loop), registry(loop);
  io::http::Server token_server(loop, tokens), registry_server(loop, registry);
  std::string token_port = at(token_server), registry_port = at(registry_server);
  registry.challenge = cat("Bearer realm=\"http://127.0.0.1", token_port, "/token\",service=\"s\"");
  tokens.silent = true;
  auto late = get({}, "", "127.0.0.1" + registry_port);
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::kTimeout);
}

}  // namespace
}  // namespace kobuk::image
