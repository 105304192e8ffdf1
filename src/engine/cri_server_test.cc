// The CRI's socket as kubelets and crictl use it, beyond what engine/cri.h has. Needs root and busybox-static.
#include <gmock/gmock.h>

#include "base/strings.h"
#include "codec/protobuf.h"
#include "engine/cri_client.h"
#include "engine/cri_wire.h"
#include "engine/testing/cri_contract.h"
#include "io/grpc.h"

namespace kobuk::engine::testing {
namespace {

using ::testing::HasSubstr;

class CriSocket : public CriContract {
 protected:
  void SetUp() override {
    CriContract::SetUp();
    if (IsSkipped()) return;
    transport = io::http::make_client(loop, {.address = socket(), .h2c = true});
    channel = std::make_unique<io::grpc::Channel>(loop, *transport);
  }
  void TearDown() override {
    channel.reset();
    transport.reset();
    CriContract::TearDown();
  }
  Result<std::string> ask(std::string_view method, std::string request = {}) {
    bool image = method.find("Image") != std::string_view::npos;
    return loop.run_until_done(channel->call(cat("/runtime.v1.", image ? "Image" : "Runtime", "Service/", method), std::move(request)));
  }
  // Every text and number of an answer, however deep.
  static std::string flat(std::string_view message) {
    std::string out;
    auto done = codec::each_field(message, [&](const codec::ProtobufField& field) -> Result<void> {
      std::string inner = field.is_bytes() ? flat(field.bytes) : std::string();
      bool text = inner == "!" || inner.empty();
      if (!field.is_bytes()) cat_to(out, field.number, "=", field.value, " ");
      else if (text) cat_to(out, field.number, "=", field.bytes, " ");
      else cat_to(out, field.number, "{", inner, "} ");
      return {};
    });
    return done ? out : "!";
  }
  static std::string filter(std::vector<std::pair<uint32_t, std::string>> fields) {
    codec::ProtobufWriter out;
    out.message(1, [&](codec::ProtobufWriter& inner) {
      for (const auto& [number, text] : fields) inner.bytes(number, text);
    });
    return out.take();
  }

  std::unique_ptr<io::http::Transport> transport;
  std::unique_ptr<io::grpc::Channel> channel;
};
INSTANTIATE_TEST_SUITE_P(Cri, CriSocket, ::testing::Values(CriWay::kSocket));

TEST_P(CriSocket, TellsWhatItIs) {
  EXPECT_THAT(flat(ask("Version").value_or("")), HasSubstr("2=kobuk 3=unknown 4=v1"));
  std::string status = ask("Status").value_or("");
  EXPECT_THAT(status, HasSubstr("RuntimeReady"));
  EXPECT_THAT(status, HasSubstr("NetworkReady"));
  EXPECT_EQ(ask("RuntimeConfig").value_or(""), std::string("\x0a\x02\x08\x01", 4));
  EXPECT_THAT(ask("ImageFsInfo").value_or(""), HasSubstr(world->options().directory));
  auto unknown = ask("CheckpointContainer");
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().code(), Code::kUnsupported);
  auto url = ask("Exec");
  ASSERT_FALSE(url);
  EXPECT_EQ(url.error().code(), Code::kUnsupported);
  EXPECT_THAT(url.error().message(), HasSubstr("ExecSync"));
  codec::ProtobufWriter cidr;
  cidr.message(1, [](auto& config) { config.message(1, [](auto& network) { network.bytes(1, "10.9.0.0/24"); }); });
  EXPECT_FALSE(ask("UpdateRuntimeConfig", cidr.text()));
  EXPECT_TRUE(ask("UpdateRuntimeConfig"));
  EXPECT_FALSE(ask("RunPodSandbox", "\x12\x05gVisr"));
}

TEST_P(CriSocket, FindsByShortIdsAndFilters) {
  PodSandboxConfig web = pod("web"), other = pod("other");
  std::string sandbox = get(cri().run_pod_sandbox(web)), second = get(cri().run_pod_sandbox(other));
  std::string id = run(sandbox, web, container("c", {"sleep", "1000"}));
  get(cri().create_container(second, container("d", {"true"}), other));
  auto count = [&](std::string_view method, std::string request) {
    auto answer = ask(method, std::move(request));
    EXPECT_TRUE(answer);
    auto list = answer ? wire::decode_container_list(*answer) : std::vector<ContainerStatus>();
    return list ? list->size() : 0;
  };
  EXPECT_EQ(count("ListContainers", {}), 2u);
  EXPECT_EQ(count("ListContainers", filter({{1, id.substr(0, 13)}})), 1u);
  EXPECT_EQ(count("ListContainers", filter({{2, "\x08\x01"}})), 1u) << "running";
  EXPECT_EQ(count("ListContainers", filter({{3, second}})), 1u);
  EXPECT_EQ(count("ListPodSandbox", filter({{3, "\x0a\x03" "app\x12\x03web"}})), 1u);
  EXPECT_EQ(count("ListPodSandbox", filter({{2, "\x08\x01"}})), 0u) << "not ready";
  EXPECT_EQ(get(cri().container_status(id.substr(0, 13))).id, id);
  EXPECT_EQ(count("ListContainerStats", {}), 1u);
  std::string stats = ask("PodSandboxStats", wire::encode(wire::Id{sandbox.substr(0, 13)})).value_or("");
  EXPECT_THAT(stats, HasSubstr(id));
  EXPECT_EQ(count("ListPodSandboxStats", {}), 2u);
}

TEST_P(CriSocket, WhatIsBegunIsFinishedWithoutItsCaller) {
  PodSandboxConfig config = pod();
  {
    auto call = channel->open("/runtime.v1.RuntimeService/RunPodSandbox");
    auto sent = loop.run_until_done(call->write(wire::encode(wire::RunPodSandboxRequest{config})));
    ASSERT_TRUE(sent);
    call->close_writes();
    get(cri().next_event());  // it has been created, and is not yet ready
  }
  std::vector<PodSandboxStatus> list;
  do {
    get(cri().next_event());
    list = get(cri().list_pod_sandboxes());
    ASSERT_EQ(list.size(), 1u);
  } while (!list.front().ready);
}

TEST_P(CriSocket, AnEngineThatComesBackIsFoundAgain) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string id = run(sandbox, config, container("c", {"sleep", "1000"}));
  auto running = get(cri().exec(id, {"sleep", "1000"}, false, false, true, true));
  ASSERT_TRUE(running);
  close();
  EXPECT_EQ(code(cri().container_status(id)), Code::kUnavailable);
  EXPECT_EQ(code(running->wait()), Code::kUnavailable);
  EXPECT_FALSE(loop.run_until_done(running->out()->read(100)));
  while (true) {  // what came before it went is still told
    auto event = loop.run_until_done(cri().next_event());
    if (event) continue;
    EXPECT_EQ(event.error().code(), Code::kUnavailable);
    break;
  }
  EXPECT_EQ(code(cri().next_event()), Code::kUnavailable);
  EXPECT_EQ(code(cri().list_pod_sandboxes()), Code::kUnavailable);
  open();
  EXPECT_EQ(get(cri().container_status(id)).phase, ContainerPhase::kRunning);
  ok(cri().stop_container(id, Duration{}));
  EXPECT_EQ(wait_for(id, ContainerPhase::kExited).exit_code, 137);
}

}  // namespace
}  // namespace kobuk::engine::testing
