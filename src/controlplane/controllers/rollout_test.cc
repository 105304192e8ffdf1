#include "controlplane/controllers/rollout.h"

#include <gtest/gtest.h>

#include <map>

namespace kobuk::controlplane {
namespace {

TEST(RolloutBounds, SurgeRoundsUpAndUnavailableDown) {
  auto bounds = resolve_bounds("25%", "25%", 3);
  ASSERT_TRUE(bounds);
  EXPECT_EQ(bounds->max_surge, 1);
  EXPECT_EQ(bounds->max_unavailable, 0);
}

TEST(RolloutBounds, BothZeroWouldNeverMove) {
  auto bounds = resolve_bounds("0%", "0", 10);
  ASSERT_TRUE(bounds);
  EXPECT_EQ(bounds->max_unavailable, 1);
}

TEST(RolloutBounds, RefusesWhatIsNoNumber) {
  for (auto text : {"", "x", "-1", "1.5", "%", "10%%"}) EXPECT_FALSE(resolve_bounds(text, "1", 3)) << text;
}

TEST(Rollout, FirstSetGetsAllReplicas) {
  auto sizes = next_sizes({.replicas = 3, .max_surge = 1}, {.name = "new"}, {});
  ASSERT_EQ(sizes.size(), 1u);
  EXPECT_EQ(sizes[0].replicas, 3);
}

TEST(Rollout, PausedDoesNotStartANewSet) {
  EXPECT_TRUE(next_sizes({.replicas = 3, .max_surge = 1, .paused = true}, {.name = "new"}, {}).empty());
}

TEST(Rollout, RecreateWaitsForOldPodsToBeGone) {
  Rollout rollout{.replicas = 2, .strategy = RolloutStrategy::kRecreate};
  auto sizes = next_sizes(rollout, {.name = "new"}, {{.name = "old", .wanted = 2, .actual = 2, .available = 2}});
  ASSERT_EQ(sizes.size(), 1u);
  EXPECT_EQ(sizes[0].name, "old");
  EXPECT_EQ(sizes[0].replicas, 0);
  EXPECT_TRUE(next_sizes(rollout, {.name = "new"}, {{.name = "old", .wanted = 0, .actual = 1}}).empty());
  sizes = next_sizes(rollout, {.name = "new"}, {{.name = "old"}});
  ASSERT_EQ(sizes.size(), 1u);
  EXPECT_EQ(sizes[0].replicas, 2);
}

TEST(Rollout, UnhealthyOldPodsGoFirst) {
  Rollout rollout{.replicas = 4, .max_surge = 1, .max_unavailable = 1};
  auto sizes = next_sizes(rollout, {.name = "new", .wanted = 1, .actual = 1, .available = 0},
                          {{.name = "old", .wanted = 4, .actual = 4, .available = 3}});
  ASSERT_EQ(sizes.size(), 1u);
  EXPECT_EQ(sizes[0].replicas, 3);
}

TEST(Rollout, PausedScalesInProportion) {
  Rollout rollout{.replicas = 10, .max_surge = 0, .max_unavailable = 1, .paused = true};
  auto sizes = next_sizes(rollout, {.name = "new", .wanted = 2, .max_replicas = 5},
                          {{.name = "old", .wanted = 3, .max_replicas = 5}});
  std::map<std::string, int32_t> by_name;
  for (const Resize& size : sizes) by_name[size.name] = size.replicas;
  EXPECT_EQ(by_name["old"], 6);
  EXPECT_EQ(by_name["new"], 4);
}

// The example of the documentation: 10 replicas with surge 3 in the middle of a rollout grow to 15.
TEST(Rollout, ScalingKeepsTheShapeOfARollout) {
  Rollout rollout{.replicas = 15, .max_surge = 3, .max_unavailable = 2};
  auto sizes = scale_sizes(rollout, {.name = "new", .wanted = 5, .max_replicas = 13}, {{.name = "old", .wanted = 8, .max_replicas = 13}});
  std::map<std::string, int32_t> by_name;
  for (const Resize& size : sizes) by_name[size.name] = size.replicas;
  EXPECT_EQ(by_name["old"], 11);
  EXPECT_EQ(by_name["new"], 7);
}

TEST(Rollout, ScalingToNothingTakesEveryPod) {
  auto sizes = scale_sizes({.replicas = 0, .max_surge = 1}, {.name = "new", .wanted = 1}, {{.name = "old", .wanted = 3}});
  ASSERT_EQ(sizes.size(), 2u);
  EXPECT_EQ(sizes[0].replicas + sizes[1].replicas, 0);
}

// Whatever the bounds: replicas + surge is never passed, available pods never fall below replicas - unavailable,
// and the rollout ends with all pods in the new set.
class RolloutToTheEnd : public testing::TestWithParam<std::tuple<int, int, int>> {};

TEST_P(RolloutToTheEnd, StaysWithinBounds) {
  auto [replicas, surge, unavailable] = GetParam();
  if (surge == 0 && unavailable == 0) unavailable = 1;  // as resolve_bounds does
  Rollout rollout{.replicas = replicas, .max_surge = surge, .max_unavailable = unavailable};
  SetSize current{.name = "new", .created = 2};
  SetSize old{.name = "old", .wanted = replicas, .actual = replicas, .available = replicas, .created = 1};
  int steps = 0;
  for (; steps < 200; ++steps) {
    std::vector<Resize> sizes = next_sizes(rollout, current, {old});
    for (const Resize& size : sizes) {
      SetSize& set = size.name == "new" ? current : old;
      set.wanted = set.actual = size.replicas;
      set.available = std::min(set.available, set.wanted);
    }
    ASSERT_LE(current.wanted + old.wanted, replicas + surge);
    ASSERT_GE(current.available + old.available, replicas - unavailable);
    if (current.available == replicas && old.wanted == 0) break;
    if (sizes.empty()) {
      ASSERT_LT(current.available, current.wanted) << "stuck";
      ++current.available;
    }
  }
  EXPECT_EQ(current.wanted, replicas);
  EXPECT_EQ(old.wanted, 0);
}

INSTANTIATE_TEST_SUITE_P(Bounds, RolloutToTheEnd,
                         testing::Combine(testing::Values(1, 3, 10), testing::Values(0, 1, 3), testing::Values(0, 1, 2)));

}  // namespace
}  // namespace kobuk::controlplane
