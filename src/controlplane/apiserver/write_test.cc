// Writes: field validation, dry run, patches, apply, deletion with finalizers, namespaces, Services' addresses.
#include <gtest/gtest.h>

#include "base/strings.h"
#include "codec/json.h"
#include "controlplane/apiserver/testing/api_fixture.h"

namespace kobuk::controlplane {
namespace {

using apiserver::testing::ApiTest;

constexpr std::string_view kMaps = "/api/v1/namespaces/default/configmaps";
constexpr std::string_view kServices = "/api/v1/namespaces/default/services";
constexpr std::string_view kMerge = "application/merge-patch+json", kApply = "application/apply-patch+yaml", kJson = "application/json-patch+json";

std::string map(std::string_view name, std::string_view more = "") {
  return cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":")", name, R"("})", more, "}");
}
std::string service(std::string_view name, std::string_view spec) {
  return cat(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":")", name, R"("},"spec":{)", spec, R"("ports":[{"port":80}]}})");
}

class Write : public ApiTest {};

TEST_F(Write, ValidatesFieldsAsAsked) {
  std::string odd = map("a", R"(,"dat":{})");
  EXPECT_EQ(post(cat(kMaps, "?fieldValidation=Strict"), odd).message(),
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"dat\"");
  auto warned = post(std::string(kMaps), odd);
  EXPECT_EQ(warned.status, 201);
  EXPECT_EQ(warned.headers.get("Warning"), "299 - \"unknown field \\\"dat\\\"\"");
  EXPECT_FALSE(post(cat(kMaps, "?fieldValidation=Ignore"), map("b", R"(,"dat":{})")).headers.has("Warning"));
  EXPECT_EQ(post(cat(kMaps, "?fieldValidation=Never"), map("c")).status, 422);
  EXPECT_EQ(post(std::string(kMaps), "{").status, 400);
  EXPECT_EQ(send("POST", std::string(kMaps), "x", "text/plain").status, 415);
  EXPECT_EQ(post(std::string(kMaps), std::string((3 << 20) + 1, ' ')).status, 413);
  EXPECT_EQ(post(std::string(kMaps), R"({"apiVersion":"apps/v1","kind":"ConfigMap"})").message(),
            "the API version in the data (apps/v1) does not match the expected API version (v1)");
}

TEST_F(Write, DryRunsLeaveNothing) {
  auto dry = post(cat(kMaps, "?dryRun=All"), map("a"));
  EXPECT_EQ(dry.status, 201);
  EXPECT_FALSE(dry.json["metadata"]["uid"].as_string().empty());
  EXPECT_EQ(get(cat(kMaps, "/a")).status, 404);
  post(std::string(kMaps), map("a"));
  EXPECT_EQ(post(cat(kMaps, "?dryRun=All"), map("a")).status, 409);
  EXPECT_EQ(patch(cat(kMaps, "/a?dryRun=All"), kMerge, R"({"data":{"k":"v"}})").json["data"]["k"].as_string(), "v");
  EXPECT_TRUE(get(cat(kMaps, "/a")).json["data"].is_null());
  EXPECT_EQ(send("DELETE", cat(kMaps, "/a?dryRun=All")).status, 200);
  EXPECT_EQ(get(cat(kMaps, "/a")).status, 200);
  EXPECT_EQ(post(cat(kMaps, "?dryRun=Some"), map("b")).status, 422);
  auto address = post(cat(kServices, "?dryRun=All"), service("s", R"("clusterIP":"10.96.0.9",)"));
  EXPECT_EQ(address.status, 201) << address.body;
  EXPECT_EQ(post(std::string(kServices), service("t", R"("clusterIP":"10.96.0.9",)")).status, 201);
}

TEST_F(Write, GeneratesNames) {
  auto made = post(std::string(kMaps), R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"generateName":"c-"}})");
  ASSERT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(made.json["metadata"]["name"].as_string().size(), 7u);
}

