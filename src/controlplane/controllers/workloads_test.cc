// Deployments and ReplicaSets against the real API server, with the real scheduler and a kubelet stand-in.
#include <gtest/gtest.h>

#include <chrono>

#include "controlplane/controllers/deployment_status.h"
#include "controlplane/controllers/objects.h"
#include "controlplane/controllers/template_hash.h"
#include "controlplane/testing/cluster.h"

namespace kobuk::controlplane {
namespace {

using namespace testing;  // NOLINT: the fixture's words
using namespace std::chrono_literals;

class Workloads : public ::testing::Test {
 protected:
  Workloads() {
    cluster.add_node("n1");
    cluster.add_node("n2");
  }
  std::shared_ptr<const Deployment> deployment(std::string name) { return cluster.find<Deployment>(cat("default/", name)); }
  bool complete(std::string name) {
    auto d = deployment(name);
    return d && is_complete(*d, d->status);
  }
  std::string revision(std::string name) { return deployment(name)->metadata.annotations.at("deployment.kubernetes.io/revision"); }
  std::string progress(std::string name) {
    const auto* condition = find_condition(deployment(name)->status, "Progressing");
    return condition == nullptr ? "" : condition->reason;
  }
  void set_image(std::string name, std::string image) {
    auto done = cluster.patch(kDeployments, "default", name,
                              cat(R"({"spec":{"template":{"spec":{"containers":[{"name":"c","image":")", image, "\"}]}}}}"));
    ASSERT_TRUE(done) << done.error().message();
  }
  TestCluster cluster;
};

TEST_F(Workloads, RunsADeployment) {
  auto made = cluster.create(deployment_yaml("web", 3));
  ASSERT_TRUE(made) << made.error().message();
  ASSERT_TRUE(cluster.until([&] { return complete("web"); }));
  auto d = deployment("web");
  EXPECT_EQ(d->status.ready_replicas, 3);
  EXPECT_EQ(d->status.updated_replicas, 3);
  EXPECT_EQ(revision("web"), "1");
  ASSERT_TRUE(cluster.until([&] { return progress("web") == "NewReplicaSetAvailable"; }));
  EXPECT_EQ(find_condition(deployment("web")->status, "Available")->message, "Deployment has minimum availability.");
  auto pods = cluster.pods("web");
  std::string hash = pods[0]->metadata.labels.at(kTemplateHashLabel);
  EXPECT_TRUE(pods[0]->metadata.name.starts_with(cat("web-", hash, "-"))) << pods[0]->metadata.name;
  EXPECT_TRUE(cluster.find<ReplicaSet>(cat("default/web-", hash)));
  EXPECT_EQ(find_condition(deployment("web")->status, "Progressing")->message,
            cat("ReplicaSet \"web-", hash, "\" has successfully progressed."));
  ASSERT_TRUE(cluster.until([&] { return cluster.has_event("ScalingReplicaSet", cat("Scaled up replica set web-", hash, " from 0 to 3")); }));
  ASSERT_TRUE(cluster.until([&] { return cluster.has_event("SuccessfulCreate", "Created pod: "); }));
  ASSERT_TRUE(cluster.until([&] { return cluster.has_event("Scheduled", "Successfully assigned default/web-"); }));
}

TEST_F(Workloads, RestsWhenAllIsDone) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 3)));
  ASSERT_TRUE(cluster.until([&] { return complete("web") && progress("web") == "NewReplicaSetAvailable"; }));
  cluster.advance(5s);
  int before = cluster.control_requests;
  cluster.advance(300s);
  EXPECT_EQ(cluster.control_requests, before);
}

TEST_F(Workloads, ReplacesAPodThatIsDeleted) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 2)));
  ASSERT_TRUE(cluster.until([&] { return complete("web"); }));
  std::string victim = cluster.pods("web")[0]->metadata.name;
  ASSERT_TRUE(cluster.remove(kPods, "default", victim));
  ASSERT_TRUE(cluster.until([&] { return !cluster.find<Pod>(cat("default/", victim)) && cluster.ready_pods("web") == 2; }));
}

