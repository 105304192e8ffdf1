#include "app/profile.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include "app/memory_size.h"
#include "sys/file.h"

namespace kobuk::app {
namespace {

Profile sample() {
  return {.name = "edge", .root = "/srv/edge", .slot = 3, .port = 7443, .registry_port = 5001, .cpus = 2,
          .memory_bytes = int64_t{4} << 30, .node_name = "edge", .store = "etcd", .etcd_servers = {"http://127.0.0.1:2379"},
          .mirrors = {{"docker.io", {"http://127.0.0.1:5000"}}}, .insecure_registries = {"reg.local"}};
}

TEST(Profile, RecordReadsBack) {
  auto back = decode_profile(encode_profile(sample()));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(encode_profile(*back), encode_profile(sample()));
  EXPECT_EQ(back->mirrors.at("docker.io"), std::vector<std::string>{"http://127.0.0.1:5000"});
}

TEST(Profile, PathsFollowNameAndRoot) {
  Profile profile = sample();
  EXPECT_EQ(profile.store_directory(), "/srv/edge/store");
  EXPECT_EQ(profile.docker_socket(), "/run/kobuk/edge/docker.sock");
  EXPECT_EQ(profile.cri_socket(), "/run/kobuk/edge/cri.sock");
  EXPECT_EQ(profile.control_socket("serve"), "/run/kobuk/edge/serve.sock");
  EXPECT_EQ(profile.cgroup_root(), "/kobuk-edge");
}

TEST(Profile, WhatIsNoRecordIsDataLoss) {
  for (std::string_view text : {"", "{}", "[]", "{\"name\":\"a\",\"root\":\"relative\",\"slot\":0,\"port\":1,\"registryPort\":1}",
                                "{\"name\":\"a\",\"root\":\"/a\",\"slot\":99,\"port\":1,\"registryPort\":1}",
                                "{\"name\":\"a\",\"root\":\"/a\",\"slot\":0,\"port\":70000,\"registryPort\":1}",
                                "{\"name\":\"../a\",\"root\":\"/a\",\"slot\":0,\"port\":1,\"registryPort\":1}"}) {
    auto decoded = decode_profile(text);
    ASSERT_FALSE(decoded) << text;
    EXPECT_EQ(decoded.error().code(), Code::kDataLoss) << text;
  }
}

TEST(Profile, Names) {
  for (std::string_view good : {"default", "a", "edge-1", "0"}) EXPECT_TRUE(check_profile_name(good)) << good;
  for (std::string_view bad : {"", "-a", "a-", "A", "a.b", "a/b", "..", "aaaaaaaaaaaaaaaaaaaaaaaaa"}) {
    EXPECT_FALSE(check_profile_name(bad)) << bad;
  }
}

TEST(Profile, AFolderThatIsInUseIsNotTakenOver) {
  std::string folder = cat(::testing::TempDir(), "/root-", getpid());
  EXPECT_TRUE(check_new_root(folder));
  ASSERT_TRUE(sys::make_directories(folder));
  EXPECT_TRUE(check_new_root(folder));
  ASSERT_TRUE(sys::write_file(cat(folder, "/precious"), "x"));
  auto taken = check_new_root(folder);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code(), Code::kFailedPrecondition);
  EXPECT_TRUE(sys::exists(cat(folder, "/precious")));
  ASSERT_TRUE(sys::remove_tree(folder));
  for (std::string bad : {"relative", "", "/", "//", "/a/../b"}) EXPECT_EQ(check_new_root(bad).error().code(), Code::kInvalid) << bad;
}

TEST(AddressPlan, SlotsAreApart) {
  AddressPlan first = plan_addresses(0), second = plan_addresses(1);
  EXPECT_EQ(first.pod_subnet, "10.64.0.0/24");
  EXPECT_EQ(first.node_ip, "10.64.0.1");
  EXPECT_EQ(first.kubernetes_service, "10.65.0.1");
  EXPECT_EQ(second.pod_subnet, "10.66.0.0/24");
  EXPECT_EQ(second.load_balancer_cidr, "10.67.128.0/24");
  EXPECT_EQ(plan_addresses(kSlots - 1).service_cidr, "10.127.0.0/17");
}

TEST(AddressPlan, TakenAndRoutedSlotsAreLeftOut) {
  constexpr std::string_view kRoutes =
      "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
      "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"   // default
      "eth0\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"   // 192.168.0.0/24
      "tun0\t0000430A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n";  // 10.67.0.0/16: the second block of slot 1
  EXPECT_EQ(choose_slot({}, kRoutes).value(), 0);
  EXPECT_EQ(choose_slot({0}, kRoutes).value(), 2);
  constexpr std::string_view kAll = "vpn\t0000000A\t00000000\t0001\t0\t0\t0\t000000FF\t0\t0\t0\n";  // 10.0.0.0/8
  auto none = choose_slot({}, kAll);
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kResourceExhausted);
}

TEST(MemorySize, Forms) {
  EXPECT_EQ(parse_memory_size("4096").value(), int64_t{4096} << 20);
  EXPECT_EQ(parse_memory_size("4g").value(), int64_t{4} << 30);
  EXPECT_EQ(parse_memory_size("512Mi").value(), int64_t{512} << 20);
  EXPECT_EQ(parse_memory_size("2048000k").value(), int64_t{2048000} << 10);
  for (std::string_view bad : {"", "g", "4x", "-1", "63m", "99999999999g", "1.5g"}) EXPECT_FALSE(parse_memory_size(bad)) << bad;
}

}  // namespace
}  // namespace kobuk::app
