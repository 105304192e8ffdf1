#include "engine/testing/cri_contract.h"

#include <gmock/gmock.h>

#include "base/strings.h"
#include "engine/cri_client.h"
#include "sys/file.h"

namespace kobuk::engine::testing {

using ::testing::HasSubstr;
using std::chrono::seconds;

void CriContract::SetUp() {
  if (!missing().empty()) GTEST_SKIP() << missing();
  if (!enter_own_network()) GTEST_SKIP() << "a network namespace of its own can't be made here";
  world = std::make_unique<World>();
  if (GetParam() == CriWay::kSocket) client = make_cri_client(loop, socket());
  open();
  import_image();
}

void CriContract::TearDown() {
  if (!engine) return;
  auto removed = loop.run_until_done(engine->remove_everything());
  EXPECT_TRUE(removed) << removed.error().message();
  client.reset();
  close();
  for (const std::string& left : world->leftovers()) ADD_FAILURE() << "left behind: " << left;
}

void CriContract::open() {
  auto opened = loop.run_until_done(Engine::open(loop, world->options()));
  ASSERT_TRUE(opened) << opened.error().message();
  engine = std::move(*opened);
  if (client) {
    server = std::make_unique<io::http::Server>(loop, engine->cri_api(), cri_server_limits());
    ASSERT_TRUE(server->listen(socket(), nullptr));
  }
  get(cri().list_pod_sandboxes());  // events from here on
}

void CriContract::close() {
  server.reset();
  engine.reset();
}

void CriContract::import_image() {
  io::http::Request request;
  request.method = "POST", request.target = "/images/create?fromSrc=-&repo=busybox&tag=latest";
  request.body = io::http::Body(sys::read_file(world->busybox_tar()).value_or(""));
  auto response = loop.run_until_done(engine->docker_api().handle(std::move(request)));
  ASSERT_EQ(response.status, 200) << loop.run_until_done(response.body.read_all(1 << 20)).value_or("");
}

void CriContract::ok(io::Task<Result<void>> task) {
  auto result = loop.run_until_done(std::move(task));
  EXPECT_TRUE(result) << result.error().message();
}

PodSandboxConfig CriContract::pod(std::string name) {
  PodSandboxConfig out;
  out.metadata = {name, cat("uid-", name), "default", 0};
  out.hostname = name;
  out.log_directory = cat(world->data(), "/pods/", name);
  out.dns_servers = {"10.96.0.10"}, out.dns_searches = {"default.svc.cluster.local", "svc.cluster.local"};
  out.dns_options = {"ndots:5"};
  out.labels = {{"app", name}};
  out.cgroup_parent = cat(world->options().cgroup_root, "/pods/besteffort/pod", name);
  return out;
}

ContainerConfig CriContract::container(std::string name, std::vector<std::string> command) {
  ContainerConfig out;
  out.name = name, out.image = "busybox", out.command = std::move(command);
  out.log_path = cat(name, "/0.log");
  return out;
}

std::string CriContract::run(const std::string& sandbox, const PodSandboxConfig& config, ContainerConfig what) {
  std::string id = get(cri().create_container(sandbox, std::move(what), config));
  if (!id.empty()) ok(cri().start_container(id));
  return id;
}

ContainerStatus CriContract::wait_for(const std::string& id, ContainerPhase phase) {
  while (true) {
    ContainerStatus status = get(cri().container_status(id));
    if (status.phase == phase || status.id.empty()) return status;
    auto event = loop.run_until_done(cri().next_event());
    if (!event) return status;
  }
}

std::string CriContract::exec(const std::string& id, std::vector<std::string> command) {
  return get(cri().exec_sync(id, std::move(command), seconds(20))).out;
}

io::Task<std::string> read_all(io::Stream& from) {
  std::string out;
  while (true) {
    auto piece = co_await from.read(4096);
    if (!piece || piece->empty()) co_return out;
    out += *piece;
  }
}

TEST_P(CriContract, APodHasItsNetworkNamesAndLogs) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  PodSandboxStatus status = get(cri().pod_sandbox_status(sandbox));
  EXPECT_TRUE(status.ready);
  ASSERT_EQ(status.ips.size(), 1u);
  EXPECT_THAT(status.ips.front(), HasSubstr("10.201.0."));
  EXPECT_EQ(status.metadata, config.metadata);
  EXPECT_EQ(status.labels.at("app"), "web");

