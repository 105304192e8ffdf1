#include "engine/docker_create.h"

#include <gtest/gtest.h>

#include "codec/json.h"

namespace kobuk::engine::docker {
namespace {

image::ImageInfo nginx() {
  image::ImageInfo image;
  image.id = "sha256:00";
  image.config.entrypoint = {"/docker-entrypoint.sh"};
  image.config.cmd = {"nginx", "-g", "daemon off;"};
  image.config.env = {"PATH=/usr/bin", "NGINX_VERSION=1"};
  image.config.exposed_ports = {"80/tcp"};
  image.config.volumes = {"/cache"};
  image.config.labels = {{"maintainer", "x"}, {"both", "image"}};
  image.config.stop_signal = "SIGQUIT";
  image.config.user = "nginx";
  image.config.json = R"({"config":{"Healthcheck":{"Test":["CMD-SHELL","true"],"Interval":5}}})";
  return image;
}

Result<ContainerRecord> decode(std::string_view json) {
  auto document = codec::parse_json(json);
  if (!document) return fail(document.error());
  return decode_create(document->root, nginx());
}

std::string message_of(std::string_view json) {
  auto record = decode(json);
  return record ? "" : record.error().message();
}

TEST(DockerCreate, WhatTheImageSaysHoldsWhereNothingElseIsAsked) {
  auto record = decode(R"({"Image":"nginx"})");
  ASSERT_TRUE(record) << record.error().message();
  EXPECT_EQ(record->args, (std::vector<std::string>{"/docker-entrypoint.sh", "nginx", "-g", "daemon off;"}));
  EXPECT_EQ(record->entrypoint_size, 1u);
  EXPECT_EQ(record->user, "nginx");
  EXPECT_EQ(record->stop_signal, "SIGQUIT");
  EXPECT_EQ(record->network_mode, "bridge");
  ASSERT_EQ(record->endpoints.size(), 1u);
  ASSERT_EQ(record->mounts.size(), 1u);
  EXPECT_TRUE(record->mounts.front().anonymous);
  EXPECT_EQ(record->health.test, (std::vector<std::string>{"CMD-SHELL", "true"}));
  EXPECT_EQ(record->env.front(), "PATH=/usr/bin");
}

TEST(DockerCreate, CommandsAndEntryPoints) {
  EXPECT_EQ(decode(R"({"Cmd":["echo","hi"]})")->args, (std::vector<std::string>{"/docker-entrypoint.sh", "echo", "hi"}));
  EXPECT_EQ(decode(R"({"Entrypoint":["sh"]})")->args, std::vector<std::string>{"sh"}) << "the image's command goes with its entry point";
  EXPECT_EQ(decode(R"({"Entrypoint":[""],"Cmd":["ls"]})")->args, std::vector<std::string>{"ls"});
  EXPECT_EQ(message_of(R"({"Entrypoint":[""]})"), "no command specified");
}

TEST(DockerCreate, EnvironmentAndLabelsMerge) {
  auto record = decode(R"({"Env":["NGINX_VERSION=2","A=b"],"Labels":{"both":"mine"}})");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->env, (std::vector<std::string>{"PATH=/usr/bin", "NGINX_VERSION=2", "A=b"}));
  EXPECT_EQ(record->labels.at("both"), "mine");
  EXPECT_EQ(record->labels.at("maintainer"), "x");
}

TEST(DockerCreate, Ports) {
  auto record = decode(R"({"HostConfig":{"PortBindings":{"80/tcp":[{"HostIp":"","HostPort":"8080"}],"53/udp":[{"HostIp":"127.0.0.1","HostPort":""}]}}})");
  ASSERT_TRUE(record);
  ASSERT_EQ(record->ports.size(), 2u);
  EXPECT_EQ(record->ports[0].host_port, 8080);
  EXPECT_EQ(record->ports[1].protocol, network::Protocol::kUdp);
  auto all = decode(R"({"HostConfig":{"PublishAllPorts":true}})");
  ASSERT_EQ(all->ports.size(), 1u);
  EXPECT_EQ(all->ports[0].host_port, 0);
  for (const char* bad : {"0/tcp", "70000/tcp", "x/tcp", "80/icmp"})
    EXPECT_FALSE(decode(cat(R"({"ExposedPorts":{")", bad, R"(":{}}})"))) << bad;
}

TEST(DockerCreate, Mounts) {
  auto record = decode(R"({"HostConfig":{"Binds":["/src:/a:ro","data:/cache/"],"Tmpfs":{"/run":"size=1m"},
      "Mounts":[{"Type":"tmpfs","Target":"/t","TmpfsOptions":{"SizeBytes":1024,"Mode":1023}},{"Type":"bind","Source":"/x","Target":"/y","ReadOnly":true}]}})");
  ASSERT_TRUE(record) << record.error().message();
  ASSERT_EQ(record->mounts.size(), 5u) << "the named volume takes the place of the image's anonymous one";
  EXPECT_TRUE(record->mounts[0].readonly && record->mounts[0].create_source);
  EXPECT_EQ(record->mounts[1].type, MountType::kVolume);
  EXPECT_EQ(record->mounts[1].destination, "/cache");
  EXPECT_EQ(record->mounts[2].options, "size=1024,mode=1777");
  EXPECT_FALSE(record->mounts[3].create_source);
  EXPECT_EQ(message_of(R"({"HostConfig":{"Binds":["/a:/b","/c:/b"]}})"), "Duplicate mount point: /b");
  EXPECT_EQ(message_of(R"({"HostConfig":{"Binds":["/a:b"]}})"), "invalid volume specification: '/a:b'");
  EXPECT_EQ(message_of(R"({"HostConfig":{"Binds":["/a:/b:maybe"]}})"), "invalid mode: maybe");
  EXPECT_EQ(message_of(R"({"HostConfig":{"Binds":["/a:/"]}})"), "invalid specification: destination can't be '/'");
}

