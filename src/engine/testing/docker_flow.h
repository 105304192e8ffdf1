// An engine in a process of its own, the real docker client, and an image busybox:latest, for the tests of a suite.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "base/strings.h"
#include "engine/testing/daemon.h"

namespace kobuk::engine::testing {

class DockerFlow : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (!missing().empty() || shell("docker --version").code != 0) return;
    if (!enter_own_network()) return;
    world = new World;
    daemon = new Daemon(*world);
    daemon->start();
    Output imported = daemon->docker(cat("import ", world->busybox_tar(), " busybox:latest"));
    EXPECT_EQ(imported.code, 0) << imported.text;
  }
  static void TearDownTestSuite() {
    delete std::exchange(daemon, nullptr);
    delete std::exchange(world, nullptr);
  }
  void SetUp() override {
    if (daemon == nullptr || !daemon->running()) GTEST_SKIP() << (missing().empty() ? "needs the docker client and a network namespace" : missing());
  }
  void TearDown() override {
    if (daemon != nullptr) docker("rm -f $(docker ps -aq) 2>/dev/null");
  }
  static Output docker(const std::string& arguments) { return daemon->docker(arguments); }
  // The output of a command that must succeed.
  static std::string ok(const std::string& arguments) {
    Output out = docker(arguments);
    EXPECT_EQ(out.code, 0) << "docker " << arguments << "\n" << out.text;
    return out.text;
  }
  static std::string refused(const std::string& arguments) {
    Output out = docker(arguments);
    EXPECT_NE(out.code, 0) << "docker " << arguments << "\n" << out.text;
    return out.text;
  }
  static inline World* world = nullptr;
  static inline Daemon* daemon = nullptr;
};

}  // namespace kobuk::engine::testing
