// The pure parts: environments, quality of service, configurations, back-off, status, Services.
#include <gtest/gtest.h>

#include "api/decode.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "node/backoff.h"
#include "node/container_config.h"
#include "node/env.h"
#include "node/image_puller.h"
#include "node/node_status.h"
#include "node/probes.h"
#include "node/resources.h"
#include "node/service_ports.h"
#include "node/status.h"
#include "node/volume_payload.h"

namespace kobuk::node {
namespace {

using namespace std::chrono_literals;

template <class T>
T from_yaml(const std::string& yaml) {
  T out;
  auto document = codec::parse_yaml(yaml);
  EXPECT_TRUE(document) << yaml;
  if (document) EXPECT_TRUE(api::decode(document->root, out));
  return out;
}

core::Pod pod_of(const std::string& spec) {
  return from_yaml<core::Pod>(cat("{metadata: {name: web, namespace: shop, uid: u1, labels: {b: '2', a: 'x\"y'}}, spec: ", spec, "}"));
}

TEST(Environments, Expand) {
  auto lookup = [](const std::string& name) -> std::optional<std::string> {
    if (name == "A") return "1";
    return std::nullopt;
  };
  EXPECT_EQ(expand("$(A)-$(B)-$$(A)-$A-$-$(", lookup), "1-$(B)-$(A)-$A-$-$(");
  EXPECT_EQ(expand("$$$(A)$$", lookup), "$1$");
}

TEST(Environments, NameServices) {
  auto web = from_yaml<core::Service>("{metadata: {name: my-web, namespace: shop}, spec: {clusterIP: 10.96.0.9, ports: [{name: http, port: 80, protocol: TCP}, {port: 53, protocol: UDP}]}}");
  auto headless = from_yaml<core::Service>("{metadata: {name: db, namespace: shop}, spec: {clusterIP: None, ports: [{port: 1}]}}");
  auto other = from_yaml<core::Service>("{metadata: {name: far, namespace: other}, spec: {clusterIP: 10.96.0.7, ports: [{port: 1}]}}");
  auto master = from_yaml<core::Service>("{metadata: {name: kubernetes, namespace: default}, spec: {clusterIP: 10.96.0.1, ports: [{name: https, port: 443}]}}");
  auto all = service_variables({web, headless, other, master}, "shop", true);
  EXPECT_EQ(all["MY_WEB_SERVICE_HOST"], "10.96.0.9");
  EXPECT_EQ(all["MY_WEB_SERVICE_PORT_HTTP"], "80");
  EXPECT_EQ(all["MY_WEB_PORT"], "tcp://10.96.0.9:80");
  EXPECT_EQ(all["MY_WEB_PORT_53_UDP"], "udp://10.96.0.9:53");
  EXPECT_EQ(all["KUBERNETES_SERVICE_PORT_HTTPS"], "443");
  EXPECT_FALSE(all.contains("FAR_SERVICE_HOST") || all.contains("DB_SERVICE_HOST"));
  EXPECT_EQ(service_variables({web, master}, "shop", false).count("MY_WEB_SERVICE_HOST"), 0u);
}

TEST(Environments, SayWhatIsMissing) {
  auto error_of = [](const std::string& container) {
    core::Pod pod = pod_of(cat("{containers: [", container, "]}"));
    PodObjects objects;
    objects.config_maps["there"] = std::make_shared<core::ConfigMap>();
    NodeIdentity node;
    std::map<std::string, std::string> none;
    auto made = make_environment({pod, pod.spec.containers[0], objects, node, none});
    return made ? std::string("fine") : made.error().message();
  };
  EXPECT_EQ(error_of("{name: a, envFrom: [{configMapRef: {name: x}}]}"), "configmap \"x\" not found");
  EXPECT_EQ(error_of("{name: a, envFrom: [{secretRef: {name: x}}]}"), "secret \"x\" not found");
  EXPECT_EQ(error_of("{name: a, envFrom: [{secretRef: {name: x, optional: true}}]}"), "fine");
  EXPECT_EQ(error_of("{name: a, env: [{name: V, valueFrom: {configMapKeyRef: {name: there, key: k}}}]}"),
            "couldn't find key k in ConfigMap shop/there");
  EXPECT_EQ(error_of("{name: a, env: [{name: V, valueFrom: {configMapKeyRef: {name: there, key: k, optional: true}}}]}"), "fine");
}

TEST(Environments, NameFieldsAndResources) {
  core::Pod pod = pod_of("{nodeName: n1, containers: [{name: a, resources: {limits: {cpu: 1500m, memory: 64Mi}, requests: {cpu: 250m}}}, {name: b}]}");
  NodeIdentity node{.node_name = "n1", .host_ip = "10.0.0.1", .cpu_millicores = 4000, .memory_bytes = 1 << 30};
  EXPECT_EQ(field_value(pod, "metadata.labels", node).value(), "a=\"x\\\"y\"\nb=\"2\"");
  EXPECT_EQ(field_value(pod, "metadata.labels['b']", node).value(), "2");
  EXPECT_EQ(field_value(pod, "status.hostIP", node).value(), "10.0.0.1");
  EXPECT_FALSE(field_value(pod, "spec.replicas", node));
  auto resource = [&](size_t index, const char* name, const char* divisor) {
    core::ResourceFieldSelector selector;
    selector.resource = name, selector.divisor = divisor;
    return resource_value(pod.spec.containers[index], selector, node).value_or("error");
  };
  EXPECT_EQ(resource(0, "limits.cpu", ""), "2");
  EXPECT_EQ(resource(0, "limits.cpu", "1m"), "1500");
  EXPECT_EQ(resource(0, "requests.cpu", "1m"), "250");
  EXPECT_EQ(resource(0, "limits.memory", "1Mi"), "64");
  EXPECT_EQ(resource(1, "limits.cpu", "0"), "4");  // the node's
  EXPECT_EQ(resource(1, "limits.memory", "1Mi"), "1024");
}

TEST(Resources, BecomeNumbersOfTheKernel) {
  EXPECT_EQ(cpu_shares(0), 2);
  EXPECT_EQ(cpu_shares(500), 512);
  EXPECT_EQ(cpu_quota(500), 50'000);
  EXPECT_EQ(cpu_quota(1), 1000);
  core::Pod best = pod_of("{containers: [{name: a}]}");
  core::Pod burst = pod_of("{containers: [{name: a, resources: {requests: {cpu: 100m, memory: 1Gi}}}, {name: b}]}");
  core::Pod sure = pod_of("{containers: [{name: a, resources: {limits: {cpu: '1', memory: 1Gi}, requests: {cpu: 1000m, memory: 1024Mi}}}]}");
  EXPECT_EQ(qos_name(qos_class(best.spec)), "BestEffort");
  EXPECT_EQ(qos_name(qos_class(burst.spec)), "Burstable");
  EXPECT_EQ(qos_name(qos_class(sure.spec)), "Guaranteed");
  int64_t memory = 4ll << 30;
  EXPECT_EQ(oom_score_adj(best, best.spec.containers[0], memory), 1000);
  EXPECT_EQ(oom_score_adj(burst, burst.spec.containers[0], memory), 750);
  EXPECT_EQ(oom_score_adj(sure, sure.spec.containers[0], memory), -997);
  EXPECT_EQ(pod_cgroup_path("/kobuk-x", burst), "/kobuk-x/pods/burstable/podu1");
  EXPECT_EQ(pod_cgroup_limits(sure.spec).memory_max, 1ll << 30);
  EXPECT_FALSE(pod_cgroup_limits(burst.spec).memory_max);
}

TEST(Containers, RunAsWhoTheyMay) {
  auto error_of = [](const std::string& spec, const std::string& user) {
    core::Pod pod = pod_of(spec);
    auto result = check_non_root(pod, pod.spec.containers[0], user);
    return result ? std::string("fine") : result.error().message().substr(0, result.error().message().find(" (pod"));
  };
  const char* non_root = "{securityContext: {runAsNonRoot: true}, containers: [{name: a}]}";
  EXPECT_EQ(error_of(non_root, ""), "container has runAsNonRoot and image will run as root");
  EXPECT_EQ(error_of(non_root, "0:5"), "container has runAsNonRoot and image will run as root");
  EXPECT_EQ(error_of(non_root, "1000"), "fine");
  EXPECT_EQ(error_of(non_root, "nginx"), "container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root");
  EXPECT_EQ(error_of("{securityContext: {runAsNonRoot: true, runAsUser: 0}, containers: [{name: a}]}", ""), "container's runAsUser breaks non-root policy");
  EXPECT_EQ(error_of("{securityContext: {runAsNonRoot: true}, containers: [{name: a, securityContext: {runAsNonRoot: false}}]}", ""), "fine");
}

TEST(Containers, GetTheirSecurity) {
  core::Pod pod = pod_of(
      "{securityContext: {runAsUser: 5, fsGroup: 9, supplementalGroups: [7]}, containers: [{name: a, securityContext: {runAsUser: 6, "
      "allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {add: [NET_ADMIN], drop: [ALL]}, seccompProfile: {type: Unconfined}}}]}");
  NodeConfig node;
  auto config = make_container_config({.pod = pod, .container = pod.spec.containers[0], .node = node, .attempt = 3, .image = "sha256:x", .image_user = "", .environment = {}, .mounts = {}});
  ASSERT_TRUE(config);
  EXPECT_EQ(config->security.run_as_user, 6);
  EXPECT_EQ(config->security.supplemental_groups, (std::vector<int64_t>{7, 9}));
  EXPECT_TRUE(config->security.no_new_privs && config->security.readonly_rootfs && config->security.seccomp_unconfined);
  EXPECT_EQ(config->security.drop_capabilities, std::vector<std::string>{"ALL"});
  EXPECT_EQ(config->log_path, "a/3.log");
  EXPECT_EQ(config->labels.at("io.kubernetes.pod.uid"), "u1");
}

TEST(Sandboxes, GetDnsAndNames) {
  NodeConfig node{.cluster_dns = "10.96.0.10", .cluster_domain = "cluster.local", .host_resolv_conf = "nameserver 1.1.1.1\nsearch corp.example\noptions timeout:2\n"};
  auto sandbox = make_sandbox_config(pod_of("{dnsPolicy: ClusterFirst, subdomain: sub, containers: [{name: a, ports: [{containerPort: 80, hostPort: 8080}]}]}"), 2, node);
  EXPECT_EQ(sandbox.hostname, "web");
  EXPECT_EQ(sandbox.dns_servers, std::vector<std::string>{"10.96.0.10"});
  EXPECT_EQ(sandbox.dns_searches, (std::vector<std::string>{"shop.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"}));
  EXPECT_EQ(sandbox.dns_options, std::vector<std::string>{"ndots:5"});
  ASSERT_EQ(sandbox.port_mappings.size(), 1u);
  EXPECT_EQ(sandbox.metadata.attempt, 2u);
  auto host = make_sandbox_config(pod_of("{hostNetwork: true, hostPID: true, dnsPolicy: ClusterFirst, containers: [{name: a}]}"), 0, node);
  EXPECT_EQ(host.network, engine::NamespaceMode::kNode);
  EXPECT_EQ(host.pid, engine::NamespaceMode::kNode);
  EXPECT_EQ(host.dns_servers, std::vector<std::string>{"1.1.1.1"});
  auto none = make_sandbox_config(pod_of("{dnsPolicy: None, dnsConfig: {nameservers: [9.9.9.9], options: [{name: ndots, value: '2'}]}, containers: [{name: a}]}"), 0, node);
  EXPECT_EQ(none.dns_servers, std::vector<std::string>{"9.9.9.9"});
  EXPECT_EQ(none.dns_options, std::vector<std::string>{"ndots:2"});
  std::string hosts = make_hosts(pod_of("{subdomain: sub, hostAliases: [{ip: 1.2.3.4, hostnames: [a, b]}]}"), {"10.1.0.2"}, node, "");
  EXPECT_NE(hosts.find("10.1.0.2\tweb.sub.shop.svc.cluster.local\tweb\n"), std::string::npos);
  EXPECT_TRUE(hosts.ends_with("# Entries added by HostAliases.\n1.2.3.4\ta\tb\n"));
}

TEST(BackOff, DoublesAndForgets) {
  Backoff backoff;
  WallTime now{1h};
  EXPECT_EQ(backoff.remaining("a", now, now), 0s);
  std::vector<int64_t> waits;
  for (int i = 0; i < 7; ++i) {
    backoff.next("a", now, now);
    waits.push_back(std::chrono::duration_cast<std::chrono::seconds>(backoff.remaining("a", now, now)).count());
  }
  EXPECT_EQ(waits, (std::vector<int64_t>{10, 20, 40, 80, 160, 300, 300}));
  EXPECT_EQ(backoff.remaining("a", now, now + 100s), 200s);
  EXPECT_EQ(backoff.remaining("a", now + 601s, now + 601s), 0s);
  backoff.next("a", now + 700s, now + 700s);
  EXPECT_EQ(backoff.current("a"), 10s);
}

TEST(Images, HavePoliciesAndNames) {
  auto policy = [](const char* image) { return pull_policy(from_yaml<core::Container>(cat("{name: a, image: '", image, "'}"))); };
  EXPECT_EQ(policy("nginx"), "Always");
  EXPECT_EQ(policy("nginx:latest"), "Always");
  EXPECT_EQ(policy("localhost:5000/nginx"), "Always");
  EXPECT_EQ(policy("localhost:5000/nginx:1"), "IfNotPresent");
  for (const char* good : {"nginx", "nginx:1.2", "a/b/c", "localhost:5000/x:1", "Host.example/x", "x__y"}) EXPECT_TRUE(is_image_name(good)) << good;
  for (const char* bad : {"", "UPPER", "a b", "a//b", "a:", "-a", "a@sha256:1", "a/B"}) EXPECT_FALSE(is_image_name(bad)) << bad;
  EXPECT_EQ(registry_of("nginx"), "docker.io");
  EXPECT_EQ(registry_of("library/nginx"), "docker.io");
  EXPECT_EQ(registry_of("ghcr.io/a/b"), "ghcr.io");
  core::Pod pod = pod_of("{imagePullSecrets: [{name: s}], containers: [{name: a}]}");
  PodObjects objects;
  auto secret = std::make_shared<core::Secret>();
  secret->data[".dockerconfigjson"] = R"({"auths":{"https://index.docker.io/v1/":{"auth":"dXNlcjpwYXNz"}}})";
  objects.secrets["s"] = secret;
  EXPECT_EQ(pull_credentials(pod.spec, objects, "nginx"), R"({"username":"user","password":"pass","identitytoken":"","serveraddress":"docker.io"})");
  EXPECT_EQ(pull_credentials(pod.spec, objects, "ghcr.io/a"), "");
}

TEST(Payloads, ComeFromTheirSources) {
  core::Pod pod = pod_of("{containers: [{name: a}], volumes: [{name: p, projected: {defaultMode: 256, sources: [{configMap: {name: c, items: [{key: k, path: d/k, mode: 420}]}}, "
                         "{secret: {name: s}}, {downwardAPI: {items: [{path: name, fieldRef: {fieldPath: metadata.name}}]}}, {serviceAccountToken: {path: token}}]}}]}");
  PodObjects objects;
  auto map = std::make_shared<core::ConfigMap>();
  map->data["k"] = "v";
  auto secret = std::make_shared<core::Secret>();
  secret->data["x"] = "y";
  objects.config_maps["c"] = map, objects.secrets["s"] = secret;
  auto payload = make_payload(pod.spec.volumes[0], pod, objects, {{"token", "t0"}}, {});
  ASSERT_TRUE(payload);
  EXPECT_EQ(*payload, (VolumePayload{{"d/k", {"v", 0644}}, {"x", {"y", 0400}}, {"name", {"web", 0400}}, {"token", {"t0", 0400}}}));
  map->data.clear();
  EXPECT_EQ(make_payload(pod.spec.volumes[0], pod, objects, {}, {}).error().message(), "references non-existent config key: k");
  objects.config_maps.clear();
  EXPECT_EQ(make_payload(pod.spec.volumes[0], pod, objects, {}, {}).error().message(), "configmap \"c\" not found");
  EXPECT_EQ(references_of(pod.spec), (PodReferences{{"c"}, {"s"}}));
}

TEST(Statuses, PatchOnlyWhatDiffers) {
  core::Pod known = pod_of("{containers: [{name: a}]}");
  known.status = from_yaml<core::PodStatus>("{phase: Pending, conditions: [{type: PodScheduled, status: 'True'}, {type: Ready, status: 'False', reason: X}], podIPs: [{ip: 10.0.0.1}]}");
  core::PodStatus wanted = known.status;
  wanted.conditions.erase(wanted.conditions.begin());  // the scheduler's, not ours
  EXPECT_EQ(status_patch(known, wanted), "");
  wanted.phase = "Running";
  wanted.conditions[0].status = "True", wanted.conditions[0].reason = "";
  wanted.pod_ips = {{"10.0.0.2"}};
  EXPECT_EQ(status_patch(known, wanted),
            R"({"metadata":{"uid":"u1"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","reason":null}],)"
            R"("podIPs":[{"ip":"10.0.0.2"},{"$patch":"delete","ip":"10.0.0.1"}]}})");
}

