// The real docker client against real containers. Needs root, docker and busybox-static.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "base/strings.h"
#include "engine/testing/docker_flow.h"
#include "sys/file.h"

namespace kobuk::engine::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// The engine's own process: started by Daemon.
TEST(DaemonProcess, DISABLED_Serve) {
  int code = serve_from_environment();
  if (code == 77) GTEST_SKIP() << "only for testing/daemon.cc";
  _exit(code);
}

TEST_F(DockerFlow, TheSixCommands) {
  ok("tag busybox docker.io/library/nginx:latest");
  ok("tag busybox 127.0.0.1:5000/library/nginx:latest");
  EXPECT_THAT(ok("push 127.0.0.1:5000/library/nginx:latest"), HasSubstr("digest: sha256:"));
  ok("rmi nginx 127.0.0.1:5000/library/nginx:latest");
  EXPECT_THAT(ok("pull nginx"), HasSubstr("docker.io/library/nginx:latest"));
  std::string id = ok("run -d -p 8080:80 --name my-nginx nginx:latest httpd -f -v -p 80 -h /www");
  EXPECT_EQ(std::string(trim(id)).size(), 64u);
  EXPECT_EQ(shell("busybox wget -q -O - http://127.0.0.1:8080/").text, "hello from the image\n");
  std::string ps = ok("ps");
  EXPECT_THAT(ps, HasSubstr("my-nginx"));
  EXPECT_THAT(ps, HasSubstr("0.0.0.0:8080->80/tcp"));
  EXPECT_THAT(ps, HasSubstr("Up "));
  EXPECT_THAT(ok("logs my-nginx"), HasSubstr("response:200"));
  EXPECT_EQ(ok("stop -t 1 my-nginx"), "my-nginx\n");
  EXPECT_THAT(ok("ps"), Not(HasSubstr("my-nginx")));
  EXPECT_THAT(ok("ps -a"), HasSubstr("Exited ("));
  EXPECT_EQ(ok("rm my-nginx"), "my-nginx\n");
  EXPECT_THAT(ok("ps -a"), Not(HasSubstr("my-nginx")));
}

TEST_F(DockerFlow, RunInTheForeground) {
  EXPECT_EQ(ok("run --rm busybox echo hi"), "hi\n");
  Output failed = docker("run --rm busybox sh -c 'echo out; echo err >&2; exit 7'");
  EXPECT_EQ(failed.code, 7);
  EXPECT_THAT(failed.text, HasSubstr("out\n"));
  EXPECT_THAT(failed.text, HasSubstr("err\n"));
  EXPECT_EQ(ok("ps -aq"), "") << "--rm leaves nothing";
  EXPECT_EQ(shell(cat("echo from stdin | DOCKER_HOST=unix://", world->docker_socket(), " timeout 30 docker run --rm -i busybox cat")).text, "from stdin\n");
  EXPECT_EQ(ok("run --rm busybox sh -c 'seq 1 20000' | md5sum"), shell("seq 1 20000 | md5sum").text);
}

TEST_F(DockerFlow, Terminals) {
  Output out = shell(cat("export DOCKER_HOST=unix://", world->docker_socket(), "; timeout 30 script -qec 'docker run --rm -it busybox sh -c \"tty; stty size\"' /dev/null </dev/null"));
  EXPECT_THAT(out.text, HasSubstr("/dev/pts/0"));
}

TEST_F(DockerFlow, WhatIsWrongIsSaidAsDockerSaysIt) {
  EXPECT_THAT(refused("inspect nope"), HasSubstr("No such object: nope"));
  EXPECT_THAT(refused("logs nope"), HasSubstr("No such container: nope"));
  ok("create --name taken busybox true");
  EXPECT_THAT(refused("create --name taken busybox true"), HasSubstr("Conflict. The container name \"/taken\" is already in use by container \""));
  Output missing_program = docker("run --rm busybox no-such-program");
  EXPECT_EQ(missing_program.code, 127) << missing_program.text;
  Output not_executable = docker("run --rm busybox /etc/passwd");
  EXPECT_EQ(not_executable.code, 126) << not_executable.text;
  EXPECT_THAT(refused("run --init busybox true"), HasSubstr("--init is not supported"));
  EXPECT_THAT(refused("run --network nope busybox true"), HasSubstr("network nope not found"));
  EXPECT_THAT(refused("run --cap-add NONSENSE busybox true"), HasSubstr("CapAdd"));
  EXPECT_THAT(refused("build ."), Not(HasSubstr("EOF")));
  EXPECT_EQ(ok("ps -aq --filter name=nope"), "");
}

