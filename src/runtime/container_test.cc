// Real containers. Needs root.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "runtime/testing/scratch.h"
#include "sys/file.h"

namespace kobuk::runtime {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing::Scratch;

class ContainerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why = testing::missing();
    if (!why.empty()) GTEST_SKIP() << why;
    scratch_ = std::make_unique<Scratch>();
  }
  // Runs a shell script as a container: what it printed.
  std::string script(const std::string& text, auto&& change) {
    ContainerSpec spec = scratch_->spec("script", {"sh", "-c", text});
    change(spec);
    auto status = scratch_->run_container(std::move(spec));
    std::string out = scratch_->log_of("script");
    (void)unlink(scratch_->log_path("script").c_str());
    if (!status) return cat("error: ", status.error().message());
    return status->code == 0 ? out : cat("exit ", status->code, ": ", status->error, out);
  }
  std::string script(const std::string& text) {
    return script(text, [](ContainerSpec&) {});
  }
  // A container "a" with CAP_SYS_PTRACE that prints what it sees of others in its pid namespace, until there is /tmp/stop:
  // their capabilities where these are not its own, and what `look_at_root` prints of the process in $p.
  ContainerSpec watcher(std::string_view look_at_root) {
    std::string script = cat("own=$(grep CapPrm /proc/self/status); own=${own##*\t}; echo ready; while [ ! -e /tmp/stop ]; do "
                             "for p in /proc/[0-9]*; do "
                             "while read key value; do [ \"$key\" = CapPrm: ] && [ \"$value\" != $own ] && echo rights $value; done < $p/status; ",
                             look_at_root, "; done; done 2>/dev/null; echo end");
    ContainerSpec spec = scratch_->spec("a", {"sh", "-c", script});
    uint64_t mask = default_capabilities() | *sys::capability_mask({"SYS_PTRACE"});
    spec.process.capabilities = capability_sets(mask & scratch_->runtime().facts().own_capabilities);
    spec.process.env.emplace_back("PATH=/bin");
    return spec;
  }
  std::unique_ptr<Scratch> scratch_;
};

TEST_F(ContainerTest, RunsAProgramAndReportsItsExit) {
  auto status =
      scratch_->run_container(scratch_->spec("a", {"sh", "-c", "echo hello; echo oops >&2; exit 7"}));
  ASSERT_TRUE(status.has_value()) << status.error().message();
  EXPECT_EQ(status->code, 7);
  auto log = sys::read_file(scratch_->log_path("a"));
  ASSERT_TRUE(log.has_value());
  EXPECT_THAT(*log, HasSubstr("{\"log\":\"hello\\n\",\"stream\":\"stdout\",\"time\":\""));
  EXPECT_THAT(*log, HasSubstr("{\"log\":\"oops\\n\",\"stream\":\"stderr\",\"time\":\""));
}

TEST_F(ContainerTest, IsAloneInItsNamespaces) {
  EXPECT_EQ(script("hostname; echo $$; echo /proc/[0-9]*"), "script\n1\n/proc/1\n");
  EXPECT_EQ(script("ip -o link | grep -c :; ip -o addr show lo | grep -o 127.0.0.1/8"), "1\n127.0.0.1/8\n");
}

TEST_F(ContainerTest, HasDockersDevicesAndLinks) {
  EXPECT_EQ(
      script("ls /dev"),
      "core\nfd\nfull\nmqueue\nnull\nptmx\npts\nrandom\nshm\nstderr\nstdin\nstdout\ntty\nurandom\nzero\n");
}

