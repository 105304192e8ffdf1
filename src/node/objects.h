// The ConfigMaps and Secrets that one pod reads, as they are now.
#pragma once

#include <map>
#include <memory>
#include <string>

#include "api/types/core_v1.h"

namespace kobuk::node {

// By name, in the pod's namespace; absent or null: there is none.
struct PodObjects {
  std::map<std::string, std::shared_ptr<const api::core::v1::ConfigMap>> config_maps;
  std::map<std::string, std::shared_ptr<const api::core::v1::Secret>> secrets;

  const api::core::v1::ConfigMap* config_map(const std::string& name) const {
    auto found = config_maps.find(name);
    return found == config_maps.end() ? nullptr : found->second.get();
  }
  const api::core::v1::Secret* secret(const std::string& name) const {
    auto found = secrets.find(name);
    return found == secrets.end() ? nullptr : found->second.get();
  }
};

}  // namespace kobuk::node
