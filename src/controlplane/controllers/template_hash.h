// The hash of a pod template: label pod-template-hash and the suffix of a ReplicaSet's name.
//
//   template_hash(deployment.spec.template_, deployment.status.collision_count)   // "5d59d67564"
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "api/types/core_v1.h"

namespace kobuk::controlplane {

inline constexpr const char* kTemplateHashLabel = "pod-template-hash";

// Stable for equal templates; another one after each collision. No vowels and no look-alikes.
std::string template_hash(const api::core::v1::PodTemplateSpec& pod_template, std::optional<int32_t> collisions);
// Equal but for the label pod-template-hash.
bool same_template(const api::core::v1::PodTemplateSpec& a, const api::core::v1::PodTemplateSpec& b);

}  // namespace kobuk::controlplane