  std::string server = run(sandbox, config, container("server", {"httpd", "-f", "-p", "80", "-h", "/www"}));
  std::string client = run(sandbox, config, container("client", {"sh", "-c", "echo out; echo err >&2; hostname; exec sleep 1000"}));
  EXPECT_EQ(exec(client, {"wget", "-q", "-O", "-", "http://127.0.0.1/"}), "hello from the image\n") << "one network for the pod";
  EXPECT_EQ(exec(client, {"hostname"}), "web\n");
  EXPECT_EQ(exec(client, {"cat", "/etc/resolv.conf"}), "nameserver 10.96.0.10\nsearch default.svc.cluster.local svc.cluster.local\noptions ndots:5\n");
  EXPECT_THAT(exec(client, {"cat", "/etc/hosts"}), HasSubstr(cat(status.ips.front(), "\tweb")));
  EXPECT_EQ(exec(client, {"sh", "-c", "echo x > /dev/shm/shared"}), "");
  EXPECT_EQ(exec(server, {"cat", "/dev/shm/shared"}), "x\n");
  EXPECT_EQ(exec(server, {"sh", "-c", "ls /proc | grep -c '^[0-9]'"}).size(), 2u) << "a PID namespace of its own";
  ContainerStatus running = get(cri().container_status(client));
  EXPECT_EQ(running.name, "client");
  EXPECT_EQ(running.image, "docker.io/library/busybox:latest");
  auto log = sys::read_file(running.log_path);
  ASSERT_TRUE(log);
  EXPECT_THAT(*log, HasSubstr(" stdout F out\n"));
  EXPECT_THAT(*log, HasSubstr(" stderr F err\n"));
  EXPECT_GT(get(cri().container_stats(client)).memory_usage, 0u);
}

TEST_P(CriContract, EndsAreReportedWithoutAsking) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string failing = run(sandbox, config, container("failing", {"sh", "-c", "exit 3"}));
  ContainerStatus end = wait_for(failing, ContainerPhase::kExited);
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.reason, "Error");
  std::string done = run(sandbox, config, container("done", {"true"}));
  EXPECT_EQ(wait_for(done, ContainerPhase::kExited).reason, "Completed");
  std::string id = get(cri().create_container(sandbox, container("bad", {"no-such-program"}), config));
  EXPECT_EQ(get(cri().container_status(id)).phase, ContainerPhase::kCreated);
  EXPECT_FALSE(loop.run_until_done(cri().start_container(id)));
  EXPECT_EQ(get(cri().container_status(id)).reason, "StartError");
}

TEST_P(CriContract, StopsGracefullyThenHard) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string polite = run(sandbox, config, container("polite", {"sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.05; done"}));
  std::string stubborn = run(sandbox, config, container("stubborn", {"sh", "-c", "trap '' TERM; while :; do sleep 0.05; done"}));
  ok(cri().stop_container(stubborn, std::chrono::milliseconds(200)));
  EXPECT_EQ(get(cri().container_status(stubborn)).exit_code, 137);
  ok(cri().stop_container(polite, seconds(20)));
  EXPECT_EQ(get(cri().container_status(polite)).exit_code, 0);
  ok(cri().stop_container(polite, seconds(1)));
  ok(cri().remove_container(polite));
  ok(cri().remove_container(polite));
  EXPECT_FALSE(loop.run_until_done(cri().container_status(polite)));
  ok(cri().stop_pod_sandbox(sandbox));
  EXPECT_FALSE(get(cri().pod_sandbox_status(sandbox)).ready);
  ok(cri().remove_pod_sandbox(sandbox));
  EXPECT_TRUE(get(cri().list_pod_sandboxes()).empty());
  EXPECT_TRUE(get(cri().list_containers()).empty());
}

