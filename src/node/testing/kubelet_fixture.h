// A whole kubelet on an engine and an API in memory, in time that the test owns.
#pragma once

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>

#include "base/strings.h"
#include "codec/json.h"
#include "node/node.h"
#include "node/testing/fake_api.h"
#include "node/testing/fake_cri.h"
#include "sys/file.h"

namespace kobuk::node {

using namespace std::chrono_literals;

inline constexpr const char* kWeb = "/api/v1/namespaces/default/pods/web";

inline std::string pod_yaml(const std::string& spec, const std::string& name = "web") {
  return cat("apiVersion: v1\nkind: Pod\nmetadata: {name: ", name, ", namespace: default, uid: u-", name,
             ", labels: {app: web}}\nspec:\n  nodeName: n1\n  restartPolicy: Always\n  dnsPolicy: ClusterFirst\n",
             "  terminationGracePeriodSeconds: 30\n", spec, "status: {phase: Pending}\n");
}

class KubeletTest : public ::testing::Test {
 protected:
  KubeletTest() : loop(io::Loop::Options{.clock = &clock}), api(loop), cri(loop) {
    char name[] = "/tmp/kobuk-node-XXXXXX";
    root = mkdtemp(name);
    client = std::make_unique<api::Client>(io::http::make_in_process_transport(loop, api, "system:node:n1", {"system:nodes"}));
    cri.images["nginx:1"] = {.id = "sha256:nginx"};
    cri.images["sha256:nginx"] = {.id = "sha256:nginx"};
    start();
  }
  ~KubeletTest() override {
    stop();
    EXPECT_TRUE(sys::remove_tree(root));
  }
  void start() {
    KubeletOptions options;
    options.node_name = "n1", options.node_ip = "10.0.0.5";
    options.directory = root + "/node", options.log_directory = root + "/logs";
    options.cpu_millicores = 2000, options.memory_bytes = 4ll << 30;
    kubelet = std::make_unique<Kubelet>(loop, *client, cri, options);
    group = std::make_unique<io::TaskGroup>(loop);
    group->spawn(kubelet->run());
  }
  void stop() {
    group.reset();
    kubelet.reset();
  }
  // Until `done` holds, in at most 10 seconds of real time; the test's clock stands still.
  static io::Task<bool> settle(io::Loop& loop, std::function<bool()> done) {
    auto give_up = std::chrono::steady_clock::now() + 10s;
    while (!done()) {
      if (std::chrono::steady_clock::now() > give_up) co_return false;
      co_await loop.yield();
    }
    co_return true;
  }
  static io::Task<bool> turns(io::Loop& loop, int count) {
    for (int i = 0; i < count; ++i) co_await loop.yield();
    co_return true;
  }
  bool until(std::function<bool()> done) { return loop.run_until_done(settle(loop, std::move(done))); }
  // Lets time pass in steps of at most a second, with everything done that is due.
  void pass(Duration time) {
    while (time > Duration{}) {
      Duration step = std::min<Duration>(time, 1s);
      clock.advance(step);
      time -= step;
      loop.run_until_done(turns(loop, 60));
    }
  }
  // The same until `done`, for at most `limit` of the test's time.
  bool pass_until(Duration limit, std::function<bool()> done) {
    for (Duration passed{}; passed < limit && !done(); passed += 200ms) {
      clock.advance(200ms);
      loop.run_until_done(turns(loop, 60));
    }
    return until(done);
  }
  std::string field(const std::string& path, const std::vector<std::string>& keys) {
    codec::Document document = api.get(path);
    const codec::Value* value = &document.root;
    for (const std::string& key : keys) {
      auto index = parse_int(key);
      value = index ? &value->at(static_cast<size_t>(*index)) : &(*value)[key];
    }
    return value->is_string() ? std::string(value->as_string()) : codec::to_json(*value);
  }
  std::string phase(const std::string& path = kWeb) { return field(path, {"status", "phase"}); }
  std::string condition(const std::string& type, const std::string& member = "status") {
    codec::Document document = api.get(kWeb);
    for (const codec::Value& item : document.root["status"]["conditions"].items()) {
      if (item["type"].as_string() == type) return std::string(item[member].as_string());
    }
    return {};
  }
  bool running(const char* name = "app") {
    const engine::ContainerStatus* status = cri.container(name);
    return status && status->phase == engine::ContainerPhase::kRunning;
  }
  size_t event_count(const std::string& reason) { return api.events(reason).size(); }
  std::string event_message(const std::string& reason) {
    auto events = api.events(reason);
    return events.empty() ? "" : std::string(events[0].root["message"].as_string());
  }

  ManualClock clock;
  io::Loop loop;
  FakeApi api;
  FakeCri cri;
  std::string root;
  std::unique_ptr<api::Client> client;
  std::unique_ptr<Kubelet> kubelet;
  std::unique_ptr<io::TaskGroup> group;
};

inline constexpr const char* kSimple = "  containers: [{name: app, image: 'nginx:1', imagePullPolicy: IfNotPresent, terminationMessagePath: /dev/termination-log}]\n";

}  // namespace kobuk::node
