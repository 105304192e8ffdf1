#include "api/validate.h"

#include <gtest/gtest.h>

#include "api/normalize.h"
#include "api/patch.h"
#include "api/testing/objects.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using testing::prepare;

// The object with a JSON merge patch applied before it is prepared; the errors of creating it.
std::string errors_of(std::string_view base, std::string_view patch) {
  codec::Document document = testing::yaml(base);
  codec::Document change = testing::yaml(patch);
  document.root = apply_merge_patch(document.root, change.root, document.arena);
  auto prepared = prepare(codec::to_json(document.root));
  if (!prepared) return prepared.error().message();
  FieldErrors errors = validate_create(testing::kind_of(prepared->root), prepared->root);
  return errors.empty() ? "" : errors.text();
}

std::string update_errors(std::string_view base, std::string_view patch) {
  auto before = prepare(base);
  codec::Document document = testing::yaml(base);
  codec::Document change = testing::yaml(patch);
  document.root = apply_merge_patch(document.root, change.root, document.arena);
  auto after = prepare(codec::to_json(document.root));
  if (!before || !after) return "not prepared";
  FieldErrors errors = validate_update(testing::kind_of(after->root), after->root, before->root);
  return errors.empty() ? "" : errors.text();
}

struct Case {
  std::string_view base, patch, errors;
};

TEST(Validate, TakesTheManifestsOfEveryday) {
  for (auto base : {testing::kPod, testing::kDeployment, testing::kService}) {
    EXPECT_EQ(errors_of(base, "{}"), "");
    EXPECT_EQ(update_errors(base, "{metadata: {labels: {a: b}}}"), "");
  }
}

TEST(Validate, PodsInKubernetesWords) {
  const Case cases[] = {
      {testing::kPod, "{spec: {containers: null}}", "spec.containers: Required value"},
      {testing::kPod, "{spec: {containers: [{name: c}]}}", "spec.containers[0].image: Required value"},
      {testing::kPod, "{spec: {containers: [{image: a}]}}", "spec.containers[0].name: Required value"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a}, {name: c, image: b}]}}",
       "spec.containers[1].name: Duplicate value: \"c\""},
      {testing::kPod, "{spec: {containers: [{name: Bad_, image: a}]}}",
       "spec.containers[0].name: Invalid value: \"Bad_\": a lowercase RFC 1123 label must consist of lower case alphanumeric "
       "characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for "
       "validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, imagePullPolicy: Now}]}}",
       "spec.containers[0].imagePullPolicy: Unsupported value: \"Now\": supported values: \"Always\", \"IfNotPresent\", \"Never\""},
      {testing::kPod, "{spec: {restartPolicy: Maybe}}",
       "spec.restartPolicy: Unsupported value: \"Maybe\": supported values: \"Always\", \"OnFailure\", \"Never\""},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, ports: [{containerPort: 70000}]}]}}",
       "spec.containers[0].ports[0].containerPort: Invalid value: 70000: must be between 1 and 65535, inclusive"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, ports: [{name: x}]}]}}",
       "spec.containers[0].ports[0].containerPort: Required value"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, volumeMounts: [{name: v, mountPath: /x}]}]}}",
       "spec.containers[0].volumeMounts[0].name: Not found: \"v\""},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, env: [{name: X, value: a, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]}]}}",
       "spec.containers[0].env[0].valueFrom: Invalid value: \"\": may not be specified when `value` is not empty"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, resources: {requests: {cpu: 2}, limits: {cpu: 1}}}]}}",
       "spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, resources: {limits: {cpu: wrong}}}]}}",
       "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, livenessProbe: {periodSeconds: 5}}]}}",
       "spec.containers[0].livenessProbe: Required value: must specify a handler type"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, livenessProbe: {successThreshold: 2, tcpSocket: {port: 80}}}]}}",
       "spec.containers[0].livenessProbe.successThreshold: Invalid value: 2: must be 1"},
      {testing::kPod, "{spec: {volumes: [{name: v, emptyDir: {}}, {name: v, secret: {}}]}}",
       "[spec.volumes[1].secret.secretName: Required value, spec.volumes[1].name: Duplicate value: \"v\"]"},
      {testing::kPod, "{spec: {volumes: [{name: v, hostPath: {path: /a/../b}}]}}",
       "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'"},
      {testing::kPod, "{spec: {hostUsers: false, hostNetwork: true, containers: [{name: c, image: a}]}}",
       "spec.hostNetwork: Forbidden: when `hostUsers` is false"},
      {testing::kPod, "{metadata: {name: Bad}}",
       "metadata.name: Invalid value: \"Bad\": a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' "
       "or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
       "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"},
      {testing::kPod, "{metadata: {name: null}}", "metadata.name: Required value: name or generateName is required"},
      {testing::kPod, "{metadata: {labels: {a: '-x'}}}",
       "metadata.labels: Invalid value: \"-x\": a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or "
       "'.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
       "validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
      {testing::kPod, "{spec: {containers: [{name: c, image: a, securityContext: {privileged: true, allowPrivilegeEscalation: false}}]}}",
       "spec.containers[0].securityContext: Invalid value: {\"privileged\":true,\"allowPrivilegeEscalation\":false}: cannot set "
       "`allowPrivilegeEscalation` to false and `privileged` to true"},
      {testing::kPod, "{spec: {initContainers: [{name: i, image: a, livenessProbe: {exec: {command: [x]}}}]}}",
       "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init containers without restartPolicy=Always"},
      {testing::kPod, "{spec: {tolerations: [{key: a, operator: Exists, value: b}]}}",
       "spec.tolerations[0].operator: Invalid value: {\"key\":\"a\",\"operator\":\"Exists\",\"value\":\"b\"}: value must be empty when "
       "`operator` is 'Exists'"},
  };
  for (const auto& c : cases) EXPECT_EQ(errors_of(c.base, c.patch), c.errors) << c.patch;
}

