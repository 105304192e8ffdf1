// Rules of single kinds, used by validate.cc only. Each appends to `errors`.
#pragma once

#include "api/field_error.h"
#include "api/names.h"
#include "codec/value.h"

namespace kobuk::api::validation {

using codec::Value;

// Common pieces.
inline constexpr std::string_view kImmutable = "field is immutable";
inline constexpr std::string_view kNotNegative = "must be greater than or equal to 0";
void breaches(const Path& path, std::string_view value, const Breaches& list, FieldErrors& errors);
void breaches(const Path& path, int64_t value, const Breaches& list, FieldErrors& errors);
void immutable(const Path& path, const Value& now, const Value& before, FieldErrors& errors);
void not_negative(const Path& path, const Value& value, FieldErrors& errors);
void labels(const Path& path, const Value& labels, FieldErrors& errors);
// {matchLabels, matchExpressions}
void label_selector(const Path& path, const Value& selector, FieldErrors& errors);
// A port: 1…65535, or a name.
void port_or_name(const Path& path, const Value& port, FieldErrors& errors);
// A text that must be there and be one of `supported`.
void choice(const Path& path, const Value& value, std::span<const std::string_view> supported, FieldErrors& errors);
// A path below something: relative, without "..".
void descending_path(const Path& path, std::string_view value, FieldErrors& errors);

// Pods.
struct PodContext {
  const Value& spec;
  bool is_template;
};
void pod_spec(const Path& path, const PodContext& context, FieldErrors& errors);
void pod(const Value& object, FieldErrors& errors);
void pod_creation(const Value& object, FieldErrors& errors);  // what holds of a new pod only
void pod_update(const Value& object, const Value& old, FieldErrors& errors);
void pod_template(const Path& path, const Value& pod_template, FieldErrors& errors);
void containers(const Path& spec_path, const PodContext& context, FieldErrors& errors);
void volumes(const Path& path, const Value& volumes, FieldErrors& errors);
void probe(const Path& path, const Value& probe, bool once, FieldErrors& errors);
void lifecycle(const Path& path, const Value& lifecycle, FieldErrors& errors);
void container_env(const Path& path, const Value& container, FieldErrors& errors);
void resources(const Path& path, const Value& resources, FieldErrors& errors);
void pod_security_context(const Path& path, const Value& context, FieldErrors& errors);
void container_security_context(const Path& path, const Value& context, FieldErrors& errors);
void node_affinity(const Path& path, const Value& affinity, FieldErrors& errors);

// Kinds.
void deployment(const Value& object, FieldErrors& errors);
void deployment_update(const Value& object, const Value& old, FieldErrors& errors);
void replica_set(const Value& object, FieldErrors& errors);
void replica_set_update(const Value& object, const Value& old, FieldErrors& errors);
void service(const Value& object, FieldErrors& errors);
void service_update(const Value& object, const Value& old, FieldErrors& errors);
void endpoint_slice(const Value& object, FieldErrors& errors);
void endpoint_slice_update(const Value& object, const Value& old, FieldErrors& errors);
void config_map(const Value& object, FieldErrors& errors);
void config_map_update(const Value& object, const Value& old, FieldErrors& errors);
void secret(const Value& object, FieldErrors& errors);
void secret_update(const Value& object, const Value& old, FieldErrors& errors);
void node(const Value& object, FieldErrors& errors);
void lease(const Value& object, FieldErrors& errors);
void event(const Value& object, FieldErrors& errors);

}  // namespace kobuk::api::validation
