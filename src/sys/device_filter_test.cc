#include "sys/device_filter.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/bpf.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "base/random.h"
#include "sys/cgroup.h"
#include "sys/file.h"

namespace kobuk::sys {
namespace {

// Runs such a program as the kernel would, for the few instructions that it is made of.
bool allowed(const std::vector<DeviceRule>& rules, uint32_t type, uint32_t access, uint32_t major, uint32_t minor) {
  const uint32_t context[] = {access << 16 | type, major, minor};
  uint64_t registers[16] = {};
  std::vector<BpfInstruction> program = device_program(rules);
  for (size_t at = 0; at < program.size(); ++at) {
    const BpfInstruction& i = program[at];
    uint64_t& into = registers[i.registers & 15];
    auto value = static_cast<uint64_t>(int64_t{i.immediate});
    switch (i.code) {
      case BPF_LDX | BPF_MEM | BPF_W: into = context[i.offset / 4]; break;
      case BPF_ALU64 | BPF_AND | BPF_K: into &= value; break;
      case BPF_ALU64 | BPF_RSH | BPF_K: into >>= value; break;
      case BPF_ALU64 | BPF_MOV | BPF_K: into = value; break;
      case BPF_JMP | BPF_JNE | BPF_K: at += into != value ? static_cast<size_t>(i.offset) : 0; break;
      case BPF_JMP | BPF_EXIT: return registers[0] == 1;
      default: ADD_FAILURE() << "instruction " << int{i.code}; return false;
    }
  }
  ADD_FAILURE() << "the program does not end";
  return false;
}
constexpr uint32_t kBlock = BPF_DEVCG_DEV_BLOCK, kChar = BPF_DEVCG_DEV_CHAR;
constexpr int64_t kAny = DeviceRule::kAny;

TEST(DeviceFilter, AllowsWhatTheRulesThatMatchAllowTogether) {
  std::vector<DeviceRule> rules = {{'c', kAny, kAny, kDeviceMake}, {'c', 1, 3, kDeviceAll}, {'c', 136, kAny, kDeviceAll},
                                   {'b', 7, 0, kDeviceRead},       {'a', 9, 9, kDeviceRead}, {'c', 9, 9, kDeviceWrite}};
  EXPECT_TRUE(allowed(rules, kChar, kDeviceRead | kDeviceWrite, 1, 3));
  EXPECT_FALSE(allowed(rules, kBlock, kDeviceRead, 1, 3));
  EXPECT_FALSE(allowed(rules, kChar, kDeviceRead, 1, 4));
  EXPECT_FALSE(allowed(rules, kChar, kDeviceRead, 2, 3));
  EXPECT_TRUE(allowed(rules, kChar, kDeviceMake, 1, 4));
  EXPECT_FALSE(allowed(rules, kChar, kDeviceMake | kDeviceRead, 1, 4));
  EXPECT_FALSE(allowed(rules, kBlock, kDeviceMake, 1, 4));
  EXPECT_TRUE(allowed(rules, kChar, kDeviceRead | kDeviceWrite, 136, 4711));
  EXPECT_TRUE(allowed(rules, kBlock, kDeviceRead, 7, 0));
  EXPECT_FALSE(allowed(rules, kBlock, kDeviceWrite, 7, 0));
  EXPECT_FALSE(allowed(rules, kBlock, kDeviceRead | kDeviceWrite, 7, 0));
  EXPECT_TRUE(allowed(rules, kChar, kDeviceRead | kDeviceWrite, 9, 9));
  EXPECT_TRUE(allowed(rules, kBlock, kDeviceRead, 9, 9));
  EXPECT_FALSE(allowed(rules, kBlock, kDeviceWrite, 9, 9));
  EXPECT_FALSE(allowed({}, kChar, kDeviceRead, 1, 3));
  EXPECT_TRUE(allowed({kEveryDevice}, kBlock, kDeviceAll, 254, 0));
}

TEST(DeviceFilter, ReadsAndWritesRulesAsTheControllerDoes) {
  EXPECT_EQ(*parse_device_access("rm"), kDeviceRead | kDeviceMake);
  EXPECT_EQ(*parse_device_access(""), kDeviceAll);
  EXPECT_EQ(parse_device_access("rx").error().message(), "invalid device mode: rx");
  EXPECT_EQ(device_rule_text({'c', 136, kAny, kDeviceAll}), "c 136:* rwm");
  EXPECT_EQ(device_rule_text({'b', 8, 1, kDeviceRead}), "b 8:1 r");
  for (std::string_view text : {"c 136:* rwm", "b 8:1 r", "a *:* m"}) EXPECT_EQ(device_rule_text(*parse_device_rule(text)), text);
  for (std::string_view text : {"", "c", "d 1:1 r", "c 1:1", "c 1 r", "c 1:1 ", "c 1:1 rwmr", "c 1:1 x", "c 1:1:1 r", "c 1:4294967296 r", "c -1:1 r"})
    EXPECT_EQ(parse_device_rule(text).error().message(), cat("invalid device cgroup rule format: '", text, "'"));
  auto writes = device_writes("/g", {{'a', 9, kAny, kDeviceRead}, {'c', 1, 3, kDeviceAll}});
  ASSERT_EQ(writes.size(), 4u);
  EXPECT_EQ(writes[0], (CgroupWrite{"/g/devices.deny", "a", false}));
  EXPECT_EQ(writes[1], (CgroupWrite{"/g/devices.allow", "b 9:* r", false}));
  EXPECT_EQ(writes[2], (CgroupWrite{"/g/devices.allow", "c 9:* r", false}));
  EXPECT_EQ(writes[3], (CgroupWrite{"/g/devices.allow", "c 1:3 rwm", false}));
}

CgroupHierarchy hierarchy(const char* mount_point, std::vector<std::string> controllers, bool v2) {
  return {mount_point, std::move(controllers), "/", v2};
}

TEST(DeviceFilter, IsPartOfEveryPlanOrThePlanFails) {
  std::vector<DeviceRule> null = {{'c', 1, 3, kDeviceAll}};
  CgroupFacts hybrid{CgroupMode::kHybrid, {hierarchy("/c/devices", {"devices"}, false), hierarchy("/c/unified", {}, true)}};
  auto plan = plan_cgroup(hybrid, "/a/b", {}, null);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->devices_in, "/c/unified/a/b");
  EXPECT_EQ(plan->devices_in, plan->born_in);
  EXPECT_EQ(plan->devices, null);
  EXPECT_TRUE(plan->join.empty());