TEST(Validate, WorkloadsAndServicesInKubernetesWords) {
  const Case cases[] = {
      {testing::kDeployment, "{spec: {selector: null}}", "spec.selector: Required value"},
      {testing::kDeployment, "{spec: {selector: {matchLabels: null}}}",
       "spec.selector: Invalid value: {}: empty selector is invalid for deployment"},
      {testing::kDeployment, "{spec: {template: {metadata: {labels: {app: other}}}}}",
       "spec.template.metadata.labels: Invalid value: {\"app\":\"other\"}: `selector` does not match template `labels`"},
      {testing::kDeployment, "{spec: {replicas: -1}}",
       "spec.replicas: Invalid value: -1: must be greater than or equal to 0"},
      {testing::kDeployment, "{spec: {template: {spec: {restartPolicy: Never}}}}",
       "spec.template.spec.restartPolicy: Unsupported value: \"Never\": supported values: \"Always\""},
      {testing::kDeployment, "{spec: {strategy: {type: Recreate, rollingUpdate: {maxSurge: 1}}}}",
       "spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"},
      {testing::kDeployment, "{spec: {strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 0}}}}",
       "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"},
      {testing::kService, "{spec: {ports: null}}", "spec.ports: Required value"},
      {testing::kService, "{spec: {type: Wrong}}",
       "spec.type: Unsupported value: \"Wrong\": supported values: \"ClusterIP\", \"ExternalName\", \"LoadBalancer\", \"NodePort\""},
      {testing::kService, "{spec: {ports: [{port: 80}, {port: 81, name: b}]}}", "spec.ports[0].name: Required value"},
      {testing::kService, "{spec: {ports: [{port: 80, name: a}, {port: 80, name: b}]}}",
       "spec.ports[1]: Duplicate value: {\"Name\":\"\",\"Protocol\":\"TCP\",\"AppProtocol\":null,\"Port\":80,\"TargetPort\":0,\"NodePort\":0}"},
      {testing::kService, "{metadata: {name: 1abc}}",
       "metadata.name: Invalid value: \"1abc\": a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
       "alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is "
       "'[a-z]([-a-z0-9]*[a-z0-9])?')"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: d}}", "{data: {'bad key': x}}",
       "data[bad key]: Invalid value: \"bad key\": a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
       "'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"},
      {"{apiVersion: v1, kind: Secret, metadata: {name: c, namespace: d}}", "{type: kubernetes.io/tls}",
       "[data[tls.crt]: Required value, data[tls.key]: Required value]"},
      {"{apiVersion: v1, kind: Secret, metadata: {name: c, namespace: d}}", "{data: {a: '*'}}",
       "illegal base64 data at input byte 0"},
      {"{apiVersion: v1, kind: Namespace, metadata: {name: a.b}}", "{}", "metadata.name: Invalid value: \"a.b\": must not contain dots"},
      {"{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: e, namespace: d}, addressType: IPv4, endpoints: []}",
       "{endpoints: [{addresses: ['::1']}]}", "endpoints[0].addresses[0]: Invalid value: \"::1\": must be an IPv4 address"},
  };
  for (const auto& c : cases) EXPECT_EQ(errors_of(c.base, c.patch), c.errors) << c.patch;
}

