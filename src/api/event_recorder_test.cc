#include "api/event_recorder.h"

#include <gtest/gtest.h>

#include "codec/json.h"

namespace kobuk::api {
namespace {

class Events : public io::http::Handler {
 public:
  io::Task<io::http::Response> handle(io::http::Request request) override {
    auto body = co_await request.body.read_all(1 << 20);
    calls.push_back(cat(request.method, " ", request.target));
    bodies.push_back(body ? *body : "");
    bool lost = request.method == "PATCH" && forget;
    co_return io::http::json_response(lost ? 404 : 200, "{}");
  }
  bool forget = false;
  std::vector<std::string> calls, bodies;
};

class EventRecorderTest : public testing::Test {
 protected:
  void say(std::string message) {
    core::v1::ObjectReference about;
    about.kind = "Pod", about.namespace_ = "d", about.name = "web", about.uid = "u";
    recorder.record(about, "Warning", "Failed", std::move(message));
  }
  io::Loop loop;
  Events server;
  Client client{io::http::make_in_process_transport(loop, server, "test", {})};
  EventRecorder recorder{loop, client, "kubelet", "n1"};
};

TEST_F(EventRecorderTest, RaisesTheCountOfAnEqualEvent) {
  say("no image");
  say("no image");
  say("other");
  loop.run_until_done(recorder.flush());
  ASSERT_EQ(server.calls.size(), 3u);
  EXPECT_EQ(server.calls[0], "POST /api/v1/namespaces/d/events");
  EXPECT_TRUE(server.calls[1].starts_with("PATCH /api/v1/namespaces/d/events/web.")) << server.calls[1];
  EXPECT_TRUE(server.bodies[1].starts_with(R"({"count":2,"lastTimestamp":")"));
  EXPECT_EQ(server.calls[2], "POST /api/v1/namespaces/d/events");
  auto event = *codec::parse_json(server.bodies[0]);
  EXPECT_EQ(event.root["source"]["component"].as_string(), "kubelet");
  EXPECT_EQ(event.root["source"]["host"].as_string(), "n1");
  EXPECT_EQ(event.root["count"].as_int(), 1);
}

TEST_F(EventRecorderTest, StartsAnewWhenItsEventIsGone) {
  server.forget = true;
  say("a");
  say("a");
  loop.run_until_done(recorder.flush());
  ASSERT_EQ(server.calls.size(), 3u);
  EXPECT_TRUE(server.calls[2].starts_with("POST"));
}

TEST_F(EventRecorderTest, CutsAnObjectShortThatSaysTooMuch) {
  for (int i = 0; i < 100; ++i) say(cat("message ", i));
  loop.run_until_done(recorder.flush());
  EXPECT_EQ(server.calls.size(), 25u);
}

}  // namespace
}  // namespace kobuk::api
