#include "controlplane/testing/cluster.h"

#include <algorithm>
#include <chrono>

#include "api/decode.h"
#include "api/schema.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "controlplane/controllers/objects.h"
#include "io/http.h"

namespace kobuk::controlplane::testing {
namespace {

using api::core::v1::Pod;

io::Task<void> turns(io::Loop* loop, int count) {
  for (int i = 0; i < count; ++i) co_await loop->yield();
}

std::unique_ptr<io::http::Transport> transport(io::Loop& loop, ApiServer& server, std::string user) {
  return io::http::make_in_process_transport(loop, server, std::move(user), {"system:masters"});
}

class Counting final : public io::http::Transport {
 public:
  Counting(std::unique_ptr<io::http::Transport> inner, int* count) : inner_(std::move(inner)), count_(count) {}
  io::Task<Result<io::http::Response>> send(io::http::Request request) override {
    ++*count_;
    return inner_->send(std::move(request));
  }

 private:
  std::unique_ptr<io::http::Transport> inner_;
  int* count_;
};

std::unique_ptr<io::http::Transport> counted(std::unique_ptr<io::http::Transport> inner, int* count) {
  return std::make_unique<Counting>(std::move(inner), count);
}

std::unique_ptr<ApiServer> started(io::Loop& loop, store::Store& store) {
  auto server = std::make_unique<ApiServer>(loop, store, ApiServerOptions{.advertise_address = "10.100.0.1"});
  if (auto result = loop.run_until_done(server->start()); !result) std::abort();  // nothing can be tested then
  return server;
}

api::GroupVersionResource resource_of(const codec::Value& object) {
  auto version = api::split_api_version(object["apiVersion"].as_string());
  const api::KindInfo* kind = api::builtin_kinds().find_kind(object["apiVersion"].as_string(), object["kind"].as_string());
  return {std::string(version.group), std::string(version.version), std::string(kind->plural)};
}

}  // namespace

TestCluster::TestCluster(ClusterParts parts)
    : loop({.clock = &clock}),
      store(store::make_memory_store(loop)),
      server(started(loop, *store)),
      client(transport(loop, *server, "kubernetes-admin")),
      controllers_client_(counted(transport(loop, *server, "system:kube-controller-manager"), &control_requests), "kube-controller-manager"),
      scheduler_client_(counted(transport(loop, *server, "system:kube-scheduler"), &control_requests), "kube-scheduler"),
      caches_(loop, client),
      tasks_(std::make_unique<io::TaskGroup>(loop)) {
  caches_.of<Pod>().on_change([this](const api::Cache<Pod>::Change& change) { follow_pods(change); });
  caches_.of<api::core::v1::Event>();
  caches_.of<api::core::v1::Service>();
  caches_.of<api::core::v1::Node>();
  caches_.of<api::core::v1::Namespace>();
  caches_.of<api::apps::v1::Deployment>();
  caches_.of<api::apps::v1::ReplicaSet>();
  caches_.start();
  loop.run_until_done(caches_.synced());
  if (parts.controllers) {
    controllers_ = std::make_unique<Controllers>(loop, controllers_client_, parts.options);
    tasks_->spawn(controllers_->run());
  }
  if (parts.scheduler) {
    scheduler_ = std::make_unique<Scheduler>(loop, scheduler_client_);
    tasks_->spawn(scheduler_->run());
  }
  settle();
}

TestCluster::~TestCluster() {
  tasks_.reset();
  scheduler_.reset();
  controllers_.reset();
  loop.run_until_done(server->shutdown());
}

void TestCluster::settle() { loop.run_until_done(turns(&loop, 400)); }

bool TestCluster::until(const std::function<bool()>& holds, Duration limit) {
  for (Duration passed{}; passed <= limit; passed += std::chrono::milliseconds(50)) {
    for (int i = 0; i < 4; ++i) {
      if (holds()) return true;
      loop.run_until_done(turns(&loop, 100));
    }
    pass(std::chrono::milliseconds(50));
  }
  return holds();
}

void TestCluster::pass(Duration time) {
  clock.advance(time);
  if (clock.mono() - last_renewal_ < std::chrono::seconds(10)) return;
  last_renewal_ = clock.mono();
  std::vector<std::string> living;
  for (const auto& [name, node] : objects<api::core::v1::Node>()) {
    if (!silent_nodes.contains(name)) living.push_back(name);
  }
  for (const std::string& name : living) renew_lease(name);
}

void TestCluster::advance(Duration by) {
  constexpr Duration kStep = std::chrono::milliseconds(500);
  for (; by > Duration::zero(); by -= kStep) {
    pass(std::min(by, kStep));
    loop.run_until_done(turns(&loop, 60));
  }
  settle();
}

Result<std::string> TestCluster::create(std::string_view yaml, std::string space) {
  KOBUK_TRY(codec::Document object, codec::parse_yaml(yaml));
  const api::KindInfo* kind = api::builtin_kinds().find_kind(object.root["apiVersion"].as_string(), object.root["kind"].as_string());
  std::string text = codec::to_json(object.root);
  return loop.run_until_done(client.create(resource_of(object.root), kind->namespaced ? space : "", std::move(text)));
}

Result<std::string> TestCluster::patch(api::GroupVersionResource resource, std::string space, std::string name, std::string merge_patch,
                                       std::string subresource) {
  return loop.run_until_done(client.patch(resource, space, name, api::PatchType::kMerge, std::move(merge_patch), subresource));
}

Result<std::string> TestCluster::remove(api::GroupVersionResource resource, std::string space, std::string name, std::string policy) {
  return loop.run_until_done(client.remove(resource, space, name,
                                           cat(R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":")", policy, "\"}")));
}