TEST_F(Workloads, ScalesUpAndDown) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 1)));
  ASSERT_TRUE(cluster.until([&] { return complete("web"); }));
  ASSERT_TRUE(cluster.patch(kDeployments, "default", "web", R"({"spec":{"replicas":7}})", "scale"));
  ASSERT_TRUE(cluster.until([&] { return complete("web") && cluster.ready_pods("web") == 7; }));
  ASSERT_TRUE(cluster.patch(kDeployments, "default", "web", R"({"spec":{"replicas":2}})", "scale"));
  ASSERT_TRUE(cluster.until([&] { return complete("web") && cluster.pods("web").size() == 2; }));
  ASSERT_TRUE(cluster.until([&] { return cluster.has_event("ScalingReplicaSet", " from 7 to 2"); }));
  ASSERT_TRUE(cluster.patch(kDeployments, "default", "web", R"({"spec":{"replicas":0}})", "scale"));
  ASSERT_TRUE(cluster.until([&] { return complete("web") && cluster.pods("web").empty(); }));
}

TEST_F(Workloads, RollsOutWithinItsBounds) {
  ASSERT_TRUE(cluster.create(deployment_yaml("watched", 8, "nginx:1", "strategy: {rollingUpdate: {maxSurge: 25%, maxUnavailable: 1}}")));
  ASSERT_TRUE(cluster.until([&] { return complete("watched"); }));
  cluster.reset_bounds();
  set_image("watched", "nginx:2");
  ASSERT_TRUE(cluster.until([&] { return revision("watched") == "2" && complete("watched"); }));
  EXPECT_LE(cluster.most_pods, 10);
  EXPECT_GE(cluster.least_ready, 7);
  for (const auto& pod : cluster.pods("watched")) EXPECT_EQ(pod->spec.containers[0].image, "nginx:2");
}

TEST_F(Workloads, RollsBackToAnOlderTemplate) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 2)));
  ASSERT_TRUE(cluster.until([&] { return complete("web"); }));
  set_image("web", "nginx:2");
  ASSERT_TRUE(cluster.until([&] { return revision("web") == "2" && complete("web"); }));
  set_image("web", "nginx:1");  // what kubectl rollout undo sends
  ASSERT_TRUE(cluster.until([&] { return revision("web") == "3" && complete("web"); }));
  EXPECT_EQ(cluster.objects<ReplicaSet>().size(), 2u) << "the old set is used again";
  for (const auto& [key, set] : cluster.objects<ReplicaSet>()) {
    if (set->spec.replicas == 2) EXPECT_EQ(set->metadata.annotations.at("deployment.kubernetes.io/revision-history"), "1");
  }
}

TEST_F(Workloads, StopsAtABrokenImageAndSaysSo) {
  cluster.broken_images = {"broken"};
  ASSERT_TRUE(cluster.create(deployment_yaml("watched", 4, "nginx:1", "progressDeadlineSeconds: 60")));
  ASSERT_TRUE(cluster.until([&] { return complete("watched"); }));
  cluster.reset_bounds();
  set_image("watched", "broken");
  cluster.advance(70s);
  EXPECT_GE(cluster.least_ready, 3);
  EXPECT_LE(cluster.most_pods, 5);
  EXPECT_EQ(progress("watched"), "ProgressDeadlineExceeded");
  set_image("watched", "nginx:1");
  ASSERT_TRUE(cluster.until([&] { return complete("watched") && progress("watched") == "NewReplicaSetAvailable"; }));
}

TEST_F(Workloads, RecreateHasNoTwoVersionsAtOnce) {
  ASSERT_TRUE(cluster.create(deployment_yaml("watched", 3, "nginx:1", "strategy: {type: Recreate}")));
  ASSERT_TRUE(cluster.until([&] { return complete("watched"); }));
  cluster.reset_bounds();
  set_image("watched", "nginx:2");
  ASSERT_TRUE(cluster.until([&] { return revision("watched") == "2" && complete("watched"); }));
  EXPECT_EQ(cluster.least_ready, 0);
  EXPECT_LE(cluster.most_pods, 3);
}