TEST_F(DockerFlow, DevicesOfTheHost) {
  EXPECT_EQ(ok("run --rm --privileged busybox sh -c 'test -c /dev/kmsg && test -c /dev/full && test ! -e /dev/there-is-none && echo all'"), "all\n");
  EXPECT_EQ(ok("run --rm busybox sh -c 'test -e /dev/kmsg || echo none'"), "none\n");
  constexpr std::string_view kUse = "busybox sh -c 'mknod /tmp/f c 10 237 && (: < /tmp/f) 2>&1; true'";  // /dev/loop-control
  EXPECT_THAT(docker(cat("run --rm ", kUse)).text, HasSubstr("Operation not permitted"));
  EXPECT_THAT(docker(cat("run --rm --device-cgroup-rule 'c 10:* r' ", kUse)).text, Not(HasSubstr("Operation not permitted")));
  EXPECT_THAT(refused("run --device-cgroup-rule 'c 1:x rwm' busybox true"), HasSubstr("invalid"));
}

TEST_F(DockerFlow, OptionsWork) {
  EXPECT_EQ(ok("run --rm -e A=b -w /tmp -u alice -h box busybox sh -c 'echo $A; pwd; id -u; hostname; echo $HOME'"), "b\n/tmp\n1000\nbox\n/home\n");
  EXPECT_EQ(ok("run --rm --entrypoint /bin/echo busybox x y"), "x y\n");
  EXPECT_THAT(ok("run --rm --read-only --tmpfs /scratch busybox sh -c 'echo x > /scratch/f && cat /scratch/f; touch /f 2>&1 || true'"), HasSubstr("Read-only"));
  EXPECT_THAT(ok("run --rm --add-host db:10.9.8.7 --dns 9.9.9.9 --dns-search corp busybox cat /etc/hosts /etc/resolv.conf"), HasSubstr("10.9.8.7\tdb"));
  EXPECT_EQ(ok("run --rm --ulimit nofile=100:200 busybox sh -c 'ulimit -n'"), "100\n");
  EXPECT_EQ(ok("run --rm --sysctl net.ipv4.ip_forward=0 busybox cat /proc/sys/net/ipv4/ip_forward"), "0\n");
  EXPECT_EQ(ok("run --rm --cap-drop ALL busybox grep CapEff /proc/self/status"), "CapEff:\t0000000000000000\n");
  EXPECT_EQ(ok("run --rm --security-opt no-new-privileges busybox grep NoNewPrivs /proc/self/status"), "NoNewPrivs:\t1\n");
  EXPECT_EQ(ok("run --rm --security-opt seccomp=unconfined busybox grep Seccomp: /proc/self/status"), "Seccomp:\t0\n");
  EXPECT_EQ(ok("run --rm busybox grep Seccomp: /proc/self/status"), "Seccomp:\t2\n");
  EXPECT_EQ(ok("run --rm --network none busybox ls /sys/class/net"), "lo\n");
  EXPECT_EQ(ok("run --rm --shm-size 1m busybox sh -c 'df -k /dev/shm | tail -1 | grep -o 1024' | head -1"), "1024\n");
  EXPECT_EQ(ok("run --rm -m 64m --pids-limit 20 --cpus 0.5 busybox true"), "");
  EXPECT_EQ(ok("run --rm --label a=b --log-driver none busybox echo x"), "x\n");
}

