// Rules: Kubernetes' "DNS for Services and Pods" and "Adding entries to Pod /etc/hosts with HostAliases".
#include <algorithm>

#include "base/strings.h"
#include "node/container_config.h"
#include "node/resources.h"

namespace kobuk::node {
namespace {

using engine::NamespaceMode;

struct Dns {
  std::vector<std::string> servers, searches, options;
};

// resolv.conf(5): the last search line counts.
Dns parse_resolv_conf(std::string_view text) {
  Dns out;
  for (std::string_view line : split(text, '\n')) {
    std::vector<std::string> words;
    std::string flat(trim(line));
    std::ranges::replace(flat, '\t', ' ');
    for (std::string_view word : split(flat, ' ')) {
      if (!word.empty()) words.emplace_back(word);
    }
    if (words.size() < 2) continue;
    std::vector<std::string> rest(words.begin() + 1, words.end());
    if (words[0] == "nameserver") out.servers.push_back(words[1]);
    if (words[0] == "search") out.searches = rest;
    if (words[0] == "options") out.options.insert(out.options.end(), rest.begin(), rest.end());
  }
  return out;
}

void add_unique(std::vector<std::string>& to, const std::string& value) {
  if (std::ranges::find(to, value) == to.end()) to.push_back(value);
}

Dns pod_dns(const core::Pod& pod, const NodeConfig& node) {
  const core::PodSpec& spec = pod.spec;
  Dns host = parse_resolv_conf(node.host_resolv_conf), out;
  bool cluster = spec.dns_policy == "ClusterFirstWithHostNet" ||
                 ((spec.dns_policy.empty() || spec.dns_policy == "ClusterFirst") && !spec.host_network);
  if (spec.dns_policy == "None") {
    // Only what dnsConfig says.
  } else if (cluster && !node.cluster_dns.empty()) {
    out.servers = {node.cluster_dns};
    out.searches = {cat(pod.metadata.namespace_, ".svc.", node.cluster_domain), cat("svc.", node.cluster_domain),
                    node.cluster_domain};
    for (const std::string& search : host.searches) add_unique(out.searches, search);
    out.options = {"ndots:5"};
  } else {
    out = host;
  }
  if (!spec.dns_config) return out;
  for (const std::string& server : spec.dns_config->nameservers) add_unique(out.servers, server);
  for (const std::string& search : spec.dns_config->searches) add_unique(out.searches, search);
  for (const core::PodDNSConfigOption& option : spec.dns_config->options) {
    std::erase_if(out.options, [&](auto& other) { return other == option.name || other.starts_with(option.name + ":"); });
    out.options.push_back(option.value.empty() ? option.name : cat(option.name, ":", option.value));
  }
  return out;
}

void add_ports(engine::PodSandboxConfig& to, const core::Container& container) {
  for (const core::ContainerPort& port : container.ports) {
    if (port.host_port == 0) continue;
    to.port_mappings.push_back({port.protocol.empty() ? "TCP" : port.protocol, port.container_port, port.host_port, port.host_ip});
  }
}

}  // namespace

std::string pod_directory(const NodeConfig& node, const std::string& uid) { return cat(node.directory, "/pods/", uid); }

std::string pod_log_directory(const NodeConfig& node, const core::Pod& pod) {
  return cat(node.log_directory, "/", pod.metadata.namespace_, "_", pod.metadata.name, "_", pod.metadata.uid);
}

std::string pod_hostname(const core::Pod& pod) {
  if (!pod.spec.hostname_override.empty()) return pod.spec.hostname_override;
  std::string name = pod.spec.hostname.empty() ? pod.metadata.name : pod.spec.hostname;
  name = name.substr(0, 63);
  while (!name.empty() && (name.back() == '-' || name.back() == '.')) name.pop_back();
  return name;
}

std::string pod_domain_name(const core::Pod& pod, const NodeConfig& node) {
  if (pod.spec.subdomain.empty()) return {};
  return cat(pod_hostname(pod), ".", pod.spec.subdomain, ".", pod.metadata.namespace_, ".svc.", node.cluster_domain);
}

engine::PodSandboxConfig make_sandbox_config(const core::Pod& pod, uint32_t attempt, const NodeConfig& node) {
  const core::PodSpec& spec = pod.spec;
  engine::PodSandboxConfig out;
  out.metadata = {pod.metadata.name, pod.metadata.uid, pod.metadata.namespace_, attempt};
  std::string domain = pod_domain_name(pod, node);
  if (!spec.host_network) out.hostname = spec.set_hostname_as_fqdn.value_or(false) && !domain.empty() ? domain : pod_hostname(pod);
  out.log_directory = pod_log_directory(node, pod);
  Dns dns = pod_dns(pod, node);
  out.dns_servers = std::move(dns.servers), out.dns_searches = std::move(dns.searches), out.dns_options = std::move(dns.options);
  if (!spec.host_network) {
    for (const core::Container& container : spec.init_containers) {
      if (is_sidecar(container)) add_ports(out, container);
    }
    for (const core::Container& container : spec.containers) add_ports(out, container);
  }
  out.labels = pod.metadata.labels;
  out.labels[std::string(kPodNameLabel)] = pod.metadata.name;
  out.labels[std::string(kPodNamespaceLabel)] = pod.metadata.namespace_;
  out.labels[std::string(kPodUidLabel)] = pod.metadata.uid;
  out.annotations = pod.metadata.annotations;
  if (!node.cgroup_root.empty()) out.cgroup_parent = pod_cgroup_path(node.cgroup_root, pod);
  if (spec.host_network) out.network = NamespaceMode::kNode;
  if (spec.host_ipc) out.ipc = NamespaceMode::kNode;
  if (spec.host_pid) out.pid = NamespaceMode::kNode;
  else if (spec.share_process_namespace.value_or(false)) out.pid = NamespaceMode::kPod;
  if (!spec.security_context) return out;
  const core::PodSecurityContext& security = *spec.security_context;
  for (const core::Sysctl& sysctl : security.sysctls) out.sysctls[sysctl.name] = sysctl.value;
  out.security.run_as_user = security.run_as_user;
  out.security.run_as_group = security.run_as_group;
  out.security.supplemental_groups = security.supplemental_groups;
  if (security.fs_group) out.security.supplemental_groups.push_back(*security.fs_group);
  return out;
}

std::string make_hosts(const core::Pod& pod, const std::vector<std::string>& ips, const NodeConfig& node,
                       std::string_view host_text) {
  std::string out;
  if (pod.spec.host_network) {
    out = cat("# Kubernetes-managed hosts file (host network).\n", host_text);
  } else {
    out =
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"
        "fe00::0\tip6-localnet\nfe00::0\tip6-mcastprefix\nfe00::1\tip6-allnodes\nfe00::2\tip6-allrouters\n";
    std::string domain = pod_domain_name(pod, node);
    for (const std::string& ip : ips) {
      cat_to(out, ip, "\t", domain.empty() ? "" : domain + "\t", pod_hostname(pod), "\n");
    }
  }
  if (pod.spec.host_aliases.empty()) return out;
  out += "\n# Entries added by HostAliases.\n";
  for (const core::HostAlias& alias : pod.spec.host_aliases) cat_to(out, alias.ip, "\t", join(alias.hostnames, "\t"), "\n");
  return out;
}

}  // namespace kobuk::node