Result<std::string> TestCluster::get(api::GroupVersionResource resource, std::string space, std::string name) {
  return loop.run_until_done(client.get(resource, space, name));
}

void TestCluster::add_node(std::string name, std::string cpu, std::string labels) {
  auto made = create(cat("{apiVersion: v1, kind: Node, metadata: {name: '", name, "', labels: {kubernetes.io/hostname: '", name, "'",
                         labels.empty() ? "" : ", ", labels, "}}}"));
  if (!made) std::abort();  // the test is wrong
  auto status = patch(kNodes, "", name,
                      cat(R"({"status":{"capacity":{"cpu":")", cpu, R"(","memory":"8Gi","pods":"110"},"allocatable":{"cpu":")", cpu,
                          R"(","memory":"8Gi","pods":"110"},"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady"}]}})"),
                      "status");
  if (!status) std::abort();
  renew_lease(name);
  settle();
}

void TestCluster::renew_lease(std::string node) {
  api::GroupVersionResource leases{"coordination.k8s.io", "v1", "leases"};
  std::string spec = cat(R"("spec":{"holderIdentity":")", node, R"(","leaseDurationSeconds":40,"renewTime":")", format_rfc3339_micro(clock.wall()), "\"}");
  auto done = patch(leases, "kube-node-lease", node, cat("{", spec, "}"));
  if (done) return;
  auto made = create(cat(R"({"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":")", node, "\"},", spec, "}"), "kube-node-lease");
  if (!made) std::abort();
}

std::vector<std::shared_ptr<const Pod>> TestCluster::pods(std::string_view app) {
  std::vector<std::shared_ptr<const Pod>> out;
  for (const auto& [key, pod] : objects<Pod>()) {
    auto label = pod->metadata.labels.find("app");
    if (label != pod->metadata.labels.end() && label->second == app && !is_deleting(pod->metadata)) out.push_back(pod);
  }
  return out;
}

int TestCluster::ready_pods(std::string_view app) {
  auto all = pods(app);
  return static_cast<int>(std::count_if(all.begin(), all.end(), [](const auto& pod) { return is_ready(*pod); }));
}

bool TestCluster::has_event(std::string_view reason, std::string_view message) {
  for (const auto& [key, event] : objects<api::core::v1::Event>()) {
    if (event->reason == reason && event->message.find(message) != std::string::npos) return true;
  }
  return false;
}

void TestCluster::reset_bounds() {
  most_pods = static_cast<int>(pods("watched").size());
  least_ready = ready_pods("watched");
}

void TestCluster::follow_pods(const api::Cache<Pod>::Change& change) {
  most_pods = std::max(most_pods, static_cast<int>(pods("watched").size()));
  least_ready = std::min(least_ready, ready_pods("watched"));
  if (!change.after || change.after->spec.node_name.empty() || !tasks_) return;
  if (is_deleting(change.after->metadata)) {
    tasks_->spawn(end_pod(change.after));
  } else if (!change.before || change.before->spec.node_name.empty()) {
    tasks_->spawn(run_pod(change.after));
  }
}

io::Task<void> TestCluster::run_pod(std::shared_ptr<const Pod> pod) {
  const std::string& image = pod->spec.containers[0].image;
  bool works = !broken_images.contains(image);
  std::string time = format_rfc3339(loop.now());
  int ip = next_ip_++;
  std::string address = cat("10.100.", ip / 250, ".", ip % 250 + 1);
  std::string patch = cat(R"({"status":{"phase":")", works ? "Running" : "Pending", R"(","podIP":")", address, R"(","podIPs":[{"ip":")", address,
                          R"("}],"startTime":")", time, R"(","conditions":[{"type":"PodScheduled","status":"True"},{"type":"Ready","status":")",
                          works ? "True" : "False", R"(","lastTransitionTime":")", time, "\"}]}}");
  co_await client.patch(kPods, pod->metadata.namespace_, pod->metadata.name, api::PatchType::kMerge, std::move(patch), "status");
}

io::Task<void> TestCluster::end_pod(std::shared_ptr<const Pod> pod) {
  std::string options = R"({"kind":"DeleteOptions","apiVersion":"v1","gracePeriodSeconds":0})";
  co_await client.remove(kPods, pod->metadata.namespace_, pod->metadata.name, std::move(options));
}

std::string deployment_yaml(std::string_view name, int replicas, std::string_view image, std::string_view more_spec) {
  return cat("{apiVersion: apps/v1, kind: Deployment, metadata: {name: ", name, "}, spec: {replicas: ", replicas,
             ", selector: {matchLabels: {app: ", name, "}}, template: {metadata: {labels: {app: ", name,
             "}}, spec: {containers: [{name: c, image: '", image, "'}]}}", more_spec.empty() ? "" : ", ", more_spec, "}}");
}

}  // namespace kobuk::controlplane::testing