TEST_F(DockerFlow, VolumesAndBinds) {
  EXPECT_EQ(ok("run --rm -v stuff:/data busybox cat /data/seed"), "seed\n") << "filled from the image";
  ok("run --rm -v stuff:/data busybox sh -c 'echo more > /data/more'");
  EXPECT_EQ(ok("run --rm -v stuff:/x:ro busybox sh -c 'cat /x/more; touch /x/y 2>/dev/null || echo readonly'"), "more\nreadonly\n");
  EXPECT_THAT(ok("volume ls"), HasSubstr("stuff"));
  ok("create --name user -v stuff:/x busybox true");
  EXPECT_THAT(refused("volume rm stuff"), HasSubstr("volume is in use"));
  ok("rm user");
  ok("volume rm stuff");
  std::string folder = world->data() + "/bound";
  EXPECT_EQ(ok(cat("run --rm -v ", folder, ":/b busybox sh -c 'echo x > /b/f'")), "") << "made when it is missing";
  EXPECT_EQ(sys::read_file(folder + "/f").value_or(""), "x\n");
  EXPECT_THAT(refused(cat("run --rm --mount type=bind,source=", folder, "-none,target=/b busybox true")), HasSubstr("bind source path does not exist"));
  ok("run --rm -v /anonymous busybox true");
  EXPECT_EQ(ok("volume ls -q"), "") << "--rm takes anonymous volumes along";
}

TEST_F(DockerFlow, ExecInspectTopStatsAndUpdate) {
  ok("run -d --name box busybox sleep 1000");
  EXPECT_EQ(ok("exec box echo hi"), "hi\n");
  EXPECT_EQ(docker("exec box sh -c 'exit 9'").code, 9);
  EXPECT_EQ(ok("exec -e X=y -w /tmp -u alice box sh -c 'echo $X; pwd; id -u'"), "y\n/tmp\n1000\n");
  EXPECT_EQ(shell(cat("echo in | DOCKER_HOST=unix://", world->docker_socket(), " timeout 30 docker exec -i box cat")).text, "in\n");
  Output none = docker("exec box no-such-program");
  EXPECT_NE(none.code, 0);
  ok("exec -d box touch /tmp/detached");
  EXPECT_EQ(ok("inspect -f '{{.State.Status}} {{.Config.Cmd}} {{.HostConfig.NetworkMode}}' box"), "running [sleep 1000] bridge\n");
  EXPECT_THAT(ok("inspect -f '{{.NetworkSettings.Networks.bridge.IPAddress}}' box"), HasSubstr("172.31."));
  EXPECT_THAT(ok("top box"), HasSubstr("sleep 1000"));
  EXPECT_THAT(ok("stats --no-stream box"), HasSubstr("iB / "));
  ok("update -m 128m --memory-swap 256m box");
  EXPECT_EQ(ok("inspect -f '{{.HostConfig.Memory}}' box"), "134217728\n");
  ok("pause box");
  EXPECT_THAT(ok("ps"), HasSubstr("(Paused)"));
  EXPECT_THAT(refused("exec box true"), HasSubstr("is paused"));
  ok("unpause box");
  ok("rename box other");
  EXPECT_EQ(ok("exec other echo still"), "still\n");
  ok("kill other");
  EXPECT_EQ(ok("inspect -f '{{.State.ExitCode}}' other"), "137\n");
  EXPECT_THAT(refused("exec other true"), HasSubstr("is not running"));
}

TEST_F(DockerFlow, CopiesFilesInAndOut) {
  ok("run -d --name box busybox sleep 1000");
  std::string file = world->data() + "/file";
  ASSERT_TRUE(sys::write_file(file, "payload\n"));
  ok(cat("cp ", file, " box:/tmp/there"));
  EXPECT_EQ(ok("exec box cat /tmp/there"), "payload\n");
  ok(cat("cp box:/www ", world->data(), "/out"));
  EXPECT_EQ(sys::read_file(world->data() + "/out/index.html").value_or(""), "hello from the image\n");
  EXPECT_THAT(ok("diff box"), HasSubstr("A /tmp/there"));
  ok("stop -t 0 box");
  ok(cat("cp ", file, " box:/root/stopped"));
  EXPECT_EQ(ok("cp box:/root/stopped - | tar -xO"), "payload\n");
  EXPECT_THAT(refused(cat("cp box:/nope ", world->data())), HasSubstr("Could not find the file /nope in container box"));
  ok("start box");
  EXPECT_EQ(ok("exec box cat /root/stopped"), "payload\n");
  EXPECT_THAT(ok("export box | tar -t"), HasSubstr("bin/busybox"));
}