TEST_F(Write, ComparesRevisions) {
  auto made = post(std::string(kMaps), map("a"));
  auto changed = patch(cat(kMaps, "/a"), kMerge, R"({"data":{"k":"v"}})");
  ASSERT_EQ(changed.status, 200);
  auto stale = put(cat(kMaps, "/a"), made.body);
  EXPECT_EQ(stale.status, 409);
  EXPECT_EQ(stale.message(), "Operation cannot be fulfilled on configmaps \"a\": the object has been modified; please apply your changes to "
                             "the latest version and try again");
  EXPECT_EQ(put(cat(kMaps, "/a"), changed.body).body, changed.body);  // no change, no new revision
  auto reordered = put(cat(kMaps, "/a"), R"({"data":{"k":"v"},"metadata":{"name":"a"},"kind":"ConfigMap","apiVersion":"v1"})");
  EXPECT_EQ(reordered.body, changed.body);
  EXPECT_EQ(put(cat(kMaps, "/a"), map("b")).message(), "the name of the object (b) does not match the name on the URL (a)");
  EXPECT_EQ(put(cat(kMaps, "/zzz"), map("zzz")).message(), "configmaps \"zzz\" not found");
}

TEST_F(Write, Patches) {
  post(std::string(kMaps), map("a", R"(,"data":{"k":"v"})"));
  auto json = patch(cat(kMaps, "/a"), kJson, R"([{"op":"test","path":"/data/k","value":"v"},{"op":"add","path":"/data/n","value":"1"}])");
  EXPECT_EQ(json.json["data"]["n"].as_string(), "1") << json.body;
  EXPECT_EQ(patch(cat(kMaps, "/a"), kJson, R"([{"op":"test","path":"/data/k","value":"w"}])").status, 422);
  EXPECT_EQ(patch(cat(kMaps, "/a"), "application/x", "{}").status, 415);
  auto strict = patch(cat(kMaps, "/a?fieldValidation=Strict"), kMerge, R"({"dat":1})");
  EXPECT_TRUE(strict.message().starts_with(" \"\" is invalid: patch: Invalid value: \"{\\\"kind\\\":\\\"ConfigMap\\\"")) << strict.message();
  EXPECT_TRUE(strict.message().ends_with("\\\"dat\\\":1}\": strict decoding error: unknown field \"dat\"")) << strict.message();
  auto immutable = patch(cat(kMaps, "/a"), kMerge, R"({"metadata":{"uid":"x"}})");
  EXPECT_EQ(immutable.status, 409);
}

TEST_F(Write, AppliesWithOwners) {
  std::string config = map("a", R"(,"data":{"k":"v"})");
  EXPECT_EQ(patch(cat(kMaps, "/a?fieldManager=one"), kApply, config).status, 201);
  EXPECT_EQ(patch(cat(kMaps, "/a"), kApply, config).status, 422);
  auto conflict = patch(cat(kMaps, "/a?fieldManager=two"), kApply, map("a", R"(,"data":{"k":"w"})"));
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.message(), "Apply failed with 1 conflict: conflict with \"one\": .data.k");
  EXPECT_EQ(conflict.json["details"]["causes"].at(0)["reason"].as_string(), "FieldManagerConflict");
  auto forced = patch(cat(kMaps, "/a?fieldManager=two&force=true"), kApply, map("a", R"(,"data":{"k":"w"})"));
  EXPECT_EQ(forced.json["data"]["k"].as_string(), "w");
  EXPECT_EQ(forced.json["metadata"]["managedFields"].size(), 1u);
}

