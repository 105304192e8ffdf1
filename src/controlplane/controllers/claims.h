// Claims: which dependents belong to a controller object. Those that name it as their controller and match its selector
// are its own; matching ones without a controller are adopted, others that it owns are released.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "api/cache.h"
#include "api/client.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {

// One patch of ownerReferences.
struct ClaimStep {
  enum class Kind { kAdopt, kRelease } kind = Kind::kAdopt;
  std::string space, name, patch;
};

template <class T>
struct Claims {
  std::vector<std::shared_ptr<const T>> owned;  // without those that are to be adopted first
  std::vector<ClaimStep> steps;
};

std::string adoption_patch(const OwnerReference& owner, const std::string& uid);
std::string release_patch(const std::string& owner_uid, const std::string& uid);

// Pure. `by_controller` is indexed by controller_keys.
template <class T>
Claims<T> claim(const OwnerReference& owner, const ObjectMeta& owner_metadata, const api::LabelSelector& selector,
                const api::Index<T>& by_controller) {
  Claims<T> out;
  for (const auto& [key, object] : by_controller.at(owner.uid)) {
    const ObjectMeta& metadata = object->metadata;
    if (selector.matches(metadata.labels)) {
      out.owned.push_back(object);
    } else if (!is_deleting(metadata) && !is_deleting(owner_metadata)) {
      out.steps.push_back({ClaimStep::Kind::kRelease, metadata.namespace_, metadata.name, release_patch(owner.uid, metadata.uid)});
    }
  }
  if (is_deleting(owner_metadata)) return out;
  for (const auto& [key, object] : by_controller.at(orphan_key(owner_metadata.namespace_))) {
    const ObjectMeta& metadata = object->metadata;
    if (is_deleting(metadata) || !selector.matches(metadata.labels)) continue;
    out.steps.push_back({ClaimStep::Kind::kAdopt, metadata.namespace_, metadata.name, adoption_patch(owner, metadata.uid)});
  }
  return out;
}

// Carries the steps out. Before the first adoption it asks the server whether `owner_resource` still holds the owner
// with this uid, and not on its way out: a cache may be late. Returns the newest resourceVersion.
io::Task<Result<std::string>> apply_claims(api::Client* client, api::GroupVersionResource owner_resource, std::string space,
                                           OwnerReference owner, api::GroupVersionResource resource, std::vector<ClaimStep> steps);

}  // namespace kobuk::controlplane
