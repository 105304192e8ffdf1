// What a user of kubectl sees: the real program against this server.
#include <gmock/gmock.h>

#include "base/strings.h"
#include "controlplane/apiserver/testing/kubectl_fixture.h"

namespace kobuk::controlplane {
namespace {

using apiserver::testing::KubectlTest;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

constexpr std::string_view kDeployment = R"(apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: nginx, image: "nginx:1.25", ports: [{containerPort: 80}]}
)";

std::string edited(std::string_view from, std::string_view to) {
  std::string out(kDeployment);
  size_t at = out.find(from);
  EXPECT_NE(at, out.npos) << from;
  if (at != out.npos) out.replace(at, from.size(), to);
  return out;
}

TEST_F(KubectlTest, AppliesGetsScalesAndDeletes) {
  auto applied = kubectl("apply -f -", kDeployment);
  EXPECT_EQ(applied.text, "deployment.apps/web created\n");
  EXPECT_EQ(kubectl("apply -f -", kDeployment).text, "deployment.apps/web unchanged\n");
  EXPECT_EQ(kubectl("apply -f -", edited("replicas: 3", "replicas: 4")).text, "deployment.apps/web configured\n");
  EXPECT_THAT(kubectl("get deployments").text, HasSubstr("NAME   READY   UP-TO-DATE   AVAILABLE   AGE\nweb    0/4     0            0"));
  EXPECT_EQ(kubectl("scale deployment web --replicas=2").text, "deployment.apps/web scaled\n");
  EXPECT_EQ(kubectl("get deployment web -o jsonpath={.spec.replicas}").text, "2");
  EXPECT_THAT(kubectl("get all").text, HasSubstr("deployment.apps/web"));
  EXPECT_EQ(kubectl("label deployment web tier=front").text, "deployment.apps/web labeled\n");
  EXPECT_EQ(kubectl("set image deployment/web nginx=nginx:1.26").text, "deployment.apps/web image updated\n");
  EXPECT_EQ(kubectl("delete deployment web").text, "deployment.apps \"web\" deleted\n");
  EXPECT_EQ(kubectl("get deployment web").text, "Error from server (NotFound): deployments.apps \"web\" not found\n");
}

TEST_F(KubectlTest, ToldWhatIsWrongWithAManifest) {
  EXPECT_EQ(kubectl("apply -f -", edited("replicas: 3", "replica: 3")).text,
            "Error from server (BadRequest): error when creating \"STDIN\": Deployment in version \"v1\" cannot be handled as a Deployment: "
            "strict decoding error: unknown field \"spec.replica\"\n");
  EXPECT_EQ(kubectl("apply -f -", edited("replicas: 3", "replicas: three")).text,
            "Error from server (BadRequest): error when creating \"STDIN\": Deployment in version \"v1\" cannot be handled as a Deployment: "
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32\n");
  EXPECT_EQ(kubectl("apply -f -", edited("image: \"nginx:1.25\", ", "")).text,
            "The Deployment \"web\" is invalid: spec.template.spec.containers[0].image: Required value\n");
  EXPECT_THAT(kubectl("apply -f -", edited("labels: {app: web}", "labels: {app: other}")).text,
              HasSubstr("`selector` does not match template `labels`"));
  EXPECT_EQ(kubectl("get deployments").text, "No resources found in default namespace.\n");
  ASSERT_EQ(kubectl("create -f -", kDeployment).text, "deployment.apps/web created\n");
  EXPECT_EQ(kubectl("create -f -", kDeployment).text,
            "Error from server (AlreadyExists): error when creating \"STDIN\": deployments.apps \"web\" already exists\n");
  EXPECT_THAT(kubectl("replace -f -", edited("matchLabels: {app: web}", "matchLabels: {app: web, tier: front}")).text, HasSubstr("field is immutable"));
  EXPECT_EQ(kubectl("apply -n nowhere -f -", kDeployment).text,
            "Error from server (NotFound): error when creating \"STDIN\": namespaces \"nowhere\" not found\n");
}

// kubectl checks these by OpenAPI v2 before it sends anything.
TEST_F(KubectlTest, SaysWhatItDoesNotKnowAndChecksLists) {
  EXPECT_THAT(kubectl("apply -f -", edited("kind: Deployment", "kind: Deploymant")).text,
              HasSubstr("no matches for kind \"Deploymant\" in version \"apps/v1\"\nensure CRDs are installed first"));
  EXPECT_THAT(kubectl("create -f -", edited("apiVersion: apps/v1", "apiVersion: example.com/v1")).text,
              HasSubstr("no matches for kind \"Deployment\" in version \"example.com/v1\""));
  constexpr std::string_view kList = "apiVersion: v1\nkind: List\nitems: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {k: v}},"
                                     "{apiVersion: v1, kind: Service, metadata: {name: s}, spec: {ports: [{port: 80, targetPort: 8080}]}},"
                                     "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: i, "
                                     "resources: {limits: {cpu: 1, memory: 1Gi}}, livenessProbe: {httpGet: {port: http}}}]}}]";
  EXPECT_EQ(kubectl("apply -f -", kList).text, "configmap/a created\nservice/s created\npod/p created\n");
  std::string wrong(kList);
  wrong.replace(wrong.find("targetPort"), 10, "targetPart");
  EXPECT_THAT(kubectl("apply -f -", wrong).text, HasSubstr("unknown field \"targetPart\" in io.k8s.api.core.v1.ServicePort"));
  wrong = kList;
  wrong.replace(wrong.find("port: 80"), 8, "port: no");
  EXPECT_THAT(kubectl("apply -f -", wrong).text, HasSubstr("invalid type for io.k8s.api.core.v1.ServicePort.port: got \"boolean\", expected \"integer\""));
}

TEST_F(KubectlTest, AppliesOnTheServerSide) {
  EXPECT_EQ(kubectl("apply --server-side -f -", kDeployment).text, "deployment.apps/web serverside-applied\n");
  EXPECT_EQ(kubectl("apply --server-side -f -", kDeployment).text, "deployment.apps/web serverside-applied\n");
  auto conflict = kubectl("apply --server-side --field-manager=other -f -", edited("replicas: 3", "replicas: 5"));
  EXPECT_THAT(conflict.text, HasSubstr("Apply failed with 1 conflict: conflict with \"kubectl\": .spec.replicas"));
  EXPECT_EQ(kubectl("apply --server-side --field-manager=other --force-conflicts -f -", edited("replicas: 3", "replicas: 5")).text,
            "deployment.apps/web serverside-applied\n");
  EXPECT_THAT(kubectl("apply --server-side -f -", edited("replicas: 3", "replica: 3")).text, HasSubstr(".spec.replica: field not declared in schema"));
}

TEST_F(KubectlTest, ExplainsDiffsAndWaits) {
  EXPECT_THAT(kubectl("explain deployment.spec.replicas").text, HasSubstr("FIELD: replicas <integer>"));
  EXPECT_THAT(kubectl("api-resources").text, HasSubstr("deployments"));
  EXPECT_THAT(kubectl("version").text, HasSubstr("Server Version: v1.36.2"));
  kubectl("apply -f -", kDeployment);
  auto diff = kubectl("diff -f -", edited("replicas: 3", "replicas: 7"));
  EXPECT_THAT(diff.text, HasSubstr("+  replicas: 7"));
  EXPECT_EQ(diff.exit_code, 1);
  EXPECT_EQ(kubectl("diff -f -", kDeployment).exit_code, 0);
  EXPECT_THAT(kubectl("wait --for=condition=Available deployment/web --timeout=1s").text, HasSubstr("timed out waiting for the condition"));
  EXPECT_EQ(kubectl("wait --for=jsonpath={.spec.replicas}=3 deployment/web --timeout=5s").text, "deployment.apps/web condition met\n");
  EXPECT_THAT(kubectl("create -f - --dry-run=server -o yaml", edited("name: web", "name: dry")).text, HasSubstr("progressDeadlineSeconds: 600"));
  EXPECT_EQ(kubectl("get deployment dry").exit_code, 1);
  EXPECT_THAT(kubectl("get --raw /readyz?verbose").text, HasSubstr("[+]ping ok"));
  EXPECT_THAT(kubectl("describe deployment web").text, HasSubstr("StrategyType:           RollingUpdate"));
}

TEST_F(KubectlTest, CreatesByProtobufAndGenerators) {
  EXPECT_EQ(kubectl("create configmap settings --from-literal=a=1").text, "configmap/settings created\n");
  EXPECT_EQ(kubectl("create secret generic pass --from-literal=p=x").text, "secret/pass created\n");
  EXPECT_EQ(kubectl("create deployment api --image=nginx --replicas=2").text, "deployment.apps/api created\n");
  EXPECT_EQ(kubectl("expose deployment api --port=80 --type=NodePort").text, "service/api exposed\n");
  EXPECT_THAT(kubectl("get service api").text, HasSubstr("NodePort"));
  EXPECT_EQ(kubectl("run one --image=nginx").text, "pod/one created\n");
  EXPECT_THAT(kubectl("get pods -o wide").text, HasSubstr("NOMINATED NODE"));
  EXPECT_EQ(kubectl("create namespace team").text, "namespace/team created\n");
  EXPECT_THAT(kubectl("get namespaces").text, HasSubstr("team              Active"));
  EXPECT_EQ(kubectl("create service clusterip fixed --tcp=80 --clusterip=10.96.0.77").text, "service/fixed created\n");
  EXPECT_THAT(kubectl("create service clusterip clash --tcp=80 --clusterip=10.96.0.77").text, HasSubstr("provided IP is already allocated"));
  EXPECT_EQ(kubectl("delete pod one --wait=false").text, "pod \"one\" deleted\n");
  EXPECT_EQ(kubectl("annotate configmap settings note=x").text, "configmap/settings annotated\n");
  EXPECT_EQ(kubectl("patch configmap settings -p '{\"immutable\":true}'").text, "configmap/settings patched\n");
  EXPECT_THAT(kubectl("patch configmap settings -p '{\"data\":{\"a\":\"2\"}}'").text, HasSubstr("field is immutable when `immutable` is set"));
  EXPECT_THAT(kubectl("get events").text, HasSubstr("No resources found"));
  EXPECT_EQ(kubectl("delete namespace default").text, "Error from server (Forbidden): namespaces \"default\" is forbidden: this namespace may not be deleted\n");
}

TEST_F(KubectlTest, SelectsSortsAndWatches) {
  for (int i = 0; i < 3; ++i) kubectl(cat("create configmap c", i));
  EXPECT_THAT(kubectl("get configmaps --chunk-size=2").text, HasSubstr("c2"));
  EXPECT_THAT(kubectl("get configmaps --field-selector metadata.name=c1 -o name").text, HasSubstr("configmap/c1"));
  EXPECT_THAT(kubectl("get configmaps --sort-by=.metadata.name").text, MatchesRegex("NAME +DATA +AGE\nc0.*\nc1.*\nc2.*\n"));
  EXPECT_THAT(kubectl("get configmaps -w --request-timeout=1s").text, HasSubstr("c2"));
  EXPECT_THAT(kubectl("get nonsense").text, HasSubstr("the server doesn't have a resource type \"nonsense\""));
}

}  // namespace
}  // namespace kobuk::controlplane
