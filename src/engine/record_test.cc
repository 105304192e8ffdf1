#include "engine/record.h"

#include <gtest/gtest.h>

namespace kobuk::engine {
namespace {

ContainerRecord full_record() {
  ContainerRecord r;
  r.origin = Origin::kCri;
  r.id = "4f2a", r.name = "web", r.created = WallTime{Duration{1'700'000'000'123'456'789}};
  r.image = "nginx", r.image_id = "sha256:00";
  r.args = {"/bin/sh", "-c", "echo \"hi\"\n"}, r.env = {"A=b", "EMPTY="}, r.entrypoint_size = 1;
  r.tty = true, r.stdin_open = true, r.columns = 80, r.rows = 24;
  r.cap_add = {"NET_ADMIN"}, r.masked_paths = std::vector<std::string>{}, r.oom_score_adj = 0;
  r.mounts = {{.type = MountType::kVolume, .source = "v", .destination = "/d", .copy = false, .anonymous = true},
              {.type = MountType::kTmpfs, .destination = "/t", .options = "size=1m"}};
  r.devices = {{"/dev/null", "/dev/x", "rw"}}, r.device_rules = {"c 1:* r"}, r.ulimits = {{"nofile", 10, -1}};
  r.sysctls = {{"net.ipv4.ip_forward", "1"}}, r.limits.memory_max = 64 << 20, r.limits.unified = {{"memory.high", "1"}};
  r.restart = RestartMode::kOnFailure, r.restart_tries = 3, r.stop_timeout = 0;
  r.labels = {{"a", "b"}, {"", ""}};
  r.endpoints = {{.network = "bridge", .aliases = {"db"}}};
  r.ports = {{.host_ip = "127.0.0.1", .host_port = 8080, .container_port = 80, .protocol = network::Protocol::kUdp}};
  r.health.test = {"CMD", "true"}, r.docker_config = "{}", r.attempt = 7;
  return r;
}

TEST(Record, ComesBackAsItWas) {
  ContainerRecord record = full_record();
  auto back = decode_container(encode(record));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(*back, record);
}

TEST(Record, StatusComesBackAsItWas) {
  StatusRecord status{.status = Status::kPaused, .exit_code = -1, .oom_killed = true, .starting = true, .error = "x", .restart_count = 2};
  status.endpoints = {{.network = "n", .address = "10.0.0.2", .prefix = 24}};
  auto back = decode_status(encode(status));
  ASSERT_TRUE(back);
  EXPECT_EQ(*back, status);
}

TEST(Record, FieldsThatAreNotKnownArePassedOver) {
  auto record = decode_container(R"({"id":"a","future":{"x":[1]},"tty":true})");
  ASSERT_TRUE(record);
  EXPECT_TRUE(record->tty);
  EXPECT_EQ(record->network_mode, "none");
}

TEST(Record, DamageIsDataLoss) {
  for (const char* text : {"", "[]", "{\"id\":", "{}", "null"}) {
    auto record = decode_container(text);
    ASSERT_FALSE(record) << text;
    EXPECT_EQ(record.error().code(), Code::kDataLoss) << text;
  }
  EXPECT_FALSE(decode_status(R"({"status":99})"));
}

TEST(Record, EveryStatusHasDockersName) {
  EXPECT_EQ(status_name(Status::kCreated), "created");
  EXPECT_EQ(status_name(Status::kRemoving), "removing");
  EXPECT_EQ(status_name(Status::kDead), "dead");
}

}  // namespace
}  // namespace kobuk::engine
