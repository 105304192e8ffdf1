// Defaults of the built-in kinds, as the API documentation of each field states them (Kubernetes 1.36).
#include "api/defaults.h"

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

Value default_value(const Field& field, Arena& arena) {
  std::string_view json = field.default_json;
  if (json.size() >= 2 && json.front() == '"' && json.find('\\') == json.npos)
    return Value::string_view(json.substr(1, json.size() - 2));  // generated text lives for ever; run-time schemas outlive objects
  if (json == "{}") return Value::object();
  if (json == "true" || json == "false") return Value::boolean(json == "true");
  if (auto number = parse_int(json)) return Value::integer(*number);
  auto parsed = codec::parse_json(json, arena);
  return parsed ? *parsed : Value();
}

void set_if_absent(Value& object, std::string_view key, Value value, Arena& arena) {
  if (!object.find(key)) object.set(arena, key, value);
}

// Always for ":latest" and for no tag, else IfNotPresent.
std::string_view pull_policy(std::string_view image) {
  if (image.find('@') != image.npos) return "IfNotPresent";
  auto slash = image.rfind('/');
  auto colon = image.rfind(':');
  bool tagged = colon != image.npos && (slash == image.npos || colon > slash);
  return !tagged || image.substr(colon + 1) == "latest" ? "Always" : "IfNotPresent";
}

void default_containers(Value& spec, std::string_view list, Arena& arena) {
  Value* containers = spec.find(list);
  if (!containers) return;
  for (Value& container : containers->items()) {
    if (!container["image"].as_string().empty())
      set_if_absent(container, "imagePullPolicy", Value::string_view(pull_policy(container["image"].as_string())), arena);
  }
}

void default_volumes(Value& spec, Arena& arena) {
  Value* volumes = spec.find("volumes");
  if (!volumes) return;
  for (Value& volume : volumes->items())
    if (volume.size() == 1 && volume.find("name")) volume.set(arena, "emptyDir", Value::object());
}

void default_pod_spec(Value& spec, Arena& arena) {
  for (auto list : {"containers", "initContainers", "ephemeralContainers"}) default_containers(spec, list, arena);
  default_volumes(spec, arena);
  // serviceAccount is the old name of serviceAccountName: both are kept in step.
  std::string_view name = spec["serviceAccountName"].as_string(spec["serviceAccount"].as_string());
  if (!name.empty()) {
    set_if_absent(spec, "serviceAccountName", Value::string_view(name), arena);
    spec.set(arena, "serviceAccount", *spec.find("serviceAccountName"));
  }
}

// What holds for pods and not for templates, which keep what their author wrote.
void default_pod(Value& pod, Arena& arena) {
  Value& spec = pod.get_or_add(arena, "spec");
  set_if_absent(spec, "enableServiceLinks", Value::boolean(true), arena);
  bool host_network = spec["hostNetwork"].as_bool();
  for (auto list : {"containers", "initContainers"}) {
    Value* containers = spec.find(list);
    if (!containers) continue;
    for (Value& container : containers->items()) {
      if (Value* ports = container.find("ports"); ports && host_network)
        for (Value& port : ports->items())
          if (const Value* number = port.find("containerPort")) set_if_absent(port, "hostPort", *number, arena);
      const Value& limits = container["resources"]["limits"];
      if (limits.empty()) continue;
      Value& requests = container.find("resources")->get_or_add(arena, "requests");
      for (const auto& limit : limits.members()) set_if_absent(requests, limit.key, limit.value, arena);
    }
  }
}

void default_deployment(Value& deployment, Arena& arena) {
  Value& strategy = deployment.get_or_add(arena, "spec").get_or_add(arena, "strategy");
  if (strategy["type"].as_string() != "RollingUpdate") return;
  Value& rolling = strategy.get_or_add(arena, "rollingUpdate");
  set_if_absent(rolling, "maxUnavailable", Value::string_view("25%"), arena);
  set_if_absent(rolling, "maxSurge", Value::string_view("25%"), arena);
}

