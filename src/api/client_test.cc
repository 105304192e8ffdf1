#include "api/client.h"

#include <gtest/gtest.h>

#include <string>

namespace kobuk::api {
namespace {

const GroupVersionResource kPods{"", "v1", "pods"};
const GroupVersionResource kDeployments{"apps", "v1", "deployments"};

// Answers with what the test set, and keeps what it was asked.
class Recorder : public io::http::Handler {
 public:
  io::Task<io::http::Response> handle(io::http::Request request) override {
    method = request.method;
    target = request.target;
    content_type = std::string(request.headers.get("Content-Type"));
    auto read = co_await request.body.read_all(1 << 20);
    if (read) body = *read;
    co_return io::http::json_response(status, answer);
  }
  int status = 200;
  std::string answer = "{}", method, target, content_type, body;
};

class ClientTest : public testing::Test {
 protected:
  io::Loop loop_;
  Recorder server_;
  Client client_{io::http::make_in_process_transport(loop_, server_, "test", {"system:masters"})};
};

TEST_F(ClientTest, NamesTheResourceInThePath) {
  ASSERT_TRUE(loop_.run_until_done(client_.get(kDeployments, "default", "web", "scale")));
  EXPECT_EQ(server_.target, "/apis/apps/v1/namespaces/default/deployments/web/scale");
  ListOptions options;
  options.label_selector = "a=b";
  options.limit = 5;
  ASSERT_TRUE(loop_.run_until_done(client_.list(kPods, "", options)));
  size_t question = server_.target.find('?');
  ASSERT_NE(question, std::string::npos);
  EXPECT_EQ(server_.target.substr(0, question), "/api/v1/pods");
  auto query = io::http::parse_query(std::string_view(server_.target).substr(question + 1));
  ASSERT_TRUE(query);
  EXPECT_EQ(io::http::query_value(*query, "labelSelector"), "a=b");
  EXPECT_EQ(io::http::query_value(*query, "limit"), "5");
  auto escaped = loop_.run_until_done(client_.get(kPods, "default", "../secrets"));
  ASSERT_FALSE(escaped);
  EXPECT_EQ(escaped.error().code(), Code::kInvalid);
}

TEST_F(ClientTest, SendsAPatchWithItsTypeAndManager) {
  auto done = loop_.run_until_done(
      client_.patch(kPods, "default", "a", PatchType::kStrategic, "{\"x\":1}", "status", "me"));
  ASSERT_TRUE(done);
  EXPECT_EQ(server_.method, "PATCH");
  EXPECT_EQ(server_.target, "/api/v1/namespaces/default/pods/a/status?fieldManager=me");
  EXPECT_EQ(server_.content_type, "application/strategic-merge-patch+json");
  EXPECT_EQ(server_.body, "{\"x\":1}");
}

TEST_F(ClientTest, MapsAStatusToItsCode) {
  server_.status = 409;
  server_.answer = R"({"kind":"Status","reason":"AlreadyExists","message":"pods \"a\" already exists","code":409})";
  auto exists = loop_.run_until_done(client_.create(kPods, "default", "{}"));
  ASSERT_FALSE(exists);
  EXPECT_EQ(exists.error().code(), Code::kAlreadyExists);
  EXPECT_EQ(exists.error().message(), "pods \"a\" already exists");
  server_.answer = R"({"kind":"Status","reason":"Conflict","message":"m","code":409})";
  auto conflict = loop_.run_until_done(client_.update(kPods, "default", "a", "{}"));
  ASSERT_FALSE(conflict);
  EXPECT_EQ(conflict.error().code(), Code::kConflict);
}

TEST_F(ClientTest, ReadsAWatchToItsEndAndItsErrors) {
  server_.answer = "{\"type\":\"ADDED\",\"object\":{\"a\":1}}\n"
                   "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,\"message\":\"old\"}}\n";
  auto watch = loop_.run_until_done(client_.watch(kPods, "default"));
  ASSERT_TRUE(watch);
  EXPECT_EQ(server_.target, "/api/v1/namespaces/default/pods?watch=true&allowWatchBookmarks=true");
  auto event = loop_.run_until_done((*watch)->next());
  ASSERT_TRUE(event && *event);
  EXPECT_EQ((*event)->type, "ADDED");
  EXPECT_EQ((*event)->object, "{\"a\":1}");
  auto gone = loop_.run_until_done((*watch)->next());
  ASSERT_FALSE(gone);
  EXPECT_EQ(gone.error().code(), Code::kGone);
  auto end = loop_.run_until_done((*watch)->next());
  ASSERT_TRUE(end);
  EXPECT_FALSE(*end);
}

TEST(WatchDecoder, JoinsPiecesAndBoundsALine) {
  WatchDecoder decoder(40);
  std::string_view text = "{\"type\":\"ADDED\",\"object\":{}}\n";
  for (size_t i = 0; i + 1 < text.size(); ++i) {
    ASSERT_TRUE(decoder.feed(text.substr(i, 1)));
    auto none = decoder.next();
    ASSERT_TRUE(none);
    ASSERT_FALSE(*none);
  }
  ASSERT_TRUE(decoder.feed("\n"));
  auto event = decoder.next();
  ASSERT_TRUE(event && *event);
  EXPECT_TRUE(decoder.empty());
  auto large = decoder.feed(std::string(41, ' '));
  ASSERT_FALSE(large);
  EXPECT_EQ(large.error().code(), Code::kTooLarge);
}

}  // namespace
}  // namespace kobuk::api
