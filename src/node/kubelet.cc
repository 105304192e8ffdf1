// The kubelet: follows the pods that are bound to this node and gives each a worker; tells the workers what the engine
// reports; takes away what is left of pods that the cluster has forgotten.
#include <algorithm>
#include <map>
#include <set>

#include "api/cache.h"
#include "api/event_recorder.h"
#include "base/log.h"
#include "base/strings.h"
#include "node/kubelet_api.h"
#include "node/kubelet_context.h"
#include "node/node.h"
#include "node/node_heartbeat.h"
#include "node/orphans.h"
#include "node/pod_worker.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {
constexpr Duration kEngineRetry = std::chrono::seconds(1);

NodeConfig node_config(const KubeletOptions& options, const NodeFacts& facts) {
  NodeConfig out;
  out.directory = options.directory;
  out.log_directory = options.log_directory;
  out.cgroup_root = options.cgroup_root;
  out.cluster_dns = options.cluster_dns, out.cluster_domain = options.cluster_domain;
  out.host_resolv_conf = sys::read_file("/etc/resolv.conf", 64 << 10).value_or("");
  out.memory_bytes = options.memory_bytes > 0 ? options.memory_bytes : facts.memory_bytes;
  out.selinux = sys::exists("/sys/fs/selinux/enforce");
  return out;
}
}  // namespace

struct Kubelet::Impl {
  Impl(io::Loop& loop_in, api::Client& client_in, engine::Cri& cri_in, KubeletOptions options_in);
  io::Task<void> run();
  io::Task<void> follow_engine();
  io::Task<bool> read_engine();
  void on_pod(const api::Cache<core::Pod>::Change& change);
  void start_worker(const PodPtr& pod);
  void finished(const std::string& uid);
  void tell(const std::string& uid);
  std::set<std::string> known_uids() const;
  KubeletView view();

  io::Loop& loop;
  api::Client& client;
  engine::Cri& cri;
  KubeletOptions options;
  NodeFacts facts;
  RuntimeCache runtime;
  api::EventRecorder events;
  ImagePuller images;
  ObjectWatches objects;
  api::Cache<core::Service> services;
  api::Cache<core::Pod> pods;
  KubeletContext context;
  NodeHeartbeat heartbeat;
  bool engine_down = true, following = false;
  std::map<std::string, std::vector<std::weak_ptr<io::Event>>> changes;  // by uid
  std::map<std::string, std::unique_ptr<PodWorker>> workers;             // by uid
  std::unique_ptr<io::http::Handler> api;
  io::TaskGroup tasks;  // last: ends before what it uses
};

Kubelet::Impl::Impl(io::Loop& loop_in, api::Client& client_in, engine::Cri& cri_in, KubeletOptions options_in)
    : loop(loop_in),
      client(client_in),
      cri(cri_in),
      options(std::move(options_in)),
      facts(read_node_facts(options.directory)),
      runtime(cri),
      events(loop, client, "kubelet", options.node_name),
      images(loop, cri),
      objects(loop, client),
      services(loop, client, api::resource_of<core::Service>(), api::ReflectorOptions{}),
      pods(loop, client, api::resource_of<core::Pod>(),
           api::ReflectorOptions{.field_selector = "spec.nodeName=" + options.node_name}),
      context{loop, client, cri, runtime, events, images, objects, services, node_config(options, facts), {}, {}, {}},
      heartbeat(loop, client, options, facts,
                [this] { return engine_down ? std::string("container runtime is down") : std::string(); }),
      tasks(loop) {
  context.identity.node_name = options.node_name;
  context.identity.host_ip = options.node_ip;
  context.identity.cpu_millicores = options.cpu_millicores > 0 ? options.cpu_millicores : facts.cpu_millicores;
  context.identity.memory_bytes = options.memory_bytes > 0 ? options.memory_bytes : facts.memory_bytes;
  if (auto cgroups = sys::read_cgroup_facts()) context.cgroups = *std::move(cgroups);
  context.host_hosts = sys::read_file("/etc/hosts", 64 << 10).value_or("");
  api = make_kubelet_api(view());
}

KubeletView Kubelet::Impl::view() {
  KubeletView out{.loop = loop};
  out.pods = [this] {
    std::vector<PodPtr> all;
    for (const auto& [uid, worker] : workers) all.push_back(std::make_shared<core::Pod>(worker->pod()));
    return all;
  };
  out.find = [this](const std::string& key) -> PodPtr {
    for (const auto& [uid, worker] : workers) {
      if (pod_key(worker->pod()) == key) return std::make_shared<core::Pod>(worker->pod());
    }
    return nullptr;
  };
  out.runtime = [this](const std::string& uid) -> const PodRuntime& { return runtime.of(uid); };
  out.changes = [this](const std::string& uid) {
    auto event = std::make_shared<io::Event>(loop);
    auto& list = changes[uid];
    std::erase_if(list, [](auto& known) { return known.expired(); });
    list.push_back(event);
    return event;
  };
  return out;
}

