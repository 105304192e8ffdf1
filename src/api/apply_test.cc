#include "api/apply.h"

#include <gtest/gtest.h>

#include "api/field_set.h"
#include "api/testing/objects.h"
#include "api/typed_merge.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Value;

// An object as it lives in the server, and the ways to write it.
class Live {
 public:
  explicit Live(std::string_view api_version = "apps/v1", std::string_view kind = "Deployment")
      : kind_(*builtin_kinds().find_kind(api_version, kind)) {}

  void update(std::string_view yaml, std::string_view manager, std::string_view subresource = {}) {
    auto document = std::make_shared<codec::Document>(testing::yaml(yaml));
    Value object = document->root;
    track_update(object, object_, kind_, write(manager, subresource), arena_);
    arena_.retain(document);
    object_ = object.clone(arena_);
  }
  // "" or the conflicts.
  std::string apply(std::string_view yaml, std::string_view manager, bool force = false, std::string_view subresource = {}) {
    auto document = std::make_shared<codec::Document>(testing::yaml(yaml));
    arena_.retain(document);
    auto applied = apply_configuration(object_, document->root, kind_, write(manager, subresource), force, arena_);
    if (!applied) return applied.error().message();
    if (!applied->conflicts.empty()) return conflict_message(applied->conflicts);
    object_ = applied->object.clone(arena_);
    return "";
  }
  std::string spec() const { return codec::to_json(object_["spec"]); }
  std::string fields(std::string_view manager) const {
    for (const Value& entry : object_["metadata"]["managedFields"].items())
      if (entry["manager"].as_string() == manager) return codec::to_json(entry["fieldsV1"]);
    return "none";
  }
  std::string time(std::string_view manager) const {
    for (const Value& entry : object_["metadata"]["managedFields"].items())
      if (entry["manager"].as_string() == manager) return std::string(entry["time"].as_string());
    return "none";
  }
  const Value& object() const { return object_; }

 private:
  Write write(std::string_view manager, std::string_view subresource) {
    now_ += std::chrono::seconds{1};
    static constexpr std::string_view kStatus[] = {"status"}, kSpec[] = {"spec"};
    return {manager, kind_.api_version, subresource, now_, subresource.empty() ? kStatus : kSpec};
  }
  const KindInfo& kind_;
  codec::Arena arena_;
  Value object_;
  WallTime now_{std::chrono::seconds{1'700'000'000}};
};

TEST(Apply, TracksWhatACreateSets) {
  Live live("v1", "Pod");
  live.update("{apiVersion: v1, kind: Pod, metadata: {name: p, labels: {a: b}}, spec: {restartPolicy: Always, securityContext: {}, "
              "containers: [{name: c, image: i, resources: {}, ports: [{containerPort: 80, protocol: TCP}]}]}}",
              "kubectl-create");
  EXPECT_EQ(live.fields("kubectl-create"),
            R"({"f:metadata":{"f:labels":{".":{},"f:a":{}}},"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{},)"
            R"("f:ports":{".":{},"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{".":{},"f:containerPort":{},"f:protocol":{}}},"f:resources":{}}},)"
            R"("f:restartPolicy":{},"f:securityContext":{}}})");
}

TEST(Apply, OwnsWhatItApplies) {
  Live live;
  EXPECT_EQ(live.apply("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 3, template: {spec: {containers: [{name: c, "
                       "image: i}]}}}}",
                       "kubectl"),
            "");
  EXPECT_EQ(live.fields("kubectl"),
            R"({"f:spec":{"f:replicas":{},"f:template":{"f:spec":{"f:containers":{"k:{\"name\":\"c\"}":{".":{},"f:image":{},"f:name":{}}}}}}})");
}

TEST(Apply, ConflictsAreNamedAsKubernetesDoes) {
  Live live;
  live.update("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 1, paused: true}}", "kubectl-client-side-apply");
  EXPECT_EQ(live.apply("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 3}}", "me"),
            "Apply failed with 1 conflict: conflict with \"kubectl-client-side-apply\" using apps/v1: .spec.replicas");
  EXPECT_EQ(live.apply("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 3, paused: false}}", "me"),
            "Apply failed with 2 conflicts: conflicts with \"kubectl-client-side-apply\" using apps/v1:\n- .spec.paused\n- .spec.replicas");
  EXPECT_EQ(live.spec(), R"({"replicas":1,"paused":true})");
  // The same value is shared, a forced one is taken.
  EXPECT_EQ(live.apply("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 1}}", "me"), "");
  EXPECT_EQ(live.fields("kubectl-client-side-apply"), R"({"f:spec":{"f:paused":{},"f:replicas":{}}})");
  EXPECT_EQ(live.apply("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 5}}", "me", true), "");
  EXPECT_EQ(live.fields("kubectl-client-side-apply"), R"({"f:spec":{"f:paused":{}}})");
  EXPECT_EQ(live.spec(), R"({"replicas":5,"paused":true})");
}

TEST(Apply, AnUpdateTakesOwnership) {
  Live live;
  EXPECT_EQ(live.apply("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 3, minReadySeconds: 1}}", "me"), "");
  live.update("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 4, minReadySeconds: 1}}", "scaler");
  EXPECT_EQ(live.fields("me"), R"({"f:spec":{"f:minReadySeconds":{}}})");
  EXPECT_EQ(live.fields("scaler"), R"({"f:spec":{"f:replicas":{}}})");
  EXPECT_EQ(live.apply("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 3, minReadySeconds: 1}}", "me"),
            "Apply failed with 1 conflict: conflict with \"scaler\" using apps/v1: .spec.replicas");
  // Leaving it out gives it up.
  EXPECT_EQ(live.apply("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {minReadySeconds: 1}}", "me"), "");
  EXPECT_EQ(live.spec(), R"({"replicas":4,"minReadySeconds":1})");
}

