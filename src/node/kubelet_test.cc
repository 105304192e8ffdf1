// The whole kubelet on an engine and an API in memory, in time that the test owns.
#include "node/testing/kubelet_fixture.h"

namespace kobuk::node {
namespace {

TEST_F(KubeletTest, RegistersTheNodeAndKeepsItsLease) {
  ASSERT_TRUE(until([&] { return phase("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1") != "x" &&
                                 !field("/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1", {"spec", "renewTime"}).starts_with("null"); }));
  const char* node = "/api/v1/nodes/n1";
  EXPECT_EQ(field(node, {"status", "capacity", "cpu"}), "2");
  EXPECT_EQ(field(node, {"status", "capacity", "memory"}), "4194304Ki");
  EXPECT_EQ(field(node, {"metadata", "labels", "kubernetes.io/hostname"}), "n1");
  EXPECT_EQ(field(node, {"status", "nodeInfo", "kubeletVersion"}), "v1.36.2");
  EXPECT_EQ(field(node, {"status", "conditions", "3", "reason"}), "KubeletReady");
  EXPECT_EQ(field(node, {"status", "conditions", "3", "status"}), "True");
  const char* lease = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/n1";
  std::string renewed = field(lease, {"spec", "renewTime"});
  pass(1s);  // the first watches
  size_t requests = api.requests.size();
  pass(8s);
  EXPECT_EQ(field(lease, {"spec", "renewTime"}), renewed);
  EXPECT_EQ(api.requests.size(), requests) << api.requests.back();  // idle costs nothing
  pass(2s);
  EXPECT_NE(field(lease, {"spec", "renewTime"}), renewed);
  EXPECT_EQ(api.requests.size(), requests + 1);
}

TEST_F(KubeletTest, RunsAPod) {
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(field(kWeb, {"status", "podIP"}), "127.0.1.1");
  EXPECT_EQ(field(kWeb, {"status", "podIPs", "0", "ip"}), "127.0.1.1");
  EXPECT_EQ(field(kWeb, {"status", "hostIP"}), "10.0.0.5");
  EXPECT_EQ(field(kWeb, {"status", "qosClass"}), "BestEffort");
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "ready"}), "true");
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "restartCount"}), "0");
  EXPECT_EQ(condition("PodReadyToStartContainers"), "True");
  EXPECT_EQ(condition("Initialized"), "True");
  ASSERT_TRUE(until([&] { return event_count("Started") == 1; }));
  EXPECT_EQ(event_message("Pulled"), "Container image \"nginx:1\" already present on machine and can be accessed by the pod");
  EXPECT_EQ(event_message("Created"), "Container created");
  auto started = api.events("Started");
  EXPECT_EQ(started[0].root["involvedObject"]["fieldPath"].as_string(), "spec.containers{app}");
  // Nothing more is written while nothing happens.
  size_t requests = api.requests.size();
  pass(8s);
  EXPECT_EQ(api.requests.size(), requests);
}

TEST_F(KubeletTest, GivesContainersTheirEnvironmentAndMounts) {
  api.create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg, namespace: default}\ndata: {color: red}\n");
  api.create("apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: default}\ndata: {word: czNjcmV0}\n");
  api.create(pod_yaml(
      "  containers:\n  - name: app\n    image: 'nginx:1'\n    imagePullPolicy: IfNotPresent\n    command: [serve, '$(COLOR)', '$$(COLOR)']\n"
      "    env:\n    - {name: COLOR, valueFrom: {configMapKeyRef: {name: cfg, key: color}}}\n"
      "    - {name: WORD, valueFrom: {secretKeyRef: {name: key, key: word}}}\n"
      "    - {name: BOTH, value: '$(COLOR)-$(WORD)-$(NONE)'}\n    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}\n"
      "    volumeMounts: [{name: cfg, mountPath: /etc/cfg}, {name: tmp, mountPath: /scratch}]\n"
      "  volumes: [{name: cfg, configMap: {name: cfg}}, {name: tmp, emptyDir: {}}]\n"));
  ASSERT_TRUE(until([&] { return running(); }));
  const engine::ContainerConfig& config = *cri.config("app");
  EXPECT_EQ(config.command, (std::vector<std::string>{"serve", "red", "$(COLOR)"}));
  std::map<std::string, std::string> env(config.envs.begin(), config.envs.end());
  EXPECT_EQ(env["BOTH"], "red-s3cret-$(NONE)");
  EXPECT_EQ(env["IP"], "127.0.1.1");
  ASSERT_EQ(config.mounts.size(), 3u);
  EXPECT_TRUE(config.mounts[0].readonly);
  EXPECT_EQ(sys::read_file(config.mounts[0].host_path + "/color").value_or(""), "red");
  EXPECT_FALSE(config.mounts[1].readonly);
  EXPECT_EQ(config.mounts[2].container_path, "/etc/hosts");
  EXPECT_NE(sys::read_file(config.mounts[2].host_path).value_or("").find("127.0.1.1\tweb\n"), std::string::npos);
  // A change of the ConfigMap reaches the running container's volume.
  api.replace("/api/v1/namespaces/default/configmaps/cfg", R"({"data":{"color":"blue"}})");
  EXPECT_TRUE(until([&] { return sys::read_file(config.mounts[0].host_path + "/color").value_or("") == "blue"; }));
  EXPECT_EQ(cri.count("start "), 1u);
}

