// What the monitor keeps: streams, exec, exit status, over the end of the daemon too. Needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/testing/scratch.h"
#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::runtime {
namespace {

using ::testing::HasSubstr;
using testing::Scratch;

io::Task<std::string> read_stream(io::Stream* stream) {
  std::string out;
  while (true) {
    auto piece = co_await stream->read(65536);
    if (!piece || piece->empty()) co_return out;
    out += *piece;
  }
}

// Until the text shows up or the stream ends.
io::Task<std::string> read_until(Attachment* attachment, std::string text) {
  std::string out;
  while (out.find(text) == out.npos) {
    auto chunk = co_await attachment->read();
    if (!chunk || !*chunk) co_return out + "<end>";
    out += (*chunk)->bytes;
  }
  co_return out;
}

class MonitorTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why = testing::missing();
    if (!why.empty()) GTEST_SKIP() << why;
    scratch_ = std::make_unique<Scratch>();
  }
  template <class T>
  auto run(io::Task<T> task) {
    return scratch_->run(std::move(task));
  }
  std::unique_ptr<Container> started(ContainerSpec spec) {
    auto container = scratch_->create(std::move(spec));
    if (!container) return nullptr;
    auto result = run(container->start());
    EXPECT_TRUE(result.has_value()) << result.error().message();
    return container;
  }
  void removed(Container& container) {
    auto result = run(container.remove());
    EXPECT_TRUE(result.has_value()) << result.error().message();
  }
  ExecSpec exec_spec(std::vector<std::string> args) {
    ExecSpec spec;
    spec.process.args = std::move(args);
    spec.process.env = {"PATH=/bin"};
    spec.process.capabilities = capability_sets(default_capabilities());
    return spec;
  }
  std::unique_ptr<Scratch> scratch_;
};

TEST_F(MonitorTest, PassesInputAndOutputToAttachedClients) {
  ContainerSpec spec = scratch_->spec("a", {"cat"});
  spec.stdin_open = true;
  auto container = scratch_->create(spec);
  ASSERT_NE(container, nullptr);
  auto one = run(container->attach({.in = true}));
  auto two = run(container->attach({}));
  ASSERT_TRUE(one && two);
  ASSERT_TRUE(run(container->start()).has_value());
  ASSERT_TRUE(run((*one)->write("first\n")).has_value());
  EXPECT_EQ(run(read_until(one->get(), "\n")), "first\n");
  EXPECT_EQ(run(read_until(two->get(), "\n")), "first\n");
  two->reset();  // one leaves, the other goes on
  ASSERT_TRUE(run((*one)->write("second\n")).has_value());
  EXPECT_EQ(run(read_until(one->get(), "\n")), "second\n");
  ASSERT_TRUE((*one)->close_stdin().has_value());
  EXPECT_EQ(run(read_until(one->get(), "never")), "<end>");
  auto status = run(container->wait());
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 0);
  EXPECT_EQ(scratch_->log_of("a"), "first\nsecond\n");
  removed(*container);
}

// Much more than any buffer on the way holds, in both directions at once.
io::Task<void> feed(Attachment* attachment, size_t bytes) {
  std::string line(1023, 'x');
  line += '\n';
  for (size_t sent = 0; sent < bytes; sent += line.size()) (void)co_await attachment->write(line);
  (void)attachment->close_stdin();
}
io::Task<size_t> count(Attachment* attachment) {
  size_t total = 0;
  while (true) {
    auto chunk = co_await attachment->read();
    if (!chunk || !*chunk) co_return total;
    total += (*chunk)->bytes.size();
  }
}

TEST_F(MonitorTest, LosesNothingWhenABufferIsFull) {
  ContainerSpec spec = scratch_->spec("a", {"cat"});
  spec.stdin_open = true;
  auto container = started(spec);
  ASSERT_NE(container, nullptr);
  auto attached = run(container->attach({.in = true}));
  ASSERT_TRUE(attached.has_value());
  constexpr size_t kBytes = 8 << 20;
  scratch_->loop().spawn(feed(attached->get(), kBytes));
  EXPECT_EQ(run(count(attached->get())), kBytes);
  ASSERT_TRUE(run(container->wait()).has_value());
  EXPECT_EQ(scratch_->log_of("a").size(), kBytes);
  removed(*container);
}

