// The messages of the CRI as bytes, and what is made of other bytes.
#include "engine/cri_wire.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/strings.h"
#include "codec/protobuf.h"
#include "engine/cri_stream_wire.h"

namespace kobuk::engine::wire {
namespace {

using codec::ProtobufWriter;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

CreateContainerRequest full_request() {
  CreateContainerRequest out;
  out.sandbox = "abc";
  ContainerConfig& c = out.config;
  c.name = "web", c.attempt = 2, c.image = "busybox";
  c.command = {"sh", "-c"}, c.args = {"", "x"};
  c.working_dir = "/tmp";
  c.envs = {{"A", "b"}, {"EMPTY", ""}};
  c.mounts = {{"/in", "/out", true, true, "bidirectional"}, {"/a", "/b", false, false, "private"}};
  c.devices = {{"/dev/x", "/dev/y", "rwm"}};
  c.labels = {{"l", "1"}}, c.annotations = {{"a", "2"}};
  c.log_path = "web/0.log";
  c.stdin_open = c.stdin_once = c.tty = true;
  c.resources = {100'000, -1, 512, 64 << 20, 64 << 20, -997, "0-1", "0", 77, {{"memory.high", "max"}}};
  c.security.run_as_user = 0, c.security.run_as_group = 3000, c.security.run_as_username = "";
  c.security.supplemental_groups = {0, 2000, 1'000'000};
  c.security.add_capabilities = {"NET_ADMIN"}, c.security.drop_capabilities = {"ALL"};
  c.security.privileged = c.security.readonly_rootfs = c.security.no_new_privs = true;
  c.security.seccomp_localhost = "/profiles/x.json";
  c.security.default_proc_mount = false;
  c.pid = NamespaceMode::kNode;
  c.stop_signal = "SIGRTMIN+3";
  c.log_max_bytes = 5, c.log_max_files = 6;
  PodSandboxConfig& s = out.sandbox_config;
  s.metadata = {"pod", "uid", "space", 7};
  s.hostname = "host", s.log_directory = "/logs";
  s.dns_servers = {"10.0.0.1"}, s.dns_searches = {"a", "b"}, s.dns_options = {"ndots:5"};
  s.port_mappings = {{"UDP", 53, 5353, "127.0.0.1"}, {"TCP", 80, 0, ""}};
  s.sysctls = {{"net.core.somaxconn", "1024"}};
  s.cgroup_parent = "/kobuk/pods";
  s.network = NamespaceMode::kNode, s.pid = NamespaceMode::kContainer, s.ipc = NamespaceMode::kNode;
  s.security.seccomp_unconfined = true;
  return out;
}

TEST(CriWire, WhatIsWrittenIsRead) {
  CreateContainerRequest request = full_request(), read;
  std::string bytes = encode(request);
  ASSERT_TRUE(decode(bytes, read));
  EXPECT_EQ(encode(read), bytes);
  EXPECT_EQ(read.sandbox, "abc");
  const ContainerConfig& c = read.config;
  EXPECT_EQ(c.name, "web");
  EXPECT_EQ(c.attempt, 2u);
  EXPECT_THAT(c.args, ElementsAre("", "x"));
  EXPECT_EQ(c.envs, request.config.envs);
  ASSERT_EQ(c.mounts.size(), 2u);
  EXPECT_TRUE(c.mounts[0].recursive_readonly);
  EXPECT_EQ(c.mounts[0].propagation, "bidirectional");
  EXPECT_EQ(c.devices.at(0).permissions, "rwm");
  EXPECT_EQ(c.resources.cpu_quota, -1);
  EXPECT_EQ(c.resources.oom_score_adj, -997);
  EXPECT_EQ(c.resources.pids_limit, 77);
  EXPECT_EQ(c.resources.memory_swap_limit, 64 << 20);
  EXPECT_EQ(c.resources.unified, request.config.resources.unified);
  EXPECT_EQ(c.security.run_as_user, 0);
  EXPECT_THAT(c.security.supplemental_groups, ElementsAre(0, 2000, 1'000'000));
  EXPECT_EQ(c.security.seccomp_localhost, "/profiles/x.json");
  EXPECT_FALSE(c.security.default_proc_mount);
  EXPECT_EQ(c.pid, NamespaceMode::kNode);
  EXPECT_EQ(c.stop_signal, "SIGRTMIN+3");
  EXPECT_EQ(c.log_max_files, 6u);
  const PodSandboxConfig& s = read.sandbox_config;
  EXPECT_EQ(s.metadata, request.sandbox_config.metadata);
  EXPECT_EQ(s.port_mappings.at(0).protocol, "UDP");
  EXPECT_EQ(s.port_mappings.at(0).host_port, 5353);
  EXPECT_EQ(s.network, NamespaceMode::kNode);
  EXPECT_EQ(s.pid, NamespaceMode::kContainer);
  EXPECT_EQ(s.ipc, NamespaceMode::kNode);
  EXPECT_TRUE(s.security.seccomp_unconfined);
}

TEST(CriWire, EveryCutIsReadOrRefused) {
  std::string bytes = encode(full_request());
  for (size_t size = 0; size < bytes.size(); ++size) {
    CreateContainerRequest read;
    auto done = decode(std::string_view(bytes).substr(0, size), read);
    if (!done) EXPECT_EQ(done.error().code(), Code::kInvalid) << size;
  }
}

// Puts `field` into the message at `path` of a CreateContainerRequest.
std::string with(std::vector<uint32_t> path, uint32_t field, std::string_view content) {
  ProtobufWriter out;
  out.bytes(field, content);
  std::string bytes = out.take();
  for (auto at = path.rbegin(); at != path.rend(); ++at) {
    ProtobufWriter outer;
    outer.bytes(*at, bytes);
    bytes = outer.take();
  }
  return bytes;
}
Code refused(const std::string& bytes) {
  CreateContainerRequest read;
  auto done = decode(bytes, read);
  return done ? Code::kInternal : done.error().code();
}

TEST(CriWire, WhatCantBeHonouredIsRefused) {
  std::string local("\x08\x02\x12\x01p", 5), limit("\x10\x05", 2);
  EXPECT_EQ(refused(with({2, 7}, 6, "x")), Code::kUnsupported) << "uidMappings";
  EXPECT_EQ(refused(with({2, 7}, 9, "")), Code::kUnsupported) << "an image as a mount";
  EXPECT_EQ(refused(with({2}, 17, "")), Code::kUnsupported) << "CDI";
  EXPECT_EQ(refused(with({2, 15, 2}, 16, local)), Code::kUnsupported) << "AppArmor";
  EXPECT_EQ(refused(with({2, 15, 2, 1}, 3, "NET_RAW")), Code::kUnsupported) << "ambient";
  EXPECT_EQ(refused(with({2, 15, 1}, 8, limit)), Code::kUnsupported) << "huge pages";
  EXPECT_EQ(refused(with({2, 15, 2}, 3, std::string("\x10\x03", 2))), Code::kUnsupported) << "pid of another container";
  EXPECT_EQ(refused(with({3, 8, 2, 1}, 5, std::string("\x08\x00", 2))), Code::kUnsupported) << "user namespace";
  EXPECT_EQ(refused(with({3, 8, 2, 1}, 5, std::string("\x08\x02", 2))), Code::kInternal) << "the host's users are fine";
  EXPECT_EQ(refused(with({2}, 99, "a field that is not known")), Code::kInternal);
}

TEST(CriWire, MasksAreKeptUnlessListed) {
  CreateContainerRequest none, some;
  ASSERT_TRUE(decode(with({2, 15}, 2, ""), none));
  EXPECT_TRUE(none.config.security.default_proc_mount);
  EXPECT_EQ(none.config.pid, NamespaceMode::kPod) << "enums are zero where nothing is said";
  ASSERT_TRUE(decode(with({2, 15, 2}, 13, "/proc/kcore"), some));
  EXPECT_FALSE(some.config.security.default_proc_mount);
  EXPECT_THAT(some.config.security.masked_paths, ElementsAre("/proc/kcore"));
}

TEST(CriWire, ListsAreBounded) {
  ProtobufWriter many;
  for (size_t i = 0; i <= kMaxItems; ++i) many.bytes(7, "");
  EXPECT_EQ(refused(with({}, 2, many.text())), Code::kTooLarge);
  std::string groups(kMaxItems + 1, '\x01');
  EXPECT_EQ(refused(with({2, 15, 2}, 8, groups)), Code::kTooLarge);
}

TEST(CriWire, TimeoutsAreWholeSeconds) {
  StopContainerRequest stop;
  ASSERT_TRUE(decode(encode(StopContainerRequest{"x", std::chrono::milliseconds(1200)}), stop));
  EXPECT_EQ(stop.timeout, std::chrono::seconds(2));
  ASSERT_TRUE(decode(encode(StopContainerRequest{"x", Duration{}}), stop));
  ProtobufWriter negative;
  negative.integer(3, -5);
  ExecSyncRequest exec;
  ASSERT_TRUE(decode(negative.text(), exec));
  EXPECT_EQ(exec.timeout, Duration{});
}

TEST(CriWire, CredentialsOfEitherForm) {
  PullImageRequest read;
  ASSERT_TRUE(decode(encode(PullImageRequest{"image", R"({"username":"u\"","password":"p","serveraddress":"r"})"}), read));
  EXPECT_EQ(read.image, "image");
  EXPECT_THAT(read.credentials_json, HasSubstr(R"("username":"u\"","password":"p")"));
  PullImageRequest joined;
  ASSERT_TRUE(decode(with({2}, 3, base64("user:pa:ss")), joined));
  EXPECT_THAT(joined.credentials_json, HasSubstr(R"("username":"user","password":"pa:ss")"));
  EXPECT_FALSE(decode(with({2}, 3, base64("nothing")), joined));
  EXPECT_EQ(decode(with({2}, 6, "token"), joined).error().code(), Code::kUnsupported);
}

TEST(CriWire, ExecAnswersFitIntoEveryClientsLimit) {
  ExecResult much{std::string(15 << 20, 'o'), std::string(15 << 20, 'e'), 3};
  std::string bytes = encode_exec_result(much);
  EXPECT_LT(bytes.size(), size_t{16} << 20);
  auto read = decode_exec_result(bytes);
  ASSERT_TRUE(read);
  EXPECT_EQ(read->out.size(), much.out.size());
  EXPECT_GT(read->err.size(), 900'000u);
  EXPECT_EQ(read->exit_code, 3);
}

TEST(CriWire, StreamMessages) {
  ToProcess to{.open = StreamOpen{"id", {"sh", ""}, true, true, true, false, 80}, .in = "bytes", .close_in = true, .resize = WindowSize{80, 24}, .taken_out = 5};
  ToProcess read;
  ASSERT_TRUE(decode(encode(to), read));
  EXPECT_EQ(encode(read), encode(to));
  EXPECT_THAT(read.open->command, ElementsAre("sh", ""));
  FromProcess from{.opened = true, .has_in = true, .err = "x", .out_ended = true, .exit = 0, .taken_in = 9}, back;
  ASSERT_TRUE(decode(encode(from), back));
  EXPECT_EQ(encode(back), encode(from));
  EXPECT_EQ(back.exit, 0);
}

}  // namespace
}  // namespace kobuk::engine::wire
