// Deletion and the life of namespaces and nodes against the real API server.
#include <gtest/gtest.h>

#include <chrono>

#include "controlplane/controllers/node_health.h"
#include "controlplane/controllers/ownership_graph.h"
#include "controlplane/testing/cluster.h"

namespace kobuk::controlplane {
namespace {

using namespace testing;  // NOLINT: the fixture's words
using namespace std::chrono_literals;
using api::apps::v1::ReplicaSet;
using api::core::v1::Namespace;

ObjectMeta meta(std::string uid, std::string owner = "", bool blocks = false) {
  ObjectMeta out;
  out.uid = out.name = std::move(uid);
  if (owner.empty()) return out;
  OwnerReference reference;
  reference.uid = std::move(owner);
  reference.block_owner_deletion = blocks;
  out.owner_references.push_back(reference);
  return out;
}

TEST(OwnershipGraph, ChecksWhatLosesItsOwner) {
  OwnershipGraph graph;
  EXPECT_TRUE(graph.put(0, meta("owner")).check.empty());
  EXPECT_TRUE(graph.put(0, meta("child", "owner")).check.empty());
  EXPECT_EQ(graph.remove("owner").check, std::vector<std::string>{"child"});
  EXPECT_EQ(graph.put(0, meta("late", "owner")).check, std::vector<std::string>{"late"}) << "its owner is not there";
}

TEST(OwnershipGraph, ForegroundWaitsForWhatBlocks) {
  OwnershipGraph graph;
  graph.put(0, meta("child", "owner", true));
  graph.put(0, meta("free", "owner", false));
  ObjectMeta owner = meta("owner");
  owner.deletion_timestamp = "2026-01-01T00:00:00Z";
  owner.finalizers = {"foregroundDeletion"};
  auto wake = graph.put(0, owner);
  EXPECT_EQ(wake.check.size(), 3u);
  EXPECT_EQ(graph.blocking(*graph.find("owner")), std::vector<std::string>{"child"});
  EXPECT_EQ(graph.remove("child").check, std::vector<std::string>{"owner"});
  EXPECT_TRUE(graph.blocking(*graph.find("owner")).empty());
}

TEST(NodeHealth, EvictsWhenATolerationEnds) {
  WallTime now = *parse_rfc3339("2026-01-01T00:01:00Z");
  Node node;
  Pod pod;
  EXPECT_FALSE(eviction_in(pod, node, now - 10s, now));
  node.spec.taints.resize(1);
  node.spec.taints[0].key = "node.kubernetes.io/unreachable";
  node.spec.taints[0].effect = "NoExecute";
  node.spec.taints[0].time_added = "2026-01-01T00:00:00Z";
  EXPECT_EQ(eviction_in(pod, node, now - 10s, now), 0s);
  pod.spec.tolerations.resize(1);
  pod.spec.tolerations[0].operator_ = "Exists";
  EXPECT_FALSE(eviction_in(pod, node, now - 10s, now));
  pod.spec.tolerations[0].toleration_seconds = 300;
  EXPECT_EQ(eviction_in(pod, node, now - 10s, now), 240s);
  node.spec.taints[0].time_added.clear();
  EXPECT_EQ(eviction_in(pod, node, now - 10s, now), 290s) << "kubectl taint notes no time";
  pod.spec.tolerations[0].toleration_seconds = INT64_MAX;
  EXPECT_GT(eviction_in(pod, node, now - 10s, now), 24h * 365);
}

class Lifecycle : public ::testing::Test {
 protected:
  Lifecycle() { cluster.add_node("n1"); }
  const std::string& ready_of(std::string node) { return find_condition(*cluster.find<Node>(node), "Ready")->status; }
  std::string taints(std::string node) {
    std::string out;
    for (const auto& taint : cluster.find<Node>(node)->spec.taints) cat_to(out, taint.key.substr(taint.key.find('/') + 1), ":", taint.effect, " ");
    return out;
  }
  TestCluster cluster;
};

TEST_F(Lifecycle, NamespacesGetAnAccountAndTheRootCa) {
  ASSERT_TRUE(cluster.create("{apiVersion: v1, kind: Namespace, metadata: {name: team}}"));
  ASSERT_TRUE(cluster.until([&] { return cluster.get({"", "v1", "serviceaccounts"}, "team", "default").has_value(); }));
  ASSERT_TRUE(cluster.until([&] { return cluster.get(kConfigMaps, "team", "kube-root-ca.crt").has_value(); }));
  EXPECT_NE(cluster.get(kConfigMaps, "team", "kube-root-ca.crt")->find("BEGIN CERTIFICATE"), std::string::npos);
  ASSERT_TRUE(cluster.patch(kConfigMaps, "team", "kube-root-ca.crt", R"({"data":{"ca.crt":"forged"}})"));
  ASSERT_TRUE(cluster.until([&] { return cluster.get(kConfigMaps, "team", "kube-root-ca.crt")->find("forged") == std::string::npos; }));
  ASSERT_TRUE(cluster.remove({"", "v1", "serviceaccounts"}, "team", "default"));
  ASSERT_TRUE(cluster.until([&] { return cluster.get({"", "v1", "serviceaccounts"}, "team", "default").has_value(); }));
}

TEST_F(Lifecycle, DeletesANamespaceWithAllThatIsInIt) {
  ASSERT_TRUE(cluster.create("{apiVersion: v1, kind: Namespace, metadata: {name: team}}"));
  ASSERT_TRUE(cluster.until([&] { return cluster.get({"", "v1", "serviceaccounts"}, "team", "default").has_value(); }));
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 3), "team"));
  ASSERT_TRUE(cluster.create("{apiVersion: v1, kind: ConfigMap, metadata: {name: held, finalizers: [example.com/hold]}}", "team"));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 3; }));
  ASSERT_TRUE(cluster.remove(kNamespaces, "", "team"));
  ASSERT_TRUE(cluster.until([&] {
    auto space = cluster.find<Namespace>("team");
    for (const auto& condition : space->status.conditions) {
      if (condition.type == "NamespaceFinalizersRemaining" && condition.status == "True") return true;
    }
    return false;
  }));
  EXPECT_TRUE(cluster.pods("web").empty());
  ASSERT_TRUE(cluster.patch(kConfigMaps, "team", "held", R"({"metadata":{"finalizers":null}})"));
  ASSERT_TRUE(cluster.until([&] { return !cluster.find<Namespace>("team"); }));
  EXPECT_TRUE(cluster.objects<ReplicaSet>().empty());
  ASSERT_TRUE(cluster.create("{apiVersion: v1, kind: Namespace, metadata: {name: team}}")) << "the name is free again";
}

