#include "api/decode.h"

#include <gtest/gtest.h>

#include "api/types.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

TEST(Decode, ReadsADeploymentAndWritesItBack) {
  std::string text = R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","labels":{"app":"nginx"}},)"
                     R"("spec":{"replicas":0,"selector":{"matchLabels":{"app":"nginx"}},"template":{"metadata":{"labels":)"
                     R"({"app":"nginx"}},"spec":{"containers":[{"name":"c","image":"nginx:1.21","ports":[{"containerPort":80}],)"
                     R"("securityContext":{"runAsNonRoot":false}}],"hostPID":true}},"strategy":{"rollingUpdate":)"
                     R"({"maxUnavailable":"25%","maxSurge":1}}}})";
  auto deployment = from_json<apps::v1::Deployment>(text);
  ASSERT_TRUE(deployment) << deployment.error().message();
  EXPECT_EQ(deployment->spec.replicas, 0);
  EXPECT_EQ(deployment->spec.selector->match_labels.at("app"), "nginx");
  const auto& pod = deployment->spec.template_.spec;
  EXPECT_TRUE(pod.host_pid);
  EXPECT_EQ(pod.containers.at(0).ports.at(0).container_port, 80);
  EXPECT_EQ(pod.containers[0].security_context->run_as_non_root, false);
  EXPECT_FALSE(pod.containers[0].liveness_probe);
  EXPECT_EQ(deployment->spec.strategy.rolling_update->max_unavailable->text(), "25%");
  EXPECT_EQ(deployment->spec.strategy.rolling_update->max_surge->number, 1);
  EXPECT_EQ(to_json(*deployment), text);
}

TEST(Decode, NamesMembersInSnakeCase) {
  core::v1::Service service;
  service.spec.cluster_ips = {"10.0.0.1"};
  service.spec.cluster_ip = "10.0.0.1";
  service.metadata.namespace_ = "ns";
  core::v1::PodStatus status;
  status.pod_ip = "1.2.3.4", status.pod_ips = {{.ip = "1.2.3.4"}};
  EXPECT_EQ(to_json(status), R"({"podIP":"1.2.3.4","podIPs":[{"ip":"1.2.3.4"}]})");
  EXPECT_EQ(to_json(service), R"({"kind":"Service","apiVersion":"v1","metadata":{"namespace":"ns"},)"
                              R"("spec":{"clusterIP":"10.0.0.1","clusterIPs":["10.0.0.1"]}})");
}

TEST(Decode, KeepsWhatIsAlwaysWritten) {
  core::v1::ContainerStatus status;
  status.name = "c";
  EXPECT_EQ(to_json(status), R"({"name":"c","ready":false,"restartCount":0,"image":"","imageID":""})");
}

TEST(Decode, SecretsAreRawBytes) {
  auto secret = from_json<core::v1::Secret>(R"({"data":{"a":"aGk="},"stringData":{"b":"x"},"type":"Opaque"})");
  ASSERT_TRUE(secret);
  EXPECT_EQ(secret->data.at("a"), "hi");
  EXPECT_EQ(to_json(*secret), R"({"kind":"Secret","apiVersion":"v1","data":{"a":"aGk="},"stringData":{"b":"x"},"type":"Opaque"})");
}

TEST(Decode, OpaqueJsonStaysJson) {
  auto list = from_json<meta::v1::List>(R"({"metadata":{"resourceVersion":"5"},"items":[{"a":[1,2]},{}]})");
  ASSERT_TRUE(list);
  EXPECT_EQ(list->items, (std::vector<std::string>{R"({"a":[1,2]})", "{}"}));
}

TEST(Decode, CopiesAreDeep) {
  auto pod = *from_json<core::v1::Pod>(R"({"spec":{"containers":[],"securityContext":{"runAsUser":7}}})");
  core::v1::Pod copy = pod;
  copy.spec.security_context->run_as_user = 8;
  EXPECT_EQ(pod.spec.security_context->run_as_user, 7);
  EXPECT_FALSE(equal(pod, copy));
}

TEST(Decode, RefusesOtherTypes) {
  struct Case {
    std::string_view json, message;
  } cases[] = {
      {R"({"spec":{"replicas":"x"}})",
       "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {R"({"spec":{"replicas":3000000000}})",
       "json: cannot unmarshal number into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {R"({"metadata":{"labels":{"a":1}}})", "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string"},
      {R"([])", "json: cannot unmarshal array into Go value of type Deployment"},
  };
  for (const auto& c : cases) {
    auto result = from_json<apps::v1::Deployment>(c.json);
    ASSERT_FALSE(result) << c.json;
    EXPECT_EQ(result.error().message(), c.message);
  }
}

TEST(Decode, StructsBecomeValues) {
  codec::Arena arena;
  core::v1::ConfigMap map;
  map.data = {{"k", "v"}};
  EXPECT_EQ(to_value(arena, map)["data"]["k"].as_string(), "v");
}

}  // namespace
}  // namespace kobuk::api
