// The kubelet when something else fails, is slow, or is asked for what this node does not do.
#include "node/admission.h"
#include "node/image_puller.h"
#include "node/testing/kubelet_fixture.h"

namespace kobuk::node {
namespace {

class KubeletFaults : public KubeletTest {
 protected:
  std::string waiting(const char* member = "reason") { return field(kWeb, {"status", "containerStatuses", "0", "state", "waiting", member}); }
  std::vector<std::string> writes(const std::string& path, size_t since) {
    std::vector<std::string> out;
    std::copy_if(api.requests.begin() + static_cast<ptrdiff_t>(since), api.requests.end(), std::back_inserter(out),
                 [&](auto& request) { return request.starts_with(cat("PATCH ", path)); });
    return out;
  }
};

TEST_F(KubeletFaults, APodThatGoesDuringAPullIsNotToldOfItsEnd) {
  cri.pull_time = 60s;
  cri.registry["slow:1"] = "sha256:slow";
  api.create(pod_yaml("  containers: [{name: app, image: 'slow:1'}]\n"));
  ASSERT_TRUE(until([&] { return cri.count("pull slow:1") == 1; }));
  api.remove(kWeb, 0);
  ASSERT_TRUE(pass_until(5s, [&] { return cri.sandboxes().empty() && !sys::exists(root + "/node/pods/u-web"); }));
  pass(60s);
  // The same without a pod around it.
  ImagePuller puller(loop, cri);
  int told = 0;
  { auto left = puller.pull("slow:1", "", [&] { told += 100; }); }
  auto stays = puller.pull("slow:1", "", [&] { ++told; });
  pass(61s);
  EXPECT_TRUE(stays->done);
  EXPECT_EQ(told, 1);
}

TEST_F(KubeletFaults, AContainerThatTheEngineDoesNotStopIsTriedAgainInPeace) {
  cri.scripts["app"].stop_error = "invalid signal: SIGNOPE";
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  api.remove(kWeb, 30);
  pass(10s);
  EXPECT_LE(cri.count("stop web/app"), 6u);
  cri.scripts["app"].stop_error.clear();
  ASSERT_TRUE(pass_until(5s, [&] { return api.get(kWeb).root.is_null() && cri.containers_left() == 0; }));
  EXPECT_EQ(event_count("Killing"), 1u);
}

TEST_F(KubeletFaults, APodWithVolumesStaysReadyWhenTheKubeletRestarts) {
  api.create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg, namespace: default}\ndata: {color: red}\n");
  api.create(pod_yaml(
      "  containers: [{name: app, image: 'nginx:1', imagePullPolicy: IfNotPresent, readinessProbe: {exec: {command: [ready]}, "
      "periodSeconds: 10, initialDelaySeconds: 5}}]\n  volumes: [{name: cfg, configMap: {name: cfg}}]\n"));
  // The first probe comes at any moment of a period; one before the initial delay is left out.
  ASSERT_TRUE(pass_until(21s, [&] { return condition("Ready") == "True"; }));
  EXPECT_EQ(condition("Ready", "reason"), "") << "of the time when it was not";
  stop();
  size_t since = api.requests.size();
  start();
  pass(30s);
  EXPECT_EQ(writes(kWeb, since), std::vector<std::string>());
  EXPECT_EQ(condition("Ready"), "True");
}

TEST_F(KubeletFaults, WhatThisNodeCannotDoIsRefused) {
  struct Case {
    const char *name, *spec, *reason, *message;
  };
  for (Case c : {Case{"a", "  hostUsers: false\n", "PodFeatureUnsupported", "hostUsers: false needs user namespaces"},
                 Case{"b", "  securityContext: {appArmorProfile: {type: RuntimeDefault}}\n", "AppArmor", "Cannot enforce AppArmor: "},
                 Case{"c", "  initContainers: [{name: first, image: 'nginx:1', securityContext: {appArmorProfile: {type: Localhost, localhostProfile: x}}}]\n",
                      "AppArmor", "Cannot enforce AppArmor: "}}) {
    std::string path = cat("/api/v1/namespaces/default/pods/", c.name);
    api.create(pod_yaml(cat(c.spec, kSimple), c.name));
    ASSERT_TRUE(until([&] { return phase(path) == "Failed"; })) << c.spec;
    EXPECT_EQ(field(path, {"status", "reason"}), c.reason);
    EXPECT_TRUE(field(path, {"status", "message"}).starts_with(cat("Pod was rejected: ", c.message)));
    EXPECT_EQ(field(path, {"status", "containerStatuses"}), "null") << "kubectl would show what a container waits for";
    size_t told = c.name[0] == 'c' ? 2 : 1;
    ASSERT_TRUE(until([&] { return event_count(c.reason) == told; })) << c.spec;
    EXPECT_TRUE(event_message(c.reason).starts_with(c.message));
  }
  EXPECT_EQ(cri.count("run "), 0u);
  core::Pod pod;
  pod.spec.security_context = core::PodSecurityContext{};
  pod.spec.security_context->se_linux_options = core::SELinuxOptions{};
  EXPECT_FALSE(refuse(pod, {.selinux = true}));
  pod.spec.security_context->se_linux_options->level = "s0:c1";
  EXPECT_TRUE(refuse(pod, {.selinux = true}));
  EXPECT_FALSE(refuse(pod, {.selinux = false})) << "no node without SELinux minds it";
}

TEST_F(KubeletFaults, RecursivelyReadOnlyMountsAreToldApart) {
  api.create(pod_yaml(
      "  containers: [{name: app, image: 'nginx:1', imagePullPolicy: IfNotPresent, volumeMounts: [{name: tmp, mountPath: /a, readOnly: true, "
      "recursiveReadOnly: IfPossible}, {name: tmp, mountPath: /b, readOnly: true}]}]\n  volumes: [{name: tmp, emptyDir: {}}]\n"));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "volumeMounts", "0", "recursiveReadOnly"}), "Enabled");
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "volumeMounts", "1", "recursiveReadOnly"}), "Disabled");
}