TEST_F(DockerFlow, AnExportIsTheContainersOwnFileSystem) {
  ok("run -d --name box -v stuff:/data --tmpfs /tmp busybox sh -c 'echo own > /own; echo x > /data/inside; echo x > /tmp/inside; sleep 1000'");
  ok("exec box sh -c 'until [ -f /tmp/inside ]; do sleep 0.05; done'");
  std::string running = ok("export box | tar -t");
  EXPECT_THAT(running, AllOf(HasSubstr("own\n"), HasSubstr("proc/\n"), HasSubstr("data/\n"), HasSubstr("data/seed\n")));
  EXPECT_THAT(running, Not(HasSubstr("inside")));
  EXPECT_THAT(running, Not(HasSubstr("proc/1/")));
  ok("stop -t 0 box");
  EXPECT_EQ(ok("export box | tar -t"), running) << "running or not";
  ok("rm box");
  ok("volume rm stuff");
}

TEST_F(DockerFlow, LogsFollowTailAndTimestamps) {
  ok("run -d --name box busybox sh -c 'for i in 1 2 3 4 5; do echo line $i; done; sleep 0.3; echo last >&2'");
  EXPECT_EQ(ok("logs -f box"), "line 1\nline 2\nline 3\nline 4\nline 5\nlast\n");
  EXPECT_EQ(ok("logs --tail 2 box"), "line 5\nlast\n");
  EXPECT_THAT(ok("logs -t --tail 1 box"), ::testing::MatchesRegex("20[0-9-]+T[0-9:.]+Z last\n"));
  EXPECT_EQ(ok("logs --since 1h box 2>/dev/null | wc -l"), "5\n");
  EXPECT_EQ(ok("logs --until 1h box"), "");
}

TEST_F(DockerFlow, LogsFollowToTheEndOfARun) {
  ok("create --name later busybox echo hi");
  EXPECT_EQ(ok("logs -f later"), "") << "what does not run is not followed";
  ok("run -d --name again --restart always busybox sh -c 'echo run; sleep 1'");
  EXPECT_THAT(ok("logs -f --tail 1 again"), HasSubstr("run\n")) << "not beyond the end, though it starts again";
  ok("run -d --name box busybox sh -c 'echo run; sleep 1000'");
  EXPECT_EQ(ok("logs -f box & sleep 1; docker restart -t 0 box >/dev/null; wait"), "run\n");
}

TEST_F(DockerFlow, NetworksOfUsersOwn) {
  std::string id = ok("network create front");
  EXPECT_EQ(std::string(trim(id)).size(), 64u);
  EXPECT_THAT(refused("network create front"), HasSubstr("network with name front already exists"));
  ok("run -d --name web --network front --network-alias www busybox httpd -f -p 80 -h /www");
  EXPECT_EQ(ok("run --rm --network front busybox wget -q -O - http://web/"), "hello from the image\n");
  EXPECT_EQ(ok("run --rm --network front busybox wget -q -O - http://www/"), "hello from the image\n");
  ok("network create --subnet 172.31.200.0/24 back");
  ok("network connect back web");
  EXPECT_THAT(ok("exec web ip -o addr"), HasSubstr("172.31.200."));
  EXPECT_THAT(ok("network inspect back"), HasSubstr("172.31.200."));
  EXPECT_THAT(refused("network rm back"), HasSubstr("has active endpoints"));
  ok("network disconnect back web");
  ok("network rm back");
  ok("rm -f web");
  ok("network rm front");
  EXPECT_EQ(ok("network ls --format '{{.Name}}' | sort"), "bridge\nhost\nnone\n");
}

TEST_F(DockerFlow, EventsTellWhatHappened) {
  ok("run --rm --name seen busybox true");
  std::string events = ok("events --since 1m --until $(date -d '1 second' +%s) --filter container=seen --format '{{.Action}}'");
  for (const char* action : {"create", "start", "die", "destroy"}) EXPECT_THAT(events, HasSubstr(action));
}

TEST_F(DockerFlow, RestartPolicies) {
  ok("run -d --name again --restart on-failure:2 busybox sh -c 'echo run; exit 3'");
  EXPECT_EQ(ok("wait again"), "3\n");
  EXPECT_EQ(ok("inspect -f '{{.RestartCount}} {{.State.Status}}' again"), "2 exited\n");
  EXPECT_EQ(ok("logs again"), "run\nrun\nrun\n");
  ok("run -d --name always --restart always busybox sh -c 'sleep 0.05'");
  ok("stop -t 0 always");
  EXPECT_THAT(ok("inspect -f '{{.State.Status}}' always"), HasSubstr("exited")) << "a stopped one stays so";
}