void default_service(Value& service, Arena& arena) {
  Value& spec = service.get_or_add(arena, "spec");
  std::string_view type = spec["type"].as_string();
  if (Value* ports = spec.find("ports"))
    for (Value& port : ports->items()) {
      const Value& target = port["targetPort"];
      bool unset = target.is_null() || (target.is_int() && target.as_int() == 0) || (target.is_string() && target.as_string().empty());
      if (unset) port.set(arena, "targetPort", Value::integer(port["port"].as_int()));
    }
  bool external = type == "NodePort" || type == "LoadBalancer" || (type == "ClusterIP" && !spec["externalIPs"].empty());
  if (external) set_if_absent(spec, "externalTrafficPolicy", Value::string_view("Cluster"), arena);
  if (type != "ExternalName") set_if_absent(spec, "internalTrafficPolicy", Value::string_view("Cluster"), arena);
  if (type == "LoadBalancer") set_if_absent(spec, "allocateLoadBalancerNodePorts", Value::boolean(true), arena);
  if (spec["sessionAffinity"].as_string() == "None") spec.erase("sessionAffinityConfig");
  if (spec["sessionAffinity"].as_string() == "ClientIP") {
    Value& client = spec.get_or_add(arena, "sessionAffinityConfig").get_or_add(arena, "clientIP");
    set_if_absent(client, "timeoutSeconds", Value::integer(10800), arena);
  }
}

void merge_string_data(Value& secret, Arena& arena) {
  Value* text = secret.find("stringData");
  if (!text) return;
  Value& data = secret.get_or_add(arena, "data");
  if (data.is_null()) data = Value::object();
  for (const auto& member : text->members())
    data.set(arena, member.key, Value::string(arena, base64(member.value.as_string())));
  secret.erase("stringData");
}

void default_namespace(Value& object, Arena& arena) {
  std::string_view name = object["metadata"]["name"].as_string();
  if (name.empty()) return;
  Value& labels = object.get_or_add(arena, "metadata").get_or_add(arena, "labels");
  if (labels.is_null()) labels = Value::object();
  labels.set(arena, "kubernetes.io/metadata.name", Value::string_view(name));
}

void default_node(Value& node, Arena& arena) {
  Value* status = node.find("status");
  if (!status) return;
  if (const Value* capacity = status->find("capacity"); capacity && !status->find("allocatable"))
    status->set(arena, "allocatable", capacity->clone(arena));
}

}  // namespace

void apply_schema_defaults(Value& object, const Schema& schema, Arena& arena) {
  switch (schema.type) {
    case Type::kObject:
      if (!object.is_object()) return;
      for (const Field& field : schema.fields)
        if (!field.default_json.empty() && !object.find(field.name))
          object.add_unchecked(arena, field.name, default_value(field, arena));
      for (auto& member : object.members())
        if (const Field* field = schema.find(member.key)) apply_schema_defaults(member.value, *field->schema, arena);
      return;
    case Type::kArray:
      if (schema.element->type == Type::kObject || schema.element->type == Type::kArray || schema.element->type == Type::kMap)
        for (Value& item : object.items()) apply_schema_defaults(item, *schema.element, arena);
      return;
    case Type::kMap:
      if (schema.element->type == Type::kObject)
        for (auto& member : object.members()) apply_schema_defaults(member.value, *schema.element, arena);
      return;
    default: return;
  }
}

void apply_defaults(Value& object, const KindInfo& kind, Arena& arena) {
  if (!object.is_object()) return;
  apply_schema_defaults(object, *kind.schema, arena);
  std::string_view name = kind.kind;
  if (kind.group.empty()) {
    if (name == "Pod") {
      default_pod_spec(object.get_or_add(arena, "spec"), arena);
      default_pod(object, arena);
    } else if (name == "Service") {
      default_service(object, arena);
    } else if (name == "Secret") {
      merge_string_data(object, arena);
    } else if (name == "Namespace") {
      default_namespace(object, arena);
    } else if (name == "Node") {
      default_node(object, arena);
    }
  } else if (kind.group == "apps") {
    Value* spec = object.find("spec");
    Value* pod_template = spec ? spec->find("template") : nullptr;
    if (Value* pod_spec = pod_template ? pod_template->find("spec") : nullptr) default_pod_spec(*pod_spec, arena);
    if (name == "Deployment") default_deployment(object, arena);
  }
}

}  // namespace kobuk::api
