// Rules: Kubernetes' "Projected Volumes", "ConfigMaps", "Secrets", "Downward API".
#include "node/volume_payload.h"

#include "base/strings.h"

namespace kobuk::node {
namespace {

using Data = std::map<std::string, std::string>;

struct Source {
  const Data* first = nullptr;
  const Data* second = nullptr;  // a ConfigMap's binaryData
  const std::string* find(const std::string& key) const {
    for (const Data* data : {first, second}) {
      if (!data) continue;
      auto found = data->find(key);
      if (found != data->end()) return &found->second;
    }
    return nullptr;
  }
};

Result<void> add_source(VolumePayload& to, const Source& source, const std::vector<core::KeyToPath>& items, int32_t mode,
                        bool optional, std::string_view kind) {
  if (items.empty()) {
    for (const Data* data : {source.first, source.second}) {
      if (!data) continue;
      for (const auto& [key, bytes] : *data) to[key] = {bytes, mode};
    }
    return {};
  }
  for (const core::KeyToPath& item : items) {
    const std::string* bytes = source.find(item.key);
    if (!bytes && optional) continue;
    if (!bytes) return fail(Code::kNotFound, "references non-existent ", kind, " key: ", item.key);
    to[item.path] = {*bytes, item.mode.value_or(mode)};
  }
  return {};
}

Result<void> add_config_map(VolumePayload& to, const PodObjects& objects, const std::string& name,
                            const std::vector<core::KeyToPath>& items, int32_t mode, bool optional) {
  const core::ConfigMap* map = objects.config_map(name);
  if (!map && optional) return {};
  if (!map) return fail(Code::kNotFound, "configmap \"", name, "\" not found");
  return add_source(to, {&map->data, &map->binary_data}, items, mode, optional, "config");
}

Result<void> add_secret(VolumePayload& to, const PodObjects& objects, const std::string& name,
                        const std::vector<core::KeyToPath>& items, int32_t mode, bool optional) {
  const core::Secret* secret = objects.secret(name);
  if (!secret && optional) return {};
  if (!secret) return fail(Code::kNotFound, "secret \"", name, "\" not found");
  return add_source(to, {&secret->data, nullptr}, items, mode, optional, "secret");
}

Result<void> add_downward(VolumePayload& to, const core::Pod& pod, const std::vector<core::DownwardAPIVolumeFile>& items,
                          int32_t mode, const NodeIdentity& node) {
  for (const core::DownwardAPIVolumeFile& item : items) {
    std::string text;
    if (item.field_ref) {
      KOBUK_TRY(text, field_value(pod, item.field_ref->field_path, node));
    } else if (item.resource_field_ref) {
      const core::Container* container = find_container(pod.spec, item.resource_field_ref->container_name);
      if (!container) return fail(Code::kInvalid, "container ", item.resource_field_ref->container_name, " not found");
      KOBUK_TRY(text, resource_value(*container, *item.resource_field_ref, node));
    }
    to[item.path] = {std::move(text), item.mode.value_or(mode)};
  }
  return {};
}

Result<void> add_projection(VolumePayload& to, const core::VolumeProjection& source, int32_t mode, const core::Pod& pod,
                            const PodObjects& objects, const VolumeTokens& tokens, const NodeIdentity& node) {
  if (source.config_map) {
    const auto& map = *source.config_map;
    KOBUK_CHECK(add_config_map(to, objects, map.name, map.items, mode, map.optional.value_or(false)));
  }
  if (source.secret) {
    const auto& secret = *source.secret;
    KOBUK_CHECK(add_secret(to, objects, secret.name, secret.items, mode, secret.optional.value_or(false)));
  }
  if (source.downward_api) KOBUK_CHECK(add_downward(to, pod, source.downward_api->items, mode, node));
  if (source.service_account_token) {
    auto token = tokens.find(source.service_account_token->path);
    // Group-readable with fsGroup, else for the owner alone would lock out containers that are not root.
    if (token != tokens.end()) to[source.service_account_token->path] = {token->second, mode};
  }
  if (source.cluster_trust_bundle || source.pod_certificate) {
    return fail(Code::kUnsupported, "projected clusterTrustBundle and podCertificate sources are not supported by this node");
  }
  return {};
}

}  // namespace

bool has_payload(const core::Volume& volume) {
  return volume.config_map || volume.secret || volume.downward_api || volume.projected;
}

bool is_default_token_volume(const core::Volume& volume) {
  return volume.projected && volume.name.starts_with("kube-api-access-");
}

Result<VolumePayload> make_payload(const core::Volume& volume, const core::Pod& pod, const PodObjects& objects,
                                   const VolumeTokens& tokens, const NodeIdentity& node) {
  VolumePayload out;
  if (volume.config_map) {
    const auto& map = *volume.config_map;
    KOBUK_CHECK(add_config_map(out, objects, map.name, map.items, map.default_mode.value_or(0644),
                               map.optional.value_or(false)));
  } else if (volume.secret) {
    const auto& secret = *volume.secret;
    KOBUK_CHECK(add_secret(out, objects, secret.secret_name, secret.items, secret.default_mode.value_or(0644),
                           secret.optional.value_or(false)));
  } else if (volume.downward_api) {
    KOBUK_CHECK(add_downward(out, pod, volume.downward_api->items, volume.downward_api->default_mode.value_or(0644), node));
  } else if (volume.projected) {
    int32_t mode = volume.projected->default_mode.value_or(0644);
    for (const core::VolumeProjection& source : volume.projected->sources) {
      // The cluster's CA may not be published yet where nothing speaks to the API by it.
      bool lenient = is_default_token_volume(volume) && source.config_map && !objects.config_map(source.config_map->name);
      if (lenient) continue;
      KOBUK_CHECK(add_projection(out, source, mode, pod, objects, tokens, node));
    }
  }
  return out;
}

}  // namespace kobuk::node