TEST_F(KubeletTest, WaitsForWhatIsMissing) {
  api.create(pod_yaml(
      "  containers: [{name: app, image: 'nginx:1', imagePullPolicy: IfNotPresent, env: [{name: A, valueFrom: {secretKeyRef: {name: key, key: word}}}]}]\n"
      "  volumes: [{name: cfg, configMap: {name: cfg}}]\n"));
  ASSERT_TRUE(until([&] { return event_count("FailedMount") == 1; }));
  EXPECT_EQ(event_message("FailedMount"), "MountVolume.SetUp failed for volume \"cfg\" : configmap \"cfg\" not found");
  EXPECT_EQ(phase(), "Pending");
  api.create("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cfg, namespace: default}\ndata: {color: red}\n");
  ASSERT_TRUE(until([&] { return field(kWeb, {"status", "containerStatuses", "0", "state", "waiting", "reason"}) == "CreateContainerConfigError"; }));
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "state", "waiting", "message"}), "secret \"key\" not found");
  api.create("apiVersion: v1\nkind: Secret\nmetadata: {name: key, namespace: default}\ndata: {word: czNjcmV0}\n");
  EXPECT_TRUE(pass_until(11s, [&] { return running(); }));
}

TEST_F(KubeletTest, PullsImagesAndBacksOff) {
  api.create(pod_yaml("  containers: [{name: app, image: 'none:1'}]\n"));
  auto waiting = [&] { return field(kWeb, {"status", "containerStatuses", "0", "state", "waiting", "reason"}); };
  ASSERT_TRUE(until([&] { return waiting() == "ErrImagePull"; }));
  EXPECT_EQ(cri.count("pull none:1"), 1u);
  ASSERT_TRUE(pass_until(3s, [&] { return waiting() == "ImagePullBackOff"; }));
  EXPECT_EQ(event_message("BackOff"), "Back-off pulling image \"none:1\"");
  pass(5s);
  EXPECT_EQ(cri.count("pull none:1"), 1u);
  ASSERT_TRUE(pass_until(10s, [&] { return cri.count("pull none:1") == 2; }));
  cri.registry["none:1"] = "sha256:none";
  pass(15s);
  EXPECT_EQ(cri.count("pull none:1"), 2u);  // 20 s this time
  ASSERT_TRUE(pass_until(10s, [&] { return running(); }));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  EXPECT_EQ(cri.config("app")->image, "sha256:none");
}

TEST_F(KubeletTest, NamesBadImages) {
  api.create(pod_yaml("  containers: [{name: app, image: 'UPPER//x'}, {name: other, image: 'never:1', imagePullPolicy: Never}]\n"));
  ASSERT_TRUE(until([&] { return field(kWeb, {"status", "containerStatuses", "0", "state", "waiting", "reason"}) == "InvalidImageName"; }));
  ASSERT_TRUE(until([&] { return field(kWeb, {"status", "containerStatuses", "1", "state", "waiting", "reason"}) == "ErrImageNeverPull"; }));
}

TEST_F(KubeletTest, RestartsWithBackOff) {
  cri.scripts["app"] = {.runs_for = 1s, .exit_code = 3, .message = "it broke"};
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return running(); }));
  ASSERT_TRUE(pass_until(3s, [&] { return cri.count("start web/app") == 2; }));  // the first restart is at once
  ASSERT_TRUE(pass_until(3s, [&] { return field(kWeb, {"status", "containerStatuses", "0", "state", "waiting", "reason"}) == "CrashLoopBackOff"; }));
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "state", "waiting", "message"}),
            "back-off 10s restarting failed container=app pod=web_default(u-web)");
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "lastState", "terminated", "exitCode"}), "3");
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "lastState", "terminated", "message"}), "it broke");
  EXPECT_EQ(phase(), "Running");
  EXPECT_EQ(condition("Ready", "message"), "containers with unready status: [app]");
  pass(7s);
  EXPECT_EQ(cri.count("start web/app"), 2u);
  ASSERT_TRUE(pass_until(5s, [&] { return cri.count("start web/app") == 3; }));
  ASSERT_TRUE(until([&] { return field(kWeb, {"status", "containerStatuses", "0", "restartCount"}) == "2"; }));
  pass(15s);
  EXPECT_EQ(cri.count("start web/app"), 3u);  // 20 s now
  EXPECT_EQ(cri.containers_left(), 2u);       // the last two
}

