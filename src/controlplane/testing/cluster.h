// A whole control plane in one process over a memory store, with time that the test owns, and a kubelet stand-in: pods that
// are bound to a node run and become ready, pods that are deleted go.
//
//   TestCluster cluster;
//   cluster.add_node("n1");
//   cluster.apply(R"(…)");
//   ASSERT_TRUE(cluster.until([&] { return cluster.ready_pods("app=web") == 3; }));
#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "api/cache.h"
#include "api/client.h"
#include "api/types/apps_v1.h"
#include "api/types/core_v1.h"
#include "base/clock.h"
#include "controlplane/apiserver/server.h"
#include "controlplane/controllers/controllers.h"
#include "controlplane/scheduler/scheduler.h"
#include "io/loop.h"
#include "store/store.h"

namespace kobuk::controlplane::testing {

struct ClusterParts {
  bool controllers = true, scheduler = true;
  ControllerOptions options = {.load_balancer_cidr = "10.101.128.0/29", .root_ca_pem = "-----BEGIN CERTIFICATE-----\n"};
};

class TestCluster {
 public:
  explicit TestCluster(ClusterParts parts = {});
  ~TestCluster();

  // Lets everything happen that is due now.
  void settle();
  // Settles, and moves time on in steps of 50 ms, until it holds; false when it does not within `limit`.
  bool until(const std::function<bool()>& holds, Duration limit = std::chrono::seconds(30));
  void advance(Duration by);  // in steps, settling

  Result<std::string> create(std::string_view yaml, std::string space = "default");
  Result<std::string> patch(api::GroupVersionResource resource, std::string space, std::string name, std::string merge_patch,
                            std::string subresource = {});
  Result<std::string> remove(api::GroupVersionResource resource, std::string space, std::string name, std::string policy = "Background");
  Result<std::string> get(api::GroupVersionResource resource, std::string space, std::string name);
  void add_node(std::string name, std::string cpu = "4", std::string labels = "");
  void renew_lease(std::string node);  // what a living kubelet does; every 10 s for all nodes but silent ones
  std::set<std::string> silent_nodes;

  template <class T>
  std::shared_ptr<const T> find(std::string key) {
    return caches_.of<T>().find(key);
  }
  template <class T>
  const auto& objects() {
    return caches_.of<T>().objects();
  }
  std::vector<std::shared_ptr<const api::core::v1::Pod>> pods(std::string_view app);  // label app, not deleted
  int ready_pods(std::string_view app);
  bool has_event(std::string_view reason, std::string_view message);

  int control_requests = 0;  // that controllers and scheduler have sent
  std::set<std::string> broken_images;  // pods of these never become ready
  int most_pods = 0, least_ready = 0;   // of label app=watched, since reset_bounds()
  void reset_bounds();

  ManualClock clock;
  io::Loop loop;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<ApiServer> server;
  api::Client client;

 private:
  void follow_pods(const api::Cache<api::core::v1::Pod>::Change& change);
  io::Task<void> run_pod(std::shared_ptr<const api::core::v1::Pod> pod);
  io::Task<void> end_pod(std::shared_ptr<const api::core::v1::Pod> pod);
  api::Client controllers_client_, scheduler_client_;
  api::Caches caches_;  // of the test
  void pass(Duration time);  // and keep the nodes alive
  int next_ip_ = 1;
  MonoTime last_renewal_;
  std::unique_ptr<Controllers> controllers_;
  std::unique_ptr<Scheduler> scheduler_;
  std::unique_ptr<io::TaskGroup> tasks_;
};

inline const api::GroupVersionResource kPods{"", "v1", "pods"}, kNodes{"", "v1", "nodes"}, kNamespaces{"", "v1", "namespaces"},
    kServices{"", "v1", "services"}, kDeployments{"apps", "v1", "deployments"}, kReplicaSets{"apps", "v1", "replicasets"},
    kConfigMaps{"", "v1", "configmaps"};

std::string deployment_yaml(std::string_view name, int replicas, std::string_view image = "nginx:1", std::string_view more_spec = "");

}  // namespace kobuk::controlplane::testing