TEST_F(MonitorTest, GivesATerminal) {
  ContainerSpec spec =
      scratch_->spec("a", {"sh", "-c", "tty; stty size; read line; echo got $line; stty size"});
  spec.process.terminal = true;
  spec.process.console = {100, 30};
  spec.stdin_open = true;
  auto container = scratch_->create(spec);
  ASSERT_NE(container, nullptr);
  auto attached = run(container->attach({.in = true}));
  ASSERT_TRUE(attached.has_value());
  ASSERT_TRUE(run(container->start()).has_value());
  EXPECT_EQ(run(read_until(attached->get(), "30 100\r\n")), "/dev/pts/0\r\n30 100\r\n");
  ASSERT_TRUE(run(container->resize({80, 24})).has_value());
  ASSERT_TRUE(run((*attached)->write("word\n")).has_value());
  EXPECT_THAT(run(read_until(attached->get(), "24 80\r\n")), HasSubstr("got word\r\n24 80\r\n"));
  ASSERT_TRUE(run(container->wait()).has_value());
  removed(*container);
}

TEST_F(MonitorTest, RunsFurtherProcesses) {
  auto container = started(scratch_->spec("a", {"sleep", "1000"}));
  ASSERT_NE(container, nullptr);
  auto exec = run(container->exec(exec_spec({"sh", "-c", "hostname; echo bad >&2; ls /proc/1/exe; exit 3"})));
  ASSERT_TRUE(exec.has_value()) << exec.error().message();
  EXPECT_EQ(run(read_stream((*exec)->out())), "a\n/proc/1/exe\n");
  EXPECT_EQ(run(read_stream((*exec)->err())), "bad\n");
  EXPECT_EQ((*exec)->in(), nullptr);
  for (int again = 0; again < 2; ++again) {
    auto status = run((*exec)->wait());
    ASSERT_TRUE(status.has_value());
    EXPECT_EQ(status->code, 3);
  }
  auto absent = run(container->exec(exec_spec({"foo"})));
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().message(), "exec: \"foo\": executable file not found in $PATH");
  EXPECT_EQ(absent.error().code(), Code::kNotFound);

  ExecSpec with_input = exec_spec({"sh", "-c", "cat; echo end"});
  with_input.stdin_open = true;
  with_input.process.user.name = "alice";
  auto cat = run(container->exec(with_input));
  ASSERT_TRUE(cat.has_value()) << cat.error().message();
  ASSERT_TRUE(run((*cat)->in()->write("text\n")).has_value());
  (*cat)->close_in();
  EXPECT_EQ(run(read_stream((*cat)->out())), "text\nend\n");

  ExecSpec sleeping = exec_spec({"sleep", "1000"});
  auto sleep = run(container->exec(sleeping));
  ASSERT_TRUE(sleep.has_value());
  EXPECT_GT((*sleep)->pid(), 0);
  ASSERT_TRUE((*sleep)->signal(SIGKILL).has_value());
  auto killed = run((*sleep)->wait());
  ASSERT_TRUE(killed.has_value());
  EXPECT_EQ(killed->code, 128 + SIGKILL);
  removed(*container);
}

io::Task<void> exec_often(Container& container, int times, size_t& ended) {
  for (int i = 0; i < times; ++i) {
    ExecSpec spec;
    spec.process.args = {"true"};
    spec.process.env = {"PATH=/bin"};
    auto exec = co_await container.exec(std::move(spec));
    if (!exec) co_return;
    auto status = co_await (*exec)->wait();
    if (!status || status->code != 0) co_return;
    (void)(*exec)->signal(SIGKILL);  // too late for it, and nobody else's
    ++ended;
  }
}
io::Task<void> exec_side_by_side(io::Loop& loop, Container& container, size_t& ended) {
  io::TaskGroup group(loop);
  for (int i = 0; i < 8; ++i) group.spawn(exec_often(container, 25, ended));
  co_await group.join();
}

