// What the API server says of itself and of its objects: discovery, OpenAPI, tables.
#include <gtest/gtest.h>

#include "api/discovery.h"
#include "api/openapi.h"
#include "api/openapi_v2.h"
#include "api/table.h"
#include "api/testing/objects.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Value;

bool served(const KindInfo&, std::string_view subresource) { return subresource != "proxy" && subresource != "attach"; }

TEST(Discovery, ListsGroupsByPriority) {
  Discovery discovery(builtin_kinds(), served);
  EXPECT_EQ(discovery.api_versions("10.0.0.1:6443"),
            R"({"kind":"APIVersions","versions":["v1"],"serverAddressByClientCIDRs":[{"clientCIDR":"0.0.0.0/0","serverAddress":"10.0.0.1:6443"}]})");
  auto groups = *codec::parse_json(discovery.groups());
  std::string names;
  for (const Value& group : groups.root["groups"].items()) names += std::string(group["name"].as_string("core")) + " ";
  EXPECT_EQ(names, "apps events.k8s.io coordination.k8s.io discovery.k8s.io ");
  EXPECT_EQ(*discovery.group("apps"),
            R"({"kind":"APIGroup","apiVersion":"v1","name":"apps","versions":[{"groupVersion":"apps/v1","version":"v1"}],)"
            R"("preferredVersion":{"groupVersion":"apps/v1","version":"v1"}})");
  EXPECT_FALSE(discovery.group("nothing"));
}

TEST(Discovery, ListsResourcesAndSubresources) {
  Discovery discovery(builtin_kinds(), served);
  auto list = *codec::parse_json(*discovery.resources("apps", "v1"));
  std::string names;
  for (const Value& resource : list.root["resources"].items()) names += std::string(resource["name"].as_string()) + " ";
  EXPECT_EQ(names, "deployments deployments/scale deployments/status replicasets replicasets/scale replicasets/status ");
  EXPECT_EQ(codec::to_json(list.root["resources"].at(1)),
            R"({"name":"deployments/scale","singularName":"","namespaced":true,"group":"autoscaling","version":"v1","kind":"Scale",)"
            R"("verbs":["get","patch","update"]})");
  EXPECT_EQ(discovery.resources("", "v1")->find("proxy"), std::string::npos);
  EXPECT_FALSE(discovery.resources("apps", "v2"));
}

TEST(Discovery, AggregatesForKubectl) {
  Discovery discovery(builtin_kinds(), served);
  auto core = *codec::parse_json(discovery.aggregated(true));
  EXPECT_EQ(core.root["kind"].as_string(), "APIGroupDiscoveryList");
  ASSERT_EQ(core.root["items"].size(), 1u);
  bool found = false;
  for (const Value& resource : core.root["items"].at(0)["versions"].at(0)["resources"].items()) {
    if (resource["resource"].as_string() != "pods") continue;
    found = true;
    EXPECT_EQ(codec::to_json(resource["shortNames"]), R"(["po"])");
    EXPECT_EQ(codec::to_json(resource["responseKind"]), R"({"group":"","version":"v1","kind":"Pod"})");
  }
  EXPECT_TRUE(found);
  auto groups = *codec::parse_json(discovery.aggregated(false));
  EXPECT_EQ(groups.root["items"].at(0)["metadata"]["name"].as_string(), "apps");
}

