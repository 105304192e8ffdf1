// What the kubelet reads out of a Pod in several places: names, kinds of containers, quality of service. Pure.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

#include "api/types/core_v1.h"

namespace kobuk::node {

namespace core = api::core::v1;
using PodPtr = std::shared_ptr<const core::Pod>;

// Labels and annotations by which containers and sandboxes are known again after a restart.
inline constexpr std::string_view kPodNameLabel = "io.kubernetes.pod.name";
inline constexpr std::string_view kPodNamespaceLabel = "io.kubernetes.pod.namespace";
inline constexpr std::string_view kPodUidLabel = "io.kubernetes.pod.uid";
inline constexpr std::string_view kContainerNameLabel = "io.kubernetes.container.name";
inline constexpr std::string_view kContainerHash = "io.kubernetes.container.hash";
inline constexpr std::string_view kRestartCount = "io.kubernetes.container.restartCount";
inline constexpr std::string_view kTerminationMessagePath = "io.kubernetes.container.terminationMessagePath";
inline constexpr std::string_view kTerminationMessagePolicy = "io.kubernetes.container.terminationMessagePolicy";
inline constexpr std::string_view kPodGracePeriod = "io.kubernetes.pod.terminationGracePeriod";

std::string pod_key(const core::Pod& pod);    // "namespace/name"
std::string pod_title(const core::Pod& pod);  // "name_namespace(uid)", as in messages
// An init container that runs on beside the containers ("sidecar").
bool is_sidecar(const core::Container& container);
const core::Container* find_container(const core::PodSpec& spec, std::string_view name);  // of either list; or nullptr
// "spec.containers{name}", "spec.initContainers{name}": where an Event points to.
std::string container_field_path(const core::PodSpec& spec, std::string_view name);
bool is_terminal(std::string_view phase);  // Succeeded, Failed
int64_t grace_seconds(const core::Pod& pod);  // deletion's, else the spec's, else 30

// Changes when a container must be made anew: its name and image.
std::string container_hash(const core::Container& container);

enum class Qos : uint8_t { kGuaranteed, kBurstable, kBestEffort };
Qos qos_class(const core::PodSpec& spec);
std::string_view qos_name(Qos qos);  // "Guaranteed"

// A resource of a list as milli-units or whole units; 0 when absent or not a quantity.
int64_t milli_of(const std::map<std::string, std::string>& list, const std::string& resource);
int64_t value_of(const std::map<std::string, std::string>& list, const std::string& resource);

// Names of ConfigMaps and Secrets that the pod's volumes and environments read.
struct PodReferences {
  std::set<std::string> config_maps, secrets;
  bool operator==(const PodReferences&) const = default;
};
PodReferences references_of(const core::PodSpec& spec);

}  // namespace kobuk::node