TEST_F(DockerFlow, HealthChecks) {
  ok("run -d --name well --health-cmd 'test -f /tmp/ok' --health-interval 100ms --health-retries 1 busybox sh -c 'touch /tmp/ok; sleep 1000'");
  ok("events --since 1m --filter container=well --filter event=health_status --until 5s >/dev/null & for i in $(seq 50); do "
     "docker inspect -f '{{.State.Health.Status}}' well | grep -q healthy && break; sleep 0.1; done");
  EXPECT_THAT(ok("ps"), HasSubstr("(healthy)"));
}

TEST_F(DockerFlow, PruneDfInfoAndVersion) {
  ok("run --name done busybox true");
  EXPECT_THAT(ok("container prune -f"), HasSubstr("Deleted Containers"));
  EXPECT_THAT(ok("system df"), HasSubstr("Images"));
  EXPECT_THAT(ok("info"), HasSubstr("Storage Driver: overlay2"));
  EXPECT_THAT(ok("version"), HasSubstr("API version:      1.50"));
  EXPECT_THAT(ok("images"), HasSubstr("busybox"));
  EXPECT_THAT(ok("history busybox"), HasSubstr("IMAGE"));
  EXPECT_EQ(ok("save busybox | tar -t | grep -c manifest.json"), "1\n");
}

TEST_F(DockerFlow, AKilledEngineFindsItsContainersAgain) {
  ok("run -d --name lives -p 8081:80 busybox httpd -f -p 80 -h /www");
  ok("run -d --name ends busybox sh -c 'while [ ! -f /tmp/go ]; do sleep 0.05; done; exit 5'");
  ok("create --name waits busybox true");
  std::string before = ok("inspect -f '{{.State.Pid}} {{.State.StartedAt}}' lives");
  // What an upload that was cut off leaves.
  std::string half = cat(world->options().directory, "/uploads/half");
  ASSERT_TRUE(sys::write_file(half, "half an archive"));
  daemon->kill_hard();
  EXPECT_EQ(shell("busybox wget -q -O - http://127.0.0.1:8081/").text, "hello from the image\n") << "nobody is needed for what runs";
  daemon->start();
  EXPECT_FALSE(sys::exists(half));
  EXPECT_EQ(ok("inspect -f '{{.State.Pid}} {{.State.StartedAt}}' lives"), before);
  EXPECT_EQ(ok("exec lives echo adopted"), "adopted\n");
  EXPECT_EQ(ok("inspect -f '{{.State.Status}}' waits"), "created\n");
  ok("exec ends touch /tmp/go");
  EXPECT_EQ(ok("wait ends"), "5\n");
  EXPECT_EQ(shell("busybox wget -q -O - http://127.0.0.1:8081/").text, "hello from the image\n");
  ok("rm -f lives");
  ok("run -d --name after -p 8081:80 busybox sleep 100");
}

// Killed at any time, while containers come and go: what was acknowledged stays, and nothing is left half done.
TEST_F(DockerFlow, KilledAgainAndAgainUnderLoad) {
  for (int round = 0; round < 8; ++round) {
    ok(cat("create --name kept", round, " busybox true"));
    std::string load = cat("export DOCKER_HOST=unix://", world->docker_socket(), "; for i in 1 2 3 4 5 6; do docker run -d busybox sleep 100; docker run --rm busybox true; done");
    std::thread clients([&] { shell(load); });
    std::this_thread::sleep_for(std::chrono::milliseconds(100 + 90 * round));  // any time is as good as another
    daemon->kill_hard();
    clients.join();
    daemon->start();
    EXPECT_THAT(ok("ps -a --format '{{.Names}}'"), HasSubstr(cat("kept", round)));
    std::string states = ok("ps -a --format '{{.State}}' | sort | uniq -c");
    EXPECT_THAT(states, Not(HasSubstr("removing")));
    EXPECT_THAT(states, Not(HasSubstr("dead")));
  }
}

}  // namespace
}  // namespace kobuk::engine::testing
