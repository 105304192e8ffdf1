// The birth of a container with a kernel that fails: whatever call it is, no program runs with less around it than was
// planned, and nothing is left open.
#include "runtime/init.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>

#include "runtime/defaults.h"
#include "runtime/testing/host.h"
#include "sys/testing/fake_kernel.h"

namespace kobuk::runtime {
namespace {

using sys::testing::FakeKernel;

// The monitor's side, failing with the same counter.
class FakeGate final : public Gate {
 public:
  explicit FakeGate(FakeKernel& kernel) : kernel_(kernel) {}
  Result<void> wait_for_cgroups() override { return kernel_.call("wait_for_cgroups"); }
  Result<void> ready(sys::UniqueFd) override { return kernel_.call("ready"); }
  Error born(const sys::Cloned&, sys::UniqueFd) override { return Error(Code::kCancelled, "born"); }
  Result<void> wait_for_go() override { return kernel_.call("wait_for_go"); }

 private:
  FakeKernel& kernel_;
};

using testing::host;

size_t open_descriptors() {
  size_t count = 0;
  DIR* folder = opendir("/proc/self/fd");
  while (readdir(folder) != nullptr) ++count;
  closedir(folder);
  return count;
}


// With a step of nearly every kind.
ContainerSpec everything() {
  ContainerSpec spec = default_container_spec("c", host());
  spec.process.args = {"/bin/app"};
  spec.process.cwd = "/work";
  spec.process.user.name = "app:app";
  spec.process.terminal = true;
  spec.process.oom_score_adj = 100;
  spec.process.rlimits = {{RLIMIT_NOFILE, 100, 100}};
  spec.rootfs = {.lower = {"/layer"}, .upper = "/upper", .work = "/overlay", .path = {}, .readonly = true};
  spec.mounts.push_back({.destination = "/data", .source = "/host/data/", .type = "bind", .options = {"rbind", "ro"}});
  spec.cgroup_path = "/kobuk-test/c";
  spec.hostname = "c", spec.domainname = "example";
  spec.sysctls = {{"net.ipv4.ip_forward", "1"}};
  spec.seccomp.reset();  // compiled by the runtime: the filter is set in the plan
  return spec;
}

struct Outcome {
  bool executed;
  std::string error, failed_call;
  int calls;
  bool leaked;
};

Outcome run(int fail_at, const std::function<Error(FakeKernel&, Gate&)>& birth) {
  size_t before = open_descriptors();
  Outcome out{};
  {
    FakeKernel kernel;
    FakeGate gate(kernel);
    kernel.fail_at = fail_at;
    Error error = birth(kernel, gate);
    out.executed = kernel.executed;
    out.error = error.message();
    out.calls = static_cast<int>(kernel.calls.size());
    if (fail_at > 0) out.failed_call = kernel.calls[static_cast<size_t>(fail_at) - 1];
  }
  out.leaked = open_descriptors() != before;
  return out;
}

// What may fail without harm: a keyring is a courtesy, and what is wrong with a working directory its chdir says.
bool may_fail(const std::string& call) { return call == "new_session_keyring" || call == "make_directory_in_root /work"; }

void expect_nothing_runs_after_a_failure(const std::function<Error(FakeKernel&, Gate&)>& birth, int at_least) {
  Outcome whole = run(0, birth);
  ASSERT_TRUE(whole.executed) << whole.error;
  ASSERT_GT(whole.calls, at_least) << "the plan has lost its steps";
  EXPECT_FALSE(whole.leaked);
  for (int n = 1; n <= whole.calls; ++n) {
    Outcome out = run(n, birth);
    EXPECT_EQ(out.executed, may_fail(out.failed_call)) << "call " << n << ", " << out.failed_call << ": " << out.error;
    EXPECT_FALSE(out.leaked) << out.failed_call;
    EXPECT_NE(out.error, "");
  }
}

TEST(InitFaults, NoProgramRunsInAHalfMadeContainer) {
  auto plan = make_plan(everything(), host());
  ASSERT_TRUE(plan) << plan.error().message();
  plan->process.seccomp_filter = std::string(8, '\0');
  for (bool no_new_privileges : {false, true}) {
    plan->process.no_new_privileges = no_new_privileges;
    expect_nothing_runs_after_a_failure(
        [&](FakeKernel& kernel, Gate& gate) { return run_init(kernel, *plan, "/run/c", {}, -1, gate); }, 100);
  }
}

TEST(InitFaults, NoProgramRunsInAPidNamespaceOfOthersWithMoreThanItsOwn) {
  ContainerSpec spec = everything();
  for (Namespace& ns : spec.namespaces)
    if (ns.kind == NamespaceKind::kPid) ns.path = "/proc/7/ns/pid";
  auto plan = make_plan(spec, host());
  ASSERT_TRUE(plan) << plan.error().message();
  plan->process.seccomp_filter = std::string(8, '\0');
  for (bool no_new_privileges : {false, true}) {
    plan->process.no_new_privileges = no_new_privileges;
    expect_nothing_runs_after_a_failure(
        [&](FakeKernel& kernel, Gate& gate) { return run_init(kernel, *plan, "/run/c", {}, 7, gate); }, 100);
  }
  FakeKernel kernel;
  FakeGate gate(kernel);
  (void)run_init(kernel, *plan, "/run/c", {}, 7, gate);
  auto position = [&](std::string_view call) { return std::find(kernel.calls.begin(), kernel.calls.end(), call) - kernel.calls.begin(); };
  EXPECT_LT(position("new_mount proc pidns=/proc/self/fd/7"), position("pivot_root"));
  EXPECT_LT(position("set_identity"), position("join_namespace")) << "the last thing that it does";
  EXPECT_LT(position("join_namespace"), position("set_capabilities"));
  EXPECT_LT(position("set_capabilities"), position("clone_sibling")) << "who is born inside has no more than its own";
  EXPECT_TRUE(kernel.executed);
}

TEST(InitFaults, NoFurtherProgramRunsWithMoreThanItsOwn) {
  auto process = make_process_plan(everything().process, host());
  ASSERT_TRUE(process) << process.error().message();
  process->seccomp_filter = std::string(8, '\0');
  sys::CgroupPlan cgroup;
  cgroup.join = {"/sys/fs/cgroup/memory/c", "/sys/fs/cgroup/pids/c"};
  for (bool terminal : {false, true}) {
    process->terminal = terminal;
    expect_nothing_runs_after_a_failure(
        [&](FakeKernel& kernel, Gate& gate) { return run_exec(kernel, *process, cgroup, 0, {}, gate); }, 20);
  }
}

TEST(Init, WhatIsGivenUpIsGivenUpBeforeTheProgram) {
  auto plan = make_plan(everything(), host());
  ASSERT_TRUE(plan);
  plan->process.seccomp_filter = std::string(8, '\0');
  FakeKernel kernel;
  FakeGate gate(kernel);
  (void)run_init(kernel, *plan, "/run/c", {}, -1, gate);
  auto position = [&](std::string_view call) { return std::find(kernel.calls.begin(), kernel.calls.end(), call) - kernel.calls.begin(); };
  EXPECT_LT(position("pivot_root"), position("drop_bounding"));
  EXPECT_LT(position("drop_bounding"), position("set_identity"));
  EXPECT_LT(position("set_identity"), position("ready"));
  EXPECT_LT(position("ready"), position("load_seccomp")) << "without no_new_privs a filter takes rights that go next";
  EXPECT_LT(position("load_seccomp"), position("set_capabilities"));
  EXPECT_TRUE(kernel.executed);
}

}  // namespace
}  // namespace kobuk::runtime
