#include "engine/container_spec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "engine/seccomp_profile.h"
#include "runtime/defaults.h"
#include "sys/capability.h"
#include "sys/device_filter.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

sys::HostFacts facts() {
  sys::HostFacts out;
  out.kernel_major = 6, out.kernel_minor = 1, out.machine = "x86_64", out.seccomp = true;
  out.last_capability = 40, out.own_capabilities = (uint64_t{1} << 41) - 1;
  return out;
}

uint64_t bit(const char* name) { return sys::capability_bit(*sys::capability_number(name)); }

ContainerRecord shell() {
  ContainerRecord out;
  out.id = "c1", out.args = {"/bin/sh"}, out.hostname = "h";
  return out;
}

const runtime::Mount* mount_at(const runtime::ContainerSpec& spec, std::string_view destination) {
  for (const runtime::Mount& mount : spec.mounts)
    if (mount.destination == destination) return &mount;
  return nullptr;
}

bool has_namespace(const runtime::ContainerSpec& spec, runtime::NamespaceKind kind) {
  return std::any_of(spec.namespaces.begin(), spec.namespaces.end(), [&](const auto& n) { return n.kind == kind; });
}

TEST(ContainerSpec, CapabilitiesAsDockerAddsAndDropsThem) {
  ContainerRecord record = shell();
  EXPECT_EQ(*capabilities_of(record, facts()), runtime::default_capabilities());
  record.cap_drop = {"ALL"}, record.cap_add = {"NET_ADMIN"};
  EXPECT_EQ(*capabilities_of(record, facts()), bit("NET_ADMIN"));
  record.cap_drop = {"CHOWN"}, record.cap_add = {"ALL"};
  EXPECT_EQ(*capabilities_of(record, facts()), facts().own_capabilities & ~bit("CHOWN"));
  record.cap_drop = {}, record.cap_add = {"NONSENSE"};
  ASSERT_FALSE(capabilities_of(record, facts()));
}

TEST(ContainerSpec, HostModesShareAndPathsJoin) {
  ContainerRecord record = shell();
  record.network_mode = "host", record.pid_mode = "host";
  auto spec = make_container_spec(record, {.ipc_namespace = "/proc/7/ns/ipc"}, facts());
  ASSERT_TRUE(spec);
  EXPECT_FALSE(has_namespace(*spec, runtime::NamespaceKind::kNetwork));
  EXPECT_FALSE(has_namespace(*spec, runtime::NamespaceKind::kPid));
  EXPECT_TRUE(has_namespace(*spec, runtime::NamespaceKind::kMount));
  for (const auto& n : spec->namespaces)
    if (n.kind == runtime::NamespaceKind::kIpc) EXPECT_EQ(n.path, "/proc/7/ns/ipc");
}

TEST(ContainerSpec, MountsReplaceDefaultsAndParentsComeFirst) {
  ContainerRecord record = shell();
  record.mounts = {{.type = MountType::kBind, .source = "/x", .destination = "/a/b", .readonly = true},
                   {.type = MountType::kVolume, .source = "v", .destination = "/a"},
                   {.type = MountType::kTmpfs, .destination = "/dev/shm", .options = "size=1m,exec"}};
  auto spec = make_container_spec(record, {.volumes = {{"v", "/volumes/v"}}}, facts());
  ASSERT_TRUE(spec) << spec.error().message();
  EXPECT_LT(mount_at(*spec, "/a"), mount_at(*spec, "/a/b"));
  EXPECT_EQ(mount_at(*spec, "/a")->source, "/volumes/v");
  auto options = mount_at(*spec, "/a/b")->options;
  EXPECT_NE(std::find(options.begin(), options.end(), "ro"), options.end());
  auto shm = mount_at(*spec, "/dev/shm")->options;
  EXPECT_EQ(std::count(shm.begin(), shm.end(), "noexec"), 0);
  EXPECT_EQ(std::count_if(spec->mounts.begin(), spec->mounts.end(), [](const auto& m) { return m.destination == "/dev/shm"; }), 1);
}

TEST(ContainerSpec, PrivilegedHasNoMasksAndNoFilter) {
  ContainerRecord record = shell();
  record.privileged = true;
  auto spec = make_container_spec(record, {}, facts());
  ASSERT_TRUE(spec);
  EXPECT_FALSE(spec->seccomp);
  EXPECT_TRUE(spec->masked_paths.empty());
  EXPECT_EQ(spec->process.capabilities.effective, facts().own_capabilities);
}

TEST(ContainerSpec, WrongUlimitsAndDevicesAreNamed) {
  EXPECT_EQ(make_rlimit({"nofile", 10, 5}).error().message(), "ulimit soft limit must be less than or equal to hard limit: 10 > 5");
  EXPECT_EQ(make_rlimit({"nope", 1, 1}).error().message(), "invalid ulimit type: nope");
  EXPECT_TRUE(make_rlimit({"nofile", 10, -1}));
  ContainerRecord record = shell();
  record.devices = {{"/dev/there-is-none", "", "rwm"}};
  EXPECT_FALSE(make_container_spec(record, {}, facts()));
}

