// EndpointSlices and LoadBalancer addresses against the real API server.
#include <gtest/gtest.h>

#include "controlplane/controllers/endpoints.h"
#include "controlplane/controllers/load_balancer.h"
#include "controlplane/testing/cluster.h"

namespace kobuk::controlplane {
namespace {

using namespace testing;  // NOLINT: the fixture's words

std::shared_ptr<const Pod> pod(std::string name, std::string ip, bool ready = true) {
  Pod out;
  out.metadata.name = name;
  out.metadata.uid = name;
  out.status.pod_ip = std::move(ip);
  out.status.phase = "Running";
  out.spec.node_name = "n1";
  api::core::v1::PodCondition condition;
  condition.type = "Ready";
  condition.status = ready ? "True" : "False";
  out.status.conditions.push_back(condition);
  return std::make_shared<const Pod>(std::move(out));
}

Service service(int32_t target = 8080) {
  Service out;
  out.metadata.name = "web";
  out.metadata.namespace_ = "default";
  out.metadata.uid = "s";
  out.spec.selector = {{"app", "web"}};
  out.spec.cluster_ip = "10.96.0.5";
  api::core::v1::ServicePort port;
  port.name = "http", port.port = 80, port.protocol = "TCP", port.target_port = target;
  out.spec.ports = {port};
  return out;
}

std::string no_zone(const std::string&) { return ""; }

TEST(Endpoints, SayReadyServingTerminating) {
  auto terminating = std::make_shared<Pod>(*pod("t", "10.0.0.3"));
  terminating->metadata.deletion_timestamp = "2026-01-01T00:00:00Z";
  auto groups = endpoint_groups(service(), {pod("a", "10.0.0.1"), pod("b", "10.0.0.2", false), terminating, pod("none", "")}, no_zone);
  ASSERT_EQ(groups.size(), 1u);
  ASSERT_EQ(groups[0].endpoints.size(), 3u);
  auto says = [&](size_t i) {
    const auto& c = groups[0].endpoints[i].conditions;
    return cat(*c.ready, *c.serving, *c.terminating);
  };
  EXPECT_EQ(says(0), "truetruefalse");
  EXPECT_EQ(says(1), "falsefalsefalse");
  EXPECT_EQ(says(2), "falsetruetrue");
  EXPECT_EQ(groups[0].ports[0].port, 8080);
  Service eager = service();
  eager.spec.publish_not_ready_addresses = true;
  EXPECT_TRUE(*endpoint_groups(eager, {pod("b", "10.0.0.2", false)}, no_zone)[0].endpoints[0].conditions.ready);
}

TEST(Endpoints, NamedPortsDivideGroups) {
  Service named = service();
  named.spec.ports[0].target_port = "web";
  auto with_port = [](std::string name, std::string ip, int32_t number) {
    Pod out = *pod(name, ip);
    out.spec.containers.resize(1);
    out.spec.containers[0].ports.resize(1);
    out.spec.containers[0].ports[0].name = "web";
    out.spec.containers[0].ports[0].container_port = number;
    return std::make_shared<const Pod>(std::move(out));
  };
  auto groups = endpoint_groups(named, {with_port("a", "10.0.0.1", 80), with_port("b", "10.0.0.2", 81), pod("without", "10.0.0.3")}, no_zone);
  EXPECT_EQ(groups.size(), 2u);
}

TEST(Endpoints, SlicesHoldAHundredAndChangeLittle) {
  std::vector<std::shared_ptr<const Pod>> pods;
  for (int i = 0; i < 250; ++i) pods.push_back(pod(cat("p", i), cat("10.0.", i / 200, ".", i % 200)));
  SliceChanges first = plan_slices(service(), endpoint_groups(service(), pods, no_zone), {});
  ASSERT_EQ(first.create.size(), 3u);
  std::vector<std::shared_ptr<const EndpointSlice>> there;
  for (auto& slice : first.create) there.push_back(std::make_shared<const EndpointSlice>(slice));
  pods.erase(pods.begin() + 7);
  SliceChanges second = plan_slices(service(), endpoint_groups(service(), pods, no_zone), there);
  EXPECT_TRUE(second.create.empty());
  EXPECT_TRUE(second.remove.empty());
  EXPECT_EQ(second.update.size(), 1u) << "only the slice that held the pod";
  SliceChanges none = plan_slices(service(), endpoint_groups(service(), {}, no_zone), there);
  EXPECT_EQ(none.remove.size(), 2u);
  EXPECT_EQ(none.update.size(), 1u) << "an empty one stays";
}

TEST(AddressPool, GivesEachAddressOnce) {
  auto pool = *AddressPool::parse("10.1.0.0/30");
  EXPECT_EQ(*pool.allocate("a"), "10.1.0.1");
  EXPECT_EQ(*pool.allocate("b"), "10.1.0.2");
  EXPECT_EQ(pool.allocate("c").error().code(), Code::kResourceExhausted);
  pool.release("a");
  EXPECT_FALSE(pool.take("10.1.0.2", "c"));
  EXPECT_FALSE(pool.take("10.1.0.3", "c")) << "the broadcast address";
  EXPECT_TRUE(pool.take("10.1.0.1", "c"));
  for (auto text : {"", "10.1.0.0", "10.1.0/24", "10.1.0.0/33", "fd00::/64"}) EXPECT_FALSE(AddressPool::parse(text)) << text;
}

class Services : public ::testing::Test {
 protected:
  Services() { cluster.add_node("n1", "4", "topology.kubernetes.io/zone: z1"); }
  std::vector<EndpointSlice> slices() {
    api::ListOptions options;
    options.label_selector = "kubernetes.io/service-name=web";
    auto text = cluster.loop.run_until_done(cluster.client.list({"discovery.k8s.io", "v1", "endpointslices"}, "default", options));
    auto list = api::from_json<api::discovery::v1::EndpointSliceList>(*text);
    return list->items;
  }
  std::string address(std::string name) {
    auto service = cluster.find<Service>(cat("default/", name));
    if (!service || service->status.load_balancer.ingress.empty()) return "";
    return service->status.load_balancer.ingress[0].ip + " " + service->status.load_balancer.ingress[0].ip_mode;
  }
  TestCluster cluster;
};

constexpr std::string_view kService =
    "{apiVersion: v1, kind: Service, metadata: {name: web, labels: {a: b}}, spec: {selector: {app: web}, ports: [{port: 80}]}}";

TEST_F(Services, EndpointsFollowPods) {
  ASSERT_TRUE(cluster.create(kService));
  ASSERT_TRUE(cluster.until([&] { return slices().size() == 1; }));
  EXPECT_TRUE(slices()[0].endpoints.empty());
  ASSERT_TRUE(cluster.create(deployment_yaml("web", 3)));
  ASSERT_TRUE(cluster.until([&] { return slices()[0].endpoints.size() == 3 && cluster.ready_pods("web") == 3; }));
  ASSERT_TRUE(cluster.until([&] { return slices()[0].endpoints[0].conditions.ready == true; }));
  EndpointSlice slice = slices()[0];
  EXPECT_EQ(slice.endpoints[0].node_name, "n1");
  EXPECT_EQ(slice.endpoints[0].zone, "z1");
  EXPECT_EQ(slice.endpoints[0].target_ref->kind, "Pod");
  EXPECT_EQ(slice.metadata.labels.at(kManagedBy), kEndpointSliceController);
  EXPECT_EQ(slice.metadata.labels.at("a"), "b");
  EXPECT_EQ(slice.metadata.owner_references.at(0).kind, "Service");
  ASSERT_EQ(slice.ports.size(), 1u);
  EXPECT_EQ(slice.ports[0].port, 80);
  ASSERT_TRUE(cluster.patch(kDeployments, "default", "web", R"({"spec":{"replicas":1}})"));
  ASSERT_TRUE(cluster.until([&] { return slices()[0].endpoints.size() == 1; }));
  ASSERT_TRUE(cluster.remove(kServices, "default", "web"));
  ASSERT_TRUE(cluster.until([&] { return slices().empty(); })) << "collected with its owner";
}

constexpr const char* kBalanced = "}, spec: {type: LoadBalancer, ports: [{port: 80}]}}";

TEST_F(Services, LoadBalancersGetAddressesAndKeepThem) {
  ASSERT_TRUE(cluster.create(cat("{apiVersion: v1, kind: Service, metadata: {name: a", kBalanced)));
  ASSERT_TRUE(cluster.until([&] { return address("a") == "10.101.128.1 VIP"; }));
  ASSERT_TRUE(cluster.create(cat("{apiVersion: v1, kind: Service, metadata: {name: b", kBalanced)));
  ASSERT_TRUE(cluster.until([&] { return address("b") == "10.101.128.2 VIP"; }));
  ASSERT_TRUE(cluster.remove(kServices, "default", "a"));
  cluster.settle();
  EXPECT_EQ(address("b"), "10.101.128.2 VIP");
  ASSERT_TRUE(cluster.create(cat("{apiVersion: v1, kind: Service, metadata: {name: c", kBalanced)));
  ASSERT_TRUE(cluster.until([&] { return address("c") == "10.101.128.1 VIP"; })) << "free again";
  auto changed = cluster.patch(kServices, "default", "c", R"({"spec":{"type":"ClusterIP"}})");
  ASSERT_TRUE(changed) << changed.error().message();
  ASSERT_TRUE(cluster.until([&] { return address("c").empty(); }));
}

TEST_F(Services, AnAddressThatCannotBeChangedStaysTaken) {
  ASSERT_TRUE(cluster.create(cat("{apiVersion: v1, kind: Service, metadata: {name: a", kBalanced)));
  ASSERT_TRUE(cluster.until([&] { return address("a") == "10.101.128.1 VIP"; }));
  ASSERT_TRUE(cluster.patch(kServices, "default", "a", R"({"spec":{"loadBalancerIP":"1.2.3.4"}})"));
  ASSERT_TRUE(cluster.until([&] { return cluster.has_event("SyncLoadBalancerFailed", "1.2.3.4 is not in 10.101.128.0/29"); }));
  ASSERT_TRUE(cluster.create(cat("{apiVersion: v1, kind: Service, metadata: {name: b", kBalanced)));
  ASSERT_TRUE(cluster.until([&] { return !address("b").empty(); }));
  EXPECT_EQ(address("b"), "10.101.128.2 VIP");
  ASSERT_TRUE(cluster.patch(kServices, "default", "a", R"({"spec":{"loadBalancerIP":"10.101.128.4"}})"));
  ASSERT_TRUE(cluster.until([&] { return address("a") == "10.101.128.4 VIP"; }));
  ASSERT_TRUE(cluster.create(cat("{apiVersion: v1, kind: Service, metadata: {name: c", kBalanced)));
  ASSERT_TRUE(cluster.until([&] { return address("c") == "10.101.128.1 VIP"; })) << "free by now";
}

}  // namespace
}  // namespace kobuk::controlplane
