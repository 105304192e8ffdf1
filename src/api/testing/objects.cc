#include "api/testing/objects.h"

#include <cstdio>
#include <cstdlib>

#include "api/defaults.h"
#include "api/normalize.h"
#include "codec/yaml.h"

namespace kobuk::api::testing {

codec::Document yaml(std::string_view text) {
  auto document = codec::parse_yaml(text);
  if (!document) {
    std::fprintf(stderr, "%s\n", document.error().message().c_str());
    std::abort();
  }
  return *std::move(document);
}

const KindInfo& kind_of(const codec::Value& object) {
  const KindInfo* kind = builtin_kinds().find_kind(object["apiVersion"].as_string(), object["kind"].as_string());
  if (!kind) std::abort();
  return *kind;
}

Result<codec::Document> prepare(std::string_view text, std::vector<std::string>* unknown) {
  codec::Document document = yaml(text);
  const KindInfo& kind = kind_of(document.root);
  KOBUK_CHECK(normalize(document.root, *kind.schema, document.arena, {.unknown = unknown}));
  apply_defaults(document.root, kind, document.arena);
  return document;
}

const std::string_view kPod = R"(
apiVersion: v1
kind: Pod
metadata: {name: nginx-pod, namespace: default, labels: {app: nginx}}
spec:
  containers:
  - {name: nginx, image: "nginx:1.21", ports: [{containerPort: 80}]}
)";

const std::string_view kDeployment = R"(
apiVersion: apps/v1
kind: Deployment
metadata: {name: nginx-deployment, namespace: default}
spec:
  replicas: 3
  selector: {matchLabels: {app: nginx}}
  template:
    metadata: {labels: {app: nginx}}
    spec:
      containers:
      - {name: nginx, image: "nginx:1.21", ports: [{containerPort: 80}]}
)";

const std::string_view kService = R"(
apiVersion: v1
kind: Service
metadata: {name: nginx-service, namespace: default}
spec:
  selector: {app: nginx}
  ports: [{protocol: TCP, port: 80, targetPort: 80}]
  type: LoadBalancer
)";

}  // namespace kobuk::api::testing