// Short ones end before the process that bore them.
TEST_F(MonitorTest, HearsOfProgramsThatEndAtOnce) {
  auto container = started(scratch_->spec("a", {"sleep", "1000"}));
  ASSERT_NE(container, nullptr);
  size_t ended = 0;
  run(exec_side_by_side(scratch_->loop(), *container, ended));
  EXPECT_EQ(ended, 200u);
  EXPECT_EQ(container->state().phase, Phase::kRunning);
  removed(*container);
}

TEST_F(MonitorTest, RunsFurtherProcessesOnATerminal) {
  auto container = started(scratch_->spec("a", {"sleep", "1000"}));
  ASSERT_NE(container, nullptr);
  ExecSpec spec = exec_spec({"sh", "-c", "tty; stty size; read line; echo got $line"});
  spec.process.terminal = true;
  spec.process.console = {90, 20};
  auto exec = run(container->exec(spec));
  ASSERT_TRUE(exec.has_value()) << exec.error().message();
  ASSERT_TRUE(run((*exec)->in()->write("it\n")).has_value());
  std::string out = run(read_stream((*exec)->out()));
  EXPECT_THAT(out, HasSubstr("/dev/pts/0\r\n"));
  EXPECT_THAT(out, HasSubstr("20 90\r\n"));
  EXPECT_THAT(out, HasSubstr("got it\r\n"));
  EXPECT_TRUE(run((*exec)->wait()).has_value());
  removed(*container);
}

TEST_F(MonitorTest, PausesResumesUpdatesAndCounts) {
  auto container = started(scratch_->spec("a", {"sleep", "1000"}));
  ASSERT_NE(container, nullptr);
  auto paused = run(container->pause());
  ASSERT_TRUE(paused.has_value()) << paused.error().message();
  EXPECT_EQ(container->state().phase, Phase::kPaused);
  auto refused = run(container->exec(exec_spec({"true"})));
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().code(), Code::kFailedPrecondition);
  ASSERT_TRUE(run(container->resume()).has_value());
  EXPECT_EQ(container->state().phase, Phase::kRunning);
  ASSERT_TRUE(run(container->update({.memory_max = 32 << 20, .pids_max = 33})).has_value());
  auto stats = run(container->stats());
  ASSERT_TRUE(stats.has_value()) << stats.error().message();
  EXPECT_EQ(stats->memory_limit, 32u << 20);
  EXPECT_EQ(stats->pids_limit, 33u);
  EXPECT_EQ(stats->pids, 1u);
  EXPECT_GT(stats->memory_usage, 0u);
  ASSERT_TRUE(run(container->pause()).has_value());
  removed(*container);  // a paused one too
}

TEST_F(MonitorTest, NoticesThatMemoryRanOut) {
  ContainerSpec spec = scratch_->spec("a", {"sh", "-c", "dd if=/dev/zero of=/dev/null bs=200M count=1"});
  spec.limits = {.memory_max = 16 << 20, .memory_swap_max = 0};
  auto container = started(spec);
  ASSERT_NE(container, nullptr);
  auto status = run(container->wait());
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 137);
  EXPECT_TRUE(status->oom_killed);
  removed(*container);
}

