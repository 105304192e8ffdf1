#include "api/protobuf.h"

#include <gtest/gtest.h>

#include "api/testing/objects.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

std::string decoded(std::string_view hex) {
  auto document = decode_protobuf(*unhex(hex), builtin_kinds());
  return document ? codec::to_json(document->root) : document.error().message();
}

// What kubectl 1.32 sends, byte for byte.
TEST(Protobuf, ReadsWhatKubectlSends) {
  // kubectl create deployment web --image=nginx:1.21 --replicas=0 --port=80 -- nginx -g x
  EXPECT_EQ(decoded("6b3873000a150a07617070732f7631120a4465706c6f796d656e7412cb010a1f0a0377656212001a0022002a003200380042005a0a0a0361707012037765621299010800120c0a0a0a0361707012037765621a7f0a1c0a0012001a0022002a003200380042005a0a0a036170701203776562125f12410a056e67696e78120a6e67696e783a312e32311a056e67696e781a022d671a01782a00320a0a001000185022002a0042006a007200800100880100900100a201001a00320042004a0052005800600068008201008a01009a0100c2010022020a00280038001a0c0800100018002000280038001a002200"),
            R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","labels":{"app":"web"}},)"
            R"("spec":{"replicas":0,"selector":{"matchLabels":{"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},)"
            R"("spec":{"containers":[{"name":"nginx","image":"nginx:1.21","command":["nginx","-g","x"],"ports":[{"containerPort":80}],)"
            R"("resources":{}}]}},"strategy":{}},"status":{}})");
  // kubectl create secret generic s --from-literal=a=b
  EXPECT_EQ(decoded("6b3873000a0c0a0276311206536563726574121d0a110a017312001a0022002a0032003800420012060a01611201621a001a002200"),
            R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"s"},"data":{"a":"Yg=="}})");
  // kubectl create service loadbalancer lb --tcp=80:http
  EXPECT_EQ(decoded("6b3873000a0d0a027631120753657276696365126c0a1d0a026c6212001a0022002a003200380042005a090a0361707012026c6212470a1e0a0738302d6874747012035443501850220a080110001a0468747470280012090a0361707012026c621a00220c4c6f616442616c616e6365723a00420052005a00600068001a020a001a002200"),
            R"({"kind":"Service","apiVersion":"v1","metadata":{"name":"lb","labels":{"app":"lb"}},"spec":{"ports":[{"name":"80-http",)"
            R"("protocol":"TCP","port":80,"targetPort":"http"}],"selector":{"app":"lb"},"type":"LoadBalancer"},"status":{"loadBalancer":{}}})");
  // kubectl delete: DeleteOptions, known in every group version
  EXPECT_EQ(decoded(hex(std::string_view("k8s\0\n\x13\n\x02v1\x12\rDeleteOptions\x12\0\x1a\0\"\0", 31))),
            R"({"kind":"DeleteOptions","apiVersion":"v1"})");
}

// Every type of field, inlined messages, maps of quantities: there and back.
TEST(Protobuf, RoundTrips) {
  for (std::string_view text : {std::string_view(R"(
apiVersion: v1
kind: Pod
metadata: {name: p, creationTimestamp: "2026-01-02T03:04:05Z", generation: 7, ownerReferences: [{apiVersion: v1, kind: Node, name: n1, uid: u, controller: false}],
  managedFields: [{manager: m, operation: Update, fieldsType: FieldsV1, fieldsV1: {"f:spec": {}}}]}
spec:
  terminationGracePeriodSeconds: 0
  securityContext: {runAsUser: 0, supplementalGroups: [1, -1]}
  volumes: [{name: v, configMap: {name: c, optional: false, defaultMode: 420, items: [{key: k, path: p}]}}, {name: e, emptyDir: {sizeLimit: 1Gi}}]
  containers:
  - name: c
    image: i
    env: [{name: A, value: "1"}, {name: B, valueFrom: {secretKeyRef: {name: s, key: k}}}]
    resources: {limits: {cpu: 500m}, requests: {}}
    livenessProbe: {httpGet: {path: /, port: web, scheme: HTTP}, periodSeconds: 5}
    readinessProbe: {tcpSocket: {port: 80}}
  ephemeralContainers: [{name: d, image: i, targetContainerName: c}]
status: {phase: Running, podIPs: [{ip: 1.2.3.4}], startTime: "1969-12-31T23:59:59Z"}
)"),
                                std::string_view(R"(
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: l}
spec: {renewTime: "2026-01-02T03:04:05.000006Z", leaseDurationSeconds: 40}
)"),
                                testing::kDeployment, testing::kService}) {
    codec::Document document = testing::yaml(text);
    const KindInfo& kind = testing::kind_of(document.root);
    auto back = decode_protobuf(encode_protobuf(document.root, kind), builtin_kinds());
    ASSERT_TRUE(back) << back.error().message();
    if (auto* requests = document.root["spec"]["containers"].at(0).find("resources")) const_cast<codec::Value*>(requests)->erase("requests");
    EXPECT_EQ(back->root, document.root) << codec::to_json(back->root) << "\n" << codec::to_json(document.root);
  }
}

TEST(Protobuf, RefusesWhatIsNone) {
  std::string good = *unhex("6b3873000a0c0a0276311206536563726574121d0a110a017312001a0022002a0032003800420012060a01611201621a001a002200");
  for (size_t cut = 0; cut + 6 < good.size(); ++cut) {
    auto result = decode_protobuf(std::string_view(good).substr(0, cut), builtin_kinds());
    if (cut < 4) {
      EXPECT_FALSE(result) << cut;
    }
  }
  EXPECT_FALSE(decode_protobuf(R"({"kind":"Pod"})", builtin_kinds()));
  EXPECT_EQ(decoded("6b3873000a090a0276311203466f6f"), "no kind \"Foo\" is registered for version \"v1\"");
  EXPECT_FALSE(decode_message("\x0a\xff\x01", *builtin_kinds().find_kind("v1", "Pod")->schema, *std::make_unique<codec::Arena>()));
}

// What is stored is read as JSON again, to whose depth there is a limit.
TEST(Protobuf, FieldsOfManagersAreNotEndlesslyDeep) {
  auto bytes = [](int depth) {
    auto pod = testing::yaml("{apiVersion: v1, kind: Pod, metadata: {name: p, managedFields: [{manager: m, fieldsV1: {}}]}}");
    std::string nest;
    for (int i = 0; i < depth; ++i) nest += R"({"f:a":)";
    nest += "{}" + std::string(static_cast<size_t>(depth), '}');
    auto fields = codec::parse_json(nest, pod.arena);
    pod.root.find("metadata")->find("managedFields")->items()[0].set(pod.arena, "fieldsV1", *fields);
    return encode_protobuf(pod.root, testing::kind_of(pod.root));
  };
  EXPECT_TRUE(decode_protobuf(bytes(90), builtin_kinds()));
  EXPECT_FALSE(decode_protobuf(bytes(300), builtin_kinds()));
}

}  // namespace
}  // namespace kobuk::api
