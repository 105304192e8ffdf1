#include "engine/testing/daemon.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "codec/json.h"
#include "engine/json_text.h"
#include "image/registry_server.h"
#include "io/http.h"

namespace kobuk::engine::testing {
namespace {

constexpr const char* kFlag = "KOBUK_TEST_ENGINE";

struct Served {
  EngineOptions options;
  std::string socket, registry;
  int ready = -1;
};

std::string encode(const EngineOptions& o, const std::string& socket, const std::string& registry, int ready) {
  JsonText out;
  out.open_object().field("profile", o.profile).field("directory", o.directory).field("run", o.run_directory).field("cgroup", o.cgroup_root);
  out.field("pods", o.pod_subnet).field("docker", o.docker_subnet).field("socket", socket).field("registry", registry).field("ready", ready).close_object();
  return std::move(out).take();
}

Served decode(const char* text) {
  Served out;
  auto document = codec::parse_json(text);
  if (!document) return out;
  const codec::Value& v = document->root;
  out.options.profile = v["profile"].as_string(), out.options.directory = v["directory"].as_string();
  out.options.run_directory = v["run"].as_string(), out.options.cgroup_root = v["cgroup"].as_string();
  out.options.pod_subnet = v["pods"].as_string(), out.options.docker_subnet = v["docker"].as_string();
  out.options.mirrors["docker.io"] = {"http://127.0.0.1:5000"};
  out.socket = v["socket"].as_string(), out.registry = v["registry"].as_string(), out.ready = static_cast<int>(v["ready"].as_int());
  return out;
}

io::Task<void> clean_up(Engine& engine, io::Loop& loop, int& code) {
  auto removed = co_await engine.remove_everything();
  if (!removed) {
    fprintf(stderr, "remove_everything: %s\n", removed.error().message().c_str());
    code = 3;
  }
  loop.stop();
}

}  // namespace

int serve_from_environment() {
  const char* text = getenv(kFlag);
  if (text == nullptr) return 77;
  Served served = decode(text);
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  fcntl(served.ready, F_SETFD, FD_CLOEXEC);
  io::Loop loop;
  auto engine = loop.run_until_done(Engine::open(loop, served.options));
  if (!engine) {
    fprintf(stderr, "open: %s\n", engine.error().message().c_str());
    return 2;
  }
  auto registry = image::RegistryServer::open(loop, served.registry);
  if (!registry) return 2;
  io::http::Server docker(loop, (*engine)->docker_api());
  io::http::Server images(loop, **registry);
  auto listening = docker.listen("unix:" + served.socket, nullptr);
  if (listening) listening = images.listen("127.0.0.1:5000", nullptr);
  if (!listening) {
    fprintf(stderr, "listen: %s\n", listening.error().message().c_str());
    return 2;
  }
  int code = 0;
  auto stop = loop.watch_fd(signal_fd, io::Loop::kRead, [&](unsigned) {
    loop.unwatch_fd(signal_fd);
    loop.spawn(clean_up(**engine, loop, code));
  });
  if (!stop || write(served.ready, "x", 1) != 1) return 2;
  close(served.ready);
  loop.run();
  return code;
}

void Daemon::start() {
  int ready[2];
  ASSERT_EQ(pipe2(ready, O_CLOEXEC), 0);
  std::string setting = encode(world_.options(), world_.docker_socket(), world_.data() + "/registry", ready[1]);
  pid_ = fork();
  ASSERT_GE(pid_, 0);
  if (pid_ == 0) {
    fcntl(ready[1], F_SETFD, 0);
    setenv(kFlag, setting.c_str(), 1);
    execl("/proc/self/exe", "engine_test", "--gtest_filter=DaemonProcess.DISABLED_Serve", "--gtest_also_run_disabled_tests", "--gtest_brief=1", nullptr);
    _exit(127);
  }
  close(ready[1]);
  char answer = 0;
  bool up = read(ready[0], &answer, 1) == 1;
  close(ready[0]);
  ASSERT_TRUE(up) << "the engine did not start";
}

void Daemon::kill_hard() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void Daemon::remove_all() {
  if (pid_ <= 0) return;
  kill(pid_, SIGTERM);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "the engine ended with " << status;
  for (const std::string& left : world_.leftovers()) ADD_FAILURE() << "left behind: " << left;
}

Daemon::~Daemon() {
  if (pid_ <= 0) start();
  remove_all();
}

Output Daemon::docker(const std::string& arguments) {
  return shell(cat("export DOCKER_HOST=unix://", world_.docker_socket(), " DOCKER_CONFIG=", world_.data(), "/docker; timeout 60 docker ", arguments));
}

}  // namespace kobuk::engine::testing
