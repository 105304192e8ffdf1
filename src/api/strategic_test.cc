#include "api/strategic.h"

#include <gtest/gtest.h>

#include "api/testing/objects.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

std::string patched(std::string_view kind, std::string_view target, std::string_view patch) {
  codec::Document a = testing::yaml(target), b = testing::yaml(patch);
  const KindInfo* info = builtin_kinds().find_kind(kind == "Deployment" ? "apps/v1" : "v1", kind);
  auto result = apply_strategic_patch(a.root, b.root, *info->schema, a.arena);
  return result ? codec::to_json(*result) : result.error().message();
}

struct Case {
  std::string_view kind, target, patch, result;
};

TEST(Strategic, MergesBySchema) {
  const Case cases[] = {
      // maps and scalars as in a merge patch
      {"Pod", "{metadata: {labels: {a: b, c: d}}}", "{metadata: {labels: {a: null, e: f}}}", R"({"metadata":{"labels":{"c":"d","e":"f"}}})"},
      {"Pod", "{metadata: {name: x}}", "{metadata: {labels: {a: b, c: null}}}", R"({"metadata":{"name":"x","labels":{"a":"b"}}})"},
      // lists by key: kubectl set image
      {"Pod", "{spec: {containers: [{name: a, image: x, tty: true}, {name: b, image: y}]}}",
       "{spec: {$setElementOrder/containers: [{name: a}, {name: b}], containers: [{name: b, image: z}]}}",
       R"({"spec":{"containers":[{"name":"a","image":"x","tty":true},{"name":"b","image":"z"}]}})"},
      {"Pod", "{spec: {containers: [{name: a, image: x}]}}", "{spec: {containers: [{name: b, image: z}]}}",
       R"({"spec":{"containers":[{"name":"b","image":"z"},{"name":"a","image":"x"}]}})"},
      {"Pod", "{spec: {containers: [{name: a}, {name: b}, {name: c}]}}",
       "{spec: {$setElementOrder/containers: [{name: c}, {name: a}]}}",
       R"({"spec":{"containers":[{"name":"b"},{"name":"c"},{"name":"a"}]}})"},
      // $patch
      {"Pod", "{spec: {containers: [{name: a}, {name: b}]}}", "{spec: {containers: [{name: a, $patch: delete}]}}",
       R"({"spec":{"containers":[{"name":"b"}]}})"},
      {"Pod", "{spec: {containers: [{name: a}, {name: b}]}}", "{spec: {containers: [{$patch: replace}, {name: c}]}}",
       R"({"spec":{"containers":[{"name":"c"}]}})"},
      {"Pod", "{spec: {securityContext: {runAsUser: 1}}}", "{spec: {securityContext: {$patch: replace, fsGroup: 2}}}",
       R"({"spec":{"securityContext":{"fsGroup":2}}})"},
      {"Pod", "{spec: {securityContext: {runAsUser: 1}}}", "{spec: {securityContext: {$patch: delete}}}",
       R"({"spec":{"securityContext":{}}})"},
      // atomic lists
      {"Pod", "{spec: {tolerations: [{key: a}]}}", "{spec: {tolerations: [{key: b}]}}", R"({"spec":{"tolerations":[{"key":"b"}]}})"},
      // primitive lists
      {"Pod", "{metadata: {finalizers: [a, b]}}", "{metadata: {finalizers: [c, a]}}", R"({"metadata":{"finalizers":["c","a","b"]}})"},
      {"Pod", "{metadata: {finalizers: [a, b, c]}}", "{metadata: {$deleteFromPrimitiveList/finalizers: [b]}}",
       R"({"metadata":{"finalizers":["a","c"]}})"},
      {"Pod", "{metadata: {finalizers: [a, b, c]}}",
       "{metadata: {$deleteFromPrimitiveList/finalizers: [b], $setElementOrder/finalizers: [c, a]}}",
       R"({"metadata":{"finalizers":["c","a"]}})"},
      // retainKeys: the other kinds of a volume go, and the strategy's parameters
      {"Pod", "{spec: {volumes: [{name: v, emptyDir: {}}]}}",
       "{spec: {volumes: [{name: v, $retainKeys: [name, secret], secret: {secretName: s}}]}}",
       R"({"spec":{"volumes":[{"name":"v","secret":{"secretName":"s"}}]}})"},
      {"Deployment", "{spec: {strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1}}}}",
       "{spec: {strategy: {$retainKeys: [type], type: Recreate}}}", R"({"spec":{"strategy":{"type":"Recreate"}}})"},
      // directives in what was not there
      {"Pod", "{}", "{spec: {$setElementOrder/containers: [{name: a}], containers: [{name: a, image: x}, {name: b, $patch: delete}]}}",
       R"({"spec":{"containers":[{"name":"a","image":"x"}]}})"},
      // errors
      {"Pod", "{}", "{spec: {$patch: merg}}", "Unknown patch type: \"merg\""},
      {"Pod", "{}", "{spec: {containers: [{image: x}]}}", "map: {\"image\":\"x\"} does not contain declared merge key: name"},
      {"Deployment", "{}", "{spec: {strategy: {$retainKeys: [type], rollingUpdate: {}}}}",
       "invalid patch format: rollingUpdate is not in $retainKeys"},
  };
  for (const auto& c : cases) EXPECT_EQ(patched(c.kind, c.target, c.patch), c.result) << c.patch;
}

TEST(Strategic, RetainsKeysInListElements) {
  EXPECT_EQ(patched("Pod", "{spec: {volumes: [{name: v, emptyDir: {}}]}}",
                    "{spec: {volumes: [{$retainKeys: [name, hostPath], name: v, hostPath: {path: /x}}]}}"),
            R"({"spec":{"volumes":[{"name":"v","hostPath":{"path":"/x"}}]}})");
}

}  // namespace
}  // namespace kobuk::api