TEST(Validate, RefusesToChangeWhatIsImmutable) {
  const Case cases[] = {
      {testing::kDeployment, "{spec: {selector: {matchLabels: {app: nginx, b: c}}, template: {metadata: {labels: {b: c}}}}}",
       "spec.selector: Invalid value: {\"matchLabels\":{\"app\":\"nginx\",\"b\":\"c\"}}: field is immutable"},
      {testing::kPod, "{spec: {containers: [{name: nginx, image: 'nginx:1.22', ports: [{containerPort: 80}]}]}}", ""},
      {testing::kPod, "{spec: {dnsPolicy: Default}}",
       "spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
       "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
       "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"},
      {testing::kPod, "{spec: {containers: [{name: nginx, image: a}, {name: b, image: b}]}}",
       "spec.containers: Forbidden: pod updates may not add or remove containers"},
      {"{apiVersion: v1, kind: ConfigMap, metadata: {name: c, namespace: d}, data: {a: b}, immutable: true}", "{data: {a: c}}",
       "data: Forbidden: field is immutable when `immutable` is set"},
      {"{apiVersion: v1, kind: Service, metadata: {name: c, namespace: d}, spec: {clusterIP: 10.0.0.1, clusterIPs: [10.0.0.1], ports: "
       "[{port: 1}]}}",
       "{spec: {clusterIP: 10.0.0.2, clusterIPs: [10.0.0.2]}}",
       "spec.clusterIPs[0]: Invalid value: [\"10.0.0.2\"]: may not change once set"},
  };
  for (const auto& c : cases) EXPECT_EQ(update_errors(c.base, c.patch).substr(0, c.errors.empty() ? 200 : c.errors.size()), c.errors) << c.patch;
}

TEST(Validate, LetsAGatedPodBeNarrowedAndLetGo) {
  const std::string gated = R"({apiVersion: v1, kind: Pod, metadata: {name: p, namespace: d}, spec: {containers: [{name: c, image: i}],
    schedulingGates: [{name: a}, {name: b}], nodeSelector: {k: v}, affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution:
    {nodeSelectorTerms: [{matchExpressions: [{key: x, operator: Exists}]}]}}}}})";
  auto terms = [](std::string_view list) {
    return cat("{spec: {affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: ", list, "}}}}}");
  };
  const std::string narrower = terms("[{matchExpressions: [{key: x, operator: Exists}, {key: z, operator: Exists}]}]");
  const std::string at_terms = "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms";
  for (std::string_view change : {std::string_view("{spec: {schedulingGates: [{name: b}]}}"), std::string_view("{spec: {schedulingGates: null}}"),
                                  std::string_view("{spec: {nodeSelector: {l: w}}}"), std::string_view(narrower)})
    EXPECT_EQ(update_errors(gated, change), "") << change;
  const std::string wider = terms("[{matchExpressions: [{key: x, operator: Exists}]}, {matchExpressions: [{key: z, operator: Exists}]}]");
  const std::string other = terms("[{matchExpressions: [{key: z, operator: Exists}]}]");
  const std::pair<std::string_view, std::string> refused[] = {
      {"{spec: {schedulingGates: [{name: b}, {name: c}]}}",
       "spec.schedulingGates[1].name: Forbidden: only deletion is allowed, but found new scheduling gate 'c'"},
      {"{spec: {nodeSelector: {k: w}}}",
       R"(spec.nodeSelector: Invalid value: {"k":"w"}: only additions to spec.nodeSelector are allowed (no mutations or deletions))"},
      {"{spec: {nodeSelector: null}}", "spec.nodeSelector: Invalid value: null: only additions"},
      {wider, cat(at_terms, ": Invalid value: ")},
      {other, cat(at_terms, "[0]: Invalid value: ")},
      {"{spec: {affinity: {podAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}}}", "spec: Forbidden: pod updates may not"},
      {"{spec: {ephemeralContainers: [{name: e, image: i}]}}", "spec: Forbidden: pod updates may not"},
  };
  for (const auto& [change, text] : refused) EXPECT_EQ(update_errors(gated, change).substr(0, text.size()), text) << change;
  EXPECT_EQ(update_errors(testing::kPod, "{spec: {nodeSelector: {l: w}}}").substr(0, 32), "spec: Forbidden: pod updates may");
  EXPECT_EQ(errors_of(gated, "{spec: {nodeName: one}}"), "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared");
  EXPECT_EQ(errors_of(gated, "{spec: {schedulingGates: [{name: a}, {name: a}]}}"), "spec.schedulingGates[1]: Duplicate value: \"a\"");
  EXPECT_EQ(errors_of(testing::kPod, "{spec: {ephemeralContainers: [{name: e, image: i}]}}"),
            "spec.ephemeralContainers: Forbidden: cannot be set on create");
}