TEST(ProbeCounters, WaitForTheirThresholds) {
  core::Probe probe;
  probe.failure_threshold = 2, probe.success_threshold = 1;
  ProbeCounter counter(probe);
  using enum ProbeCounter::Change;
  EXPECT_EQ(counter.add(Verdict::kFailure), kNone);
  EXPECT_EQ(counter.add(Verdict::kSuccess), kPassed);
  EXPECT_EQ(counter.add(Verdict::kWarning), kNone);
  EXPECT_EQ(counter.add(Verdict::kFailure), kNone);
  EXPECT_EQ(counter.add(Verdict::kUnknown), kNone);
  EXPECT_EQ(counter.add(Verdict::kFailure), kFailed);
  EXPECT_EQ(counter.add(Verdict::kFailure), kNone);
}

TEST(Nodes, PatchOnlyWhatDiffers) {
  KubeletOptions options{.node_name = "n1", .node_ip = "10.0.0.1", .pod_cidr = "10.100.0.0/24"};
  NodeFacts facts{.os_image = "Debian", .architecture = "amd64", .cpu_millicores = 2000, .memory_bytes = 1 << 30, .disk_bytes = 10ll << 30};
  core::Node wanted = make_node(options, facts), known = wanted;
  EXPECT_EQ(node_patch(known, wanted), "");
  EXPECT_EQ(node_status_patch(known, wanted.status, false), "");
  known.metadata.labels.erase("kubernetes.io/os");
  EXPECT_EQ(node_patch(known, wanted), R"({"metadata":{"labels":{"kubernetes.io/os":"linux"}}})");
  NodePressure fine{.memory_available = 1 << 30, .disk_available = 5ll << 30, .pids = 5, .max_pids = 100};
  WallTime then{10s}, later{20s};
  wanted.status.conditions = make_node_conditions(fine, "", {}, then);
  known.status.conditions = wanted.status.conditions;
  core::NodeStatus next = wanted.status;
  next.conditions = make_node_conditions(fine, "", known.status.conditions, later);
  EXPECT_EQ(node_status_patch(known, next, false), "");
  EXPECT_NE(node_status_patch(known, next, true), "");
  EXPECT_EQ(next.conditions[3].last_transition_time, format_rfc3339(then));
  fine.disk_available = 1;
  next.conditions = make_node_conditions(fine, "", known.status.conditions, later);
  EXPECT_NE(node_status_patch(known, next, false).find("KubeletHasDiskPressure"), std::string::npos);
  EXPECT_EQ(node_status_patch(known, next, false).find("KubeletReady"), std::string::npos);
}