TEST_F(MonitorTest, SignalsOneOrAll) {
  auto container = started(
      scratch_->spec("a", {"sh", "-c", "trap 'exit 5' TERM; echo ready; while :; do sleep 0.1; done"}));
  ASSERT_NE(container, nullptr);
  auto attached = run(container->attach({}));
  ASSERT_TRUE(attached.has_value());
  if (scratch_->log_of("a") != "ready\n") (void)run(read_until(attached->get(), "ready\n"));
  ASSERT_TRUE(run(container->signal(SIGTERM)).has_value());
  auto status = run(container->wait());
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 5);
  EXPECT_EQ(run(container->signal(SIGTERM)).error().code(), Code::kFailedPrecondition);
  removed(*container);

  auto other = started(scratch_->spec("b", {"sleep", "1000"}));
  ASSERT_NE(other, nullptr);
  ASSERT_TRUE(run(other->signal(SIGKILL, true)).has_value());
  auto killed = run(other->wait());
  ASSERT_TRUE(killed.has_value());
  EXPECT_EQ(killed->code, 137);
  EXPECT_EQ(killed->signal, SIGKILL);
  EXPECT_FALSE(killed->oom_killed);
  removed(*other);
}

TEST_F(MonitorTest, HoldsASandboxThatContainersJoin) {
  ContainerSpec pause = default_sandbox_spec("pod", scratch_->runtime().facts());
  pause.cgroup_path = scratch_->cgroup_root() + "/pod/sandbox";
  pause.hostname = "pod-host";
  auto sandbox = started(pause);
  ASSERT_NE(sandbox, nullptr);
  ContainerSpec spec = scratch_->spec(
      "a", {"sh", "-c", "hostname; echo /proc/[0-9]*; cat /proc/1/comm; echo $$ > /tmp/pid"});
  spec.hostname.clear();
  spec.cgroup_path = scratch_->cgroup_root() + "/pod/a";
  spec.namespaces = {{NamespaceKind::kMount, ""},
                     {NamespaceKind::kPid, sandbox->namespace_path(NamespaceKind::kPid)},
                     {NamespaceKind::kNetwork, sandbox->namespace_path(NamespaceKind::kNetwork)},
                     {NamespaceKind::kIpc, sandbox->namespace_path(NamespaceKind::kIpc)},
                     {NamespaceKind::kUts, sandbox->namespace_path(NamespaceKind::kUts)}};
  auto status = scratch_->run_container(spec);
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(scratch_->log_of("a"), "pod-host\n/proc/1 /proc/2\npause\n");
  ASSERT_TRUE(run(sandbox->signal(SIGTERM)).has_value());
  auto end = run(sandbox->wait());
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->code, 0);
  removed(*sandbox);
}

TEST_F(MonitorTest, KillsWhatIsLeftInASharedPidNamespace) {
  ContainerSpec spec = scratch_->spec("a", {"sh", "-c", "sleep 1000 & echo started"});
  std::erase_if(spec.namespaces, [](const Namespace& n) { return n.kind == NamespaceKind::kPid; });
  auto status = scratch_->run_container(spec);
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(scratch_->log_of("a"), "started\n");
}