TEST_F(Lifecycle, CollectsInTheBackground) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 2)));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 2; }));
  ASSERT_TRUE(cluster.remove(kDeployments, "default", "web"));
  ASSERT_TRUE(cluster.until([&] { return cluster.objects<ReplicaSet>().empty() && cluster.pods("web").empty(); }));
}

TEST_F(Lifecycle, CollectsInTheForeground) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 2)));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 2; }));
  ASSERT_TRUE(cluster.remove(kDeployments, "default", "web", "Foreground"));
  bool owner_first = false;
  ASSERT_TRUE(cluster.until([&] {
    bool owner = cluster.find<api::apps::v1::Deployment>("default/web") != nullptr;
    owner_first = owner_first || (!owner && !cluster.objects<ReplicaSet>().empty());
    return !owner;
  }));
  EXPECT_FALSE(owner_first);
  EXPECT_TRUE(cluster.pods("web").empty());
}

TEST_F(Lifecycle, OrphansWhatShallStay) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 2)));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 2; }));
  ASSERT_TRUE(cluster.remove(kDeployments, "default", "web", "Orphan"));
  ASSERT_TRUE(cluster.until([&] { return !cluster.find<api::apps::v1::Deployment>("default/web"); }));
  cluster.advance(2s);
  ASSERT_EQ(cluster.objects<ReplicaSet>().size(), 1u);
  EXPECT_TRUE(cluster.objects<ReplicaSet>().begin()->second->metadata.owner_references.empty());
  EXPECT_EQ(cluster.ready_pods("web"), 2);
}

