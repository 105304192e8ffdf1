#include "controlplane/scheduler/fit.h"

#include <gtest/gtest.h>

namespace kobuk::controlplane {
namespace {

Candidate node(std::string name, int64_t cpu = 2000) {
  Candidate out{.name = std::move(name)};
  out.labels = {{"kubernetes.io/hostname", out.name}, {"cores", "8"}};
  out.allocatable = {.cpu = {cpu}, .memory = {4'000'000'000}, .pods = 110};
  return out;
}

PendingPod pod(int64_t cpu = 100) {
  return {.requests = {.cpu = {cpu}, .memory = {1'000'000}, .pods = 1}};
}

TEST(Fit, GoesWhereThereIsMostRoom) {
  Candidate busy = node("busy"), idle = node("idle");
  busy.requested.cpu = {1500};
  EXPECT_EQ(place(pod(), {busy, idle}).node, "idle");
}

TEST(Fit, SaysWhatIsMissing) {
  Candidate full = node("full", 50), closed = node("closed");
  closed.unschedulable = true;
  EXPECT_EQ(place(pod(), {full, closed}).why,
            "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.");
  EXPECT_EQ(place(pod(), {}).why, "no nodes available to schedule pods");
}

TEST(Fit, EveryShortageIsNamed) {
  PendingPod greedy = pod(9000);
  greedy.requests.memory = {9'000'000'000};
  greedy.requests.extended["example.com/gpu"] = 1;
  EXPECT_EQ(place(greedy, {node("a")}).why,
            "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient example.com/gpu, 1 Insufficient memory.");
}

TEST(Fit, PodCountIsABound) {
  Candidate full = node("full");
  full.requested.pods = 110;
  EXPECT_EQ(place(pod(), {full}).why, "0/1 nodes are available: 1 Too many pods.");
}

TEST(Fit, TaintsNeedTolerations) {
  Candidate tainted = node("tainted");
  tainted.taints = {{"dedicated", "db", "NoSchedule"}};
  EXPECT_EQ(place(pod(), {tainted}).why, "0/1 nodes are available: 1 node(s) had untolerated taint(s) {dedicated: db}.");
  PendingPod tolerant = pod();
  tolerant.tolerations = {{"dedicated", "Equal", "db", "NoSchedule"}};
  EXPECT_EQ(place(tolerant, {tainted}).node, "tainted");
  tolerant.tolerations = {{"dedicated", "Equal", "web", ""}};
  EXPECT_EQ(place(tolerant, {tainted}).node, "");
  tolerant.tolerations = {{"", "Exists", "", ""}};
  EXPECT_EQ(place(tolerant, {tainted}).node, "tainted");
}

TEST(Fit, DiscouragedNodesComeLast) {
  Candidate discouraged = node("discouraged"), busy = node("busy");
  discouraged.taints = {{"old", "", "PreferNoSchedule"}};
  busy.requested.cpu = {1500};
  EXPECT_EQ(place(pod(), {discouraged, busy}).node, "busy");
  EXPECT_EQ(place(pod(), {discouraged}).node, "discouraged");
}

TEST(Fit, SelectorsOfEveryOperator) {
  auto labels = node("a").labels;
  EXPECT_TRUE(matches({{"cores", "In", {"4", "8"}}}, labels));
  EXPECT_FALSE(matches({{"cores", "NotIn", {"8"}}}, labels));
  EXPECT_TRUE(matches({{"absent", "NotIn", {"8"}}}, labels));
  EXPECT_TRUE(matches({{"cores", "Exists", {}}, {"absent", "DoesNotExist", {}}}, labels));
  EXPECT_TRUE(matches({{"cores", "Gt", {"7"}}}, labels));
  EXPECT_FALSE(matches({{"cores", "Lt", {"8"}}}, labels));
  EXPECT_FALSE(matches({{"kubernetes.io/hostname", "Gt", {"1"}}}, labels));
  EXPECT_FALSE(matches({}, labels));
}

TEST(Fit, NodeSelectorAndAffinityBothHold) {
  PendingPod picky = pod();
  picky.node_selector = {{"cores", "8"}};
  picky.required_affinity = {{{"kubernetes.io/hostname", "In", {"b"}}}};
  EXPECT_EQ(place(picky, {node("a"), node("b")}).node, "b");
  EXPECT_EQ(place(picky, {node("a")}).why,
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.");
}

TEST(Fit, HostPortsClashByAddress) {
  PendingPod wants = pod();
  wants.host_ports = {{.port = 80}};
  Candidate taken = node("taken");
  taken.used_ports = {{.address = "127.0.0.1", .port = 80}};
  EXPECT_EQ(place(wants, {taken}).node, "");
  wants.host_ports[0].protocol = "UDP";
  EXPECT_EQ(place(wants, {taken}).node, "taken");
}

}  // namespace
}  // namespace kobuk::controlplane