TEST(OpenApi, DescribesWhatKubectlLooksFor) {
  auto paths = openapi_paths(builtin_kinds(), served);
  EXPECT_EQ(paths.front(), "api/v1");
  auto text = openapi_document(builtin_kinds(), served, "apis/apps/v1");
  ASSERT_TRUE(text);
  auto document = *codec::parse_json(*text);
  const Value& patch = document.root["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
  bool validation = false;
  for (const Value& parameter : patch["parameters"].items()) validation = validation || parameter["name"].as_string() == "fieldValidation";
  EXPECT_TRUE(validation);
  EXPECT_EQ(codec::to_json(patch["x-kubernetes-group-version-kind"]), R"({"group":"apps","kind":"Deployment","version":"v1"})");
  const Value& schemas = document.root["components"]["schemas"];
  EXPECT_EQ(codec::to_json(schemas["io.k8s.api.core.v1.PodSpec"]["properties"]["volumes"]),
            R"({"type":"array","items":{"$ref":"#/components/schemas/io.k8s.api.core.v1.Volume"},"x-kubernetes-list-map-keys":["name"],)"
            R"("x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge,retainKeys"})");
  EXPECT_FALSE(openapi_document(builtin_kinds(), served, "apis/none/v1"));
  EXPECT_EQ(openapi_index({{"api/v1", "AB"}}), R"({"paths":{"api/v1":{"serverRelativeURL":"/openapi/v3/api/v1?hash=AB"}}})");
}

TEST(OpenApi, HasNoDanglingReferences) {
  for (const auto& path : openapi_paths(builtin_kinds(), served)) {
    std::string text = *openapi_document(builtin_kinds(), served, path);
    auto document = *codec::parse_json(text);
    constexpr std::string_view kRef = "\"$ref\":\"#/components/schemas/";
    for (size_t at = text.find(kRef); at != std::string::npos; at = text.find(kRef, at + 1)) {
      size_t start = at + kRef.size();
      std::string name = text.substr(start, text.find('"', start) - start);
      EXPECT_NE(document.root["components"]["schemas"].find(name), nullptr) << path << " " << name;
    }
  }
}

TEST(OpenApi, SaysTheSameInVersion2) {
  std::string text = openapi_v2_document(builtin_kinds(), served);
  auto document = *codec::parse_json(text);
  EXPECT_EQ(document.root["swagger"].as_string(), "2.0");
  EXPECT_EQ(text.find("#/components/"), std::string::npos);
  const Value& definitions = document.root["definitions"];
  EXPECT_EQ(codec::to_json(definitions["io.k8s.api.core.v1.Pod"]["properties"]["spec"]), R"({"$ref":"#/definitions/io.k8s.api.core.v1.PodSpec"})");
  EXPECT_EQ(codec::to_json(definitions["io.k8s.apimachinery.pkg.util.intstr.IntOrString"]), R"({"type":"string","format":"int-or-string"})");
  constexpr std::string_view kRef = "\"$ref\":\"#/definitions/";
  for (size_t at = text.find(kRef); at != std::string::npos; at = text.find(kRef, at + 1)) {
    size_t start = at + kRef.size();
    std::string name = text.substr(start, text.find('"', start) - start);
    EXPECT_NE(definitions.find(name), nullptr) << name;
  }
  const Value& patch = document.root["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
  std::set<std::string> parameters;
  for (const Value& parameter : patch["parameters"].items())
    parameters.insert(cat(parameter["in"].as_string(), " ", parameter["name"].as_string(), " ", parameter["type"].as_string()));
  EXPECT_TRUE(parameters.contains("query fieldValidation string"));
  EXPECT_TRUE(parameters.contains("body body "));
  auto bytes = openapi_v2_protobuf(text);
  ASSERT_TRUE(bytes) << bytes.error().message();
  EXPECT_TRUE(bytes->starts_with("\x0a\x03" "2.0"));  // kubectl reads the rest: KubectlTest
  EXPECT_FALSE(openapi_v2_protobuf("{"));
}

std::string row(std::string_view yaml) {
  codec::Document document = testing::yaml(yaml);
  WallTime now = *parse_rfc3339("2026-01-02T03:04:05Z");
  Value table = make_table({}, std::span(&document.root, 1), testing::kind_of(document.root), {now, TableInclude::kNone, false}, document.arena);
  return codec::to_json(table["rows"].at(0)["cells"]);
}

TEST(Table, RowsOfWorkloads) {
  EXPECT_EQ(row("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, creationTimestamp: '2026-01-02T03:00:00Z'}, spec: {replicas: 3, "
                "selector: {matchLabels: {b: c, a: b}}, template: {spec: {containers: [{name: x, image: i}, {name: z, image: j}]}}}, status: "
                "{readyReplicas: 1, updatedReplicas: 3, availableReplicas: 1}}"),
            R"(["d","1/3",3,1,"4m5s","x,z","i,j","a=b,b=c"])");
  EXPECT_EQ(row("{apiVersion: v1, kind: Service, metadata: {name: s, creationTimestamp: '2026-01-02T03:04:00Z'}, spec: {type: LoadBalancer, clusterIP: "
                "10.96.0.5, ports: [{port: 80, nodePort: 30080, protocol: TCP}, {port: 53, protocol: UDP}], selector: {app: nginx}}}"),
            R"(["s","LoadBalancer","10.96.0.5","<pending>","80:30080/TCP,53/UDP","5s","app=nginx"])");
  EXPECT_EQ(row("{apiVersion: v1, kind: Node, metadata: {name: n1, labels: {node-role.kubernetes.io/control-plane: ''}}, spec: {unschedulable: true}, "
                "status: {conditions: [{type: Ready, status: 'True'}], addresses: [{type: InternalIP, address: 1.2.3.4}], nodeInfo: "
                "{kubeletVersion: v1.36.2}}}"),
            R"(["n1","Ready,SchedulingDisabled","control-plane","<unknown>","v1.36.2","1.2.3.4","<none>","<unknown>","<unknown>","<unknown>"])");
  EXPECT_EQ(row("{apiVersion: v1, kind: Event, metadata: {name: e}, involvedObject: {kind: Pod, name: p}, reason: Pulled, type: Normal, message: ok, "
                "lastTimestamp: '2026-01-02T03:04:00Z', firstTimestamp: '2026-01-02T02:04:00Z', count: 4, source: {component: kubelet, host: h}}"),
            R"(["5s","Normal","Pulled","pod/p","","kubelet, h","ok","60m",4])");
}

TEST(Table, StatusOfPods) {
  auto pod = [](std::string_view status, std::string_view meta = "") {
    std::string cells = row("{apiVersion: v1, kind: Pod, metadata: {name: p" + std::string(meta) +
                            "}, spec: {containers: [{name: a}, {name: b}], initContainers: [{name: i}]}, status: " + std::string(status) + "}");
    auto parsed = *codec::parse_json(cells);
    return std::string(parsed.root.at(1).as_string()) + " " + std::string(parsed.root.at(2).as_string()) + " " +
           std::string(parsed.root.at(3).as_string());
  };
  const struct {
    std::string_view status, meta, cells;
  } cases[] = {
      {"{phase: Pending}", "", "0/2 Pending 0"},
      {"{phase: Pending, initContainerStatuses: [{name: i, state: {running: {}}}]}", "", "0/2 Init:0/1 0"},
      {"{phase: Pending, initContainerStatuses: [{name: i, restartCount: 2, state: {waiting: {reason: CrashLoopBackOff}}}]}", "",
       "0/2 Init:CrashLoopBackOff 2"},
      {"{phase: Pending, initContainerStatuses: [{name: i, state: {terminated: {exitCode: 3}}}]}", "", "0/2 Init:ExitCode:3 0"},
      {"{phase: Pending, containerStatuses: [{name: a, state: {waiting: {reason: ErrImagePull}}}]}", "", "0/2 ErrImagePull 0"},
      {"{phase: Running, containerStatuses: [{name: a, ready: true, state: {running: {}}}, {name: b, ready: true, state: {running: {}}}]}", "",
       "2/2 Running 0"},
      {"{phase: Running, containerStatuses: [{name: a, restartCount: 2, lastState: {terminated: {finishedAt: '2026-01-02T03:01:05Z'}}, ready: "
       "true, state: {running: {}}}]}",
       "", "1/2 Running 2 (3m ago)"},
      {"{phase: Running, containerStatuses: [{name: a, ready: true, state: {running: {}}}, {name: b, state: {terminated: {reason: Completed}}}]}",
       "", "1/2 NotReady 0"},
      {"{phase: Running}", ", deletionTimestamp: '2026-01-02T03:01:05Z'", "0/2 Terminating 0"},
      {"{phase: Failed, reason: Evicted}", "", "0/2 Evicted 0"},
  };
  for (const auto& c : cases) EXPECT_EQ(pod(c.status, c.meta), c.cells) << c.status;
}

TEST(Table, HasColumnsAndMetadata) {
  codec::Document document = testing::yaml(testing::kPod);
  codec::Document list = testing::yaml("{resourceVersion: '7', continue: abc}");
  Value table = make_table(list.root, std::span(&document.root, 1), testing::kind_of(document.root), {}, document.arena);
  EXPECT_EQ(codec::to_json(table["metadata"]), R"({"resourceVersion":"7","continue":"abc"})");
  EXPECT_EQ(table["columnDefinitions"].size(), 9u);
  EXPECT_EQ(table["columnDefinitions"].at(7)["name"].as_string(), "Nominated Node");
  EXPECT_EQ(table["columnDefinitions"].at(7)["priority"].as_int(), 1);
  EXPECT_EQ(table["rows"].at(0)["object"]["kind"].as_string(), "PartialObjectMetadata");
  // Every kind has as many cells as columns.
  for (const KindInfo* kind : builtin_kinds().all()) {
    Value object = Value::object();
    Value empty = make_table({}, std::span(&object, 1), *kind, {}, document.arena);
    EXPECT_EQ(empty["columnDefinitions"].size(), empty["rows"].at(0)["cells"].size()) << kind->kind;
  }
}

TEST(Table, ShortAges) {
  using namespace std::chrono_literals;
  const struct {
    Duration elapsed;
    std::string_view text;
  } cases[] = {{-5s, "<invalid>"}, {0s, "0s"},        {119s, "119s"},        {120s, "2m"},     {5min + 30s, "5m30s"}, {10min, "10m"},
               {179min, "179m"},   {3h, "3h"},        {7h + 5min, "7h5m"},   {47h, "47h"},     {51h, "2d3h"},         {24h * 8, "8d"},
               {24h * 729, "729d"}, {24h * 800, "2y70d"}, {24h * 365 * 9, "9y"}};
  for (const auto& c : cases) EXPECT_EQ(human_duration(c.elapsed), c.text);
}

}  // namespace
}  // namespace kobuk::api
