// The Docker Engine API in this process: requests that meet, and answers that the client would hide. Needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <csignal>
#include <thread>

#include "base/strings.h"
#include "codec/json.h"
#include "codec/tar.h"
#include "engine/testing/world.h"
#include "io/http.h"
#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::engine::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

struct Answer {
  int status = 0;
  std::string text;
};

class DockerApi : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!missing().empty()) GTEST_SKIP() << missing();
    if (!enter_own_network()) GTEST_SKIP() << "a network namespace of its own can't be made here";
    open();
    EXPECT_EQ(ask("POST", "/images/create?fromSrc=-&repo=busybox&tag=latest", sys::read_file(world.busybox_tar()).value_or("")).status, 200);
  }
  void TearDown() override {
    if (!engine) return;
    auto removed = loop.run_until_done(engine->remove_everything());
    EXPECT_TRUE(removed) << removed.error().message();
    engine.reset();
    for (const std::string& left : world.leftovers()) ADD_FAILURE() << "left behind: " << left;
  }
  void open() {
    auto opened = loop.run_until_done(Engine::open(loop, world.options()));
    ASSERT_TRUE(opened) << opened.error().message();
    engine = std::move(*opened);
  }
  static io::Task<void> asking(io::http::Handler& api, std::string method, std::string target, std::string body, Answer& to) {
    io::http::Request request;
    request.method = std::move(method), request.target = std::move(target);
    request.body = io::http::Body(std::move(body));
    auto response = co_await api.handle(std::move(request));
    auto text = co_await response.body.read_all(64 << 20);
    to = {response.status, text.value_or("")};
  }
  Answer ask(std::string method, std::string target, std::string body = {}) {
    Answer out;
    loop.run_until_done(asking(engine->docker_api(), std::move(method), std::move(target), std::move(body), out));
    return out;
  }
  // Asked together, in this order.
  std::vector<Answer> ask_together(const std::vector<std::array<std::string, 3>>& all) {
    std::vector<Answer> out(all.size());
    io::TaskGroup group(loop);
    for (size_t i = 0; i < all.size(); ++i) group.spawn(asking(engine->docker_api(), all[i][0], all[i][1], all[i][2], out[i]));
    loop.run_until_done(group.join());
    return out;
  }
  std::string create(const std::string& name, const std::string& more = R"("Cmd":["true"])") {
    Answer made = ask("POST", cat("/containers/create?name=", name), cat(R"({"Image":"busybox",)", more, "}"));
    EXPECT_EQ(made.status, 201) << made.text;
    auto document = codec::parse_json(made.text);
    return document ? std::string(document->root["Id"].as_string()) : "";
  }
  bool has_folder(const std::string& id) { return sys::exists(cat(world.options().directory, "/containers/", id)); }

  io::Loop loop;
  World world;
  std::unique_ptr<Engine> engine;
};

TEST_F(DockerApi, WhatWaitedForARemovalFindsNothing) {
  EXPECT_EQ(ask("POST", "/networks/create", R"({"Name":"front"})").status, 201);
  const std::array<std::string, 3> changes[] = {{"POST", "/containers/box/rename?name=other", ""},
                                                {"POST", "/containers/box/update", R"({"Memory":67108864})"},
                                                {"POST", "/networks/front/connect", R"({"Container":"box"})"},
                                                {"POST", "/networks/bridge/disconnect", R"({"Container":"box","Force":true})"},
                                                {"POST", "/containers/box/stop", ""}};
  for (const auto& change : changes) {
    std::string id = create("box");
    auto answers = ask_together({{"DELETE", "/containers/box", ""}, change});
    EXPECT_EQ(answers[0].status, 204) << answers[0].text;
    EXPECT_NE(answers[1].status, 200) << change[1];
    EXPECT_FALSE(has_folder(id)) << change[1];
  }
  create("other");
}

TEST_F(DockerApi, TwoNetworksOfOneNameDoNotComeToBe) {
  auto answers = ask_together({{"POST", "/networks/create", R"({"Name":"twin"})"}, {"POST", "/networks/create", R"({"Name":"twin"})"}});
  EXPECT_EQ(answers[0].status, 201);
  EXPECT_EQ(answers[1].status, 409) << answers[1].text;
  answers = ask_together({{"POST", "/networks/create", R"({"Name":"one"})"}, {"POST", "/networks/create", R"({"Name":"two"})"}});
  EXPECT_EQ(answers[0].status, 201);
  EXPECT_EQ(answers[1].status, 201) << "each with a subnet of its own: " << answers[1].text;
}

std::string fifos(const std::vector<std::string>& names) {
  std::string out;
  codec::TarWriter writer([&](std::string_view bytes) -> Result<void> {
    out += bytes;
    return {};
  });
  for (const std::string& name : names) {
    codec::TarEntry entry;
    entry.type = codec::TarType::kFifo, entry.name = name, entry.mode = 0644;
    EXPECT_TRUE(writer.add(entry, {}));
  }
  EXPECT_TRUE(writer.finish());
  return out;
}

// What lies where the engine looks is the container's to choose.
TEST_F(DockerApi, AFifoInPlaceOfAFileHoldsUpNobody) {
  create("box", R"("User":"alice","Cmd":["true"])");
  EXPECT_EQ(ask("PUT", "/containers/box/archive?path=/etc", fifos({"passwd", "group"})).status, 200);
  Answer put = ask("PUT", "/containers/box/archive?path=/tmp&copyUIDGID=1", fifos({"x"}));
  EXPECT_EQ(put.status, 400) << put.text;
  EXPECT_THAT(put.text, HasSubstr("unable to find user alice"));
  EXPECT_EQ(ask("GET", "/containers/box/archive?path=/etc").status, 200);
  EXPECT_EQ(ask("PUT", "/containers/box/archive?path=/etc/passwd", fifos({"x"})).status, 400);
}

