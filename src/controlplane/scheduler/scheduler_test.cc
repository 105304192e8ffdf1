// The scheduler against the real API server, and its queue and state alone.
#include "controlplane/scheduler/scheduler.h"

#include <gtest/gtest.h>

#include <chrono>
#include <map>

#include "controlplane/controllers/objects.h"
#include "controlplane/scheduler/cluster_state.h"
#include "controlplane/scheduler/scheduling_queue.h"
#include "controlplane/testing/cluster.h"

namespace kobuk::controlplane {
namespace {

using namespace testing;  // NOLINT: the fixture's words
using namespace std::chrono_literals;

TEST(SchedulingQueue, TakesTheUrgentAndThenTheOldest) {
  SchedulingQueue queue;
  queue.add("old", 0);
  queue.add("new", 0);
  queue.add("urgent", 5);
  EXPECT_EQ(queue.pop(), "urgent");
  EXPECT_EQ(queue.pop(), "old");
  EXPECT_EQ(queue.pop(), "new");
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(SchedulingQueue, WakesOnlyWhatAChangeMayHelp) {
  SchedulingQueue queue;
  MonoTime now{};
  queue.add("small", 0);
  queue.add("picky", 0);
  queue.add("lonely", 0);
  while (auto key = queue.pop()) queue.park(*key, {.room = *key == "small", .company = *key == "lonely"}, now);
  now += 2s;
  EXPECT_TRUE(queue.wake(SchedulingQueue::Change::kRoom, now));
  EXPECT_EQ(queue.pop(), "small");
  EXPECT_EQ(queue.pop(), std::nullopt);
  EXPECT_TRUE(queue.wake(SchedulingQueue::Change::kCompany, now));
  EXPECT_EQ(queue.pop(), "lonely");
  EXPECT_EQ(queue.pop(), std::nullopt);
  EXPECT_TRUE(queue.wake(SchedulingQueue::Change::kNode, now));
  EXPECT_EQ(queue.pop(), "picky");
}

TEST(SchedulingQueue, BacksOffEverLonger) {
  SchedulingQueue queue;
  MonoTime now{};
  queue.add("a", 0);
  for (Duration delay : {1s, 2s, 4s, 8s, 10s, 10s}) {
    queue.advance(now);
    ASSERT_EQ(queue.pop(), "a");
    queue.retry("a", now);
    EXPECT_EQ(queue.next_due(), now + delay);
    now += delay;
  }
  queue.advance(now);
  EXPECT_EQ(queue.pop(), "a");
  queue.remove("a");
  queue.retry("a", now);
  EXPECT_EQ(queue.next_due(), std::nullopt) << "it went while it was under way";
}

TEST(ClusterState, CountsPodsOnceAndBeforeTheirNodeIsSeen) {
  api::core::v1::Node node;
  node.metadata.name = "n";
  node.status.allocatable = {{"cpu", "2"}, {"memory", "1Gi"}, {"pods", "10"}};
  Pod pod;
  pod.spec.containers.resize(1);
  pod.spec.containers[0].resources.requests = {{"cpu", "300m"}};
  ClusterState state;
  state.put_pod("d/a", pod, "n");
  state.put_node(node);
  state.put_pod("d/a", pod, "n");
  EXPECT_EQ(state.nodes()[0].requested.cpu.value, 300);
  EXPECT_EQ(state.nodes()[0].requested.pods, 1);
  state.remove_node("n");
  state.put_node(node);
  EXPECT_EQ(state.nodes()[0].requested.cpu.value, 300);
  pod.status.phase = "Succeeded";
  state.put_pod("d/a", pod, "n");
  EXPECT_EQ(state.nodes()[0].requested.pods, 0);
}

TEST(ClusterState, InitContainersCountByTheirLargest) {
  Pod pod;
  auto container = [](std::string cpu, std::string policy = "") {
    api::core::v1::Container out;
    out.resources.requests = {{"cpu", cpu}};
    out.restart_policy = policy;
    return out;
  };
  pod.spec.containers = {container("100m"), container("200m")};
  pod.spec.init_containers = {container("250m")};
  EXPECT_EQ(pending_pod(pod).requests.cpu.value, 300);
  pod.spec.init_containers = {container("500m")};
  EXPECT_EQ(pending_pod(pod).requests.cpu.value, 500);
  pod.spec.init_containers = {container("50m", "Always"), container("500m")};
  EXPECT_EQ(pending_pod(pod).requests.cpu.value, 550) << "the sidecar runs beside the init container";
  pod.spec.overhead = {{"cpu", "10m"}};
  EXPECT_EQ(pending_pod(pod).requests.cpu.value, 560);
}

class SchedulerTest : public ::testing::Test {
 protected:
  std::string pod(std::string name, std::string spec = "", std::string labels = "app: x") {
    return cat("{apiVersion: v1, kind: Pod, metadata: {name: ", name, ", labels: {", labels, "}}, spec: {", spec, spec.empty() ? "" : ", ",
               "containers: [{name: c, image: i, resources: {requests: {cpu: 500m}}}]}}");
  }
  std::string node_of(std::string name) {
    auto found = cluster.find<Pod>(cat("default/", name));
    return found ? found->spec.node_name : "";
  }
  std::string why(std::string name) {
    auto found = cluster.find<Pod>(cat("default/", name));
    const auto* condition = found ? find_condition(*found, "PodScheduled") : nullptr;
    return condition != nullptr && condition->status == "False" ? condition->reason + ": " + condition->message : "";
  }
  TestCluster cluster{ClusterParts{.controllers = false}};
};

TEST_F(SchedulerTest, SaysWhyAndTriesAgainWhenSomethingChanges) {
  ASSERT_TRUE(cluster.create(pod("a")));
  ASSERT_TRUE(cluster.until([&] { return why("a") == "Unschedulable: no nodes available to schedule pods"; }));
  cluster.add_node("small", "400m");
  constexpr const char* kWhy =
      "Unschedulable: 0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for "
      "incoming pod.";
  ASSERT_TRUE(cluster.until([&] { return why("a") == kWhy; })) << why("a");
  ASSERT_TRUE(cluster.until([&] { return cluster.has_event("FailedScheduling", "0/1 nodes are available: 1 Insufficient cpu."); }));
  cluster.add_node("large");
  ASSERT_TRUE(cluster.until([&] { return node_of("a") == "large"; }));
  ASSERT_TRUE(cluster.until([&] { return cluster.has_event("Scheduled", "Successfully assigned default/a to large"); }));
}

TEST_F(SchedulerTest, APodThatGoesMakesRoom) {
  cluster.add_node("n", "600m");
  ASSERT_TRUE(cluster.create(pod("first")));
  ASSERT_TRUE(cluster.until([&] { return node_of("first") == "n"; }));
  ASSERT_TRUE(cluster.create(pod("second")));
  ASSERT_TRUE(cluster.until([&] { return !why("second").empty(); }));
  ASSERT_TRUE(cluster.remove(kPods, "default", "first"));
  ASSERT_TRUE(cluster.until([&] { return node_of("second") == "n"; }));
}

TEST_F(SchedulerTest, SeesTaintsAndCordons) {
  cluster.add_node("n");
  ASSERT_TRUE(cluster.patch(kNodes, "", "n", R"({"spec":{"unschedulable":true}})"));
  cluster.settle();
  ASSERT_TRUE(cluster.create(pod("a")));
  ASSERT_TRUE(cluster.until([&] { return why("a").find("1 node(s) were unschedulable. preemption: 0/1 nodes are available: 1 Preemption is not helpful") != std::string::npos; })) << why("a");
  ASSERT_TRUE(cluster.patch(kNodes, "", "n", R"({"spec":{"unschedulable":null,"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]}})"));
  ASSERT_TRUE(cluster.until([&] { return why("a").find("1 node(s) had untolerated taint(s) {k: v}") != std::string::npos; })) << why("a");
  ASSERT_TRUE(cluster.patch(kNodes, "", "n", R"({"spec":{"taints":null}})"));
  ASSERT_TRUE(cluster.until([&] { return node_of("a") == "n"; }));
}

TEST_F(SchedulerTest, SpreadsPodsOfOneOwner) {
  for (auto name : {"n1", "n2", "n3"}) cluster.add_node(name);
  std::map<std::string, int> on;
  for (int i = 0; i < 6; ++i) {
    ASSERT_TRUE(cluster.create(cat("{apiVersion: v1, kind: Pod, metadata: {name: p", i,
                                   ", ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: r, uid: u, controller: true}]}, "
                                   "spec: {containers: [{name: c, image: i}]}}")));
  }
  ASSERT_TRUE(cluster.until([&] {
    on.clear();
    for (int i = 0; i < 6; ++i) ++on[node_of(cat("p", i))];
    return !on.contains("");
  }));
  for (const auto& [name, count] : on) EXPECT_EQ(count, 2) << name;
}

TEST_F(SchedulerTest, HoldsAntiAffinityWithinOneRound) {
  for (auto name : {"n1", "n2"}) cluster.add_node(name);
  constexpr const char* kApart =
      "affinity: {podAntiAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: "
      "{matchLabels: {app: x}}}]}}";
  for (auto name : {"a", "b", "c"}) ASSERT_TRUE(cluster.create(pod(name, kApart)));
  ASSERT_TRUE(cluster.until([&] { return !why("a").empty() || !why("b").empty() || !why("c").empty(); }));
  EXPECT_NE(node_of("a"), node_of("b"));
  EXPECT_NE(why("c").find("2 node(s) didn't match pod anti-affinity rules"), std::string::npos) << why("c");
}

TEST_F(SchedulerTest, APodThatComesMakesOthersFit) {
  cluster.add_node("n1");
  constexpr const char* kNear =
      "affinity: {podAffinity: {requiredDuringSchedulingIgnoredDuringExecution: [{topologyKey: kubernetes.io/hostname, labelSelector: "
      "{matchLabels: {app: db}}}]}}";
  ASSERT_TRUE(cluster.create(pod("web", kNear)));
  ASSERT_TRUE(cluster.until([&] { return why("web").find("1 node(s) didn't match pod affinity rules") != std::string::npos; })) << why("web");
  ASSERT_TRUE(cluster.create(pod("db", "", "app: db")));
  ASSERT_TRUE(cluster.until([&] { return node_of("db") == "n1"; }));
  ASSERT_TRUE(cluster.until([&] { return node_of("web") == "n1"; }));
}

TEST_F(SchedulerTest, LeavesGatedAndForeignPodsAlone) {
  cluster.add_node("n");
  ASSERT_TRUE(cluster.create(pod("gated", "schedulingGates: [{name: example.com/wait}]")));
  ASSERT_TRUE(cluster.create(pod("foreign", "schedulerName: other")));
  ASSERT_TRUE(cluster.create(pod("plain")));
  ASSERT_TRUE(cluster.until([&] { return node_of("plain") == "n"; }));
  EXPECT_EQ(node_of("gated"), "");
  EXPECT_EQ(node_of("foreign"), "");
  ASSERT_TRUE(cluster.patch(kPods, "default", "gated", R"({"spec":{"schedulingGates":null}})"));
  ASSERT_TRUE(cluster.until([&] { return node_of("gated") == "n"; }));
}

TEST_F(SchedulerTest, FillsNodesExactly) {
  for (auto name : {"n1", "n2"}) cluster.add_node(name, "2");
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(cluster.create(pod(cat("p", i))));
  auto placed = [&] {
    int count = 0;
    for (int i = 0; i < 10; ++i) count += !node_of(cat("p", i)).empty();
    return count;
  };
  ASSERT_TRUE(cluster.until([&] { return placed() == 8; }));
  cluster.advance(20s);
  EXPECT_EQ(placed(), 8) << "8 × 500m fill 2 × 2 CPUs";
}

}  // namespace
}  // namespace kobuk::controlplane