TEST_F(KubeletTest, EndsWhatIsDone) {
  cri.scripts["app"] = {.runs_for = 1s, .exit_code = 0};
  std::string yaml = pod_yaml(kSimple);
  yaml.replace(yaml.find("Always"), 6, "Never");
  api.create(yaml);
  ASSERT_TRUE(until([&] { return running(); }));
  ASSERT_TRUE(pass_until(3s, [&] { return phase() == "Succeeded"; }));
  EXPECT_EQ(condition("Ready", "reason"), "PodCompleted");
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "state", "terminated", "reason"}), "Completed");
  ASSERT_TRUE(until([&] { return cri.count("stop-sandbox web") == 1; }));
  pass(30s);
  EXPECT_EQ(cri.count("start "), 1u);
  EXPECT_EQ(cri.count("run "), 1u);
  api.remove(kWeb, 30);
  ASSERT_TRUE(until([&] { return api.get(kWeb).root.is_null(); }));
  ASSERT_TRUE(until([&] { return cri.containers_left() == 0 && cri.sandboxes().empty(); }));
}

TEST_F(KubeletTest, RunsInitContainersInOrder) {
  cri.scripts["first"] = {.runs_for = 1s};
  cri.scripts["second"] = {.runs_for = 1s};
  api.create(pod_yaml(cat("  initContainers: [{name: first, image: 'nginx:1', imagePullPolicy: IfNotPresent},"
                          " {name: proxy, image: 'nginx:1', imagePullPolicy: IfNotPresent, restartPolicy: Always},"
                          " {name: second, image: 'nginx:1', imagePullPolicy: IfNotPresent}]\n", kSimple)));
  ASSERT_TRUE(until([&] { return running("first"); }));
  ASSERT_TRUE(until([&] { return condition("Initialized", "message") == "containers with incomplete status: [first proxy second]"; }));
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "state", "waiting", "reason"}), "PodInitializing");
  ASSERT_TRUE(pass_until(5s, [&] { return running("app"); }));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  std::vector<std::string> starts;
  for (const std::string& call : cri.calls) {
    if (call.starts_with("start ")) starts.push_back(call.substr(6));
  }
  EXPECT_EQ(starts, (std::vector<std::string>{"web/first#0", "web/proxy#0", "web/second#0", "web/app#0"}));
  EXPECT_TRUE(running("proxy"));
  api.remove(kWeb, 30);  // the sidecar ends last
  ASSERT_TRUE(until([&] { return cri.count("stop web/proxy#0") == 1; }));
  auto app = std::ranges::find_if(cri.calls, [](auto& call) { return call.starts_with("stop web/app"); });
  auto proxy = std::ranges::find_if(cri.calls, [](auto& call) { return call.starts_with("stop web/proxy"); });
  EXPECT_LT(app, proxy);
}

TEST_F(KubeletTest, DeletesGracefully) {
  cri.scripts["app"] = {.stops_after = 5s};
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  EXPECT_TRUE(sys::exists(root + "/node/pods/u-web"));
  api.remove(kWeb, 30);
  ASSERT_TRUE(until([&] { return cri.count("stop web/app#0 30s") == 1; }));
  EXPECT_TRUE(running());
  EXPECT_FALSE(api.get(kWeb).root.is_null());
  ASSERT_TRUE(pass_until(6s, [&] { return api.get(kWeb).root.is_null(); }));
  ASSERT_TRUE(until([&] { return cri.containers_left() == 0 && cri.sandboxes().empty(); }));
  ASSERT_TRUE(until([&] { return !sys::exists(root + "/node/pods/u-web"); }));
  EXPECT_EQ(event_message("Killing"), "Stopping container app");
  auto deletion = std::ranges::find_if(api.requests, [](auto& request) { return request.starts_with("DELETE"); });
  ASSERT_NE(deletion, api.requests.end());
  EXPECT_NE(deletion->find(R"("gracePeriodSeconds":0,"preconditions":{"uid":"u-web"})"), std::string::npos);
}

TEST_F(KubeletTest, HonoursAShorterGrace) {
  cri.scripts["app"] = {.stops_after = 1000s};
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  api.remove(kWeb, 30);
  ASSERT_TRUE(until([&] { return cri.count("stop web/app#0 30s") == 1; }));
  api.remove(kWeb, 0);  // by force: the object is gone at once
  ASSERT_TRUE(pass_until(3s, [&] { return cri.containers_left() == 0; }));
}