// Something of the pod has changed in the engine.
void Kubelet::Impl::tell(const std::string& uid) {
  if (auto worker = workers.find(uid); worker != workers.end()) worker->second->wake();
  auto list = changes.find(uid);
  if (list == changes.end()) return;
  std::erase_if(list->second, [](auto& known) { return known.expired(); });
  for (auto& known : list->second) {
    if (auto event = known.lock()) event->set();
  }
  if (list->second.empty()) changes.erase(list);
}

void Kubelet::Impl::finished(const std::string& uid) {
  // On a later turn: it is the worker's own task that says so. The loop may outlive us, the timer's owner does not.
  tasks.spawn([](Impl* self, std::string key) -> io::Task<void> {
    co_await self->loop.yield();
    self->workers.erase(key);
    self->changes.erase(key);
  }(this, uid));
}

void Kubelet::Impl::start_worker(const PodPtr& pod) {
  std::string uid = pod->metadata.uid;
  workers[uid] = std::make_unique<PodWorker>(context, pod, [this, uid] { finished(uid); });
}

void Kubelet::Impl::on_pod(const api::Cache<core::Pod>::Change& change) {
  const PodPtr& pod = change.after ? change.after : change.before;
  auto worker = workers.find(pod->metadata.uid);
  if (!change.after) {
    if (worker != workers.end()) worker->second->gone();
    return;
  }
  if (worker != workers.end()) {
    worker->second->update(pod);
  } else {
    start_worker(pod);
  }
}

std::set<std::string> Kubelet::Impl::known_uids() const {
  std::set<std::string> out;
  for (const auto& [uid, worker] : workers) out.insert(uid);
  return out;
}

io::Task<bool> Kubelet::Impl::read_engine() {
  auto loaded = co_await runtime.load();
  if (!loaded && !engine_down) log::warn("the engine can't be read", {{"error", loaded.error().message()}});
  engine_down = !loaded;
  co_return loaded.has_value();
}

io::Task<void> Kubelet::Impl::follow_engine() {
  while (true) {
    auto event = co_await cri.next_event();
    if (event) {
      auto uid = co_await runtime.refresh(*event);
      if (uid && !uid->empty()) tell(*uid);
      if (!uid) log::warn("a container can't be read", {{"container", event->container_id}, {"error", uid.error().message()}});
      continue;
    }
    // The engine went away: what has happened meanwhile is read anew.
    log::warn("the engine's events have ended", {{"error", event.error().message()}});
    engine_down = true;
    bool back = false;
    while (!back) {
      co_await loop.sleep(kEngineRetry);
      back = co_await read_engine();
    }
    heartbeat.wake();
    for (auto& [uid, worker] : workers) worker->wake();
  }
}

io::Task<void> Kubelet::Impl::run() {
  Result<void> made = sys::make_directories(options.directory + "/pods", 0750);
  if (made) made = sys::make_directories(options.log_directory);
  if (!made) log::error("the node's folders can't be made", {{"error", made.error().message()}});
  bool read = co_await read_engine();
  if (!read) log::warn("the engine is not there yet", {{"node", options.node_name}});
  tasks.spawn(heartbeat.run());  // which says so to the cluster
  while (!read) {
    co_await loop.sleep(kEngineRetry);
    read = co_await read_engine();
    if (read) heartbeat.wake();
  }
  tasks.spawn(follow_engine());
  tasks.spawn(services.run());
  // Environments name the Services that exist when a container starts.
  co_await services.wait_synced();
  pods.on_change([this](const api::Cache<core::Pod>::Change& change) { on_pod(change); });
  tasks.spawn(pods.run());
  co_await pods.wait_synced();
  std::vector<Orphan> orphans = find_orphans(context.config, runtime, known_uids());
  for (Orphan& orphan : orphans) tasks.spawn(remove_orphan(context, std::move(orphan)));
  co_await tasks.join();
}

Kubelet::Kubelet(io::Loop& loop, api::Client& client, engine::Cri& cri, KubeletOptions options)
    : impl_(std::make_unique<Impl>(loop, client, cri, std::move(options))) {}
Kubelet::~Kubelet() = default;
io::Task<void> Kubelet::run() { return impl_->run(); }
io::http::Handler& Kubelet::api() { return *impl_->api; }

}  // namespace kobuk::node