TEST_F(Write, SaysWhichTypeIsWrong) {
  constexpr std::string_view kWeb = "/apis/apps/v1/namespaces/default/deployments/web";
  auto sent = [](std::string_view spec) {
    return cat(R"({"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"web"},"spec":{)", spec, "}}");
  };
  constexpr std::string_view kGo = "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32";
  EXPECT_EQ(post("/apis/apps/v1/namespaces/default/deployments", sent(R"("replicas":"x")")).message(),
            cat("Deployment in version \"v1\" cannot be handled as a Deployment: ", kGo));
  auto applied = patch(cat(kWeb, "?fieldManager=m"), kApply, sent(R"("replicas":"x")"));
  EXPECT_EQ(applied.status, 500);
  EXPECT_EQ(applied.message(), "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.replicas: expected numeric "
                               "(int or float), got string");
  auto many = patch(cat(kWeb, "?fieldManager=m"), kApply, sent(R"("paused":"y","template":{"spec":{"containers":[{"name":"c","env":[{"name":"A","value":1}],"args":"a"}]}})"));
  EXPECT_EQ(many.message(), "failed to create typed patch object (default/web; apps/v1, Kind=Deployment): errors:\n"
                            "  .spec.paused: expected boolean, got &{y}\n"
                            "  .spec.template.spec.containers[name=\"c\"].env[name=\"A\"].value: expected string, got &value.valueUnstructured{Value:1}\n"
                            "  .spec.template.spec.containers[name=\"c\"].args: expected list, got &{a}");
  auto core = patch(cat(kMaps, "/a?fieldManager=m"), kApply, map("a", R"(,"data":[{"k":"v"}])"));
  EXPECT_EQ(core.message(), "failed to create typed patch object (default/a; /v1, Kind=ConfigMap): .data: expected map, got &{[map[k:v]]}");

  post("/apis/apps/v1/namespaces/default/deployments", deployment("web"));
  EXPECT_EQ(put(std::string(kWeb), sent(R"("replicas":"x")")).message(), cat("Deployment in version \"v1\" cannot be handled as a Deployment: ", kGo));
  auto merge = patch(std::string(kWeb), kMerge, R"({"spec":{"replicas":"x"}})");
  EXPECT_EQ(merge.status, 422);
  EXPECT_TRUE(merge.message().starts_with(" \"\" is invalid: patch: Invalid value: \"{\\\"kind\\\":\\\"Deployment\\\"")) << merge.message();
  EXPECT_TRUE(merge.message().ends_with(cat("\": ", kGo))) << merge.message();
  auto strategic = patch(std::string(kWeb), "application/strategic-merge-patch+json", R"({"spec":{"replicas":"x"}})");
  EXPECT_EQ(strategic.message(), " \"\" is invalid: patch: Invalid value: \"map[spec:map[replicas:x]]\": unrecognized type: int32");
}

TEST_F(Write, FinalizersHoldWhatIsDeleted) {
  post(std::string(kMaps), R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","finalizers":["x.io/y"]}})");
  auto deleted = remove(cat(kMaps, "/a"));
  EXPECT_EQ(deleted.status, 200);
  EXPECT_FALSE(deleted.json["metadata"]["deletionTimestamp"].is_null());
  auto added = patch(cat(kMaps, "/a"), kMerge, R"({"metadata":{"finalizers":["x.io/y","x.io/z"]}})");
  EXPECT_EQ(added.status, 422);
  patch(cat(kMaps, "/a"), kMerge, R"({"metadata":{"finalizers":null}})");
  EXPECT_EQ(get(cat(kMaps, "/a")).status, 404);
}

TEST_F(Write, DeletesByPolicy) {
  post(std::string(kMaps), map("a"));
  auto wrong = remove(cat(kMaps, "/a"), R"({"preconditions":{"uid":"other"}})");
  EXPECT_EQ(wrong.status, 409);
  auto foreground = remove(cat(kMaps, "/a"), R"({"propagationPolicy":"Foreground"})");
  EXPECT_EQ(foreground.json["metadata"]["finalizers"].at(0).as_string(), "foregroundDeletion");
  EXPECT_EQ(remove(cat(kMaps, "/a"), R"({"propagationPolicy":"Sideways"})").status, 422);
  post(std::string(kMaps), map("b"));
  auto gone = remove(cat(kMaps, "/b"));
  EXPECT_EQ(gone.json["status"].as_string(), "Success");
  EXPECT_EQ(gone.json["details"]["kind"].as_string(), "configmaps");
  for (auto name : {"c", "d"}) post(std::string(kMaps), map(name));
  remove(cat(kMaps, "?fieldSelector=metadata.name%3Dc"));
  EXPECT_EQ(get(cat(kMaps, "/c")).status, 404);
  EXPECT_EQ(get(cat(kMaps, "/d")).status, 200);
  remove(std::string(kMaps));
  EXPECT_EQ(get(cat(kMaps, "/d")).status, 404);
}

TEST_F(Write, NamespacesTerminate) {
  post("/api/v1/namespaces", R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"}})");
  auto deleted = remove("/api/v1/namespaces/n");
  EXPECT_EQ(deleted.json["status"]["phase"].as_string(), "Terminating");
  auto refused = post("/api/v1/namespaces/n/configmaps", map("a"));
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.message(), "configmaps \"a\" is forbidden: unable to create new content in namespace n because it is being terminated");
  EXPECT_EQ(refused.json["details"]["causes"].at(0)["reason"].as_string(), "NamespaceTerminating");
  auto done = put("/api/v1/namespaces/n/finalize", R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":"n"},"spec":{}})");
  EXPECT_EQ(done.status, 200) << done.body;
  EXPECT_EQ(get("/api/v1/namespaces/n").status, 404);
}

