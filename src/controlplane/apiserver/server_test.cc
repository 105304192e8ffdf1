// The server's answers to single requests.
#include "controlplane/apiserver/server.h"

#include <gtest/gtest.h>

#include "controlplane/apiserver/testing/api_fixture.h"

namespace kobuk::controlplane {
namespace {

using apiserver::testing::ApiTest;

constexpr std::string_view kPod = R"({"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","labels":{"app":"web"}},)"
                                  R"("spec":{"containers":[{"name":"c","image":"nginx"}]}})";

TEST_F(ApiTest, CreatesAndReadsAPod) {
  auto made = post("/api/v1/namespaces/default/pods", kPod);
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json["status"]["phase"].as_string(), "Pending");
  EXPECT_EQ(made.json["spec"]["serviceAccountName"].as_string(), "default");
  EXPECT_EQ(made.json["metadata"]["namespace"].as_string(), "default");
  EXPECT_FALSE(made.json["metadata"]["uid"].as_string().empty());
  auto read = get("/api/v1/namespaces/default/pods/web");
  EXPECT_EQ(read.status, 200);
  EXPECT_EQ(read.body, made.body);
  auto again = post("/api/v1/namespaces/default/pods", kPod);
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.message(), "pods \"web\" already exists");
  EXPECT_EQ(again.json["reason"].as_string(), "AlreadyExists");
  EXPECT_EQ(get("/api/v1/namespaces/default/pods/nope").message(), "pods \"nope\" not found");
  EXPECT_EQ(post("/api/v1/namespaces/none/pods", kPod).message(), "namespaces \"none\" not found");
}

TEST_F(ApiTest, ListsAndSelects) {
  for (auto name : {"a", "b", "c"}) ASSERT_EQ(post("/api/v1/namespaces/default/pods", pod(name)).status, 201);
  auto list = get("/api/v1/pods");
  EXPECT_EQ(list.json["kind"].as_string(), "PodList");
  EXPECT_EQ(list.json["items"].size(), 3u);
  EXPECT_EQ(get("/api/v1/namespaces/default/pods?labelSelector=app%3Db").json["items"].size(), 1u);
  EXPECT_EQ(get("/api/v1/pods?fieldSelector=metadata.name%3Dc").json["items"].size(), 1u);
  EXPECT_EQ(get("/api/v1/pods?fieldSelector=spec.nodeName%3Dn1").json["items"].size(), 0u);
  EXPECT_EQ(get("/api/v1/pods?fieldSelector=spec.foo%3Dn1").message(), "field label not supported: spec.foo");
}

TEST_F(ApiTest, WatchesFromTheStateOnwards) {
  ASSERT_EQ(post("/api/v1/namespaces/default/pods", pod("a")).status, 201);
  auto watch = open_watch("/api/v1/namespaces/default/pods?watch=true");
  EXPECT_EQ(watch.next(), "ADDED a");
  post("/api/v1/namespaces/default/pods", pod("b"));
  EXPECT_EQ(watch.next(), "ADDED b");
  patch("/api/v1/namespaces/default/pods/b", "application/merge-patch+json", R"({"metadata":{"labels":{"x":"y"}}})");
  EXPECT_EQ(watch.next(), "MODIFIED b");
  remove("/api/v1/namespaces/default/pods/b");
  EXPECT_EQ(watch.next(), "DELETED b");
}

TEST_F(ApiTest, BindsAPodOnce) {
  ASSERT_EQ(post("/api/v1/namespaces/default/pods", kPod).status, 201);
  constexpr std::string_view kBinding = R"({"apiVersion":"v1","kind":"Binding","metadata":{"name":"web"},"target":{"kind":"Node","name":"n1"}})";
  auto bound = post("/api/v1/namespaces/default/pods/web/binding", kBinding);
  EXPECT_EQ(bound.status, 201) << bound.body;
  auto read = get("/api/v1/namespaces/default/pods/web");
  EXPECT_EQ(read.json["spec"]["nodeName"].as_string(), "n1");
  EXPECT_EQ(read.json["status"]["conditions"].at(0)["type"].as_string(), "PodScheduled");
  auto again = post("/api/v1/namespaces/default/pods/web/binding", kBinding);
  EXPECT_EQ(again.status, 409);
  EXPECT_EQ(again.message(), "Operation cannot be fulfilled on pods/binding \"web\": pod web is already assigned to node \"n1\"");
}