TEST(ServicePorts, JoinServicesAndSlices) {
  auto service = from_yaml<core::Service>("{metadata: {name: web, namespace: shop}, spec: {type: LoadBalancer, clusterIP: 10.96.0.9, sessionAffinity: ClientIP, externalTrafficPolicy: Local, "
                                          "ports: [{name: http, port: 80, nodePort: 30080, protocol: TCP}]}, status: {loadBalancer: {ingress: [{ip: 10.0.0.99}]}}}");
  auto slice = from_yaml<api::discovery::v1::EndpointSlice>(
      "{addressType: IPv4, ports: [{name: http, port: 8080, protocol: TCP}], endpoints: [{addresses: [10.1.0.3], nodeName: n2, conditions: {ready: true}}, "
      "{addresses: [10.1.0.2], nodeName: n1, conditions: {ready: true}}, {addresses: [10.1.0.4], conditions: {ready: false, serving: true, terminating: true}}]}");
  auto ports = make_service_ports(service, {&slice}, "n1");
  ASSERT_EQ(ports.size(), 1u);
  EXPECT_EQ(ports[0].name, "shop/web:http");
  EXPECT_EQ(ports[0].node_port, 30080);
  EXPECT_EQ(ports[0].external_ips, std::vector<std::string>{"10.0.0.99"});
  EXPECT_EQ(ports[0].session_affinity_seconds, 10800);
  EXPECT_TRUE(ports[0].local_only);
  EXPECT_EQ(ports[0].endpoints, (std::vector<network::Endpoint>{{"10.1.0.2", 8080}, {"10.1.0.3", 8080}}));
  EXPECT_EQ(ports[0].local_endpoints, (std::vector<network::Endpoint>{{"10.1.0.2", 8080}}));
  for (auto& endpoint : slice.endpoints) endpoint.conditions.ready = false;
  EXPECT_EQ(make_service_ports(service, {&slice}, "n1")[0].endpoints, (std::vector<network::Endpoint>{{"10.1.0.4", 8080}}));
  service.spec.cluster_ip = "None";
  EXPECT_TRUE(make_service_ports(service, {&slice}, "n1").empty());
}

}  // namespace
}  // namespace kobuk::node
