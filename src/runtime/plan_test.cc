// Golden plans: src/runtime/testing/plans/*.txt. KOBUK_ACCEPT=1 writes them anew; read the difference before
// committing.
#include "runtime/plan.h"

#include <gtest/gtest.h>
#include <sched.h>

#include <cstdlib>

#include "runtime/defaults.h"
#include "sys/file.h"

namespace kobuk::runtime {
namespace {

sys::HostFacts host(sys::CgroupMode mode) {
  sys::HostFacts facts;
  facts.kernel_major = 6, facts.kernel_minor = 12, facts.machine = "x86_64", facts.seccomp = true;
  facts.last_capability = 40;
  facts.own_capabilities = (uint64_t{1} << 41) - 1;
  facts.cgroups.mode = mode;
  auto add = [&](std::string at, std::vector<std::string> controllers, bool v2) {
    facts.cgroups.hierarchies.push_back({std::move(at), std::move(controllers), "/", v2});
  };
  if (mode == sys::CgroupMode::kV2) {
    add("/sys/fs/cgroup", {"cpuset", "cpu", "io", "memory", "pids"}, true);
  } else {
    add("/sys/fs/cgroup/cpu,cpuacct", {"cpu", "cpuacct"}, false);
    add("/sys/fs/cgroup/cpuset", {"cpuset"}, false);
    add("/sys/fs/cgroup/memory", {"memory"}, false);
    add("/sys/fs/cgroup/pids", {"pids"}, false);
    add("/sys/fs/cgroup/freezer", {"freezer"}, false);
    add("/sys/fs/cgroup/systemd", {"name=systemd"}, false);
    if (mode == sys::CgroupMode::kHybrid) add("/sys/fs/cgroup/unified", {}, true);
  }
  return facts;
}

ContainerSpec typical(const sys::HostFacts& facts) {
  ContainerSpec spec = default_container_spec("web", facts);
  spec.process.args = {"nginx", "-g", "daemon off;"};
  spec.process.user.name = "www";
  spec.rootfs = {.lower = {"/snap/2", "/snap/1"}, .upper = "/snap/3/upper", .work = "/snap/3/work"};
  spec.mounts.push_back({"/etc/hosts", "/engine/web/hosts", "bind", {"rbind", "rprivate"}});
  spec.mounts.push_back({"/data", "/srv/data", "bind", {"rbind", "rro", "rshared"}});
  spec.hostname = "web";
  spec.sysctls = {{"net.ipv4.ip_unprivileged_port_start", "0"}};
  spec.cgroup_path = "/kobuk-default/docker/web";
  spec.limits = {.memory_max = 64 << 20,
                 .memory_swap_max = 64 << 20,
                 .pids_max = 100,
                 .cpu_shares = 512,
                 .cpu_quota_us = 50000,
                 .cpuset_cpus = "0"};
  return spec;
}

void expect_golden(std::string_view name, const Result<Plan>& plan) {
  ASSERT_TRUE(plan.has_value()) << plan.error().message();
  std::string path = cat(KOBUK_SOURCE_DIR, "/src/runtime/testing/plans/", name, ".txt");
  std::string text = describe(*plan);
  if (getenv("KOBUK_ACCEPT") != nullptr) ASSERT_TRUE(sys::write_file(path, text).has_value());
  EXPECT_EQ(text, sys::read_file(path).value_or("no such file; KOBUK_ACCEPT=1 writes it"));
}

TEST(PlanGolden, Docker) {
  for (sys::CgroupMode mode : {sys::CgroupMode::kV2, sys::CgroupMode::kHybrid, sys::CgroupMode::kV1}) {
    sys::HostFacts facts = host(mode);
    expect_golden(cat("docker_", sys::cgroup_mode_name(mode)), make_plan(typical(facts), facts));
  }
}

TEST(PlanGolden, Sandbox) {
  sys::HostFacts facts = host(sys::CgroupMode::kV2);
  ContainerSpec spec = default_sandbox_spec("pod", facts);
  spec.cgroup_path = "/kobuk-default/kubepods/pod1/sandbox";
  spec.hostname = "pod";
  expect_golden("sandbox", make_plan(spec, facts));
}

TEST(PlanGolden, InAPod) {
  sys::HostFacts facts = host(sys::CgroupMode::kV2);
  ContainerSpec spec = default_container_spec("c", facts);
  spec.rootfs.path = "/rootfs";
  spec.rootfs.readonly = true;
  spec.process.args = {"/app"};
  spec.process.terminal = true;
  spec.process.no_new_privileges = true;
  for (Namespace& ns : spec.namespaces)
    if (ns.kind == NamespaceKind::kNetwork || ns.kind == NamespaceKind::kIpc ||
        ns.kind == NamespaceKind::kUts)
      ns.path = cat("/proc/7/ns/", ns.kind == NamespaceKind::kNetwork ? "net"
                                   : ns.kind == NamespaceKind::kIpc   ? "ipc"
                                                                      : "uts");
  spec.cgroup_path = "/kobuk-default/kubepods/pod1/c";
  expect_golden("in_a_pod", make_plan(spec, facts));
}

TEST(PlanGolden, Privileged) {
  sys::HostFacts facts = host(sys::CgroupMode::kV2);
  ContainerSpec spec = default_container_spec("c", facts);
  make_privileged(spec, facts);
  spec.rootfs.path = "/rootfs";
  spec.rootfs_propagation = "rshared";
  spec.process.args = {"sh"};
  expect_golden("privileged", make_plan(spec, facts));
}

TEST(Plan, RefusesWhatMakesNoSense) {
  sys::HostFacts facts = host(sys::CgroupMode::kV2);
  auto refused = [&](auto change) {
    ContainerSpec spec = typical(facts);
    change(spec);
    auto plan = make_plan(spec, facts);
    return plan ? std::string("accepted") : cat(code_name(plan.error().code()), ": ", plan.error().message());
  };
  EXPECT_EQ(refused([](auto& s) { s.id = "../x"; }), "Invalid: invalid container id \"../x\"");
  EXPECT_EQ(refused([](auto& s) { s.process.args.clear(); }), "Invalid: no command specified");
  EXPECT_EQ(refused([](auto& s) { s.rootfs = {}; }), "Invalid: a container needs a root filesystem");
  EXPECT_EQ(
      refused([](auto& s) {
        s.sysctls = {{"kernel.panic", "1"}};
      }),
      "Invalid: sysctl \"kernel.panic\" is not in a separate kernel namespace: it would change the host");
  EXPECT_EQ(refused([](auto& s) {
              s.sysctls = {{"net/../kernel/panic", "1"}};
            }),
            "Invalid: invalid sysctl \"net/../kernel/panic\"");
  EXPECT_EQ(refused([](auto& s) {
              s.mounts = {{"data", "/x", "bind", {}}};
            }),
            "Invalid: mount at data: the path \"data\" in the container is not absolute");
  EXPECT_EQ(refused([](auto& s) {
              s.mounts = {{"/d", "/x", "bind", {"size=1"}}};
            }),
            "Invalid: mount at /d: unknown option \"size\" of a bind mount");
  EXPECT_EQ(refused([](auto& s) { s.cgroup_path = "/a/../b"; }), "Invalid: invalid cgroup path \"/a/../b\"");
  EXPECT_EQ(refused([](auto& s) { s.cgroup_path.clear(); }), "Invalid: limits need a cgroup path");
  EXPECT_EQ(refused([](auto& s) { s.namespaces.clear(); }),
            "Invalid: a container needs a mount namespace of its own");
  EXPECT_EQ(refused([](auto& s) { s.process.cwd = "x"; }),
            "Invalid: the working directory \"x\" is not absolute");
  EXPECT_EQ(
      refused([](auto& s) { s.rootfs.upper = std::string(300, 'x'); }),
      "Unsupported: the paths of the overlay are too long for this kernel: use a shorter data directory");
  sys::HostFacts bare = facts;
  bare.cgroups.hierarchies[0].controllers = {"cpu"};
  auto plan = make_plan(typical(facts), bare);
  ASSERT_FALSE(plan.has_value());
  EXPECT_EQ(plan.error().code(), Code::kUnsupported);
}

TEST(Plan, NeverAsksForMoreThanTheHostHas) {
  sys::HostFacts facts = host(sys::CgroupMode::kV2);
  facts.own_capabilities = 1;
  Process process;
  process.args = {"x"};
  process.capabilities = {7, 7, 7, 7, 7};
  auto plan = make_process_plan(process, facts);
  ASSERT_TRUE(plan.has_value());
  EXPECT_EQ(plan->capabilities, (sys::CapabilitySets{1, 1, 1, 1, 1}));
}

}  // namespace
}  // namespace kobuk::runtime