TEST_F(ApiTest, DeletesAScheduledPodGracefully) {
  post("/api/v1/namespaces/default/pods", kPod);
  post("/api/v1/namespaces/default/pods/web/binding", R"({"metadata":{"name":"web"},"target":{"kind":"Node","name":"n1"}})");
  auto deleted = remove("/api/v1/namespaces/default/pods/web");
  EXPECT_EQ(deleted.status, 200);
  EXPECT_EQ(deleted.json["metadata"]["deletionGracePeriodSeconds"].as_int(), 30);
  EXPECT_EQ(get("/api/v1/namespaces/default/pods/web").status, 200);
  remove("/api/v1/namespaces/default/pods/web", R"({"gracePeriodSeconds":0})");
  EXPECT_EQ(get("/api/v1/namespaces/default/pods/web").status, 404);
}

TEST_F(ApiTest, KeepsStatusAndSpecApart) {
  auto made = post("/apis/apps/v1/namespaces/default/deployments", deployment("web"));
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json["metadata"]["generation"].as_int(), 1);
  auto status = patch("/apis/apps/v1/namespaces/default/deployments/web/status", "application/merge-patch+json",
                      R"({"spec":{"replicas":9},"status":{"replicas":3}})");
  ASSERT_EQ(status.status, 200) << status.body;
  EXPECT_EQ(status.json["spec"]["replicas"].as_int(), 1);
  EXPECT_EQ(status.json["status"]["replicas"].as_int(), 3);
  auto spec = patch("/apis/apps/v1/namespaces/default/deployments/web", "application/merge-patch+json",
                    R"({"spec":{"replicas":2},"status":{"replicas":7}})");
  EXPECT_EQ(spec.json["spec"]["replicas"].as_int(), 2);
  EXPECT_EQ(spec.json["status"]["replicas"].as_int(), 3);
  EXPECT_EQ(spec.json["metadata"]["generation"].as_int(), 2);
}

TEST_F(ApiTest, ScalesByTheSubresource) {
  post("/apis/apps/v1/namespaces/default/deployments", deployment("web"));
  auto scale = get("/apis/apps/v1/namespaces/default/deployments/web/scale");
  EXPECT_EQ(scale.json["kind"].as_string(), "Scale");
  EXPECT_EQ(scale.json["status"]["selector"].as_string(), "app=web");
  auto done = patch("/apis/apps/v1/namespaces/default/deployments/web/scale", "application/merge-patch+json", R"({"spec":{"replicas":5}})");
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(done.json["spec"]["replicas"].as_int(), 5);
  EXPECT_EQ(get("/apis/apps/v1/namespaces/default/deployments/web").json["spec"]["replicas"].as_int(), 5);
}

TEST_F(ApiTest, StartsAgainOnWhatItLeft) {
  auto before = get("/api/v1/namespaces/default/services/kubernetes");
  loop_.run_until_done(server_->shutdown());
  server_ = std::make_unique<ApiServer>(loop_, *store_, ApiServerOptions{.advertise_address = "10.100.0.2", .secure_port = 7443});
  auto started = loop_.run_until_done(server_->start());
  ASSERT_TRUE(started) << started.error().message();
  EXPECT_EQ(get("/api/v1/namespaces/default/services/kubernetes").body, before.body);
  auto slice = get("/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes");
  EXPECT_EQ(slice.json["endpoints"].at(0)["addresses"].at(0).as_string(), "10.100.0.2");
  EXPECT_EQ(slice.json["ports"].at(0)["port"].as_int(), 7443);
}

TEST_F(ApiTest, MakesTheSystemsObjects) {
  EXPECT_EQ(get("/api/v1/namespaces").json["items"].size(), 4u);
  auto service = get("/api/v1/namespaces/default/services/kubernetes");
  EXPECT_EQ(service.json["spec"]["clusterIP"].as_string(), "10.96.0.1");
  EXPECT_EQ(get("/readyz").body, "ok");
}

}  // namespace
}  // namespace kobuk::controlplane