TEST(Apply, RemovesWhatIsNoLongerApplied) {
  Live live;
  auto with = [](std::string_view containers, std::string_view labels) {
    return cat("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, labels: ", labels, "}, spec: {template: {spec: {containers: ",
               containers, "}}}}");
  };
  EXPECT_EQ(live.apply(with("[{name: a, image: i1}, {name: b, image: i2, ports: [{containerPort: 1}]}]", "{l: m, gone: o}"), "me"), "");
  // The server's defaults in an element go with it.
  live.update(codec::to_json(live.object()).replace(codec::to_json(live.object()).find("\"image\":\"i2\""), 0, "\"imagePullPolicy\":\"Always\","),
              "");
  EXPECT_EQ(live.apply(with("[{name: a, image: i1}]", "{l: m}"), "me"), "");
  EXPECT_EQ(codec::to_json(live.object()["metadata"]["labels"]), R"({"l":"m"})");
  // "unknown" still owns imagePullPolicy of b: the element stays, with that and its key.
  EXPECT_EQ(codec::to_json(live.object()["spec"]["template"]["spec"]["containers"]),
            R"([{"name":"a","image":"i1"},{"imagePullPolicy":"Always","name":"b"}])");
}

TEST(Apply, RemovesElementsWithTheirDefaults) {
  Live live("v1", "Service");
  EXPECT_EQ(live.apply("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80}, {port: 81}]}}", "me"), "");
  EXPECT_EQ(live.fields("me"), R"({"f:spec":{"f:ports":{"k:{\"port\":80,\"protocol\":\"TCP\"}":{".":{},"f:port":{}},)"
                               R"("k:{\"port\":81,\"protocol\":\"TCP\"}":{".":{},"f:port":{}}}}})");
  EXPECT_EQ(live.apply("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 81}]}}", "me"), "");
  EXPECT_EQ(live.spec(), R"({"ports":[{"port":81}]})");
  EXPECT_EQ(live.apply("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {}}", "me"), "");
  EXPECT_EQ(live.spec(), "null");
}

TEST(Apply, RefusesRepeatedElements) {
  Live live("v1", "Service");
  EXPECT_EQ(live.apply("{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80}, {port: 80, name: x}]}}", "me"),
            "duplicate entries for key [port=80,protocol=\"TCP\"]");
  EXPECT_EQ(live.apply("{apiVersion: v1, kind: Service, metadata: {name: s, managedFields: []}, spec: {}}", "me"),
            "metadata.managedFields must be nil");
}

TEST(Apply, DoingItAgainChangesNothing) {
  Live live;
  std::string_view config = "{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 3}}";
  EXPECT_EQ(live.apply(config, "me"), "");
  std::string before = codec::to_json(live.object());
  EXPECT_EQ(live.apply(config, "me"), "");
  EXPECT_EQ(codec::to_json(live.object()), before);
}

TEST(Apply, StatusAndSpecAreOwnedApart) {
  Live live;
  live.update("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 3}}", "m");
  live.update("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d}, spec: {replicas: 3}, status: {readyReplicas: 1}}", "m", "status");
  const Value& entries = live.object()["metadata"]["managedFields"];
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_EQ(codec::to_json(entries.at(0)["fieldsV1"]), R"({"f:spec":{"f:replicas":{}}})");
  EXPECT_EQ(codec::to_json(entries.at(1)["fieldsV1"]), R"({"f:status":{"f:readyReplicas":{}}})");
  EXPECT_EQ(entries.at(1)["subresource"].as_string(), "status");
}

TEST(Apply, KeepsAtMostTenUpdaters) {
  Live live;
  for (int i = 0; i < 15; ++i)
    live.update(cat("{apiVersion: apps/v1, kind: Deployment, metadata: {name: d, labels: {",
                    [&] {
                      std::string out;
                      for (int j = 0; j <= i; ++j) cat_to(out, j ? ", " : "", "l", j, ": x");
                      return out;
                    }(),
                    "}}}"),
                cat("manager-", i));
  EXPECT_EQ(live.object()["metadata"]["managedFields"].size(), 10u);
  EXPECT_EQ(live.fields("ancient-changes"),
            R"({"f:metadata":{"f:labels":{".":{},"f:l0":{},"f:l1":{},"f:l2":{},"f:l3":{},"f:l4":{},"f:l5":{}}}})");
  EXPECT_EQ(live.fields("manager-14"), R"({"f:metadata":{"f:labels":{"f:l14":{}}}})");
}

TEST(FieldSet, ReadsAndWritesFieldsV1) {
  codec::Document document =
      *codec::parse_json(R"({"f:a":{".":{},"f:b":{}},"f:l":{"k:{\"name\":\"c\"}":{".":{},"f:x":{}},"v:\"s\"":{}}})");
  auto set = FieldSet::from_json(document.root);
  ASSERT_TRUE(set);
  EXPECT_EQ(codec::to_json(set->to_json(document.arena)), codec::to_json(document.root));
  std::vector<std::string> paths;
  set->each([&](const FieldPath& path) { paths.push_back(path_text(path)); });
  EXPECT_EQ(paths, (std::vector<std::string>{".a", ".a.b", ".l[name=\"c\"]", ".l[name=\"c\"].x", ".l[=\"s\"]"}));
  EXPECT_TRUE(set->without(*set).empty());
  EXPECT_EQ(set->united(*set), *set);
  EXPECT_EQ(set->intersected(*set), *set);
  EXPECT_FALSE(FieldSet::from_json(codec::parse_json(R"({"x":{}})")->root));
}

}  // namespace
}  // namespace kobuk::api
