// The order of what init does, and what is left when any of it fails.
#include "runtime/init.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/defaults.h"
#include "sys/file.h"
#include "sys/testing/fake_kernel.h"

namespace kobuk::runtime {
namespace {

using sys::testing::FakeKernel;

class FakeGate final : public Gate {
 public:
  explicit FakeGate(FakeKernel& kernel) : kernel_(kernel) {}
  Result<void> wait_for_cgroups() override {
    kernel_.calls.push_back("cgroups joined");
    return {};
  }
  Result<void> ready(sys::UniqueFd terminal) override {
    kernel_.calls.push_back(terminal ? "ready with a terminal" : "ready");
    return {};
  }

 private:
  FakeKernel& kernel_;
};

sys::HostFacts facts() {
  sys::HostFacts facts;
  facts.kernel_major = 6, facts.kernel_minor = 12, facts.machine = "x86_64", facts.seccomp = true;
  facts.own_capabilities = ~uint64_t{0};
  facts.cgroups = {sys::CgroupMode::kV2, {{"/sys/fs/cgroup", {"cpu", "memory", "pids"}, "/", true}}};
  return facts;
}

Plan everything(bool terminal) {
  ContainerSpec spec = default_container_spec("a", facts());
  spec.rootfs = {.lower = {"/l2", "/l1"}, .upper = "/u", .work = "/w"};
  spec.process.args = {"sh"};
  spec.process.cwd = "/work";
  spec.process.user.name = "alice";
  spec.process.terminal = terminal;
  spec.process.oom_score_adj = 5;
  spec.process.rlimits = {{7, 10, 10}};
  spec.mounts.push_back({"/data", "/src/data", "bind", {"rbind", "ro"}});
  spec.mounts.push_back({"/etc/hosts", "/src/hosts", "bind", {"bind"}});
  spec.hostname = "h";
  spec.sysctls = {{"net.ipv4.ip_forward", "1"}};
  spec.rootfs.readonly = true;
  spec.cgroup_path = "/k/a";
  auto plan = make_plan(spec, facts());
  EXPECT_TRUE(plan.has_value()) << plan.error().message();
  plan->process.seccomp_filter = "12345678";
  return *plan;
}

void fill(FakeKernel& kernel) {
  for (const char* path :
       {"/bin/sh", "/usr/local/sbin/sh", "/usr/local/bin/sh", "/usr/sbin/sh", "/usr/bin/sh", "/sbin/sh"})
    kernel.files[path] = {S_IFREG | 0755};
  for (const char* path :
       {"/usr/local/sbin/sh", "/usr/local/bin/sh", "/usr/sbin/sh", "/usr/bin/sh", "/sbin/sh", "/proc/acpi"})
    kernel.absent.emplace_back(path);
  for (const char* path : {"/src/hosts", "/proc/keys"}) kernel.files[path] = {S_IFREG | 0644};
  kernel.contents["etc/passwd"] = "root:x:0:0:root:/root:/bin/sh\nalice:x:1000:1000::/home/alice:/bin/sh\n";
  kernel.contents["etc/group"] = "alice:x:1000:\n";
}

size_t position(const FakeKernel& kernel, std::string_view call) {
  auto found = std::find_if(kernel.calls.begin(), kernel.calls.end(),
                            [&](const auto& c) { return c.starts_with(call); });
  EXPECT_NE(found, kernel.calls.end()) << call;
  return static_cast<size_t>(found - kernel.calls.begin());
}

size_t open_descriptors() {
  auto names = sys::list_directory("/proc/self/fd");
  return names ? names->size() : 0;
}

TEST(Init, KeepsEachRightUntilItIsNotNeeded) {
  FakeKernel kernel;
  fill(kernel);
  FakeGate gate(kernel);
  Error end = run_init(kernel, everything(false), "/run/a", {10, 11, 12}, gate);
  EXPECT_EQ(end.message(), "executed");
  const char* order[] = {"pdeathsig",
                         "write 5 to /proc/self/oom_score_adj",
                         "setsid",
                         "clone tree /src/data",
                         "propagation /",
                         "hostname h",
                         "loopback",
                         "write 1 to /proc/sys/net/ipv4/ip_forward",
                         "new mount overlay",
                         "attach a new overlay at /run/a",
                         "unshare",
                         "new mount proc",
                         "attach /src/data at /data",
                         "mknod dev/null",
                         "clone tree /proc/sys",
                         "attach /dev/null at /proc/keys",
                         "pivot_root",
                         "keyring",
                         "read etc/passwd",
                         "dup #10 to 0",
                         "rlimit 7",
                         "chdir /work",
                         "bounding",
                         "identity 1000:1000",
                         "getcwd",
                         "close on exec from 3",
                         "ready",
                         "seccomp",
                         "capabilities",
                         "execve /bin/sh"};
  for (size_t i = 1; i < std::size(order); ++i)
    EXPECT_LT(position(kernel, order[i - 1]), position(kernel, order[i]))
        << order[i - 1] << " before " << order[i];
}

TEST(Init, LoadsTheFilterLastWhenItMay) {
  FakeKernel kernel;
  fill(kernel);
  FakeGate gate(kernel);
  Plan plan = everything(true);
  plan.process.no_new_privileges = true;
  EXPECT_EQ(run_init(kernel, plan, "/run/a", {}, gate).message(), "executed");
  EXPECT_LT(position(kernel, "no_new_privs"), position(kernel, "ready with a terminal"));
  EXPECT_LT(position(kernel, "capabilities"), position(kernel, "seccomp"));
  EXPECT_LT(position(kernel, "attach the terminal at /dev/console"), position(kernel, "pivot_root"));
}

// Whatever call fails, its error comes back, nothing is executed and no descriptor stays open. What may fail
// without harm (a keyring, an absent path) goes on.
TEST(Init, LeavesNothingOpenWhenAnyCallFails) {
  for (bool terminal : {false, true}) {
    FakeKernel dry;
    fill(dry);
    FakeGate dry_gate(dry);
    Plan plan = everything(terminal);
    (void)run_init(dry, plan, "/run/a", {10, 11, 12}, dry_gate);
    size_t total = dry.calls.size();
    ASSERT_GT(total, 100u);
    for (size_t n = 1; n <= total; ++n) {
      size_t before = open_descriptors();
      FakeKernel kernel;
      fill(kernel);
      kernel.fail_at = n;
      FakeGate gate(kernel);
      Error end = run_init(kernel, plan, "/run/a", {10, 11, 12}, gate);
      EXPECT_EQ(open_descriptors(), before) << dry.calls[n - 1];
      if (end.message() == "executed") {
        const std::string& call = dry.calls[n - 1];
        bool harmless = call == "keyring" || call == "mkdir /work" || call.starts_with("ready") ||
                        call == "cgroups joined" || call.starts_with("open /") || call.starts_with("stat /");
        EXPECT_TRUE(harmless) << call;
      } else if (kernel.failed() && !end.message().starts_with("exec: ")) {
        EXPECT_THAT(end.message(), ::testing::HasSubstr("injected"));
      }
    }
  }
}

TEST(Init, JoinsBeforeAnythingElse) {
  FakeKernel kernel;
  fill(kernel);
  FakeGate gate(kernel);
  ProcessPlan process = everything(false).process;
  process.set_oom_score = false;
  sys::CgroupPlan cgroup;
  cgroup.join = {"/sys/fs/cgroup/memory/a"};
  EXPECT_EQ(run_exec(kernel, process, cgroup, 9, {10, 11, 12}, gate).message(), "executed");
  EXPECT_EQ(kernel.calls[0], "open /sys/fs/cgroup/memory/a/cgroup.procs");
  EXPECT_EQ(kernel.calls[1], "write 0 to /sys/fs/cgroup/memory/a/cgroup.procs");
  EXPECT_TRUE(kernel.calls[2].starts_with("setns #9 "));
}

}  // namespace
}  // namespace kobuk::runtime