TEST_F(ContainerTest, SaysWhyAProgramCanNotStart) {
  auto absent = scratch_->run(scratch_->runtime().create(scratch_->spec("a", {"foo"})));
  ASSERT_FALSE(absent.has_value());
  EXPECT_EQ(absent.error().code(), Code::kNotFound);
  EXPECT_EQ(absent.error().message(), "exec: \"foo\": executable file not found in $PATH");
  auto path = scratch_->run(scratch_->runtime().create(scratch_->spec("a", {"/no/such"})));
  ASSERT_FALSE(path.has_value());
  EXPECT_EQ(path.error().message(), "exec: \"/no/such\": stat /no/such: no such file or directory");
  auto folder = scratch_->run(scratch_->runtime().create(scratch_->spec("a", {"/tmp"})));
  ASSERT_FALSE(folder.has_value());
  EXPECT_EQ(folder.error().code(), Code::kPermissionDenied);
  // Found and executable, but nothing that the kernel can run: only execve knows.
  ASSERT_TRUE(sys::write_file(scratch_->rootfs() + "/bin/garbage", "\x01\x02", 0755).has_value());
  auto container = scratch_->create(scratch_->spec("a", {"garbage"}));
  ASSERT_NE(container, nullptr);
  auto started = scratch_->run(container->start());
  ASSERT_FALSE(started.has_value());
  EXPECT_THAT(started.error().message(), HasSubstr("exec /bin/garbage: Exec format error"));
  auto status = scratch_->run(container->wait());
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->code, 128);
  EXPECT_THAT(status->error, HasSubstr("Exec format error"));
  EXPECT_TRUE(scratch_->run(container->remove()).has_value());
}

TEST_F(ContainerTest, RunsAsTheUserOfTheImage) {
  auto as = [](const char* user) { return [user](ContainerSpec& spec) { spec.process.user.name = user; }; };
  EXPECT_EQ(script("id; echo $HOME", as("alice")),
            "uid=1000(alice) gid=1000(alice) groups=50(staff),1000(alice)\n/home/alice\n");
  EXPECT_EQ(script("id", as("4711:50")), "uid=4711 gid=50(staff) groups=50(staff)\n");
  EXPECT_EQ(script("id", as("bob")), "error: unable to find user bob: no matching entries in passwd file");
  EXPECT_EQ(script("echo to stdout > /dev/stdout", as("alice")), "to stdout\n");
}

TEST_F(ContainerTest, LimitsAndConfines) {
  EXPECT_EQ(script("grep -E '^Cap(Eff|Prm|Bnd)|^Seccomp:' /proc/self/status"),
            "CapPrm:\t00000000a80425fb\nCapEff:\t00000000a80425fb\nCapBnd:\t00000000a80425fb\nSeccomp:\t2\n");
  EXPECT_EQ(script("cat /sys/fs/cgroup/*/memory.limit_in_bytes /sys/fs/cgroup/memory.max 2>/dev/null; true",
                   [](ContainerSpec& spec) { spec.limits.memory_max = 64 << 20; }),
            "67108864\n");
  EXPECT_THAT(script("mount -t tmpfs none /tmp"), HasSubstr("exit "));
  EXPECT_EQ(script("cat /proc/timer_list | wc -c; ls /sys/firmware | wc -l; (echo x > "
                   "/proc/sys/kernel/domainname) 2>&1 | grep -c -i read-only"),
            "0\n0\n1\n");
  EXPECT_EQ(script("ulimit -n",
                   [](ContainerSpec& spec) {
                     spec.process.rlimits = {{7, 100, 100}};
                   }),
            "100\n");
}

// "major minor" of a block device that may be opened here; empty when there is none.
std::string some_block_device() {
  auto names = sys::list_directory("/dev");
  for (const std::string& name : names ? *names : std::vector<std::string>()) {
    struct stat st {};
    std::string path = "/dev/" + name;
    if (stat(path.c_str(), &st) == 0 && S_ISBLK(st.st_mode) && sys::open_file(path, O_RDONLY | O_NONBLOCK))
      return cat(major(st.st_rdev), ' ', minor(st.st_rdev));
  }
  return {};
}

