// Which rules a kind has, and the rules that follow from any schema.
#include "api/validate.h"

#include <re2/re2.h>

#include <array>

#include "api/quantity.h"
#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api {
namespace {

using codec::Value;

struct Rules {
  std::string_view group, kind;
  Breaches (*name)(std::string_view);
  void (*always)(const Value&, FieldErrors&);
  void (*update)(const Value&, const Value&, FieldErrors&);
  void (*creation)(const Value&, FieldErrors&) = nullptr;
};

constexpr Rules kRules[] = {
    {"", "Pod", dns1123_subdomain, validation::pod, validation::pod_update, validation::pod_creation},
    {"", "Service", dns1035_label, validation::service, validation::service_update},
    {"", "Namespace", dns1123_label, nullptr, nullptr},
    {"", "ConfigMap", dns1123_subdomain, validation::config_map, validation::config_map_update},
    {"", "Secret", dns1123_subdomain, validation::secret, validation::secret_update},
    {"", "Node", dns1123_subdomain, validation::node, nullptr},
    {"", "Event", dns1123_subdomain, validation::event, nullptr},
    {"events.k8s.io", "Event", dns1123_subdomain, nullptr, nullptr},
    {"apps", "Deployment", dns1123_subdomain, validation::deployment, validation::deployment_update},
    {"apps", "ReplicaSet", dns1123_subdomain, validation::replica_set, validation::replica_set_update},
    {"discovery.k8s.io", "EndpointSlice", dns1123_subdomain, validation::endpoint_slice, validation::endpoint_slice_update},
    {"coordination.k8s.io", "Lease", dns1123_subdomain, validation::lease, nullptr},
};
constexpr Rules kNoRules = {"", "", dns1123_subdomain, nullptr, nullptr};

const Rules& rules_of(const KindInfo& kind) {
  for (const Rules& rules : kRules)
    if (rules.group == kind.group && rules.kind == kind.kind) return rules;
  return kNoRules;
}

constexpr int64_t kMaxAnnotationBytes = 256 << 10;

void validate_annotations(const Path& path, const Value& annotations, FieldErrors& errors) {
  int64_t total = 0;
  for (const auto& member : annotations.members()) {
    validation::breaches(path, member.key, qualified_name(to_lower(member.key)), errors);
    total += static_cast<int64_t>(member.key.size() + member.value.as_string().size());
  }
  if (total > kMaxAnnotationBytes) errors.too_long(path, kMaxAnnotationBytes);
}

void validate_owners(const Path& path, const Value& owners, FieldErrors& errors) {
  std::string controller;
  for (size_t i = 0; i < owners.size(); ++i) {
    const Value& owner = owners.at(i);
    Path at = path.at(i);
    for (auto name : {"apiVersion", "kind", "name", "uid"})
      if (owner[name].as_string().empty()) errors.required(at.child(name), "must not be empty");
    if (owner["kind"].as_string() == "Event" && owner["apiVersion"].as_string() == "v1")
      errors.invalid(at, owner, "/v1, Kind=Event is disallowed from being an owner");
    if (!owner["controller"].as_bool()) continue;
    std::string current = cat(owner["kind"].as_string(), "/", owner["name"].as_string());
    if (controller.empty()) controller = current;
    else
      errors.invalid(path, owners, cat("Only one reference can have Controller set to true. Found \"true\" in references for ",
                                       controller, " and ", current));
  }
}

void validate_finalizers(const Path& path, const Value& finalizers, FieldErrors& errors) {
  bool orphan = false, foreground = false;
  for (const Value& finalizer : finalizers.items()) {
    std::string_view text = finalizer.as_string();
    validation::breaches(path, text, qualified_name(text), errors);
    orphan = orphan || text == "orphan";
    foreground = foreground || text == "foregroundDeletion";
  }
  if (orphan && foreground)
    errors.invalid(path, finalizers, "finalizer orphan and foregroundDeletion cannot be both set");
}

void validate_meta_update(const Value& object, const Value& old, FieldErrors& errors) {
  Path meta("metadata");
  const Value &now = object["metadata"], &before = old["metadata"];
  for (auto name : {"name", "namespace", "uid", "creationTimestamp"})
    validation::immutable(meta.child(name), now[name], before[name], errors);
  if (!before["deletionTimestamp"].is_null()) {
    validation::immutable(meta.child("deletionTimestamp"), now["deletionTimestamp"], before["deletionTimestamp"], errors);
    std::string added;
    for (const Value& finalizer : now["finalizers"].items()) {
      bool known = false;
      for (const Value& other : before["finalizers"].items()) known = known || other == finalizer;
      if (!known) cat_to(added, added.empty() ? "" : ", ", go_quote(finalizer.as_string()));
    }
    if (!added.empty())
      errors.forbidden(meta.child("finalizers"), cat("no new finalizers can be added if the object is being deleted, found new "
                                                     "finalizers []string{", added, "}"));
  }
  if (now["generation"].as_int() < before["generation"].as_int())
    errors.invalid(meta.child("generation"), now["generation"].as_int(), "must not be decremented");
}

void validate_bounds(const Value& value, const Bounds& bounds, const Path& path, FieldErrors& errors) {
  if (value.is_number()) {
    double number = value.as_double();
    if (bounds.min && number < *bounds.min) errors.invalid(path, value, cat("must be greater than or equal to ", *bounds.min));
    if (bounds.max && number > *bounds.max) errors.invalid(path, value, cat("must be less than or equal to ", *bounds.max));
  } else if (value.is_string()) {
    std::string_view text = value.as_string();
    if (bounds.max_length && static_cast<int64_t>(text.size()) > *bounds.max_length) errors.too_long(path, *bounds.max_length);
    if (!bounds.pattern.empty() && !RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), std::string(bounds.pattern)))
      errors.invalid(path, text, cat("must match ", bounds.pattern));
  } else if (value.is_array()) {
    if (bounds.max_items && static_cast<int64_t>(value.size()) > *bounds.max_items)
      errors.too_many(path, static_cast<int64_t>(value.size()), *bounds.max_items);
  }
}

}  // namespace