TEST(DockerCreate, LimitsAreDockers) {
  auto record = decode(R"({"HostConfig":{"Memory":67108864,"MemorySwap":134217728,"NanoCpus":500000000,"PidsLimit":10}})");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->limits.memory_max, 67'108'864);
  EXPECT_EQ(record->limits.memory_swap_max, 67'108'864);
  EXPECT_EQ(record->limits.cpu_quota_us, 50'000);
  EXPECT_EQ(record->limits.pids_max, 10);
  EXPECT_EQ(message_of(R"({"HostConfig":{"Memory":1}})"), "Minimum memory limit allowed is 6MB");
}

TEST(DockerCreate, RestartPolicies) {
  auto record = decode(R"({"HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":3}}})");
  EXPECT_EQ(record->restart, RestartMode::kOnFailure);
  EXPECT_EQ(record->restart_tries, 3);
  EXPECT_NE(message_of(R"({"HostConfig":{"RestartPolicy":{"Name":"always","MaximumRetryCount":3}}})"), "");
  EXPECT_EQ(message_of(R"({"HostConfig":{"AutoRemove":true,"RestartPolicy":{"Name":"always"}}})"), "can't create 'AutoRemove' container with restart policy");
}

TEST(DockerCreate, WhatIsNotHonouredIsRefused) {
  for (const char* field : {R"("Init":true)", R"("VolumesFrom":["x"])", R"("Links":["x"])", R"("BlkioWeight":10)", R"("DeviceRequests":[{}])",
                            R"("OomKillDisable":true)", R"("StorageOpt":{"size":"1"})", R"("UsernsMode":"private")", R"("MemorySwappiness":10)",
                            R"("SecurityOpt":["apparmor=x"])", R"("LogConfig":{"Type":"syslog"})", R"("LogConfig":{"Type":"json-file","Config":{"tag":"x"}})",
                            R"("VolumeDriver":"nfs")", R"("Runtime":"kata")", R"("IpcMode":"none")"})
    EXPECT_NE(message_of(cat(R"({"HostConfig":{)", field, "}}")), "") << field;
}

TEST(DockerCreate, WhatTheCommandLineAlwaysSendsIsTaken) {
  EXPECT_EQ(message_of(R"({"Hostname":"","AttachStdout":true,"Env":null,"Cmd":null,"Volumes":{},"Entrypoint":null,"OnBuild":null,"Labels":{},
      "HostConfig":{"Binds":null,"ContainerIDFile":"","LogConfig":{"Type":"","Config":{}},"NetworkMode":"default","PortBindings":{},
      "RestartPolicy":{"Name":"no","MaximumRetryCount":0},"VolumesFrom":null,"ConsoleSize":[0,0],"CgroupnsMode":"","Dns":[],"IpcMode":"","Links":null,
      "UsernsMode":"","ShmSize":0,"Isolation":"","BlkioWeight":0,"BlkioDeviceReadBps":[],"DeviceRequests":null,"MemorySwappiness":-1,"OomKillDisable":false,
      "PidsLimit":0,"Ulimits":[],"MaskedPaths":null,"ReadonlyPaths":null},
      "NetworkingConfig":{"EndpointsConfig":{"default":{"IPAMConfig":null,"Links":null,"Aliases":null,"DriverOpts":null,"MacAddress":""}}}})"), "");
}

TEST(DockerCreate, Sizes) {
  EXPECT_EQ(parse_size("10m").value_or(0), 10 << 20);
  EXPECT_EQ(parse_size("1.5").value_or(-1), -1);
  EXPECT_EQ(parse_size("2kb").value_or(0), 2048);
  EXPECT_EQ(parse_size("99999999999999p").value_or(-1), -1);
  EXPECT_EQ(parse_size("").value_or(-1), -1);
}

}  // namespace
}  // namespace kobuk::engine::docker