// Makes a node of that block device and of /dev/kmsg, and uses them and what is in /dev.
std::string use_devices(const std::string& block) {
  return cat("cd /tmp; rm -f disk kmsg; busybox mknod disk b ", block, "; busybox mknod kmsg c 1 11; ",
             "say() { grep -o 'not permitted' || echo fine; }; ",
             "(: < disk) 2>&1 | say; (: > disk) 2>&1 | say; (: > kmsg) 2>&1 | say; ",
             "(: < /dev/zero) 2>&1 | say; (: > /dev/zero) 2>&1 | say; (: > /dev/full) 2>&1 | say; ",
             "(echo x > /dev/null) 2>&1 | say; (: < /dev/urandom) 2>&1 | say; (: < /dev/ptmx) 2>&1 | say; rm -f disk kmsg");
}
constexpr const char* kConfined =
    "not permitted\nnot permitted\nnot permitted\nfine\nnot permitted\nnot permitted\nfine\nfine\nfine\n";

TEST_F(ContainerTest, UsesItsDevicesAndNoOthers) {
  std::string block = some_block_device();
  if (block.empty()) GTEST_SKIP() << "no block device can be opened here";
  ASSERT_EQ(symlink("busybox", (scratch_->rootfs() + "/bin/rm").c_str()), 0);
  auto confine = [](ContainerSpec& spec) {
    std::erase_if(spec.device_rules, [](const sys::DeviceRule& r) { return r.major == 1 && (r.minor == 5 || r.minor == 7); });
    spec.device_rules.push_back({'c', 1, 5, sys::kDeviceRead});
  };
  EXPECT_EQ(script(use_devices(block), confine), kConfined);

  // Further processes are held to them as well.
  ContainerSpec spec = scratch_->spec("a", {"sleep", "1000"});
  confine(spec);
  auto container = scratch_->create(spec);
  ASSERT_NE(container, nullptr);
  ASSERT_TRUE(scratch_->run(container->start()));
  ExecSpec exec;
  exec.process.args = {"sh", "-c", cat("(", use_devices(block), ") > /tmp/out 2>&1")};
  exec.process.env = {"PATH=/bin"};
  exec.process.capabilities = capability_sets(scratch_->runtime().facts().own_capabilities);
  auto process = scratch_->run(container->exec(exec));
  ASSERT_TRUE(process) << process.error().message();
  ASSERT_TRUE(scratch_->run((*process)->wait()));
  EXPECT_EQ(sys::read_file(scratch_->rootfs() + "/tmp/out").value_or("none"), kConfined);
  EXPECT_TRUE(scratch_->run(container->remove()));

  EXPECT_EQ(script(cat("busybox mknod /tmp/disk b ", block, "; (: < /tmp/disk) && echo fine"),
                   [&](ContainerSpec& s) { make_privileged(s, scratch_->runtime().facts()); }),
            "fine\n");
}

TEST_F(ContainerTest, DoesNotStartWhenItsDevicesCanNotBeRestricted) {
  ContainerSpec spec = scratch_->spec("a", {"true"});
  spec.cgroup_path.clear();
  auto created = scratch_->run(scratch_->runtime().create(spec));
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().message(), "a container whose devices are restricted needs a cgroup path");
}

// A program is looked up while the descriptors are open that execve will close: none may lead to the host.
TEST_F(ContainerTest, FindsNoProgramThroughADescriptor) {
  auto busybox = sys::read_file("/bin/busybox");
  ASSERT_TRUE(busybox && sys::write_file(scratch_->directory() + "/true", *busybox, 0755));
  std::string path = "PATH=";
  for (int fd = 0; fd < 100; ++fd)
    for (const char* up : {"", "/..", "/../..", "/../../..", "/../../../..", "/../../../../..", "/../../../../../.."})
      cat_to(path, "/proc/self/fd/", fd, up, scratch_->directory(), ':');
  ContainerSpec spec = scratch_->spec("a", {"true"});
  spec.process.env = {path};
  auto created = scratch_->run(scratch_->runtime().create(spec));
  ASSERT_FALSE(created);
  EXPECT_EQ(created.error().message(), "exec: \"true\": executable file not found in $PATH");

  auto container = scratch_->create(scratch_->spec("a", {"sleep", "1000"}));
  ASSERT_NE(container, nullptr);
  ASSERT_TRUE(scratch_->run(container->start()));
  ExecSpec exec;
  exec.process.args = {"true"};
  exec.process.env = {path};
  auto process = scratch_->run(container->exec(exec));
  EXPECT_FALSE(process);
  if (!process) EXPECT_EQ(process.error().message(), "exec: \"true\": executable file not found in $PATH");
  EXPECT_TRUE(scratch_->run(container->remove()));
}