void validate_schema(const Value& value, const Schema& schema, const Path& path, FieldErrors& errors) {
  if (schema.bounds) validate_bounds(value, *schema.bounds, path, errors);
  switch (schema.type) {
    case Type::kString: {
      if (schema.enums.empty() || value.as_string().empty()) return;
      for (auto allowed : schema.enums)
        if (allowed == value.as_string()) return;
      return errors.not_supported(path, value.as_string(), schema.enums);
    }
    case Type::kObject:
      for (const auto& member : value.members())
        if (const Field* field = schema.find(member.key))
          validate_schema(member.value, *field->schema, path.child(member.key), errors);
      return;
    case Type::kArray: {
      size_t index = 0;
      for (const Value& item : value.items()) validate_schema(item, *schema.element, path.at(index++), errors);
      return;
    }
    case Type::kMap:
      for (const auto& member : value.members())
        validate_schema(member.value, *schema.element, path.key(member.key), errors);
      return;
    default: return;
  }
}

void validate_object_meta(const Value& object, const KindInfo& kind, FieldErrors& errors) {
  Path path("metadata");
  const Value& meta = object["metadata"];
  const Rules& rules = rules_of(kind);
  std::string generate(meta["generateName"].as_string());
  if (!generate.empty()) {
    std::string as_name = generate;  // what follows the dash makes the name end well
    if (as_name.size() > 1 && as_name.back() == '-') as_name.back() = 'a';
    validation::breaches(path.child("generateName"), generate, rules.name(as_name), errors);
  }
  std::string_view name = meta["name"].as_string();
  if (name.empty()) errors.required(path.child("name"), "name or generateName is required");
  else validation::breaches(path.child("name"), name, rules.name(name), errors);
  std::string_view in_namespace = meta["namespace"].as_string();
  if (!kind.namespaced) {
    if (!in_namespace.empty()) errors.forbidden(path.child("namespace"), "not allowed on this type");
  } else if (in_namespace.empty()) {
    errors.required(path.child("namespace"));
  } else {
    validation::breaches(path.child("namespace"), in_namespace, dns1123_label(in_namespace), errors);
  }
  validation::not_negative(path.child("generation"), meta["generation"], errors);
  validation::labels(path.child("labels"), meta["labels"], errors);
  validate_annotations(path.child("annotations"), meta["annotations"], errors);
  validate_owners(path.child("ownerReferences"), meta["ownerReferences"], errors);
  validate_finalizers(path.child("finalizers"), meta["finalizers"], errors);
}

namespace {

// What holds of an object at any time.
void validate_object(const KindInfo& kind, const Value& object, FieldErrors& errors) {
  const Rules& rules = rules_of(kind);
  if (kind.schema->find("metadata")) validate_object_meta(object, kind, errors);
  if (rules.always) rules.always(object, errors);
  for (const auto& member : object.members())
    if (const Field* field = kind.schema->find(member.key); field && member.key != "metadata" && member.key != "status")
      validate_schema(member.value, *field->schema, Path(member.key), errors);
}

}  // namespace

FieldErrors validate_create(const KindInfo& kind, const Value& object) {
  FieldErrors errors;
  validate_object(kind, object, errors);
  if (const Rules& rules = rules_of(kind); rules.creation) rules.creation(object, errors);
  return errors;
}

FieldErrors validate_update(const KindInfo& kind, const Value& object, const Value& old, std::string_view subresource) {
  FieldErrors errors;
  validate_meta_update(object, old, errors);
  if (subresource == "status") {
    validate_object_meta(object, kind, errors);
    return errors;
  }
  const Rules& rules = rules_of(kind);
  if (rules.update) rules.update(object, old, errors);
  validate_object(kind, object, errors);
  return errors;
}

}  // namespace kobuk::api
