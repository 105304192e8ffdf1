// The node: kubelet with its HTTPS API, and the service proxy.
#include <thread>

#include "app/role.h"
#include "engine/cri_client.h"
#include "io/tls.h"
#include "network/services.h"
#include "node/node.h"
#include "sys/cgroup.h"
#include "sys/file.h"

namespace kobuk::app {
namespace {

constexpr uint16_t kKubeletPort = 10250;
constexpr int64_t kCfsPeriodUs = 100'000;

class NodeRole final : public RunningRole {
 public:
  explicit NodeRole(Shared& shared) : shared_(shared) {}

  io::Task<Result<void>> start() override {
    const Profile& profile = shared_.profile;
    std::string user = cat("system:node:", profile.node_name);
    KOBUK_CO_TRY(auto transport, shared_.connect(user, {"system:nodes"}, shared_.pki.node));
    client_.emplace(std::move(transport));
    KOBUK_CO_CHECK(limit_pods());
    if (shared_.cri == nullptr) remote_ = engine::make_cri_client(shared_.loop, cat("unix:", profile.cri_socket()));
    kubelet_.emplace(shared_.loop, *client_, remote_ ? *remote_ : *shared_.cri, kubelet_options());
    KOBUK_CO_CHECK(listen());
    start_proxy();
    tasks_.emplace(shared_.loop);
    tasks_->spawn(kubelet_->run());
    tasks_->spawn(proxy_->run());
    co_return Result<void>();
  }

  io::Task<void> stop() override {
    if (https_) co_await https_->shutdown(std::chrono::milliseconds(200));
    tasks_.reset();
    proxy_.reset();
    services_.reset();
    https_.reset();
    kubelet_.reset();
    remote_.reset();
    client_.reset();
  }

 private:
  node::KubeletOptions kubelet_options() const {
    const Profile& profile = shared_.profile;
    AddressPlan addresses = profile.addresses();
    return {.node_name = profile.node_name,
            .node_ip = addresses.node_ip,
            .port = kKubeletPort,
            .directory = cat(profile.root, "/node"),
            .log_directory = cat(profile.root, "/logs/pods"),
            .cgroup_root = profile.cgroup_root(),
            .pod_cidr = addresses.pod_subnet,
            .cpu_millicores = profile.cpus * 1000,
            .memory_bytes = profile.memory_bytes,
            .cluster_dns = {},
            .cluster_domain = "cluster.local"};
  }

  // --cpus and --memory are limits of the kernel, not only numbers that the scheduler counts with.
  Result<void> limit_pods() {
    const Profile& profile = shared_.profile;
    if (profile.cpus == 0 && profile.memory_bytes == 0) return {};
    KOBUK_TRY(sys::CgroupFacts facts, sys::read_cgroup_facts());
    sys::CgroupLimits limits;
    if (profile.memory_bytes > 0) limits.memory_max = profile.memory_bytes;
    if (profile.cpus > 0) {
      limits.cpu_quota_us = profile.cpus * kCfsPeriodUs;
      limits.cpu_period_us = kCfsPeriodUs;
    }
    sys::Cgroup pods(facts, cat(profile.cgroup_root(), "/pods"));
    return pods.create(limits);
  }

  Result<void> listen() {
    KOBUK_TRY(auto tls, io::make_tls_server_context({.certificate_chain_pem = shared_.pki.kubelet.certificate,
                                                     .private_key_pem = shared_.pki.kubelet.key,
                                                     .client_ca_pem = shared_.pki.ca}));
    https_.emplace(shared_.loop, kubelet_->api());
    return https_->listen(cat(shared_.profile.addresses().node_ip, ":", kKubeletPort), tls);
  }

  void start_proxy() {
    AddressPlan addresses = shared_.profile.addresses();
    services_.emplace(network::Services::Options{.profile = shared_.profile.name,
                                                 .cluster_cidr = addresses.cluster_cidr,
                                                 .service_cidr = addresses.service_cidr,
                                                 .node_addresses = {addresses.node_ip}});
    proxy_.emplace(shared_.loop, *client_, *services_, shared_.profile.node_name);
  }

  Shared& shared_;
  std::optional<api::Client> client_;
  std::unique_ptr<engine::Cri> remote_;  // the engine runs in a process of its own
  std::optional<node::Kubelet> kubelet_;
  std::optional<io::http::Server> https_;
  std::optional<network::Services> services_;
  std::optional<node::ServiceProxy> proxy_;
  std::optional<io::TaskGroup> tasks_;
};

}  // namespace

std::unique_ptr<RunningRole> make_node_role(Shared& shared) { return std::make_unique<NodeRole>(shared); }

}  // namespace kobuk::app