// A process that joins the container is one of its own from the moment on that it can be seen there: somebody with
// CAP_SYS_PTRACE could seize it, whatever it has still to give up. The watcher has no time to miss much.
TEST_F(ContainerTest, SeesNoMoreInANewProcessThanItHasItself) {
  ContainerSpec spec = watcher("[ $p/root/tmp -ef /tmp ] || { [ -e $p/status ] && [ -e $p/root ] && echo root; }");
  auto container = scratch_->create(spec);
  ASSERT_NE(container, nullptr);
  ASSERT_TRUE(scratch_->run(container->start()));
  for (int i = 0; i < 15; ++i) {
    ExecSpec exec;
    exec.process.args = {i < 14 ? "true" : "touch", "/tmp/stop"};
    exec.process.env = {"PATH=/bin"};
    exec.process.capabilities = spec.process.capabilities;
    if (i % 2 == 0) exec.seccomp = spec.seccomp;
    exec.process.terminal = i % 3 == 0;
    auto process = scratch_->run(container->exec(exec));
    ASSERT_TRUE(process) << process.error().message();
    auto status = scratch_->run((*process)->wait());
    ASSERT_TRUE(status && status->code == 0);
  }
  ASSERT_TRUE(scratch_->run(container->wait()));
  EXPECT_EQ(scratch_->log_of("a"), "ready\nend\n");
  EXPECT_TRUE(scratch_->run(container->remove()));
}

// The same of containers that come into its pid namespace: of the host they hold nothing, from the moment they are there.
TEST_F(ContainerTest, SeesNoMoreInAContainerThatJoinsItThanThatIsToHave) {
  ContainerSpec spec = watcher(cat("[ -e $p/root", scratch_->rootfs(), " ] && echo root"));
  auto container = scratch_->create(spec);
  ASSERT_NE(container, nullptr);
  ASSERT_TRUE(scratch_->run(container->start()));
  for (int i = 0; i < 12; ++i) {
    // Its first process there sees those of the other, and itself among them.
    ContainerSpec guest = scratch_->spec(cat("guest", i), {"sh", "-c", "grep -q ready /proc/1/cmdline && [ /proc/$$/root/bin -ef /bin ] && tty; echo $?"});
    for (Namespace& ns : guest.namespaces)
      if (ns.kind == NamespaceKind::kPid) ns.path = container->namespace_path(NamespaceKind::kPid);
    guest.process.capabilities = spec.process.capabilities;
    guest.process.env.emplace_back("PATH=/bin");
    if (i % 2 == 0) guest.seccomp.reset();
    guest.process.terminal = i % 3 == 0;
    guest.process.no_new_privileges = i % 4 == 1;
    std::string id = guest.id;
    auto status = scratch_->run_container(std::move(guest));
    ASSERT_TRUE(status) << status.error().message();
    EXPECT_EQ(status->code, 0) << status->error;
    EXPECT_EQ(scratch_->log_of(id), i % 3 == 0 ? "/dev/pts/0\n0\n" : "not a tty\n1\n") << i;
  }
  ExecSpec stop;
  stop.process.args = {"touch", "/tmp/stop"};
  stop.process.env = {"PATH=/bin"};
  stop.process.capabilities = spec.process.capabilities;
  auto process = scratch_->run(container->exec(stop));
  ASSERT_TRUE(process) << process.error().message();
  ASSERT_TRUE(scratch_->run((*process)->wait()));
  ASSERT_TRUE(scratch_->run(container->wait()));
  EXPECT_EQ(scratch_->log_of("a"), "ready\nend\n");
  EXPECT_TRUE(scratch_->run(container->remove()));
}