TEST(Validate, NamesTheObjectInTheMessage) {
  FieldErrors errors;
  errors.required(Path("spec").child("selector"));
  EXPECT_EQ(invalid_message("Deployment.apps", "web", errors), "Deployment.apps \"web\" is invalid: spec.selector: Required value");
  EXPECT_EQ(cause_of(errors.all()[0].type), "FieldValueRequired");
}

TEST(Normalize, TellsUnknownFields) {
  std::vector<std::string> unknown;
  auto document = prepare("{apiVersion: apps/v1, kind: Deployment, metadata: {name: x}, spec: {foo: 1, template: {spec: {containers: [{name: c, "
                          "imagee: x}]}}}}",
                          &unknown);
  ASSERT_TRUE(document);
  EXPECT_EQ(strict_message(unknown),
            "strict decoding error: unknown field \"spec.foo\", unknown field \"spec.template.spec.containers[0].imagee\"");
  EXPECT_EQ(document->root["spec"].find("foo"), nullptr);
}

TEST(Normalize, RefusesOtherTypesInGoWords) {
  struct {
    std::string_view object, message;
  } cases[] = {
      {"{apiVersion: apps/v1, kind: Deployment, spec: {replicas: three}}",
       "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {"{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 3000000000}}",
       "json: cannot unmarshal number 3000000000 into Go struct field DeploymentSpec.spec.replicas of type int32"},
      {"{apiVersion: v1, kind: Pod, spec: {containers: {name: c}}}",
       "json: cannot unmarshal object into Go struct field PodSpec.spec.containers of type []v1.Container"},
      {"{apiVersion: v1, kind: Pod, spec: {containers: [{ports: [{containerPort: '80'}]}]}}",
       "json: cannot unmarshal string into Go struct field ContainerPort.spec.containers.ports.containerPort of type int32"},
      {"{apiVersion: v1, kind: ConfigMap, data: {a: 1}}",
       "json: cannot unmarshal number into Go struct field ConfigMap.data of type string"},
  };
  for (const auto& c : cases) {
    auto result = prepare(c.object);
    ASSERT_FALSE(result) << c.object;
    EXPECT_EQ(result.error().message(), c.message);
  }
}

TEST(Normalize, StoresTheCanonicalForm) {
  auto pod = prepare("{apiVersion: v1, kind: Pod, metadata: {name: p, creationTimestamp: null}, spec: {hostNetwork: false, nodeName: '', "
                     "containers: [{name: c, image: a, securityContext: {runAsNonRoot: false}, resources: {limits: {cpu: 0.5, memory: "
                     "1024Mi}}}]}}");
  ASSERT_TRUE(pod);
  const auto& spec = pod->root["spec"];
  EXPECT_EQ(spec.find("hostNetwork"), nullptr);
  EXPECT_EQ(spec.find("nodeName"), nullptr);
  const auto& container = spec["containers"].at(0);
  EXPECT_EQ(codec::to_json(container["resources"]),
            R"({"limits":{"cpu":"500m","memory":"1Gi"},"requests":{"cpu":"500m","memory":"1Gi"}})");
  EXPECT_FALSE(container["securityContext"]["runAsNonRoot"].is_null());
  EXPECT_EQ(pod->root["metadata"].find("creationTimestamp"), nullptr);
}