  CgroupFacts v1{CgroupMode::kV1, {hierarchy("/c/devices", {"devices"}, false)}};
  plan = plan_cgroup(v1, "/a/b", {}, null);
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->devices_in, "/c/devices/a/b");
  EXPECT_EQ(plan->join, std::vector<std::string>{"/c/devices/a/b"});
  EXPECT_TRUE(plan_cgroup(v1, "/a/b", {}, {kEveryDevice})->devices_in.empty());

  for (const CgroupFacts& without : {CgroupFacts{}, CgroupFacts{CgroupMode::kV1, {hierarchy("/c/memory", {"memory"}, false)}}}) {
    EXPECT_EQ(plan_cgroup(without, "/a", {}, null).error().code(), Code::kUnsupported);
    EXPECT_EQ(plan_cgroup(without, "/a", {}, {}).error().code(), Code::kUnsupported);
    EXPECT_TRUE(plan_cgroup(without, "/a", {}, {kEveryDevice}));
  }
}

// What a process in such a group gets for opening /dev/null and /dev/zero, as errnos.
std::pair<int, int> opens_in(const CgroupPlan& plan) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {-1, -1};
  pid_t child = fork();
  if (child == 0) {
    std::vector<std::string> groups = plan.join;
    if (!plan.born_in.empty()) groups.push_back(plan.born_in);
    for (const std::string& group : groups)
      if (!write_existing(group + "/cgroup.procs", "0")) _exit(1);
    int errors[2] = {open("/dev/null", O_RDWR) < 0 ? errno : 0, open("/dev/zero", O_RDONLY) < 0 ? errno : 0};
    _exit(write(ends[1], errors, sizeof errors) == sizeof errors ? 0 : 1);
  }
  close(ends[1]);
  int errors[2] = {-1, -1};
  (void)!read(ends[0], errors, sizeof errors);
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return {errors[0], errors[1]};
}

// On a host with both kinds each is tried. Needs root.
TEST(DeviceFilter, HoldsProcessesToTheirDevices) {
  if (geteuid() != 0) GTEST_SKIP() << "cgroups need root";
  auto facts = read_cgroup_facts();
  ASSERT_TRUE(facts);
  CgroupFacts v1 = *facts;
  std::erase_if(v1.hierarchies, [](const CgroupHierarchy& h) { return h.v2 || !h.has("devices"); });
  v1.mode = CgroupMode::kV1;
  int tried = 0;
  for (const CgroupFacts& host : {*facts, v1}) {
    if (host.hierarchies.empty()) continue;
    ++tried;
    Cgroup group(host, cat("/kobuk-test-", random_hex(8)));
    auto plan = plan_cgroup(host, group.path(), {}, {{'c', 1, 3, kDeviceAll}, {'c', 1, 5, kDeviceWrite}});
    ASSERT_TRUE(plan) << plan.error().message();
    auto made = make_cgroup(*plan);
    ASSERT_TRUE(made) << made.error().message();
    EXPECT_EQ(opens_in(*plan), std::pair(0, EPERM)) << plan->devices_in;
    EXPECT_TRUE(group.remove());
  }
  EXPECT_GT(tried, 0);
}

}  // namespace
}  // namespace kobuk::sys
