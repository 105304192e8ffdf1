// A Pod's spec as the CRI wants it: sandbox and containers, with security contexts, mounts, DNS and log paths. Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/cri.h"
#include "node/env.h"
#include "node/pod.h"

namespace kobuk::node {

// What is the same for every pod of this node.
struct NodeConfig {
  std::string directory;      // pods' folders: <directory>/pods/<uid>
  std::string log_directory;  // pods' logs: <log_directory>/<namespace>_<name>_<uid>
  std::string cgroup_root;    // empty: pods have no cgroups of their own
  std::string cluster_dns, cluster_domain;
  std::string host_resolv_conf;  // its text: what pods without cluster DNS get
  int64_t memory_bytes = 0;
  bool selinux = false;  // the kernel has it switched on
};

std::string pod_directory(const NodeConfig& node, const std::string& uid);
std::string pod_log_directory(const NodeConfig& node, const core::Pod& pod);
std::string pod_hostname(const core::Pod& pod);  // at most 63 characters
// "web-0.web.default.svc.cluster.local"; empty without a subdomain.
std::string pod_domain_name(const core::Pod& pod, const NodeConfig& node);

engine::PodSandboxConfig make_sandbox_config(const core::Pod& pod, uint32_t attempt, const NodeConfig& node);

// The text of /etc/hosts in the pod's containers. host_text: the node's own, for pods in its network.
std::string make_hosts(const core::Pod& pod, const std::vector<std::string>& ips, const NodeConfig& node,
                       std::string_view host_text);

struct ContainerInput {
  const core::Pod& pod;
  const core::Container& container;
  const NodeConfig& node;
  uint32_t attempt = 0;
  std::string image;        // id
  std::string image_user;   // of the image's config
  Environment environment;
  std::vector<engine::CriMount> mounts;
};
// Errors are the messages of CreateContainerConfigError.
Result<engine::ContainerConfig> make_container_config(const ContainerInput& input);

// kFailedPrecondition, in Kubernetes' words, when runAsNonRoot is asked for and does not hold.
Result<void> check_non_root(const core::Pod& pod, const core::Container& container, const std::string& image_user);

// Where the container's termination message is on the host.
std::string termination_message_file(const NodeConfig& node, const core::Pod& pod, const std::string& container,
                                     uint32_t attempt);

}  // namespace kobuk::node
