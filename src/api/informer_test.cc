#include "api/informer.h"

#include <gtest/gtest.h>

namespace kobuk::api {
namespace {

// Lists one pod; the first watch deletes it and adds another, the second says that its revision is gone.
class Server : public io::http::Handler {
 public:
  io::Task<io::http::Response> handle(io::http::Request request) override {
    if (request.query().find("watch=true") == std::string_view::npos) {
      ++lists;
      std::string name = lists == 1 ? "a" : "c";
      co_return io::http::json_response(
          200, cat(R"({"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"namespace":"d","name":")", name,
                   R"("}}]})"));
    }
    if (++watches > 1) co_return io::http::json_response(410, R"({"kind":"Status","code":410,"message":"old"})");
    first_query = std::string(request.query());
    co_return io::http::json_response(
        200,
        "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"namespace\":\"d\",\"name\":\"a\",\"resourceVersion\":\"8\"}}}\n"
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"namespace\":\"d\",\"name\":\"b\",\"resourceVersion\":\"9\"}}}\n");
  }
  int lists = 0, watches = 0;
  std::string first_query;
};

TEST(Informer, FollowsAWatchAndListsAgainWhenItsRevisionIsGone) {
  io::Loop loop;
  Server server;
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
  EXPECT_NE(server.first_query.find("resourceVersion=7"), std::string::npos);
}

}  // namespace
}  // namespace kobuk::api
