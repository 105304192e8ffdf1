// Rules: Kubernetes' "Configure a Security Context for a Pod or Container" and "Define a Command and Arguments".
#include "node/container_config.h"

#include "base/strings.h"
#include "node/resources.h"

namespace kobuk::node {
namespace {

template <class T>
std::optional<T> either(const std::optional<T>& own, const std::optional<T>& of_pod) {
  return own ? own : of_pod;
}

Result<void> add_seccomp(engine::CriSecurityContext& to, const ContainerInput& in) {
  const core::SeccompProfile* profile = in.container.security_context.or_default().seccomp_profile.get();
  if (!profile) profile = in.pod.spec.security_context.or_default().seccomp_profile.get();
  // Without a word about it: the runtime's default profile, as a kubelet with seccompDefault does it.
  if (to.privileged || (profile && profile->type == "Unconfined")) to.seccomp_unconfined = true;
  if (!profile || profile->type != "Localhost") return {};
  const std::string& path = profile->localhost_profile;
  if (path.empty()) return fail(Code::kInvalid, "localhostProfile must be set if seccompProfile type is Localhost");
  for (std::string_view part : split(path, '/')) {
    if (part == ".." || path.starts_with("/")) return fail(Code::kInvalid, "seccomp profile path must be below the node's folder: ", path);
  }
  to.seccomp_localhost = cat(in.node.directory, "/seccomp/", path);
  return {};
}

Result<engine::CriSecurityContext> make_security(const ContainerInput& in) {
  const core::SecurityContext& own = in.container.security_context.or_default();
  const core::PodSecurityContext& of_pod = in.pod.spec.security_context.or_default();
  engine::CriSecurityContext out;
  out.run_as_user = either(own.run_as_user, of_pod.run_as_user);
  out.run_as_group = either(own.run_as_group, of_pod.run_as_group);
  if (!out.run_as_user) out.run_as_username = in.image_user;
  out.supplemental_groups = of_pod.supplemental_groups;
  if (of_pod.fs_group) out.supplemental_groups.push_back(*of_pod.fs_group);
  out.privileged = own.privileged.value_or(false);
  out.readonly_rootfs = own.read_only_root_filesystem.value_or(false);
  out.no_new_privs = !own.allow_privilege_escalation.value_or(true);
  if (own.capabilities) out.add_capabilities = own.capabilities->add, out.drop_capabilities = own.capabilities->drop;
  out.default_proc_mount = own.proc_mount != "Unmasked";
  KOBUK_CHECK(add_seccomp(out, in));
  return out;
}

}  // namespace

Result<void> check_non_root(const core::Pod& pod, const core::Container& container, const std::string& image_user) {
  const core::SecurityContext& own = container.security_context.or_default();
  const core::PodSecurityContext& of_pod = pod.spec.security_context.or_default();
  if (!either(own.run_as_non_root, of_pod.run_as_non_root).value_or(false)) return {};
  std::string where = cat(" (pod: \"", pod_title(pod), "\", container: ", container.name, ")");
  if (auto user = either(own.run_as_user, of_pod.run_as_user)) {
    if (*user != 0) return {};
    return fail(Code::kFailedPrecondition, "container's runAsUser breaks non-root policy", where);
  }
  std::string user = image_user.substr(0, image_user.find(':'));
  auto number = parse_int(user);
  if (user.empty() || number == 0) {
    return fail(Code::kFailedPrecondition, "container has runAsNonRoot and image will run as root", where);
  }
  if (!number) {
    return fail(Code::kFailedPrecondition, "container has runAsNonRoot and image has non-numeric user (", user,
                "), cannot verify user is non-root", where);
  }
  return {};
}

std::string termination_message_file(const NodeConfig& node, const core::Pod& pod, const std::string& container,
                                     uint32_t attempt) {
  return cat(pod_directory(node, pod.metadata.uid), "/containers/", container, "/", attempt);
}

Result<engine::ContainerConfig> make_container_config(const ContainerInput& in) {
  const core::Container& container = in.container;
  KOBUK_CHECK(check_non_root(in.pod, container, in.image_user));
  engine::ContainerConfig out;
  out.name = container.name;
  out.attempt = in.attempt;
  out.image = in.image;
  out.command = expand_all(container.command, in.environment);
  out.args = expand_all(container.args, in.environment);
  out.working_dir = container.working_dir;
  out.envs = in.environment;
  out.mounts = in.mounts;
  out.labels = {{std::string(kPodNameLabel), in.pod.metadata.name},
                {std::string(kPodNamespaceLabel), in.pod.metadata.namespace_},
                {std::string(kPodUidLabel), in.pod.metadata.uid},
                {std::string(kContainerNameLabel), container.name}};
  out.annotations = {{std::string(kContainerHash), container_hash(container)},
                     {std::string(kRestartCount), cat(in.attempt)},
                     {std::string(kTerminationMessagePath), container.termination_message_path},
                     {std::string(kTerminationMessagePolicy), container.termination_message_policy},
                     {std::string(kPodGracePeriod), cat(grace_seconds(in.pod))}};
  out.log_path = cat(container.name, "/", in.attempt, ".log");
  out.stdin_open = container.stdin, out.stdin_once = container.stdin_once, out.tty = container.tty;
  out.resources = container_resources(in.pod, container, in.node.memory_bytes);
  KOBUK_TRY(out.security, make_security(in));
  if (in.pod.spec.host_pid) out.pid = engine::NamespaceMode::kNode;
  else if (in.pod.spec.share_process_namespace.value_or(false)) out.pid = engine::NamespaceMode::kPod;
  if (container.lifecycle) out.stop_signal = container.lifecycle->stop_signal;
  return out;
}

}  // namespace kobuk::node