TEST_P(CriContract, ExecTellsCodesErrorsAndTimeouts) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string id = run(sandbox, config, container("c", {"sleep", "1000"}));
  ExecResult result = get(cri().exec_sync(id, {"sh", "-c", "echo o; echo e >&2; exit 4"}, seconds(20)));
  EXPECT_EQ(result.out, "o\n");
  EXPECT_EQ(result.err, "e\n");
  EXPECT_EQ(result.exit_code, 4);
  auto late = loop.run_until_done(cri().exec_sync(id, {"sleep", "1000"}, std::chrono::milliseconds(100)));
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().code(), Code::kTimeout);
  EXPECT_EQ(get(cri().exec_sync(id, {"sh", "-c", "head -c 3000000 /dev/zero | tr '\\0' x"}, seconds(30))).out.size(), 3'000'000u);
}

TEST_P(CriContract, ExecEndsWithItsProcessWhoeverHoldsItsOutput) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string id = run(sandbox, config, container("c", {"sleep", "1000"}));
  MonoTime before = loop.mono();
  ExecResult result = get(cri().exec_sync(id, {"sh", "-c", "sleep 1000 & echo o; echo e >&2; exit 4"}, seconds(30)));
  EXPECT_LT(loop.mono() - before, seconds(20));
  EXPECT_EQ(result.out, "o\n");
  EXPECT_EQ(result.err, "e\n");
  EXPECT_EQ(result.exit_code, 4);
  before = loop.mono();
  get(cri().exec_sync(id, {"sh", "-c", "yes & exit 0"}, seconds(30)));
  EXPECT_LT(loop.mono() - before, seconds(20));
}

TEST_P(CriContract, StreamsOfExecAndAttach) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  ContainerConfig cat_config = container("cat", {"sh", "-c", "read line; echo got $line; echo problem >&2"});
  cat_config.stdin_open = true;
  std::string id = run(sandbox, config, cat_config);
  auto exec = get(cri().exec(id, {"cat"}, false, true, true, true));
  ASSERT_TRUE(exec);
  ASSERT_TRUE(loop.run_until_done(exec->in()->write("through exec")));
  exec->close_in();
  EXPECT_EQ(loop.run_until_done(read_all(*exec->out())), "through exec");
  EXPECT_EQ(loop.run_until_done(exec->wait()).value_or(-1), 0);

  auto attached = get(cri().attach(id, false, true, true, true));
  ASSERT_TRUE(attached);
  ASSERT_TRUE(loop.run_until_done(attached->in()->write("attached\n")));
  EXPECT_EQ(loop.run_until_done(read_all(*attached->out())), "got attached\n");
  EXPECT_EQ(loop.run_until_done(read_all(*attached->err())), "problem\n");
  EXPECT_EQ(loop.run_until_done(attached->wait()).value_or(-1), 0);
}

io::Task<void> write_all(io::Stream* to, std::string bytes, CriProcess* process) {
  auto written = co_await to->write(bytes);
  EXPECT_TRUE(written);
  process->close_in();
}

