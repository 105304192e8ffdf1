// Plans are data: what the defaults make of a container, written out. KOBUK_ACCEPT_GOLDEN=1 takes what is there now.
#include "runtime/plan.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "runtime/defaults.h"
#include "runtime/testing/host.h"
#include "sys/file.h"

namespace kobuk::runtime {
namespace {

using testing::host;

void expect_golden(const std::string& name, const ContainerSpec& spec) {
  auto plan = make_plan(spec, host());
  ASSERT_TRUE(plan) << plan.error().message();
  std::string path = cat("src/runtime/testing/", name, ".golden");  // tests run in the root of the checkout
  std::string text = describe(*plan);
  if (getenv("KOBUK_ACCEPT_GOLDEN")) ASSERT_TRUE(sys::write_file(path, text));
  auto wanted = sys::read_file(path);
  ASSERT_TRUE(wanted) << wanted.error().message();
  EXPECT_EQ(text, *wanted);
  auto decoded = decode_plan(encode_plan(*plan));
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_EQ(describe(*decoded), text) << "it crosses to the monitor whole";
}

ContainerSpec container() {
  ContainerSpec spec = default_container_spec("c", host());
  spec.process.args = {"nginx", "-g", "daemon off;"};
  spec.rootfs = {.lower = {"/layers/b", "/layers/a"}, .upper = "/c/upper", .work = "/c/work", .path = {}};
  spec.cgroup_path = "/kobuk-default/docker/c";
  spec.limits.memory_max = 64 << 20;
  spec.mounts.push_back({.destination = "/data", .source = "/srv/data", .type = "bind", .options = {"rbind", "ro"}});
  return spec;
}

TEST(Plan, OfAContainer) { expect_golden("container", container()); }

TEST(Plan, OfAPrivilegedContainer) {
  ContainerSpec spec = container();
  make_privileged(spec, host());
  expect_golden("privileged", spec);
}

TEST(Plan, OfASandbox) {
  ContainerSpec spec = default_sandbox_spec("pod", host());
  spec.cgroup_path = "/kobuk-default/pods/pod";
  expect_golden("sandbox", spec);
}

TEST(Plan, WhatMakesNoSenseIsRefused) {
  auto refused = [](auto change) {
    ContainerSpec spec = container();
    change(spec);
    auto plan = make_plan(spec, host());
    return plan ? std::string("accepted") : plan.error().message();
  };
  EXPECT_NE(refused([](auto& s) { s.process.args.clear(); }), "accepted");
  EXPECT_NE(refused([](auto& s) { s.rootfs = {}; }), "accepted");
  EXPECT_NE(refused([](auto& s) { s.id = "../c"; }), "accepted");
  EXPECT_NE(refused([](auto& s) { s.cgroup_path.clear(); }), "accepted") << "devices are held by the group";
  EXPECT_NE(refused([](auto& s) { s.mounts.back().destination = "data"; }), "accepted");
  EXPECT_NE(refused([](auto& s) { s.sysctls["kernel.panic"] = "1"; }), "accepted") << "of the host, not of a namespace";
}

}  // namespace
}  // namespace kobuk::runtime