TEST_F(MonitorTest, OutlivesTheDaemon) {
  // The daemon is a child process here, and dies by SIGKILL while its container runs.
  pid_t daemon = fork();
  if (daemon == 0) {
    scratch_->open_runtime();
    auto container = started(scratch_->spec(
        "a", {"sh", "-c", "while [ ! -e /tmp/stop ]; do sleep 0.05; done; echo done; exit 9"}));
    ::kill(getpid(), SIGKILL);
    _exit(container ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(waitpid(daemon, &status, 0), daemon);
  auto adopted = run(scratch_->runtime().adopt("a"));
  ASSERT_TRUE(adopted.has_value()) << adopted.error().message();
  EXPECT_EQ((*adopted)->state().phase, Phase::kRunning);
  auto exec = run((*adopted)->exec(exec_spec({"echo", "here"})));
  ASSERT_TRUE(exec.has_value()) << exec.error().message();
  EXPECT_EQ(run(read_stream((*exec)->out())), "here\n");
  exec->reset();
  adopted->reset();
  scratch_->drop_runtime();
  ASSERT_TRUE(sys::write_file(scratch_->rootfs() + "/tmp/stop", "").has_value());
  scratch_->open_runtime();
  auto again = run(scratch_->runtime().adopt("a"));
  ASSERT_TRUE(again.has_value());
  auto end = run((*again)->wait());
  ASSERT_TRUE(end.has_value());
  EXPECT_EQ(end->code, 9);
  EXPECT_EQ(scratch_->log_of("a"), "done\n");
  // Once more after its end, when no monitor is there any more.
  again->reset();
  auto dead = run(scratch_->runtime().adopt("a"));
  ASSERT_TRUE(dead.has_value());
  EXPECT_EQ((*dead)->state().phase, Phase::kStopped);
  EXPECT_EQ((*dead)->state().exit_code, 9);
  removed(**dead);
  EXPECT_EQ(run(scratch_->runtime().adopt("a")).error().code(), Code::kNotFound);
}

TEST_F(MonitorTest, IsNotTakenForLostByADaemonWithoutDescriptors) {
  auto container = started(scratch_->spec("a", {"sleep", "1000"}));
  ASSERT_NE(container, nullptr);
  container.reset();
  rlimit before, none;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  auto adopted = run(scratch_->runtime().adopt("a"));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  ASSERT_FALSE(adopted.has_value());
  EXPECT_EQ(adopted.error().code(), Code::kResourceExhausted) << adopted.error().message();
  auto again = run(scratch_->runtime().adopt("a"));
  ASSERT_TRUE(again.has_value()) << again.error().message();
  EXPECT_EQ((*again)->state().phase, Phase::kRunning);
  ASSERT_TRUE(run((*again)->signal(SIGKILL)));
  ASSERT_TRUE(run((*again)->wait()));
  removed(**again);
}

TEST_F(MonitorTest, TakesItsContainerWithIt) {
  auto container = started(scratch_->spec("a", {"sleep", "1000"}));
  ASSERT_NE(container, nullptr);
  auto init = sys::open_pidfd(container->state().pid);
  ASSERT_TRUE(init.has_value());
  ::kill(container->state().monitor_pid, SIGKILL);
  auto status = run(container->wait());
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 137);
  EXPECT_EQ(status->error, "monitor lost");
  EXPECT_FALSE(sys::is_alive(init->get()));
  removed(*container);

  auto other = started(scratch_->spec("b", {"sleep", "1000"}));
  ASSERT_NE(other, nullptr);
  pid_t monitor = other->state().monitor_pid;
  other.reset();
  scratch_->drop_runtime();
  ::kill(monitor, SIGKILL);
  scratch_->open_runtime();
  auto adopted = run(scratch_->runtime().adopt("b"));
  ASSERT_TRUE(adopted.has_value());
  EXPECT_EQ((*adopted)->state().phase, Phase::kStopped);
  EXPECT_EQ((*adopted)->state().error, "monitor lost");
  removed(**adopted);
}

uint64_t proportional_kilobytes(int pid) {
  auto rollup = sys::read_file(cat("/proc/", pid, "/smaps_rollup"));
  if (!rollup) return 0;
  for (std::string_view line : split(*rollup, '\n'))
    if (line.starts_with("Pss:")) return parse_uint(trim(line.substr(4, line.size() - 4 - 2))).value_or(0);
  return 0;
}

// The program itself is shared by all monitors of a host: a lone one carries all of it, three of them a third each.
TEST_F(MonitorTest, IsSmall) {
  std::vector<std::unique_ptr<Container>> containers;
  for (const char* id : {"a", "b", "c"}) {
    containers.push_back(started(scratch_->spec(id, {"sleep", "1000"})));
    ASSERT_NE(containers.back(), nullptr);
  }
  auto exec = run(containers[0]->exec(exec_spec({"true"})));
  ASSERT_TRUE(exec.has_value());
  (void)run((*exec)->wait());
  for (auto& container : containers) {
    uint64_t size = proportional_kilobytes(container->state().monitor_pid);
    RecordProperty("pss_kilobytes", static_cast<int>(size));
    EXPECT_GT(size, 0u);
    EXPECT_LE(size, 400u);
  }
  for (auto& container : containers) removed(*container);
}

}  // namespace
}  // namespace kobuk::runtime