TEST_P(CriContract, StreamsHoldNothingUp) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string id = run(sandbox, config, container("c", {"sleep", "1000"}));
  // More than any buffer holds on both outputs, and they are read one after the other.
  auto both = get(cri().exec(id, {"sh", "-c", "head -c 2000000 /dev/zero 2>/dev/null & head -c 1500000 /dev/zero >&2; exec 2>/dev/null; wait; exit 7"}, false, false, true, true));
  ASSERT_TRUE(both);
  EXPECT_EQ(both->in(), nullptr);
  EXPECT_EQ(loop.run_until_done(read_all(*both->err())).size(), 1'500'000u);
  EXPECT_EQ(exec(id, {"echo", "beside it"}), "beside it\n");
  EXPECT_EQ(loop.run_until_done(read_all(*both->out())).size(), 2'000'000u);
  EXPECT_EQ(get(both->wait()), 7);
  EXPECT_EQ(get(both->wait()), 7);

  auto echo = get(cri().exec(id, {"cat"}, false, true, true, false));
  ASSERT_TRUE(echo);
  EXPECT_EQ(echo->err(), nullptr);
  std::string much(3'000'000, 'x');
  loop.spawn(write_all(echo->in(), much, echo.get()));
  EXPECT_EQ(loop.run_until_done(read_all(*echo->out())).size(), much.size());
  EXPECT_EQ(get(echo->wait()), 0);
}

TEST_P(CriContract, TerminalsHaveASize) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string id = run(sandbox, config, container("c", {"sleep", "1000"}));
  auto shell = get(cri().exec(id, {"sh", "-c", "read line; stty size; read line; stty size"}, true, true, true, true));
  ASSERT_TRUE(shell);
  EXPECT_EQ(shell->err(), nullptr);
  ASSERT_TRUE(shell->resize(101, 33));
  ASSERT_TRUE(loop.run_until_done(shell->in()->write("go\n")));
  std::string text;
  while (text.find("33 101") == std::string::npos) {
    std::string piece = get(shell->out()->read(4096));
    if (piece.empty()) break;
    text += piece;
  }
  EXPECT_THAT(text, HasSubstr("33 101"));
  ASSERT_TRUE(shell->resize(80, 24));
  ASSERT_TRUE(loop.run_until_done(shell->in()->write("go\n")));
  EXPECT_THAT(loop.run_until_done(read_all(*shell->out())), HasSubstr("24 80"));
  EXPECT_EQ(get(shell->wait()), 0);
}

TEST_P(CriContract, StreamsTellWhatIsWrongAtOnce) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string id = run(sandbox, config, container("c", {"sleep", "1000"}));
  EXPECT_EQ(code(cri().exec("nope", {"true"}, false, false, true, true)), Code::kNotFound);
  EXPECT_EQ(code(cri().attach("nope", false, false, true, true)), Code::kNotFound);
  EXPECT_EQ(code(cri().attach(id, true, false, true, true)), Code::kInvalid);
  EXPECT_EQ(code(cri().port_forward("nope", 80)), Code::kNotFound);
  auto left = get(cri().exec(id, {"sleep", "1000"}, false, true, true, true));
  ASSERT_TRUE(left);
  left.reset();  // nobody waits for it any more
  EXPECT_EQ(exec(id, {"echo", "hi"}), "hi\n");
}