TEST_F(Write, ServicesGetAddressesOnce) {
  auto made = post(std::string(kServices), service("a", R"("type":"NodePort",)"));
  ASSERT_EQ(made.status, 201) << made.body;
  std::string ip(made.json["spec"]["clusterIP"].as_string());
  int64_t port = made.json["spec"]["ports"].at(0)["nodePort"].as_int();
  EXPECT_GE(port, 30000);
  EXPECT_EQ(made.json["spec"]["clusterIPs"].at(0).as_string(), ip);
  auto clash = post(std::string(kServices), service("b", cat(R"("clusterIP":")", ip, R"(",)")));
  EXPECT_EQ(clash.message(), cat("Service \"b\" is invalid: spec.clusterIPs: Invalid value: [\"", ip, "\"]: failed to allocate IP ", ip,
                                 ": provided IP is already allocated"));
  auto outside = post(std::string(kServices), service("b", R"("clusterIP":"1.2.3.4",)"));
  EXPECT_NE(outside.message().find("the provided IP (1.2.3.4) is not in the valid range. The range of valid IPs is 10.96.0.0/16"), std::string::npos);
  // Leaving the addresses out keeps them; another type gives the port back.
  auto same = put(cat(kServices, "/a"), service("a", R"("type":"NodePort",)"));
  EXPECT_EQ(same.json["spec"]["ports"].at(0)["nodePort"].as_int(), port) << same.body;
  auto changed = patch(cat(kServices, "/a"), kMerge, R"({"spec":{"type":"ClusterIP"}})");
  EXPECT_EQ(changed.status, 200) << changed.body;
  EXPECT_TRUE(changed.json["spec"]["ports"].at(0)["nodePort"].is_null()) << changed.body;
  auto taken = post(std::string(kServices), cat(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"p"},"spec":{"type":"NodePort","ports":[{"port":1,"nodePort":)", port, "}]}}"));
  EXPECT_EQ(taken.status, 201) << taken.body;
  remove(cat(kServices, "/a"));
  EXPECT_EQ(post(std::string(kServices), service("b", cat(R"("clusterIP":")", ip, R"(",)"))).status, 201);
  auto headless = post(std::string(kServices), service("h", R"("clusterIP":"None",)"));
  EXPECT_EQ(headless.json["spec"]["clusterIPs"].at(0).as_string(), "None");
}

TEST_F(Write, OthersMayNotDoEverything) {
  groups_.clear();
  user_ = "jane";
  auto refused = get(cat(kMaps, "/a"));
  EXPECT_EQ(refused.status, 403);
  EXPECT_EQ(refused.message(), "configmaps \"a\" is forbidden: User \"jane\" cannot get resource \"configmaps\" in API group \"\" in the namespace \"default\"");
  EXPECT_EQ(get("/api/v1/nodes").message(), "nodes is forbidden: User \"jane\" cannot list resource \"nodes\" in API group \"\" at the cluster scope");
  EXPECT_EQ(get("/metrics").message(), "forbidden: User \"jane\" cannot get path \"/metrics\"");
  EXPECT_EQ(get("/version").status, 200);
  user_ = "system:node:n1";
  EXPECT_EQ(get("/api/v1/namespaces/default/pods").status, 200);
  EXPECT_EQ(post(std::string(kMaps), map("a")).status, 403);
  user_ = "";
  EXPECT_EQ(get("/readyz").body, "ok");
  EXPECT_EQ(get("/api").status, 401);
  EXPECT_EQ(get("/api").message(), "Unauthorized");
}

TEST_F(Write, ObjectsDoNotGrowPastWhatCanBeRead) {
  auto keys = [](int from, int count) {
    std::string out;
    for (int i = from; i < from + count; ++i) cat_to(out, out.empty() ? "" : ",", '"', std::string(240, 'k'), i, "\":\"\"");
    return cat("{", out, "}");
  };
  ASSERT_EQ(post(std::string(kMaps), map("a", cat(",\"data\":", keys(0, 2000)))).status, 201);
  auto grown = patch(cat(kMaps, "/a"), kMerge, cat("{\"data\":", keys(2000, 2000), "}"));
  EXPECT_EQ(grown.status, 413) << grown.message();
  EXPECT_NE(grown.message().find("Request entity too large"), std::string::npos);
  EXPECT_EQ(post(std::string(kMaps), map("b", cat(",\"data\":", keys(0, 4000)))).status, 413);
  EXPECT_EQ(patch(cat(kMaps, "/a"), kMerge, R"({"data":null})").status, 200);
}

