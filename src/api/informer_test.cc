#include "api/informer.h"

#include <gtest/gtest.h>

#include "api/cache.h"
#include "api/struct_patch.h"
#include "api/types/core_v1.h"

namespace kobuk::api {
namespace {

// Lists one pod; the first watch deletes it and adds another, the second says that its revision is gone.
class Server : public io::http::Handler {
 public:
  io::Task<io::http::Response> handle(io::http::Request request) override {
    if (request.query().find("sendInitialEvents") != std::string_view::npos) {
      ++refused;
      co_return io::http::json_response(422, R"({"kind":"Status","code":422,"message":"no streams"})");
    }
    if (request.query().find("watch=true") == std::string_view::npos) {
      ++lists;
      std::string name = lists == 1 ? "a" : "c";
      co_return io::http::json_response(
          200, cat(R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"namespace":"d","name":")", name,
                   R"("}}]})"));
    }
    if (++watches > 1) co_return io::http::json_response(refusal, cat(R"({"kind":"Status","code":)", refusal, R"(,"message":")", why, "\"}"));
    first_query = std::string(request.query());
    co_return io::http::json_response(
        200,
        "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"namespace\":\"d\",\"name\":\"a\",\"resourceVersion\":\"8\"}}}\n"
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"namespace\":\"d\",\"name\":\"b\",\"resourceVersion\":\"9\"}}}\n");
  }
  int lists = 0, watches = 0, refused = 0, refusal = 410;
  std::string first_query, why = "old";
};

void follow_to_the_end(Server& server) {
  io::Loop loop;
  Client client(io::http::make_in_process_transport(loop, server, "test", {}));
  Informer informer(loop, client, {"", "v1", "pods"}, "");
  std::string seen;
  io::Event done(loop);
  informer.on_change([&](const Informer::Change& change) {
    seen += cat(change.after ? "+" : "-", change.key, " ");
    if (change.key == "d/b" && !change.after) done.set();
  });
  io::TaskGroup tasks(loop);
  tasks.spawn(informer.run());
  loop.run_until_done([](io::Event* event) -> io::Task<void> { co_await event->wait(); }(&done));
  EXPECT_EQ(seen, "+d/a -d/a +d/b +d/c -d/b ");
  EXPECT_TRUE(informer.synced());
  EXPECT_TRUE(informer.find("d/c"));
  EXPECT_FALSE(informer.find("d/a"));
  EXPECT_EQ(server.refused, 1) << "asked once for a stream, then lists";
  EXPECT_NE(server.first_query.find("resourceVersion=7"), std::string::npos);
}

TEST(Informer, FollowsAWatchAndListsAgainWhenItsRevisionIsGone) {
  Server server;
  follow_to_the_end(server);
}

TEST(Informer, ListsAgainWhenTheServerHasNeverBeenThatFar) {
  Server server;
  server.refusal = 504, server.why = "Too large resource version: 9, current: 3";
  follow_to_the_end(server);
}

// Two pods in a stream, and after its end the same two without the first, changed.
class StreamingServer : public io::http::Handler {
 public:
  io::Task<io::http::Response> handle(io::http::Request) override {
    if (++watches == 1) {
      co_return io::http::json_response(200, pod("ADDED", "a", 3) + pod("ADDED", "b", 4) + kEnd + pod("MODIFIED", "b", 9));
    }
    if (watches == 2) co_return io::http::json_response(410, R"({"kind":"Status","code":410,"message":"old"})");
    co_return io::http::json_response(200, pod("ADDED", "b", 12) + kEnd);
  }
  static std::string pod(std::string_view type, std::string_view name, int revision) {
    return cat(R"({"type":")", type, R"(","object":{"metadata":{"namespace":"d","name":")", name, R"(","uid":")", name,
               R"(","resourceVersion":")", revision, "\",\"managedFields\":[{\"manager\":\"m\"}]},\"spec\":{\"nodeName\":\"n", revision, "\"}}}\n");
  }
  static constexpr const char* kEnd =
      "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"8\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n";
  int watches = 0;
};

io::Task<void> wait_for(io::Event* event) { co_await event->wait(); }

TEST(Cache, StreamsItsFirstStateAndKeepsIndexes) {
  io::Loop loop;
  StreamingServer server;
  Client client(io::http::make_in_process_transport(loop, server, "test", {}));
  Caches caches(loop, client);
  auto& pods = caches.of<core::v1::Pod>();
  auto& by_node = pods.index([](const core::v1::Pod& pod) { return Keys{pod.spec.node_name}; });
  std::string seen;
  io::Event done(loop);
  pods.on_change([&](const Cache<core::v1::Pod>::Change& change) {
    cat_to(seen, change.after ? change.before ? "*" : "+" : "-", change.key, " ");
    if (change.key == "d/a" && !change.after) done.set();
  });
  caches.start();
  loop.run_until_done(caches.synced());
  EXPECT_TRUE(seen.starts_with("+d/a +d/b ")) << seen;
  EXPECT_TRUE(pods.find("d/a")->metadata.managed_fields.empty());
  loop.run_until_done(pods.reached("9"));
  EXPECT_EQ(by_node.at("n4").size(), 0u);
  EXPECT_EQ(by_node.at("n9").size(), 1u);
  loop.run_until_done(wait_for(&done));
  EXPECT_EQ(seen, "+d/a +d/b *d/b *d/b -d/a ");
  EXPECT_EQ(by_node.at("n12").size(), 1u);
  EXPECT_EQ(by_node.at("n3").size(), 0u);
  std::string late;
  pods.on_change([&](const Cache<core::v1::Pod>::Change& change) { late += change.key; });
  EXPECT_EQ(late, "d/b") << "who comes late is told what is there";
}

TEST(StructPatch, NamesOnlyWhatChanges) {
  core::v1::Pod before;
  before.status.phase = "Pending";
  before.status.reason = "x";
  core::v1::Pod after = before;
  EXPECT_EQ(merge_patch_of(before, after), "");
  after.status.phase = "Running";
  after.status.reason = "";
  EXPECT_EQ(merge_patch_of(before, after), R"({"status":{"reason":null,"phase":"Running"}})");
}

}  // namespace
}  // namespace kobuk::api