TEST_P(CriContract, ImagesAreListedAndRemoved) {
  std::vector<CriImage> list = get(cri().list_images());
  ASSERT_EQ(list.size(), 1u);
  EXPECT_THAT(list.front().repo_tags, ::testing::ElementsAre("docker.io/library/busybox:latest"));
  EXPECT_GT(list.front().size, 100'000u);
  auto found = get(cri().image_status("busybox"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->id, list.front().id);
  EXPECT_FALSE(loop.run_until_done(cri().pull_image("127.0.0.1:1/none:1", R"({"username":"u","password":"p"})")));
  ok(cri().remove_image("busybox"));
  ok(cri().remove_image("busybox"));
  EXPECT_FALSE(get(cri().image_status("busybox")).has_value());
}

TEST_P(CriContract, EventsTellWhatAndInOrder) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string id = run(sandbox, config, container("c", {"sleep", "1000"}));
  std::vector<std::string> seen;  // "sandbox" and "container", without repetitions
  auto until = [&](const std::string& last_id, auto done) {
    while (!done()) {
      CriEvent event = get(cri().next_event());
      if (event.sandbox_id != sandbox) return;
      std::string what = event.container_id.empty() ? "sandbox" : event.container_id == last_id ? "container" : "other";
      if (seen.empty() || seen.back() != what) seen.push_back(what);
    }
  };
  until(id, [&] { return seen.size() == 2; });
  EXPECT_THAT(seen, ::testing::ElementsAre("sandbox", "container"));
  ok(cri().remove_container(id));
  ok(cri().stop_pod_sandbox(sandbox));
  until(id, [&] { return seen.size() == 3; });
  EXPECT_THAT(seen, ::testing::ElementsAre("sandbox", "container", "sandbox"));
}

TEST_P(CriContract, StatusesAreWhole) {
  PodSandboxConfig config = pod();
  config.annotations = {{"note", "text"}};
  std::string sandbox = get(cri().run_pod_sandbox(config));
  ContainerConfig wanted = container("c", {"sh", "-c", "exit 5"});
  wanted.attempt = 3;
  wanted.labels = {{"a", "b"}}, wanted.annotations = {{"c", "d"}};
  wanted.security.run_as_user = 1000, wanted.security.run_as_group = 3000;
  std::string id = run(sandbox, config, wanted);
  wait_for(id, ContainerPhase::kExited);
  for (const ContainerStatus& status : {get(cri().container_status(id)), get(cri().list_containers()).at(0)}) {
    EXPECT_EQ(status.sandbox_id, sandbox);
    EXPECT_EQ(status.name, "c");
    EXPECT_EQ(status.attempt, 3u);
    EXPECT_EQ(status.exit_code, 5);
    EXPECT_EQ(status.labels, wanted.labels);
    EXPECT_EQ(status.annotations, wanted.annotations);
    EXPECT_EQ(status.user, "1000:3000");
    EXPECT_EQ(status.image, "docker.io/library/busybox:latest");
    EXPECT_THAT(status.image_id, HasSubstr("sha256:"));
    EXPECT_EQ(status.log_path, cat(world->data(), "/pods/web/c/0.log"));
    EXPECT_LE(status.created, status.started);
    EXPECT_LE(status.started, status.finished);
    EXPECT_NE(status.created, WallTime{});
  }
  for (const PodSandboxStatus& status : {get(cri().pod_sandbox_status(sandbox)), get(cri().list_pod_sandboxes()).at(0)}) {
    EXPECT_EQ(status.metadata, config.metadata);
    EXPECT_EQ(status.annotations, config.annotations);
    EXPECT_EQ(status.ips.size(), 1u);
    EXPECT_TRUE(status.ready);
    EXPECT_EQ(status.network, NamespaceMode::kPod);
    EXPECT_NE(status.created, WallTime{});
  }
}

TEST_P(CriContract, PortForwardReachesThePodsLoopback) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  run(sandbox, config, container("server", {"httpd", "-f", "-p", "127.0.0.1:80", "-h", "/www"}));
  std::unique_ptr<io::Stream> stream;
  for (int tries = 0; tries < 200 && !stream; ++tries) {  // until the server listens
    auto connected = loop.run_until_done(cri().port_forward(sandbox, 80));
    if (connected) stream = std::move(*connected);
  }
  ASSERT_TRUE(stream);
  ASSERT_TRUE(loop.run_until_done(stream->write("GET / HTTP/1.0\r\n\r\n")));
  EXPECT_THAT(loop.run_until_done(read_all(*stream)), HasSubstr("hello from the image"));
  EXPECT_FALSE(loop.run_until_done(cri().port_forward(sandbox, 81)));
}

io::Task<void> forward(Cri& cri, std::string sandbox, std::vector<std::unique_ptr<io::Stream>>& to) {
  auto connected = co_await cri.port_forward(sandbox, 80);
  if (connected) to.push_back(std::move(*connected));
}