TEST_F(Write, ChecksItsOptions) {
  std::string_view invalid = "PatchOptions.meta.k8s.io \"\" is invalid: ";
  post(std::string(kMaps), map("a"));
  EXPECT_EQ(patch(cat(kMaps, "/a?dryRun=some"), kMerge, "{}").message(), cat(invalid, "dryRun: Unsupported value: \"some\": supported values: \"All\""));
  EXPECT_EQ(patch(cat(kMaps, "/a?fieldManager=", std::string(129, 'm')), kMerge, "{}").message(),
            cat(invalid, "fieldManager: Too long: may not be more than 128 bytes"));
  EXPECT_EQ(patch(cat(kMaps, "/a?fieldManager=a%0Ab"), kMerge, "{}").status, 422);
  EXPECT_EQ(post(cat(kMaps, "?fieldManager=a%0Ab"), map("b")).status, 422);
}

TEST_F(Write, ActsAsWhomIsAskedFor) {
  post(std::string(kMaps), map("a"));
  headers_ = {{"Impersonate-User", "jane"}, {"Impersonate-Group", "devs"}};
  EXPECT_EQ(remove(cat(kMaps, "/a")).message(),
            "configmaps \"a\" is forbidden: User \"jane\" cannot delete resource \"configmaps\" in API group \"\" in the namespace \"default\"");
  headers_ = {{"Impersonate-User", "jane"}, {"Impersonate-Group", "system:masters"}};
  EXPECT_EQ(get(cat(kMaps, "/a")).status, 200);
  headers_ = {{"Impersonate-User", "system:anonymous"}};
  EXPECT_EQ(get("/version").status, 403);
  headers_ = {{"Impersonate-Group", "devs"}};
  EXPECT_EQ(get("/version").status, 500);
  for (auto user : {"system:kube-controller-manager", "system:node:n1", "jane"}) {
    user_ = user, groups_ = {};
    headers_ = {{"Impersonate-User", "admin"}, {"Impersonate-Group", "system:masters"}};
    EXPECT_EQ(get(cat(kMaps, "/a")).message(),
              cat("users \"admin\" is forbidden: User \"", user, "\" cannot impersonate resource \"users\" in API group \"\" at the cluster scope"));
  }
}

TEST_F(Write, ANodeWritesOnlyWhatIsItsOwn) {
  post("/api/v1/nodes", R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n2"}})");
  for (auto name : {"own", "other"}) {
    post("/api/v1/namespaces/default/pods", pod(name));
    std::string node = std::string_view(name) == "own" ? "n1" : "n2";
    post(cat("/api/v1/namespaces/default/pods/", name, "/binding"), cat(R"({"metadata":{"name":")", name, R"("},"target":{"name":")", node, "\"}}"));
  }
  user_ = "system:node:n1", groups_ = {"system:nodes"};
  constexpr std::string_view kNode = R"({"apiVersion":"v1","kind":"Node","metadata":{"name":"n1"}})";
  EXPECT_EQ(post("/api/v1/nodes", kNode).status, 201);
  EXPECT_EQ(patch("/api/v1/nodes/n1/status", kMerge, R"({"status":{"capacity":{"cpu":"1"}}})").status, 200);
  EXPECT_EQ(patch("/api/v1/nodes/n2/status", kMerge, R"({"status":{"capacity":{"cpu":"1"}}})").message(),
            "nodes \"n2\" is forbidden: node \"n1\" is not allowed to modify node \"n2\"");
  EXPECT_EQ(patch("/api/v1/nodes/n1", kMerge, R"({"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}})").message(),
            "nodes \"n1\" is forbidden: node \"n1\" is not allowed to modify taints");
  EXPECT_EQ(patch("/api/v1/nodes/n1", kMerge, R"({"metadata":{"labels":{"x.node-restriction.kubernetes.io/k":"v"}}})").message(),
            "nodes \"n1\" is forbidden: is not allowed to modify labels: x.node-restriction.kubernetes.io/k");
  EXPECT_EQ(remove("/api/v1/nodes/n2").status, 403);
  constexpr std::string_view kPods = "/api/v1/namespaces/default/pods";
  constexpr std::string_view kRunning = R"({"status":{"phase":"Running"}})";
  EXPECT_EQ(patch(cat(kPods, "/own/status"), kMerge, kRunning).status, 200);
  EXPECT_EQ(patch(cat(kPods, "/other/status"), kMerge, kRunning).message(),
            "pods \"other\" is forbidden: node \"n1\" can only update pod status for pods with spec.nodeName set to itself");
  EXPECT_EQ(patch(cat(kPods, "/own"), kMerge, R"({"metadata":{"labels":{"a":"b"}}})").status, 403);
  EXPECT_EQ(post(std::string(kPods), pod("made")).message(),
            "pods \"made\" is forbidden: pod does not have \"kubernetes.io/config.mirror\" annotation, node \"n1\" can only create mirror pods");
  auto mirror = [&](std::string_view name, std::string_view more) {
    return post(std::string(kPods), cat(R"({"metadata":{"name":")", name, R"(","annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"nodeName":"n1","containers":[{"name":"c","image":"i")",
                                        more, "}}"));
  };
  for (auto [what, more] : {std::pair{"secrets", R"(}],"volumes":[{"name":"v","secret":{"secretName":"s"}}])"},
                            {"secrets", R"(,"env":[{"name":"E","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}]}])"},
                            {"configmaps", R"(,"envFrom":[{"configMapRef":{"name":"m"}}]}])"},
                            {"a service account", R"(}],"serviceAccountName":"a")"}})
    EXPECT_EQ(mirror("forged", more).message(), cat("pods \"forged\" is forbidden: node \"n1\" can not create pods that reference ", what));
  EXPECT_EQ(mirror("static", "}]").status, 201);
  EXPECT_EQ(get(cat(kPods, "/other/log")).status, 403) << "whole objects are read, not what a container printed";
  EXPECT_EQ(remove(cat(kPods, "/other")).status, 403);
  EXPECT_EQ(remove(cat(kPods, "/own"), R"({"gracePeriodSeconds":0})").status, 200);
  auto lease = [&](std::string_view space, std::string_view name) {
    return post(cat("/apis/coordination.k8s.io/v1/namespaces/", space, "/leases"),
                cat(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")", name, "\"}}")).status;
  };
  EXPECT_EQ(lease("kube-node-lease", "n1"), 201);
  EXPECT_EQ(lease("kube-node-lease", "n2"), 403);
  EXPECT_EQ(lease("kube-system", "n1"), 403);
}