TEST_F(Workloads, APausedDeploymentScalesButDoesNotRollOut) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 2)));
  ASSERT_TRUE(cluster.until([&] { return complete("web"); }));
  ASSERT_TRUE(cluster.patch(kDeployments, "default", "web", R"({"spec":{"paused":true}})"));
  set_image("web", "nginx:2");
  ASSERT_TRUE(cluster.patch(kDeployments, "default", "web", R"({"spec":{"replicas":4}})"));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 4; }));
  EXPECT_EQ(cluster.objects<ReplicaSet>().size(), 1u);
  EXPECT_EQ(progress("web"), "DeploymentPaused");
  ASSERT_TRUE(cluster.patch(kDeployments, "default", "web", R"({"spec":{"paused":false}})"));
  ASSERT_TRUE(cluster.until([&] { return revision("web") == "2" && complete("web"); }));
}

TEST_F(Workloads, KeepsAsManyOldSetsAsItsHistory) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 1, "nginx:1", "revisionHistoryLimit: 1")));
  for (int i = 2; i <= 4; ++i) {
    ASSERT_TRUE(cluster.until([&] { return complete("web") && revision("web") == cat(i - 1); }));
    set_image("web", cat("nginx:", i));
  }
  ASSERT_TRUE(cluster.until([&] { return complete("web") && revision("web") == "4" && cluster.objects<ReplicaSet>().size() == 2; }));
}

TEST_F(Workloads, AdoptsMatchingPodsAndReleasesOthers) {
  ASSERT_TRUE(cluster.create("{apiVersion: v1, kind: Pod, metadata: {name: lone, labels: {app: web, tier: x}}, spec: {containers: [{name: c, image: i}]}}"));
  ASSERT_TRUE(cluster.create("{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}, spec: {replicas: 2, selector: {matchLabels: {app: web}}, "
                             "template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: i}]}}}}"));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 2; }));
  EXPECT_EQ(controller_of(cluster.find<Pod>("default/lone")->metadata)->name, "web");
  ASSERT_TRUE(cluster.patch(kPods, "default", "lone", R"({"metadata":{"labels":{"app":"other"}}})"));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 2; }));
  ASSERT_TRUE(cluster.until([&] { return controller_of(cluster.find<Pod>("default/lone")->metadata) == nullptr; }));
}

TEST_F(Workloads, WaitsForMinReadySeconds) {
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 1, "nginx:1", "minReadySeconds: 10")));
  ASSERT_TRUE(cluster.until([&] { return deployment("web") && deployment("web")->status.ready_replicas == 1; }, 5s));
  EXPECT_EQ(deployment("web")->status.available_replicas, 0);
  cluster.advance(11s);
  EXPECT_EQ(deployment("web")->status.available_replicas, 1);
}

// No pod can have a finalizer of this name, but a template may: it is looked at when the pod is made.
TEST_F(Workloads, SaysWhyPodsCannotBeMade) {
  ASSERT_TRUE(cluster.create("{apiVersion: apps/v1, kind: ReplicaSet, metadata: {name: web}, spec: {replicas: 5, selector: {matchLabels: {app: web}}, "
                             "template: {metadata: {labels: {app: web}, finalizers: ['no name']}, spec: {containers: [{name: c, image: i}]}}}}"));
  ASSERT_TRUE(cluster.until([&] {
    auto set = cluster.find<ReplicaSet>("default/web");
    return set && !set->status.conditions.empty() && set->status.conditions[0].reason == "FailedCreate";
  }));
  EXPECT_TRUE(cluster.until([&] { return cluster.has_event("FailedCreate", "Error creating: Pod \"web-"); }));
  ASSERT_TRUE(cluster.patch(kReplicaSets, "default", "web", R"({"spec":{"template":{"metadata":{"finalizers":null}}}})"));
  ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("web") == 5; }));
  ASSERT_TRUE(cluster.until([&] { return cluster.find<ReplicaSet>("default/web")->status.conditions.empty(); }));
}

}  // namespace
}  // namespace kobuk::controlplane