TEST(Defaults, FillAPod) {
  auto pod = prepare(testing::kPod);
  ASSERT_TRUE(pod);
  EXPECT_EQ(codec::to_json(pod->root["spec"]),
            R"({"containers":[{"name":"nginx","image":"nginx:1.21","ports":[{"containerPort":80,"protocol":"TCP"}],"resources":{},)"
            R"("terminationMessagePath":"/dev/termination-log","terminationMessagePolicy":"File","imagePullPolicy":"IfNotPresent"}],)"
            R"("restartPolicy":"Always","terminationGracePeriodSeconds":30,"dnsPolicy":"ClusterFirst","securityContext":{},)"
            R"("schedulerName":"default-scheduler","enableServiceLinks":true})");
}

TEST(Defaults, FillADeploymentAndAService) {
  auto deployment = prepare(testing::kDeployment);
  ASSERT_TRUE(deployment);
  const auto& spec = deployment->root["spec"];
  EXPECT_EQ(codec::to_json(spec["strategy"]),
            R"({"type":"RollingUpdate","rollingUpdate":{"maxUnavailable":"25%","maxSurge":"25%"}})");
  EXPECT_EQ(spec["progressDeadlineSeconds"].as_int(), 600);
  EXPECT_EQ(spec["template"]["spec"].find("enableServiceLinks"), nullptr);
  auto service = prepare("{apiVersion: v1, kind: Service, spec: {ports: [{port: 80}], sessionAffinity: ClientIP}}");
  ASSERT_TRUE(service);
  EXPECT_EQ(codec::to_json(service->root["spec"]),
            R"({"ports":[{"port":80,"protocol":"TCP","targetPort":80}],"sessionAffinity":"ClientIP","type":"ClusterIP",)"
            R"("internalTrafficPolicy":"Cluster","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":10800}}})");
}

TEST(Defaults, PullPolicyFollowsTheTag) {
  struct {
    std::string_view image, policy;
  } cases[] = {{"nginx", "Always"},
               {"nginx:latest", "Always"},
               {"nginx:1.21", "IfNotPresent"},
               {"host:5000/nginx", "Always"},
               {"host:5000/nginx:1", "IfNotPresent"},
               {"nginx@sha256:00", "IfNotPresent"}};
  for (const auto& c : cases) {
    auto pod = prepare("{apiVersion: v1, kind: Pod, spec: {containers: [{name: c, image: '" + std::string(c.image) + "'}]}}");
    ASSERT_TRUE(pod);
    EXPECT_EQ(pod->root["spec"]["containers"].at(0)["imagePullPolicy"].as_string(), c.policy) << c.image;
  }
}

TEST(Defaults, ApplyingTwiceChangesNothing) {
  for (auto base : {testing::kPod, testing::kDeployment, testing::kService}) {
    auto once = prepare(base);
    ASSERT_TRUE(once);
    auto twice = prepare(codec::to_json(once->root));
    ASSERT_TRUE(twice);
    EXPECT_EQ(codec::to_json(once->root), codec::to_json(twice->root));
  }
}

TEST(Validate, LargeObjectsTakeNoSquareOfTheirSize) {
  std::string unknown = R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c","labels":{)", data;
  for (int i = 0; i < 60'000; ++i) unknown += cat(i ? "," : "", "\"-", i, "\":\"\"");
  unknown += "}}";
  for (int i = 0; i < 60'000; ++i) unknown += cat(",\"x", i, "\":1");
  auto prepared = prepare(unknown + "}");
  ASSERT_TRUE(prepared);
  EXPECT_EQ(prepared->root.size(), 3u);
  EXPECT_EQ(validate_create(testing::kind_of(prepared->root), prepared->root).all().size(), kMaxFieldErrors);
  for (int i = 0; i < 60'000; ++i) data += cat(i ? "," : "", "\"k", i, "\":\"\"");
  auto map = prepare(cat(R"({"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"c"},"data":{)", data, R"(},"binaryData":{)", data, "}}"));
  ASSERT_TRUE(map);
  EXPECT_EQ(validate_create(testing::kind_of(map->root), map->root).all().size(), kMaxFieldErrors);
}

}  // namespace
}  // namespace kobuk::api