TEST_F(Lifecycle, ASilentNodeLosesItsPods) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 2)));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 2; }));
  cluster.advance(120s);
  EXPECT_EQ(ready_of("n1"), "True");
  EXPECT_EQ(taints("n1"), "");
  cluster.silent_nodes = {"n1"};
  cluster.add_node("n2");
  cluster.advance(61s);
  EXPECT_EQ(ready_of("n1"), "Unknown");
  EXPECT_EQ(taints("n1"), "unreachable:NoSchedule unreachable:NoExecute ");
  EXPECT_EQ(cluster.ready_pods("web"), 0) << "nobody answers for them";
  cluster.advance(270s);
  EXPECT_EQ(cluster.pods("web")[0]->spec.node_name, "n1") << "tolerated for 300 s";
  cluster.advance(40s);
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 2; }));
  EXPECT_EQ(cluster.pods("web")[0]->spec.node_name, "n2");
  EXPECT_TRUE(cluster.has_event("TaintManagerEviction", "Marking for deletion Pod default/web-"));
}

TEST_F(Lifecycle, NobodyIsEvictedWhenNoNodeAnswers) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 1)));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 1; }));
  std::string name = cluster.pods("web")[0]->metadata.name;
  cluster.silent_nodes = {"n1"};
  cluster.advance(500s);
  EXPECT_EQ(taints("n1"), "unreachable:NoSchedule ");
  EXPECT_EQ(cluster.pods("web")[0]->metadata.name, name);
  cluster.add_node("n2");
  cluster.advance(1s);
  EXPECT_EQ(taints("n1"), "unreachable:NoSchedule unreachable:NoExecute ") << "it is n1 alone";
}

TEST_F(Lifecycle, PodsOfADeletedNodeGo) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 1)));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 1; }));
  cluster.add_node("n2");
  ASSERT_TRUE(cluster.remove(kNodes, "", "n1"));
  cluster.advance(45s);
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 1 && cluster.pods("web")[0]->spec.node_name == "n2"; }));
}

TEST_F(Lifecycle, ATaintWithoutATimeEvictsToo) {
  ASSERT_TRUE(cluster.create("{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: p}}, spec: {containers: [{name: c, image: i}], "
                             "tolerations: [{key: k, operator: Exists, effect: NoExecute, tolerationSeconds: 60}]}}"));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("p") == 1; }));
  ASSERT_TRUE(cluster.patch(kNodes, "", "n1", R"({"spec":{"taints":[{"key":"k","effect":"NoExecute"}]}})"));
  cluster.advance(50s);
  EXPECT_EQ(cluster.pods("p").size(), 1u);
  cluster.advance(15s);
  EXPECT_EQ(cluster.pods("p").size(), 0u);
}

TEST_F(Lifecycle, ASilentNodesPodsAreNotReadyWhateverHappensMeanwhile) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 1)));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 1; }));
  std::string name = cluster.pods("web")[0]->metadata.name;
  cluster.silent_nodes = {"n1"};
  cluster.add_node("n2");
  cluster.advance(61s);
  ASSERT_EQ(cluster.ready_pods("web"), 0);
  // As if the mark had been lost: by a failed request, or with the controllers that were about to set it.
  ASSERT_TRUE(cluster.patch(kPods, "default", name, R"({"status":{"conditions":[{"type":"Ready","status":"True"}]}})", "status"));
  cluster.settle();
  ASSERT_EQ(cluster.ready_pods("web"), 1);
  ASSERT_TRUE(cluster.patch(kNodes, "", "n1", R"({"spec":{"unschedulable":true}})"));  // the node is looked at again
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 0; }));
}

TEST_F(Lifecycle, PodsOfANodeThatNeverWasGo) {
  ASSERT_TRUE(cluster.create("{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {app: p}}, spec: {nodeName: ghost, containers: [{name: c, image: i}]}}"));
  cluster.advance(30s);
  EXPECT_EQ(cluster.pods("p").size(), 1u);
  cluster.advance(15s);
  EXPECT_EQ(cluster.pods("p").size(), 0u);
}

}  // namespace
}  // namespace kobuk::controlplane