// Neither a mask nor a stream may be a node of the host that the container can write to: its mode would be the host's.
TEST_F(ContainerTest, CanNotChangeTheHostsNullDevice) {
  constexpr const char* kTry =
      "for f in /proc/timer_list /proc/kcore; do [ -c $f ] || continue; "
      "busybox chmod 666 $f 2>&1 | grep -o 'Read-only' || echo changed; done | busybox sort -u; "
      "[ /proc/self/fd/0 -ef /dev/null ] && echo own";
  EXPECT_EQ(script(kTry), "Read-only\nown\n");
  auto container = scratch_->create(scratch_->spec("a", {"sleep", "1000"}));
  ASSERT_NE(container, nullptr);
  ASSERT_TRUE(scratch_->run(container->start()));
  ExecSpec exec;
  exec.process.args = {"sh", "-c", "[ /proc/self/fd/0 -ef /dev/null ] && [ /proc/self/fd/1 -ef /dev/null ]"};
  exec.process.env = {"PATH=/bin"};
  exec.stdout_open = false;
  auto process = scratch_->run(container->exec(exec));
  ASSERT_TRUE(process) << process.error().message();
  auto status = scratch_->run((*process)->wait());
  EXPECT_TRUE(status && status->code == 0);
  // Whatever a container makes of its /dev/null: only a null device is taken for one.
  exec.process.args = {"sh", "-c", "busybox rm /dev/null; : > /dev/null"};
  exec.stdout_open = true;
  auto replaced = scratch_->run(container->exec(exec));
  ASSERT_TRUE(replaced && scratch_->run((*replaced)->wait()));
  auto refused = scratch_->run(container->exec(exec));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().message(), "/dev/null of the container is no null device");
  EXPECT_TRUE(scratch_->run(container->remove()));
}

TEST_F(ContainerTest, KeepsAMountShared) {
  ASSERT_TRUE(sys::make_directories(scratch_->directory() + "/data"));
  EXPECT_EQ(script("grep ' /data ' /proc/self/mountinfo | grep -c shared:",
                   [&](ContainerSpec& spec) {
                     spec.mounts.push_back({"/data", scratch_->directory() + "/data", "bind", {"rbind", "rshared"}});
                   }),
            "1\n");
}

// It was held to be running for as long as the client stayed.
TEST_F(ContainerTest, EndsThoughAClientDoesNotRead) {
  auto container = scratch_->create(scratch_->spec("a", {"yes", "a line that nobody reads"}));
  ASSERT_NE(container, nullptr);
  auto attached = scratch_->run(container->attach({}));
  ASSERT_TRUE(attached);
  ASSERT_TRUE(scratch_->run(container->start()));
  // It stands still once the client's socket is full.
  struct stat before {}, after {};
  do {
    stat(scratch_->log_path("a").c_str(), &before);
    usleep(300'000);
    stat(scratch_->log_path("a").c_str(), &after);
  } while (after.st_size == 0 || after.st_size != before.st_size);
  ASSERT_TRUE(scratch_->run(container->signal(SIGKILL)));
  auto status = scratch_->run(container->wait());
  ASSERT_TRUE(status);
  EXPECT_EQ(status->code, 137);
  struct stat whole {};
  stat(scratch_->log_path("a").c_str(), &whole);
  EXPECT_GT(whole.st_size, after.st_size);  // with what was in the pipe
  EXPECT_TRUE(scratch_->run(container->remove()));
}

}  // namespace
}  // namespace kobuk::runtime
