// What compute_actions() decides, a line a case.
#include "node/actions.h"

#include <gtest/gtest.h>

#include "api/decode.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/yaml.h"

namespace kobuk::node {
namespace {

// "app=running", "app=exited:1", "init@s0=exited:0" (in another sandbox than s1).
engine::ContainerStatus container(std::string_view text, int order) {
  engine::ContainerStatus out;
  size_t equals = text.find('=');
  std::string_view left = text.substr(0, equals), right = text.substr(equals + 1);
  size_t at = left.find('@');
  out.name = left.substr(0, at);
  out.sandbox_id = at == std::string_view::npos ? "s1" : std::string(left.substr(at + 1));
  out.id = cat(out.name, "-id");
  out.created = WallTime{std::chrono::seconds(order)};
  size_t colon = right.find(':');
  std::string_view phase = right.substr(0, colon);
  if (colon != std::string_view::npos) out.exit_code = static_cast<int32_t>(parse_int(right.substr(colon + 1)).value_or(0));
  out.phase = phase == "running"   ? engine::ContainerPhase::kRunning
              : phase == "created" ? engine::ContainerPhase::kCreated
              : phase == "unknown" ? engine::ContainerPhase::kUnknown
                                   : engine::ContainerPhase::kExited;
  return out;
}

struct Case {
  const char* title;
  const char* spec;      // YAML
  const char* sandbox;   // "", "ready", "not-ready"
  const char* runs;      // containers, blanks between
  const char* facts;     // "started:x liveness:x startup:x"
  const char* expected;
};

const char* kTwo = "{restartPolicy: Always, containers: [{name: a, image: x}, {name: b, image: x}]}";
const char* kNever = "{restartPolicy: Never, containers: [{name: a, image: x}]}";
const char* kFailure = "{restartPolicy: OnFailure, containers: [{name: a, image: x}]}";
const char* kInit = "{restartPolicy: Always, initContainers: [{name: i, image: x}, {name: j, image: x}], containers: [{name: a, image: x}]}";
const char* kInitNever = "{restartPolicy: Never, initContainers: [{name: i, image: x}], containers: [{name: a, image: x}]}";
const char* kSidecar =
    "{restartPolicy: Never, initContainers: [{name: i, image: x}, {name: s, image: x, restartPolicy: Always}, {name: j, image: x}], "
    "containers: [{name: a, image: x}]}";
const char* kRules =
    "{restartPolicy: Never, containers: [{name: a, image: x, restartPolicy: Never, restartPolicyRules: "
    "[{action: Restart, exitCodes: {operator: In, values: [42]}}]}]}";

const Case kCases[] = {
    {"new", kTwo, "", "", "", "create-sandbox:0 start:a start:b"},
    {"new with inits", kInit, "", "", "", "create-sandbox:0 start-init:i"},
    {"sandbox without containers", kTwo, "ready", "", "", "start:a start:b"},
    {"all run", kTwo, "ready", "a=running b=running", "", "nothing"},
    {"one ended", kTwo, "ready", "a=running b=exited:0", "", "start:b"},
    {"created and never started", kTwo, "ready", "a=running b=created", "", "start:b"},
    {"in an unknown state", kTwo, "ready", "a=running b=unknown", "", "start:b"},
    {"liveness", kTwo, "ready", "a=running b=running", "liveness:a", "kill:a:liveness"},
    {"startup", kTwo, "ready", "a=running b=running", "startup:b", "kill:b:startup"},
    {"sandbox lost", kTwo, "not-ready", "a=exited:137 b=exited:137", "", "kill-pod create-sandbox:1 start:a start:b"},
    {"sandbox lost, containers run", kTwo, "not-ready", "a=running", "", "kill-pod create-sandbox:1 start:a start:b"},
    {"sandbox lost, with inits", kInit, "not-ready", "i=exited:0 j=exited:0 a=exited:1", "", "kill-pod create-sandbox:1 start-init:i"},
    {"sandbox lost, never", kNever, "not-ready", "a=exited:137", "", "kill-pod"},
    {"sandbox lost before anything ran, never", kNever, "not-ready", "", "", "kill-pod create-sandbox:1 start:a"},
    {"done, on failure, sandbox lost", kFailure, "not-ready", "a=exited:0", "", "kill-pod"},
    {"never: done", kNever, "ready", "a=exited:1", "", "kill-pod"},
    {"on failure: failed", kFailure, "ready", "a=exited:1", "", "start:a"},
    {"on failure: done", kFailure, "ready", "a=exited:0", "", "kill-pod"},
    {"init runs", kInit, "ready", "i=running", "", "nothing"},
    {"init done", kInit, "ready", "i=exited:0", "", "start-init:j"},
    {"init failed", kInit, "ready", "i=exited:1", "", "start-init:i"},
    {"init failed, never", kInitNever, "ready", "i=exited:1", "", "kill-pod"},
    {"inits done", kInit, "ready", "i=exited:0 j=exited:0", "", "start:a"},
    {"inits done in an older sandbox", kInit, "ready", "i@s0=exited:0 j@s0=exited:0 a@s0=exited:1", "", "start-init:i"},
    {"inits gone after the start", kInit, "ready", "a=running", "", "nothing"},
    {"sidecar next", kSidecar, "ready", "i=exited:0", "", "start-init:s"},
    {"sidecar not started", kSidecar, "ready", "i=exited:0 s=running", "", "nothing"},
    {"sidecar started", kSidecar, "ready", "i=exited:0 s=running", "started:s", "start-init:j"},
    {"after the sidecar", kSidecar, "ready", "i=exited:0 s=running j=exited:0", "started:s", "start:a"},
    {"sidecar ended beside", kSidecar, "ready", "i=exited:0 s=exited:1 j=exited:0 a=running", "", "start-init:s"},
    {"sidecar's liveness", kSidecar, "ready", "i=exited:0 s=running j=exited:0 a=running", "started:s liveness:s", "kill:s:liveness"},
    {"sidecar outlives nobody", kSidecar, "ready", "i=exited:0 s=running j=exited:0 a=exited:0", "started:s", "kill-pod"},
    {"restart rule", kRules, "ready", "a=exited:42", "", "start:a"},
    {"no restart rule", kRules, "ready", "a=exited:41", "", "kill-pod"},
};

TEST(Actions, Decide) {
  for (const Case& test : kCases) {
    auto document = codec::parse_yaml(test.spec);
    ASSERT_TRUE(document) << test.title;
    core::Pod pod;
    ASSERT_TRUE(api::decode(document->root, pod.spec)) << test.title;
    PodRuntime runtime;
    if (*test.sandbox) {
      engine::PodSandboxStatus sandbox;
      sandbox.id = "s1", sandbox.ready = std::string_view(test.sandbox) == "ready", sandbox.ips = {"10.0.0.1"};
      runtime.sandboxes = {sandbox};
    }
    int order = 0;
    for (std::string_view text : split(test.runs, ' ')) runtime.containers.push_back(container(text, order++));
    ActionInput input{.pod = pod, .runtime = runtime};
    for (std::string_view fact : split(test.facts, ' ')) {
      std::string id = cat(fact.substr(fact.find(':') + 1), "-id");
      if (fact.starts_with("started:")) input.started.insert(id);
      if (fact.starts_with("liveness:")) input.liveness_failed.insert(id);
      if (fact.starts_with("startup:")) input.startup_failed.insert(id);
    }
    EXPECT_EQ(to_text(compute_actions(input), pod.spec), test.expected) << test.title;
  }
}

TEST(Actions, KillWhatHasAnotherImage) {
  core::Pod pod;
  pod.spec.restart_policy = "Always";
  pod.spec.containers.emplace_back().name = "a";
  pod.spec.containers[0].image = "nginx:2";
  PodRuntime runtime;
  engine::PodSandboxStatus sandbox;
  sandbox.id = "s1", sandbox.ready = true, sandbox.ips = {"10.0.0.1"};
  runtime.sandboxes = {sandbox};
  runtime.containers.push_back(container("a=running", 0));
  core::Container before = pod.spec.containers[0];
  before.image = "nginx:1";
  runtime.containers[0].annotations[std::string(kContainerHash)] = container_hash(before);
  EXPECT_EQ(to_text(compute_actions({.pod = pod, .runtime = runtime}), pod.spec), "kill:a:changed");
  runtime.containers[0].annotations[std::string(kContainerHash)] = container_hash(pod.spec.containers[0]);
  EXPECT_EQ(to_text(compute_actions({.pod = pod, .runtime = runtime}), pod.spec), "nothing");
}

}  // namespace
}  // namespace kobuk::node
