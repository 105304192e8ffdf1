#include "controlplane/controllers/replicas.h"

#include <gtest/gtest.h>

namespace kobuk::controlplane {
namespace {

OwnedPod running(std::string name) {
  return {.name = std::move(name), .assigned = true, .ready = true, .phase = OwnedPod::Phase::kRunning};
}

TEST(Replicas, CreatesWhatIsMissing) {
  EXPECT_EQ(plan_replicas(3, {running("a")}).create, 2);
  EXPECT_EQ(plan_replicas(3, {}, 2).create, 2) << "bounded by the burst";
}

TEST(Replicas, TerminatingAndFinishedPodsAreReplaced) {
  OwnedPod terminating = running("a"), finished = running("b");
  terminating.terminating = true;
  finished.finished = true;
  EXPECT_EQ(plan_replicas(1, {terminating, finished}).create, 1);
}

TEST(Replicas, RemovesTheLeastUsefulFirst) {
  OwnedPod pending{.name = "pending", .assigned = true};
  OwnedPod unassigned{.name = "unassigned"};
  OwnedPod unready = running("unready");
  unready.ready = false;
  OwnedPod cheap = running("cheap");
  cheap.deletion_cost = -1;
  auto plan = plan_replicas(1, {running("good"), cheap, unready, pending, unassigned});
  EXPECT_EQ(plan.remove, (std::vector<std::string>{"unassigned", "pending", "unready", "cheap"}));
}

TEST(Replicas, AmongEqualsTheYoungestGoes) {
  OwnedPod young = running("young"), old = running("old");
  young.ready_since = 200;
  old.ready_since = 100;
  EXPECT_EQ(plan_replicas(1, {old, young}).remove, std::vector<std::string>{"young"});
}

TEST(Replicas, ANegativeNumberIsNone) { EXPECT_EQ(plan_replicas(-1, {running("a")}).remove.size(), 1u); }

}  // namespace
}  // namespace kobuk::controlplane
