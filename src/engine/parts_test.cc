// Names, signals, filters, events, JSON as it goes, frames and detaching keys.
#include <gtest/gtest.h>

#include <csignal>

#include "codec/json.h"
#include "engine/docker_hijack.h"
#include "engine/events.h"
#include "engine/filters.h"
#include "engine/json_text.h"
#include "engine/names.h"

namespace kobuk::engine {
namespace {

TEST(Names, AreThoseThatDockerTakes) {
  EXPECT_TRUE(check_name("my-nginx", "container"));
  EXPECT_TRUE(check_name(new_name(), "container"));
  for (const char* bad : {"", "a", "-a", "_a", "a b", "a/b", "ä1", "a\n"}) {
    auto checked = check_name(bad, "container");
    ASSERT_FALSE(checked) << bad;
    EXPECT_EQ(checked.error().message(), cat("Invalid container name (", bad, "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"));
  }
  EXPECT_EQ(new_id().size(), 64u);
  EXPECT_EQ(short_id("sha256:0123456789abcdef"), "0123456789ab");
}

TEST(Names, SignalsByNameAndNumber) {
  EXPECT_EQ(parse_signal("SIGTERM").value_or(0), 15);
  EXPECT_EQ(parse_signal("kill").value_or(0), 9);
  EXPECT_EQ(parse_signal("1").value_or(0), 1);
  EXPECT_EQ(parse_signal("SIGRTMIN+3").value_or(0), 37);
  std::pair<const char*, int> rare[] = {{"SIGIOT", SIGABRT}, {"SIGSTKFLT", 16}, {"SIGCLD", SIGCHLD}, {"poll", SIGIO},
                                        {"SIGRTMIN", 34},    {"SIGRTMAX", 64},  {"SIGRTMAX-14", 50}};
  for (auto [name, number] : rare) EXPECT_EQ(parse_signal(name).value_or(0), number) << name;
  for (const char* bad : {"", "0", "65", "SIGNOPE", "-9", "RTMIN+99"}) {
    EXPECT_FALSE(parse_signal(bad)) << bad;
    EXPECT_EQ(stop_signal(bad), SIGTERM) << bad;
  }
  EXPECT_EQ(stop_signal("SIGQUIT"), SIGQUIT);
}

TEST(FiltersTest, BothForms) {
  for (const char* text : {R"({"status":{"running":true,"exited":false},"label":{"a=b":true}})", R"({"status":["running"],"label":["a=b"]})"}) {
    auto filters = Filters::parse(text);
    ASSERT_TRUE(filters) << text;
    EXPECT_TRUE(filters->exact("status", "running"));
    EXPECT_FALSE(filters->exact("status", "exited"));
    EXPECT_TRUE(filters->exact("name", "whatever")) << "a filter that is not there lets all pass";
    EXPECT_TRUE(filters->labels({{"a", "b"}, {"c", "d"}}));
    EXPECT_FALSE(filters->labels({{"a", "x"}}));
    EXPECT_FALSE(filters->labels({}));
  }
}

TEST(FiltersTest, WrongOnesAreRefused) {
  for (const char* text : {"[]", "x", "{\"a\":1}", "{\"a\":\"b\"}", "{"}) EXPECT_FALSE(Filters::parse(text)) << text;
  auto filters = Filters::parse(R"({"nope":["x"]})");
  ASSERT_TRUE(filters);
  auto checked = filters->check({"name"});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().message(), "invalid filter 'nope'");
  EXPECT_FALSE(Filters::parse(R"({"dangling":["maybe"]})")->boolean("dangling", false));
}

TEST(JsonTextTest, PutsCommasWhereTheyBelong) {
  JsonText out;
  out.open_object().field("a", 1).key("b").open_array().value("x\"y").value(true).open_object().close_object().close_array().null_field("c");
  out.field("d", std::vector<std::string>{}).field("e", std::map<std::string, std::string>{{"k", "v"}}).close_object();
  std::string text = std::move(out).take();
  EXPECT_EQ(text, R"({"a":1,"b":["x\"y",true,{}],"c":null,"d":[],"e":{"k":"v"}})");
  EXPECT_TRUE(codec::parse_json(text));
}

io::Task<void> take_two(EventHub::Subscription& from, std::vector<std::string>& into) {
  for (int i = 0; i < 2; ++i) {
    auto event = co_await from.next({});
    if (event) into.push_back(event->action);
  }
}

TEST(EventHubTest, SubscribersGetEachInOrderAndLatecomersWhatIsKept) {
  io::Loop loop;
  EventHub hub(loop);
  auto subscription = hub.subscribe();
  hub.publish({.type = "container", .action = "create", .id = "a", .attributes = {}, .time = {}, .sandbox_id = {}});
  hub.publish({.type = "container", .action = "start", .id = "a", .attributes = {}, .time = {}, .sandbox_id = {}});
  std::vector<std::string> got;
  loop.run_until_done(take_two(*subscription, got));
  EXPECT_EQ(got, (std::vector<std::string>{"create", "start"}));
  EXPECT_EQ(hub.since(WallTime{}).size(), 2u);
  for (int i = 0; i < 1000; ++i) hub.publish({.type = "image", .action = "pull", .id = cat(i), .attributes = {}, .time = {}, .sandbox_id = {}});
  EXPECT_EQ(hub.since(WallTime{}).size(), 256u);
  EXPECT_EQ(hub.since(WallTime{}).back().id, "999");
}

TEST(EventHubTest, OneWhoFallsTooFarBehindIsTold) {
  io::Loop loop;
  EventHub hub(loop);
  auto subscription = hub.subscribe();
  constexpr int kPastTheBound = 10'001;
  for (int i = 0; i < kPastTheBound; ++i) hub.publish({.type = "x", .action = "y", .id = cat(i), .attributes = {}, .time = {}, .sandbox_id = {}});
  int got = 0;
  while (loop.run_until_done(subscription->next({}))) ++got;
  EXPECT_EQ(got, 10'000);
}

TEST(Hijack, FramesAreEightBytesAndContent) {
  EXPECT_EQ(docker::frame(docker::StreamKind::kErr, "abc"), std::string("\x02\0\0\0\0\0\0\x03" "abc", 11));
}

TEST(Hijack, DetachingKeysAreHeldBackOnlyWhileTheyMayBe) {
  auto keys = docker::DetachKeys::parse("");
  ASSERT_TRUE(keys);
  bool detached = false;
  EXPECT_EQ(keys->pass("ab\x10", detached), "ab");
  EXPECT_EQ(keys->pass("c", detached), "\x10" "c");
  EXPECT_FALSE(detached);
  EXPECT_EQ(keys->pass("x\x10\x11y", detached), "x");
  EXPECT_TRUE(detached);
  EXPECT_FALSE(docker::DetachKeys::parse("ctrl-5"));
  EXPECT_FALSE(docker::DetachKeys::parse("ab"));
}

}  // namespace
}  // namespace kobuk::engine