// More connections than the server's backlog holds: those that wait must not keep others from the disk.
TEST_P(CriContract, PortForwardToAServerThatAcceptsNobodyHoldsUpNobodyElse) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string id = run(sandbox, config, container("server", {"sh", "-c", "httpd -p 127.0.0.1:80 -h /www; sleep 1000"}));
  exec(id, {"sh", "-c", "until pidof httpd; do :; done; kill -STOP $(pidof httpd)"});
  std::vector<std::unique_ptr<io::Stream>> open;
  io::TaskGroup group(loop);
  for (int i = 0; i < 40; ++i) group.spawn(forward(cri(), sandbox, open));
  MonoTime before = loop.mono();
  run(sandbox, config, container("other", {"true"}));
  EXPECT_LT(loop.mono() - before, seconds(20));
  EXPECT_GT(open.size(), 0u);
  EXPECT_GT(group.running(), 0u) << "the backlog is not full: this shows nothing";
}

TEST_P(CriContract, ANewEngineFindsPodsAgain) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  std::string address = get(cri().pod_sandbox_status(sandbox)).ips.front();
  std::string id = run(sandbox, config, container("c", {"sleep", "1000"}));
  close();
  open();
  EXPECT_TRUE(get(cri().pod_sandbox_status(sandbox)).ready);
  EXPECT_EQ(get(cri().pod_sandbox_status(sandbox)).ips.front(), address);
  EXPECT_EQ(get(cri().container_status(id)).phase, ContainerPhase::kRunning);
  EXPECT_EQ(exec(id, {"echo", "hi"}), "hi\n");
  std::string second = run(sandbox, config, container("second", {"sleep", "1000"}));
  EXPECT_EQ(get(cri().list_containers()).size(), 2u);
}

TEST_P(CriContract, SecurityAndResources) {
  PodSandboxConfig config = pod();
  std::string sandbox = get(cri().run_pod_sandbox(config));
  ContainerConfig c = container("c", {"sleep", "1000"});
  c.security.run_as_user = 1000, c.security.run_as_group = 3000, c.security.supplemental_groups = {2000};
  c.security.no_new_privs = true, c.security.readonly_rootfs = true, c.security.drop_capabilities = {"ALL"};
  c.resources.memory_limit = 64 << 20, c.resources.cpu_shares = 512, c.resources.cpu_quota = 50'000, c.resources.cpu_period = 100'000;
  c.envs = {{"A", "b"}};
  std::string id = run(sandbox, config, c);
  EXPECT_EQ(exec(id, {"sh", "-c", "id -u; id -g; echo $A; touch /x 2>/dev/null || echo readonly"}), "1000\n3000\nb\nreadonly\n");
  EXPECT_THAT(exec(id, {"grep", "CapEff", "/proc/self/status"}), HasSubstr("0000000000000000"));
  EXPECT_THAT(exec(id, {"id", "-G"}), HasSubstr("2000"));
  CriResources more;
  more.memory_limit = 128 << 20;
  ok(cri().update_container_resources(id, more));
}

TEST_P(CriContract, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(loop.run_until_done(cri().pod_sandbox_status("nope")).error().code(), Code::kNotFound);
  EXPECT_EQ(loop.run_until_done(cri().start_container("nope")).error().code(), Code::kNotFound);
  EXPECT_FALSE(get(cri().image_status("nope")).has_value());
  ok(cri().stop_pod_sandbox("nope"));
  ok(cri().remove_pod_sandbox("nope"));
  ok(cri().remove_container("nope"));
  std::string sandbox = get(cri().run_pod_sandbox(pod()));
  auto made = loop.run_until_done(cri().create_container(sandbox, container("c", {"true"}), pod()));
  ContainerConfig none = container("d", {"true"});
  none.image = "nope";
  EXPECT_EQ(loop.run_until_done(cri().create_container(sandbox, none, pod())).error().code(), Code::kNotFound);
}

}  // namespace kobuk::engine::testing