TEST_F(Write, ANodeReadsWhatItsPodsName) {
  constexpr std::string_view kSecrets = "/api/v1/namespaces/default/secrets";
  post(std::string(kMaps), map("used"));
  for (auto name : {"pull", "volume", "other"})
    post(std::string(kSecrets), cat(R"({"apiVersion":"v1","kind":"Secret","metadata":{"name":")", name, "\"}}"));
  post("/api/v1/namespaces/default/pods",
       R"({"metadata":{"name":"p"},"spec":{"imagePullSecrets":[{"name":"pull"}],"volumes":[{"name":"v","secret":{"secretName":"volume"}}],)"
       R"("containers":[{"name":"other","image":"i","envFrom":[{"configMapRef":{"name":"used"}}]}]}})");
  user_ = "system:node:n1", groups_ = {"system:nodes"};
  EXPECT_EQ(get(cat(kMaps, "/used")).message(),
            "configmaps \"used\" is forbidden: User \"system:node:n1\" cannot get resource \"configmaps\" in API group \"\" in the namespace "
            "\"default\": no relationship found between node 'n1' and this object");
  user_ = "admin", groups_ = {"system:masters"};
  post("/api/v1/namespaces/default/pods/p/binding", R"({"metadata":{"name":"p"},"target":{"name":"n1"}})");
  user_ = "system:node:n1", groups_ = {"system:nodes"};
  EXPECT_EQ(get(cat(kMaps, "/used")).status, 200);
  EXPECT_EQ(get(cat(kMaps, "?fieldSelector=metadata.name%3Dused")).status, 200);
  EXPECT_EQ(get(cat(kSecrets, "/pull")).status, 200);
  EXPECT_EQ(get(cat(kSecrets, "/volume")).status, 200);
  EXPECT_EQ(get(cat(kSecrets, "/other")).status, 403);
  EXPECT_EQ(get(cat(kSecrets, "/used")).status, 403);
  EXPECT_EQ(get(std::string(kSecrets)).status, 403);
  EXPECT_EQ(get("/api/v1/secrets?watch=true").status, 403);
  user_ = "system:node:n2";
  EXPECT_EQ(get(cat(kSecrets, "/pull")).status, 403);
}

}  // namespace
}  // namespace kobuk::controlplane
