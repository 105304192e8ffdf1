#include <gtest/gtest.h>

#include "app/docker/run_options.h"
#include "codec/json.h"

namespace kobuk::app::docker {
namespace {

codec::Document body_of(const std::vector<std::string>& arguments) {
  RunOptions options;
  Options parser("kobuk docker run", "");
  declare_run_options(parser, options);
  auto rest = parser.parse(arguments);
  EXPECT_TRUE(rest);
  options.image = rest->front();
  options.command.assign(rest->begin() + 1, rest->end());
  auto body = create_body(options);
  EXPECT_TRUE(body) << body.error().message();
  return codec::parse_json(*body).value();
}

TEST(DockerRun, PortsLimitsAndPolicy) {
  auto body = body_of({"-d", "-p", "8080:80", "-p", "127.0.0.1:53:53/udp", "-m", "512m", "--cpus", "1.5", "--restart", "on-failure:3", "nginx", "-g", "daemon off;"});
  const codec::Value& host = body.root["HostConfig"];
  EXPECT_EQ(host["PortBindings"]["80/tcp"].at(0)["HostPort"].as_string(), "8080");
  EXPECT_EQ(host["PortBindings"]["53/udp"].at(0)["HostIp"].as_string(), "127.0.0.1");
  EXPECT_EQ(host["Memory"].as_int(), 512 << 20);
  EXPECT_EQ(host["NanoCpus"].as_int(), 1'500'000'000);
  EXPECT_EQ(host["RestartPolicy"]["MaximumRetryCount"].as_int(), 3);
  EXPECT_EQ(body.root["Cmd"].at(1).as_string(), "daemon off;");
  EXPECT_FALSE(body.root["AttachStdout"].as_bool(true));
}

TEST(DockerRun, RefusesNonsense) {
  for (const RunOptions& wrong : {RunOptions{.publish = {"0:80"}}, RunOptions{.publish = {"80:70000"}}, RunOptions{.publish = {"80/xyz"}},
                                  RunOptions{.restart = "often"}, RunOptions{.restart = "always:3"}, RunOptions{.memory = "lots"},
                                  RunOptions{.cpus = "-1"}}) {
    EXPECT_FALSE(create_body(wrong));
  }
}

TEST(Demultiplexer, FramesInPiecesOfAnySize) {
  std::string out, err, bytes;
  for (auto [kind, text] : {std::pair<char, std::string_view>{1, "hello "}, {2, "oops"}, {1, "world"}}) {
    bytes += kind;
    bytes.append(6, '\0');
    bytes += static_cast<char>(text.size());
    bytes += text;
  }
  for (size_t step : {1u, 3u, 64u}) {
    out.clear(), err.clear();
    Demultiplexer frames([&](bool is_stderr, std::string_view text) { (is_stderr ? err : out) += text; });
    for (size_t at = 0; at < bytes.size(); at += step) frames.feed(std::string_view(bytes).substr(at, step));
    EXPECT_EQ(out, "hello world");
    EXPECT_EQ(err, "oops");
  }
}

TEST(DockerRun, ExitCodesOfWhatCouldNotStart) {
  EXPECT_EQ(run_exit_code(Error(Code::kInvalid, "exec: \"x\": executable file not found in $PATH")), 127);
  EXPECT_EQ(run_exit_code(Error(Code::kInvalid, "exec: \"/etc\": permission denied")), 126);
  EXPECT_EQ(run_exit_code(Error(Code::kConflict, "port is already allocated")), 125);
}

TEST(HumanDuration, AsDockerSaysIt) {
  EXPECT_EQ(human_duration(0), "Less than a second");
  EXPECT_EQ(human_duration(90), "About a minute");
  EXPECT_EQ(human_duration(7200), "2 hours");
  EXPECT_EQ(human_duration(86400 * 3), "3 days");
}

}  // namespace
}  // namespace kobuk::app::docker
