#include "controlplane/controllers/replicas.h"

#include <gtest/gtest.h>

namespace kobuk::controlplane {
namespace {

OwnedPod running(std::string name) {
  return {.name = std::move(name), .assigned = true, .ready = true, .phase = OwnedPod::Phase::kRunning};
}

TEST(Replicas, CreatesWhatIsMissing) {
  EXPECT_EQ(plan_replicas(3, {running("a")}, 0).create, 2);
  EXPECT_EQ(plan_replicas(3, {}, 0, 2).create, 2) << "bounded by the burst";
}

TEST(Replicas, TerminatingAndFinishedPodsAreReplaced) {
  OwnedPod terminating = running("a"), finished = running("b");
  terminating.terminating = true;
  finished.finished = true;
  EXPECT_EQ(plan_replicas(1, {terminating, finished}, 0).create, 1);
}

TEST(Replicas, RemovesTheLeastUsefulFirst) {
  OwnedPod pending{.name = "pending", .assigned = true};
  OwnedPod unassigned{.name = "unassigned"};
  OwnedPod unready = running("unready");
  unready.ready = false;
  OwnedPod cheap = running("cheap");
  cheap.deletion_cost = -1;
  auto plan = plan_replicas(1, {running("good"), cheap, unready, pending, unassigned}, 0);
  EXPECT_EQ(plan.remove, (std::vector<std::string>{"unassigned", "pending", "unready", "cheap"}));
}

TEST(Replicas, AmongEqualsTheYoungestGoes) {
  OwnedPod young = running("young"), old = running("old");
  young.ready_since = 200;
  old.ready_since = 100;
  EXPECT_EQ(plan_replicas(1, {old, young}, 210).remove, std::vector<std::string>{"young"});
}

TEST(Replicas, CrowdedNodesGiveFirst) {
  OwnedPod alone = running("alone"), crowded = running("crowded");
  alone.neighbours = 1;
  crowded.neighbours = 2;
  alone.ready_since = 200, crowded.ready_since = 100;
  EXPECT_EQ(plan_replicas(1, {alone, crowded}, 210).remove, std::vector<std::string>{"crowded"});
}

TEST(Replicas, ANegativeNumberIsNone) { EXPECT_EQ(plan_replicas(-1, {running("a")}, 0).remove.size(), 1u); }

}  // namespace
}  // namespace kobuk::controlplane
