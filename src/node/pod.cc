#include "node/pod.h"

#include <algorithm>

#include "api/quantity.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::node {

std::string pod_key(const core::Pod& pod) { return cat(pod.metadata.namespace_, "/", pod.metadata.name); }

std::string pod_title(const core::Pod& pod) {
  return cat(pod.metadata.name, "_", pod.metadata.namespace_, "(", pod.metadata.uid, ")");
}

bool is_sidecar(const core::Container& container) { return container.restart_policy == "Always"; }

static const core::Container* find_in(const std::vector<core::Container>& list, std::string_view name) {
  auto found = std::ranges::find(list, name, &core::Container::name);
  return found == list.end() ? nullptr : &*found;
}

const core::Container* find_container(const core::PodSpec& spec, std::string_view name) {
  const core::Container* found = find_in(spec.containers, name);
  return found ? found : find_in(spec.init_containers, name);
}

std::string container_field_path(const core::PodSpec& spec, std::string_view name) {
  if (name.empty()) return {};
  return cat(find_in(spec.init_containers, name) ? "spec.initContainers{" : "spec.containers{", name, "}");
}

bool is_terminal(std::string_view phase) { return phase == "Succeeded" || phase == "Failed"; }

int64_t grace_seconds(const core::Pod& pod) {
  if (pod.metadata.deletion_grace_period_seconds) return *pod.metadata.deletion_grace_period_seconds;
  return pod.spec.termination_grace_period_seconds.value_or(30);
}

std::string container_hash(const core::Container& container) {
  std::string text = R"({"name":)";
  codec::append_json_string(text, container.name);
  text += R"(,"image":)";
  codec::append_json_string(text, container.image);
  text += '}';
  uint32_t hash = 2166136261u;  // FNV-1a
  for (unsigned char byte : text) hash = (hash ^ byte) * 16777619u;
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(hash >> shift));
  return hex(bytes);
}

int64_t milli_of(const std::map<std::string, std::string>& list, const std::string& resource) {
  auto found = list.find(resource);
  if (found == list.end()) return 0;
  auto quantity = api::Quantity::parse(found->second);
  return quantity ? quantity->milli() : 0;
}

int64_t value_of(const std::map<std::string, std::string>& list, const std::string& resource) {
  auto found = list.find(resource);
  if (found == list.end()) return 0;
  auto quantity = api::Quantity::parse(found->second);
  return quantity ? quantity->value() : 0;
}

namespace {
struct QosSum {
  int64_t request = 0, limit = 0;
  bool all_limited = true;
};

void add_to(QosSum& sum, const core::ResourceRequirements& resources, const std::string& name) {
  int64_t limit = milli_of(resources.limits, name);
  int64_t request = resources.requests.contains(name) ? milli_of(resources.requests, name) : limit;
  sum.request += request;
  sum.limit += limit;
  if (limit == 0) sum.all_limited = false;
}
}  // namespace

Qos qos_class(const core::PodSpec& spec) {
  QosSum cpu, memory;
  auto add = [&](const core::Container& container) {
    add_to(cpu, container.resources, "cpu");
    add_to(memory, container.resources, "memory");
  };
  std::ranges::for_each(spec.init_containers, add);
  std::ranges::for_each(spec.containers, add);
  bool none = cpu.request == 0 && cpu.limit == 0 && memory.request == 0 && memory.limit == 0;
  if (none) return Qos::kBestEffort;
  bool guaranteed = cpu.all_limited && memory.all_limited && cpu.request == cpu.limit && memory.request == memory.limit;
  return guaranteed ? Qos::kGuaranteed : Qos::kBurstable;
}

std::string_view qos_name(Qos qos) {
  switch (qos) {
    case Qos::kGuaranteed: return "Guaranteed";
    case Qos::kBurstable: return "Burstable";
    case Qos::kBestEffort: break;
  }
  return "BestEffort";
}

static void add_environment(PodReferences& to, const core::Container& container) {
  for (const core::EnvFromSource& from : container.env_from) {
    if (from.config_map_ref) to.config_maps.insert(from.config_map_ref->name);
    if (from.secret_ref) to.secrets.insert(from.secret_ref->name);
  }
  for (const core::EnvVar& variable : container.env) {
    if (!variable.value_from) continue;
    if (variable.value_from->config_map_key_ref) to.config_maps.insert(variable.value_from->config_map_key_ref->name);
    if (variable.value_from->secret_key_ref) to.secrets.insert(variable.value_from->secret_key_ref->name);
  }
}

PodReferences references_of(const core::PodSpec& spec) {
  PodReferences out;
  for (const core::Container& container : spec.init_containers) add_environment(out, container);
  for (const core::Container& container : spec.containers) add_environment(out, container);
  for (const core::Volume& volume : spec.volumes) {
    if (volume.config_map) out.config_maps.insert(volume.config_map->name);
    if (volume.secret) out.secrets.insert(volume.secret->secret_name);
    if (!volume.projected) continue;
    for (const core::VolumeProjection& source : volume.projected->sources) {
      if (source.config_map) out.config_maps.insert(source.config_map->name);
      if (source.secret) out.secrets.insert(source.secret->name);
    }
  }
  for (const core::LocalObjectReference& secret : spec.image_pull_secrets) out.secrets.insert(secret.name);
  return out;
}

}  // namespace kobuk::node
