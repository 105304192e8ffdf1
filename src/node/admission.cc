// Reasons and texts: the kubelet's admission handlers for AppArmor and for features that a node lacks.
#include "node/admission.h"

#include <algorithm>

namespace kobuk::node {
namespace {

template <class Asks>
bool any_container(const core::PodSpec& spec, Asks asks) {
  auto has = [&](const core::Container& container) { return asks(container.security_context.or_default()); };
  return std::ranges::any_of(spec.init_containers, has) || std::ranges::any_of(spec.containers, has);
}

bool wants_app_armor(const core::PodSpec& spec) {
  auto asks = [](const auto& security) { return security.app_armor_profile && security.app_armor_profile->type != "Unconfined"; };
  return asks(spec.security_context.or_default()) || any_container(spec, asks);
}

bool wants_se_linux(const core::PodSpec& spec) {
  auto asks = [](const auto& security) {
    const core::SELinuxOptions& options = security.se_linux_options.or_default();
    return !options.user.empty() || !options.role.empty() || !options.type.empty() || !options.level.empty();
  };
  return asks(spec.security_context.or_default()) || any_container(spec, asks);
}

}  // namespace

std::optional<Refusal> refuse(const core::Pod& pod, const NodeConfig& node) {
  if (wants_app_armor(pod.spec)) {
    return Refusal{"AppArmor", "Cannot enforce AppArmor: this node does not load AppArmor profiles, use a seccompProfile or type Unconfined"};
  }
  if (!pod.spec.host_users.value_or(true)) {
    return Refusal{"PodFeatureUnsupported", "hostUsers: false needs user namespaces, which this node does not give to pods"};
  }
  // Without SELinux in its kernel there is nothing to label, and every node lets such a pod run.
  if (node.selinux && wants_se_linux(pod.spec)) {
    return Refusal{"PodFeatureUnsupported", "seLinuxOptions: this node's kernel enforces SELinux, but its containers are not labelled"};
  }
  return std::nullopt;
}

}  // namespace kobuk::node