TEST_F(KubeletFaults, APodWhoseContainerStartsAgainByARuleHasNotFailed) {
  cri.scripts["app"] = {.runs_for = 1s, .exit_code = 42};
  cri.registry["nginx:1"] = "sha256:nginx";
  std::string yaml = pod_yaml(
      "  containers: [{name: app, image: 'nginx:1', imagePullPolicy: Always, restartPolicy: Never, "
      "restartPolicyRules: [{action: Restart, exitCodes: {operator: In, values: [42]}}]}]\n");
  yaml.replace(yaml.find("Always"), 6, "Never");
  api.create(yaml);
  ASSERT_TRUE(until([&] { return running(); }));
  cri.pull_time = 3s;
  pass(2s);  // it has ended, and its image is looked for again
  EXPECT_EQ(phase(), "Running");
  cri.scripts["app"].exit_code = 1;
  ASSERT_TRUE(pass_until(20s, [&] { return phase() == "Failed"; }));
  EXPECT_EQ(cri.count("start web/app"), 2u);
}

TEST_F(KubeletFaults, AChangedImageStartsAgainWhateverThePolicy) {
  cri.registry["nginx:2"] = "sha256:two";
  std::string yaml = pod_yaml(kSimple);
  yaml.replace(yaml.find("Always"), 6, "Never");
  api.create(yaml);
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  cri.pull_time = 3s;
  api.replace(kWeb, R"({"spec":{"containers":[{"name":"app","image":"nginx:2"}]}})");
  ASSERT_TRUE(pass_until(20s, [&] { return running() && cri.config("app")->image == "sha256:two"; }));
  EXPECT_TRUE(until([&] { return condition("Ready") == "True" && phase() == "Running"; }));
}

TEST_F(KubeletFaults, APreStopSleepEndsWithTheGrace) {
  api.create(pod_yaml("  containers: [{name: app, image: 'nginx:1', imagePullPolicy: IfNotPresent, lifecycle: {preStop: {sleep: {seconds: 100}}}}]\n"));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  api.remove(kWeb, 10);
  pass(9s);
  EXPECT_EQ(cri.count("stop web/app"), 0u);
  EXPECT_TRUE(pass_until(2s, [&] { return cri.count("stop web/app#0 2s") == 1; }));
}

TEST_F(KubeletFaults, TheLeaseIsRenewedWhileTheStatusIsNotTaken) {
  const char* lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";
  api.refuse.insert("/api/v1/nodes/n1/status");
  ASSERT_TRUE(until([&] { return !api.get(lease).root.is_null(); }));
  std::string renewed = field(lease, {"spec", "renewTime"});
  pass(15s);
  EXPECT_NE(field(lease, {"spec", "renewTime"}), renewed);
}

TEST_F(KubeletFaults, AnImageThatIsRemovedBeforeTheContainerIsMadeIsPulledAgain) {
  cri.scripts["app"].create_error = "no such image";
  cri.registry["nginx:1"] = "sha256:nginx";
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return waiting() == "CreateContainerError"; }));
  cri.images.clear();
  cri.scripts["app"].create_error.clear();
  ASSERT_TRUE(pass_until(12s, [&] { return running(); }));
  EXPECT_EQ(cri.count("pull nginx:1"), 1u);
}

TEST_F(KubeletFaults, APodWaitsForItsTokenWhileTheServerGivesNone) {
  const char* tokens = "/api/v1/namespaces/default/serviceaccounts/default/token";
  api.refuse.insert(tokens);
  api.create(pod_yaml(cat(kSimple, "  volumes: [{name: kube-api-access-x, projected: {sources: [{serviceAccountToken: {path: token}}]}}]\n")));
  ASSERT_TRUE(until([&] { return event_count("FailedMount") == 1; }));
  EXPECT_EQ(cri.count("run "), 0u);
  api.refuse.clear();  // the test's server knows no TokenRequest at all: that is no reason to wait
  EXPECT_TRUE(pass_until(5s, [&] { return running(); }));
}

TEST_F(KubeletFaults, ANodeTellsThatItsEngineIsAwayAndBack) {
  const std::string node = "/api/v1/nodes/n1";
  auto ready = [&] { return field(node, {"status", "conditions", "3", "status"}); };
  stop();
  cri.away = true;
  start();
  ASSERT_TRUE(pass_until(20s, [&] { return ready() == "False"; })) << "also when it was never there";
  cri.away = false;
  EXPECT_TRUE(pass_until(5s, [&] { return ready() == "True"; })) << "before the next heartbeat is due";
  cri.away = true;
  cri.break_events();
  EXPECT_TRUE(pass_until(20s, [&] { return ready() == "False"; }));
  cri.away = false;
  EXPECT_TRUE(pass_until(5s, [&] { return ready() == "True"; }));
}

}  // namespace
}  // namespace kobuk::node