TEST(ContainerSpec, DevicesComeWithTheirPermissions) {
  ContainerRecord record = shell();
  record.devices = {{"/dev/full", "/dev/mine", "r"}, {"/dev/zero", "", ""}};
  auto spec = make_container_spec(record, {}, facts());
  ASSERT_TRUE(spec) << spec.error().message();
  auto rules = runtime::default_device_rules();
  rules.push_back({'c', 1, 7, sys::kDeviceRead});
  rules.push_back({'c', 1, 5, sys::kDeviceAll});
  EXPECT_EQ(spec->device_rules, rules);
  record.devices[0].permissions = "rq";
  EXPECT_EQ(make_container_spec(record, {}, facts()).error().message(), "invalid device mode: rq");
  record.devices.clear();
  record.privileged = true;
  auto privileged = make_container_spec(record, {}, facts());
  EXPECT_TRUE(sys::allows_every_device(privileged->device_rules));
  auto has = [&](std::string_view path) { return std::ranges::count(privileged->devices, path, &runtime::Device::path); };
  EXPECT_EQ(has("/dev/kmsg"), 1);
  EXPECT_EQ(has("/dev/null"), 1);
  EXPECT_EQ(has("/dev/console"), 0);
  record.origin = Origin::kSandbox, record.privileged = false;
  EXPECT_TRUE(make_container_spec(record, {}, facts())->device_rules.empty());
}

TEST(ContainerSpec, AFolderOfDevicesIsAllOfThem) {
  if (geteuid() != 0) GTEST_SKIP() << "only root makes devices";
  char name[] = "/tmp/devices-test-XXXXXX";
  const std::string folder = mkdtemp(name);
  ASSERT_TRUE(sys::make_directories(cat(folder, "/deep"), 0755));
  ASSERT_EQ(mknod(cat(folder, "/a").c_str(), S_IFCHR | 0640, makedev(1, 3)), 0);
  ASSERT_EQ(mknod(cat(folder, "/deep/b").c_str(), S_IFCHR | 0600, makedev(1, 5)), 0);
  ASSERT_TRUE(sys::write_file(cat(folder, "/file"), ""));
  ContainerRecord record = shell();
  record.devices = {{cat(folder, "/"), "/dev/mine", "r"}};
  auto spec = make_container_spec(record, {}, facts());
  ASSERT_TRUE(spec) << spec.error().message();
  std::vector<std::pair<std::string, uint32_t>> found;
  for (const auto& device : spec->devices)
    if (device.path.starts_with("/dev/mine")) found.emplace_back(device.path, device.minor);
  std::ranges::sort(found);
  EXPECT_EQ(found, (std::vector<std::pair<std::string, uint32_t>>{{"/dev/mine/a", 3}, {"/dev/mine/deep/b", 5}}));
  EXPECT_EQ(std::ranges::count(spec->device_rules, sys::DeviceRule{'c', 1, 5, sys::kDeviceRead}), 1);
  record.devices = {{cat(folder, "/file"), "", "r"}};
  EXPECT_THAT(make_container_spec(record, {}, facts()).error().message(), ::testing::EndsWith("not a device node"));
  EXPECT_TRUE(sys::remove_tree(folder));
}

TEST(ContainerSpec, CgroupsStayBelowTheProfilesRoot) {
  ContainerRecord record = shell();
  EXPECT_EQ(cgroup_path_of(record, "/kobuk-x"), "/kobuk-x/docker/c1");
  record.cgroup_parent = "/kobuk-x/pods/p1";
  EXPECT_EQ(cgroup_path_of(record, "/kobuk-x"), "/kobuk-x/pods/p1/c1");
  record.cgroup_parent = "/system.slice";
  EXPECT_EQ(cgroup_path_of(record, "/kobuk-x"), "/kobuk-x/system.slice/c1");
}

TEST(SeccompProfile, IncludesAndExcludes) {
  constexpr const char* kProfile = R"({"defaultAction":"SCMP_ACT_ERRNO","defaultErrnoRet":38,
    "archMap":[{"architecture":"SCMP_ARCH_X86_64","subArchitectures":["SCMP_ARCH_X86"]},{"architecture":"SCMP_ARCH_AARCH64","subArchitectures":["SCMP_ARCH_ARM"]}],
    "syscalls":[{"names":["read"],"action":"SCMP_ACT_ALLOW"},
                {"names":["mount"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
                {"names":["clone"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"]},"args":[{"index":0,"value":2114060288,"op":"SCMP_CMP_MASKED_EQ"}]},
                {"names":["arm_only"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["arm64"]}}]})";
  auto plain = parse_seccomp_profile(kProfile, "x86_64", 0);
  ASSERT_TRUE(plain) << plain.error().message();
  ASSERT_EQ(plain->rules.size(), 2u);
  EXPECT_EQ(plain->rules[1].names.front(), "clone");
  EXPECT_EQ(plain->default_error, 38u);
  EXPECT_EQ(plain->architectures, std::vector<std::string>{"x86"});
  auto admin = parse_seccomp_profile(kProfile, "x86_64", bit("SYS_ADMIN"));
  EXPECT_EQ(admin->rules[1].names.front(), "mount");
  EXPECT_FALSE(parse_seccomp_profile(R"({"defaultAction":"SCMP_ACT_WHAT"})", "x86_64", 0));
  EXPECT_FALSE(parse_seccomp_profile("[]", "x86_64", 0));
}

}  // namespace
}  // namespace kobuk::engine