TEST_F(KubeletTest, RunsHooks) {
  api.create(pod_yaml("  containers: [{name: app, image: 'nginx:1', imagePullPolicy: IfNotPresent, lifecycle: "
                      "{postStart: {exec: {command: [warm, up]}}, preStop: {sleep: {seconds: 4}}}}]\n"));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  EXPECT_EQ(cri.count("exec web/app#0 warm up"), 1u);
  api.remove(kWeb, 30);
  pass(3s);
  EXPECT_EQ(cri.count("stop web/app"), 0u);
  ASSERT_TRUE(pass_until(3s, [&] { return cri.count("stop web/app#0 26s") == 1 || cri.count("stop web/app#0 25s") == 1; }));
}

TEST_F(KubeletTest, ProbesContainers) {
  bool alive = true, ready = false;
  cri.on_exec = [&](const engine::ContainerStatus&, const std::vector<std::string>& command) -> Result<engine::ExecResult> {
    bool good = command[0] == "alive" ? alive : ready;
    return engine::ExecResult{good ? "" : "no luck", "", good ? 0 : 1};
  };
  api.create(pod_yaml("  containers: [{name: app, image: 'nginx:1', imagePullPolicy: IfNotPresent,"
                      " livenessProbe: {exec: {command: [alive]}, periodSeconds: 2, failureThreshold: 2, timeoutSeconds: 1, successThreshold: 1},"
                      " readinessProbe: {exec: {command: [ready]}, periodSeconds: 1, failureThreshold: 1, timeoutSeconds: 1, successThreshold: 1}}]\n"));
  ASSERT_TRUE(until([&] { return phase() == "Running" && event_count("Unhealthy") == 1; }));
  EXPECT_EQ(event_message("Unhealthy"), "Readiness probe failed: no luck");
  EXPECT_EQ(condition("Ready"), "False");
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "started"}), "true");
  ready = true;
  ASSERT_TRUE(pass_until(3s, [&] { return condition("Ready") == "True"; }));
  ready = false;
  ASSERT_TRUE(pass_until(3s, [&] { return condition("Ready") == "False"; }));
  ready = true, alive = false;
  ASSERT_TRUE(pass_until(8s, [&] { return cri.count("start web/app#1") == 1; }));
  EXPECT_EQ(event_message("Killing"), "Container app failed liveness probe, will be restarted");
  alive = true;
  ASSERT_TRUE(pass_until(8s, [&] { return condition("Ready") == "True" && field(kWeb, {"status", "containerStatuses", "0", "restartCount"}) == "1"; }));
}

TEST_F(KubeletTest, AdoptsWhatRunsAndRemovesWhatIsForgotten) {
  api.create(pod_yaml(kSimple));
  api.create(pod_yaml(kSimple, "other"));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True" && phase("/api/v1/namespaces/default/pods/other") == "Running"; }));
  stop();
  api.remove("/api/v1/namespaces/default/pods/other", 0);
  size_t patches = api.requests.size(), starts = cri.count("start ");
  start();
  ASSERT_TRUE(pass_until(5s, [&] { return cri.containers_left() == 1 && cri.sandboxes().size() == 1; }));
  ASSERT_TRUE(until([&] { return !sys::exists(root + "/node/pods/u-other"); }));
  EXPECT_EQ(cri.count("start "), starts);
  EXPECT_TRUE(running());
  for (size_t i = patches; i < api.requests.size(); ++i) {
    EXPECT_FALSE(api.requests[i].starts_with(cat("PATCH ", kWeb))) << api.requests[i];
  }
}

TEST_F(KubeletTest, ReplacesALostSandbox) {
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  cri.lose_sandboxes();
  ASSERT_TRUE(pass_until(15s, [&] { return cri.count("run web") == 2 && running(); }));
  ASSERT_TRUE(pass_until(2s, [&] { return condition("Ready") == "True" && field(kWeb, {"status", "podIP"}) == "127.0.1.3"; }));
  EXPECT_EQ(field(kWeb, {"status", "podIPs"}), R"([{"ip":"127.0.1.3"}])");
  EXPECT_EQ(field(kWeb, {"status", "containerStatuses", "0", "restartCount"}), "1");
}

TEST_F(KubeletTest, WritesTheStatusOnceTheServerIsBack) {
  api.refuse.insert(cat(kWeb, "/status"));
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return running(); }));
  pass(2s);
  EXPECT_EQ(phase(), "Pending");
  api.refuse.clear();
  ASSERT_TRUE(pass_until(20s, [&] { return condition("Ready") == "True"; }));
}

TEST_F(KubeletTest, ReadsTheEngineAnewWhenItsEventsEnd) {
  api.create(pod_yaml(kSimple));
  ASSERT_TRUE(until([&] { return condition("Ready") == "True"; }));
  cri.break_events();
  loop.run_until_done(turns(loop, 20));
  cri.end("app", 1);
  ASSERT_TRUE(pass_until(5s, [&] { return cri.count("start web/app#1") == 1; }));
}

}  // namespace
}  // namespace kobuk::node