// What can't be done is refused with what to do instead, never passed over.
TEST_F(DockerApi, WhatIsNotDoneIsNotAccepted) {
  create("box");
  ask("POST", "/networks/create", R"({"Name":"front"})");
  for (const char* body : {R"({"Name":"no","Options":{"com.docker.network.bridge.enable_icc":"false"}})", R"({"Name":"no","Options":{"com.docker.network.driver.mtu":"none"}})",
                           R"({"Name":"no","IPAM":{"Driver":"other"}})", R"({"Name":"no","IPAM":{"Options":{"a":"b"}}})", R"({"Name":"no","ConfigOnly":true})"}) {
    Answer made = ask("POST", "/networks/create", body);
    EXPECT_GE(made.status, 400) << body;
    EXPECT_THAT(made.text, ::testing::AnyOf(HasSubstr("leave"), HasSubstr("want a number"))) << body;
  }
  EXPECT_THAT(ask("POST", "/networks/create", R"({"Name":"wide","Options":{"com.docker.network.driver.mtu":"1400","com.docker.network.bridge.enable_ip_masquerade":"false"}})").text, HasSubstr("\"Id\""));
  EXPECT_EQ(ask("POST", "/networks/front/connect", R"({"Container":"box","EndpointConfig":{"MacAddress":"02:00:00:00:00:01"}})").status, 501);
  EXPECT_EQ(ask("POST", "/networks/front/connect", R"({"Container":"box","EndpointConfig":{"GwPriority":3}})").status, 501);
  EXPECT_EQ(ask("POST", "/networks/front/connect", R"({"Container":"box","EndpointConfig":{"Aliases":["b"]}})").status, 200);
  EXPECT_EQ(ask("POST", "/containers/box/update", R"({"BlkioWeight":500})").status, 501);
  EXPECT_EQ(ask("POST", "/containers/box/update", R"({"BlkioWeight":0,"MemorySwappiness":-1,"PidsLimit":30})").status, 200);
}

TEST_F(DockerApi, ImagesAreFilteredByTheirAge) {
  auto names = [&](const std::string& filters) { return ask("GET", cat("/images/json?filters=", io::http::percent_encode(filters))).text; };
  EXPECT_THAT(names(R"({"until":["1h"]})"), Not(HasSubstr("busybox")));
  EXPECT_THAT(names(R"({"until":["0s"]})"), HasSubstr("busybox"));
  EXPECT_THAT(names(R"({"before":["busybox"]})"), Not(HasSubstr("busybox")));
  EXPECT_THAT(names(R"({"since":["busybox"]})"), Not(HasSubstr("busybox")));
  EXPECT_THAT(names(R"({"since":["nope"]})"), HasSubstr("No such image: nope"));
  EXPECT_THAT(names(R"({"until":["soon"]})"), HasSubstr("invalid filter 'until=soon'"));
}

// Stands in for a monitor of another version at its socket, for one question.
void answer_in_another_version(sys::UniqueFd listener) {
  sys::UniqueFd client(accept(listener.get(), nullptr, nullptr));
  char byte = 0;
  if (send(client.get(), "\x63\x00", 2, MSG_NOSIGNAL) < 0) return;
  while (recv(client.get(), &byte, 1, 0) > 0) {
  }
}

TEST_F(DockerApi, WhatCannotBeAdoptedIsLeftAlone) {
  std::string id = create("box", R"("Cmd":["sleep","1000"],"HostConfig":{"RestartPolicy":{"Name":"always"}})");
  EXPECT_EQ(ask("POST", "/containers/box/start").status, 204);
  auto document = codec::parse_json(ask("GET", "/containers/box/json").text);
  ASSERT_TRUE(document);
  auto pid = static_cast<pid_t>(document->root["State"]["Pid"].as_int());
  std::string address(document->root["NetworkSettings"]["Networks"]["bridge"]["IPAddress"].as_string());
  EXPECT_NE(address, "");
  engine.reset();
  std::string folder = cat(world.options().run_directory, "/containers/", id);
  ASSERT_EQ(shell(cat("mv ", folder, "/monitor.sock ", folder, "/kept.sock")).code, 0);
  auto listener = sys::listen_packet(folder, "monitor.sock");
  ASSERT_TRUE(listener) << listener.error().message();
  std::thread monitor(answer_in_another_version, *std::move(listener));
  open();
  monitor.join();
  ASSERT_TRUE(engine);
  EXPECT_EQ(kill(pid, 0), 0) << "it lives";
  for (const char* operation : {"start", "stop?t=0", "kill"}) {
    Answer answer = ask("POST", cat("/containers/box/", operation));
    EXPECT_THAT(answer.text, HasSubstr("is left alone")) << operation;
  }
  EXPECT_THAT(ask("DELETE", "/containers/box?force=1").text, HasSubstr("is left alone"));
  engine.reset();
  ASSERT_EQ(shell(cat("mv ", folder, "/kept.sock ", folder, "/monitor.sock")).code, 0);
  open();
  EXPECT_THAT(ask("GET", "/containers/box/json").text, AllOf(HasSubstr(cat("\"Pid\":", pid, ",")), HasSubstr(cat("\"", address, "\""))));
}

}  // namespace
}  // namespace kobuk::engine::testing
