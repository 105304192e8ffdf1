// Questions that several controllers ask of objects: who owns it, since when is a pod ready. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "api/cache.h"
#include "api/selector.h"
#include "api/types/core_v1.h"
#include "api/types/meta_v1.h"
#include "base/clock.h"
#include "base/result.h"

namespace kobuk::controlplane {

using ObjectMeta = api::meta::v1::ObjectMeta;
using OwnerReference = api::meta::v1::OwnerReference;
using Pod = api::core::v1::Pod;

// The reference with controller: true, or nullptr.
const OwnerReference* controller_of(const ObjectMeta& metadata);
template <class T>
OwnerReference controller_reference(const T& owner) {
  OwnerReference out;
  out.api_version = std::string(T::kApiVersion);
  out.kind = std::string(T::kKind);
  out.name = owner.metadata.name;
  out.uid = owner.metadata.uid;
  out.controller = out.block_owner_deletion = true;
  return out;
}
// Index keys: the uid of the controller, or for what has none orphan_key(namespace).
api::Keys controller_keys(const ObjectMeta& metadata);
std::string orphan_key(std::string_view space);

std::string key_of(const ObjectMeta& metadata);
bool is_deleting(const ObjectMeta& metadata);
// What the object was left with after a write; empty when the answer is no object.
std::string resource_version_of(std::string_view json);
Result<api::LabelSelector> selector_of(const api::Opt<api::meta::v1::LabelSelector>& selector);

// Seconds since the epoch of an RFC 3339 text, 0 when it is none.
int64_t seconds_of(std::string_view time);

const api::core::v1::PodCondition* find_condition(const Pod& pod, std::string_view type);
bool is_ready(const Pod& pod);
bool is_finished(const Pod& pod);  // phase Succeeded or Failed
bool is_active(const Pod& pod);    // neither finished nor on its way out
// When the pod has been ready for min_ready_seconds: nothing while it isn't ready, at once (0) without a minimum.
std::optional<Duration> available_in(const Pod& pod, int32_t min_ready_seconds, WallTime now);

// Answers of an API server that refuses to create in a namespace that is going away: nothing to report.
bool is_namespace_terminating(const Error& error);

}  // namespace kobuk::controlplane
