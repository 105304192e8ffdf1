// OpenAPI 3.0 (https://spec.openapis.org/oas/v3.0.3) with Kubernetes' extensions (x-kubernetes-*).
#include "api/openapi.h"

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

constexpr std::string_view kRefs = "#/components/schemas/";
constexpr std::string_view kMeta = "io.k8s.apimachinery.pkg.apis.meta.v1.";
constexpr std::string_view kQuantity = "io.k8s.apimachinery.pkg.api.resource.Quantity";
constexpr std::string_view kIntOrString = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
constexpr std::string_view kRawExtension = "io.k8s.apimachinery.pkg.runtime.RawExtension";

class Document {
 public:
  Document(const ServedVersion& version, const KindRegistry& kinds, const Served& served)
      : version_(version), kinds_(kinds), served_(served), base_(version.group.empty() ? cat("/api/", version.version)
                                                                                        : cat("/apis/", version.api_version())) {}

  std::string text() {
    for (const KindInfo* kind : version_.kinds) resource(*kind);
    const KindInfo* options = kinds_.find_kind("v1", "DeleteOptions");
    if (options) component(*options->schema);
    Value out = Value::object(), info = Value::object(), components = Value::object();
    set(out, "openapi", "3.0.0");
    set(info, "title", "Kubernetes");
    set(info, "version", "unversioned");
    set(out, "info", info);
    set(out, "paths", paths_);
    set(components, "schemas", schemas_);
    set(out, "components", components);
    return codec::to_json(out);
  }

 private:
  void set(Value& object, std::string_view key, Value value) { object.set(arena_, key, value); }
  void set(Value& object, std::string_view key, std::string_view text) { object.set(arena_, key, Value::string(arena_, text)); }
  Value texts(std::span<const std::string_view> list) {
    Value out = Value::array();
    for (auto one : list) out.push(arena_, Value::string(arena_, one));
    return out;
  }
  Value one(std::string_view key, std::string_view text) {
    Value out = Value::object();
    set(out, key, text);
    return out;
  }
  Value one(std::string_view key, Value value) {
    Value out = Value::object();
    set(out, key, value);
    return out;
  }
  Value ref(std::string_view name) { return one("$ref", cat(kRefs, name)); }

  // A component that is no object of the schemas: its definition is put in when first named.
  Value special(std::string_view name, std::string_view type, std::string_view format) {
    if (!schemas_.find(name)) {
      Value out = Value::object();
      if (!format.empty()) set(out, "format", format);
      if (type == "int-or-string" || type == "quantity") {
        Value any = Value::array();
        any.push(arena_, one("type", type == "quantity" ? "string" : "integer"));
        any.push(arena_, one("type", type == "quantity" ? "number" : "string"));
        set(out, "oneOf", any);
      } else {
        set(out, "type", type);
      }
      set(schemas_, name, out);
    }
    return ref(name);
  }

  Value scalar(const Schema& schema, std::string_view type, std::string_view format) {
    Value out = one("type", type);
    if (!format.empty()) set(out, "format", format);
    if (!schema.enums.empty()) set(out, "enum", texts(schema.enums));
    if (const Bounds* bounds = schema.bounds) {
      if (bounds->min) set(out, "minimum", Value::number(*bounds->min));
      if (bounds->max) set(out, "maximum", Value::number(*bounds->max));
      if (bounds->max_length) set(out, "maxLength", Value::integer(*bounds->max_length));
      if (!bounds->pattern.empty()) set(out, "pattern", bounds->pattern);
    }
    return out;
  }

  Value schema(const Schema& schema) {
    switch (schema.type) {
      case Type::kObject: return component(schema);
      case Type::kString: return scalar(schema, "string", {});
      case Type::kBytes: return scalar(schema, "string", "byte");
      case Type::kBool: return scalar(schema, "boolean", {});
      case Type::kInt32: return scalar(schema, "integer", "int32");
      case Type::kInt64: return scalar(schema, "integer", "int64");
      case Type::kDouble: return scalar(schema, "number", "double");
      case Type::kQuantity: return special(kQuantity, "quantity", {});
      case Type::kIntOrString: return special(kIntOrString, "int-or-string", "int-or-string");
      case Type::kTime: return special(cat(kMeta, "Time"), "string", "date-time");
      case Type::kMicroTime: return special(cat(kMeta, "MicroTime"), "string", "date-time");
      case Type::kFields: return special(cat(kMeta, "FieldsV1"), "object", {});
      case Type::kAny: return special(kRawExtension, "object", {});
      case Type::kArray: {
        Value out = one("type", "array");
        set(out, "items", this->schema(*schema.element));
        if (schema.list == ListType::kMap) set(out, "x-kubernetes-list-map-keys", texts(schema.list_keys));
        set(out, "x-kubernetes-list-type",
            schema.list == ListType::kMap ? "map" : schema.list == ListType::kSet ? "set" : "atomic");
        return out;
      }
      case Type::kMap: {
        Value out = one("type", "object");
        set(out, "additionalProperties", this->schema(*schema.element));
        if (schema.atomic) set(out, "x-kubernetes-map-type", "atomic");
        return out;
      }
    }
    return Value::object();
  }

  Value property(const Field& field) {
    Value out = schema(*field.schema);
    bool reference = out.find("$ref") != nullptr;
    if (reference) {
      // Siblings of $ref do not count: allOf carries them.
      Value all = Value::array();
      all.push(arena_, out);
      out = one("allOf", all);
    }
    if (!field.default_json.empty()) {
      if (auto parsed = codec::parse_json(field.default_json, arena_)) set(out, "default", *parsed);
    } else if (field.schema->type == Type::kObject && !field.presence) {
      set(out, "default", Value::object());
    }
    if (!field.patch_key.empty()) set(out, "x-kubernetes-patch-merge-key", field.patch_key);
    if (field.patch_merge || field.patch_retain_keys)
      set(out, "x-kubernetes-patch-strategy", !field.patch_retain_keys ? "merge" : field.patch_merge ? "merge,retainKeys" : "retainKeys");
    return out;
  }

  Value component(const Schema& type) {
    if (!schemas_.find(type.name)) {
      set(schemas_, type.name, Value::object());  // first, as types contain themselves
      Value out = one("type", "object"), properties = Value::object(), required = Value::array();
      if (type.has_type_meta)
        for (auto name : {"apiVersion", "kind"}) set(properties, name, one("type", "string"));
      for (const Field& field : type.fields) {
        set(properties, field.name, property(field));
        if (field.required) required.push(arena_, Value::string(arena_, field.name));
      }
      if (!properties.empty()) set(out, "properties", properties);
      if (!required.empty()) set(out, "required", required);
      if (type.atomic) set(out, "x-kubernetes-map-type", "atomic");
      if (Value kinds = kinds_of(type); !kinds.empty()) set(out, "x-kubernetes-group-version-kind", kinds);
      set(schemas_, type.name, out);
    }
    return ref(type.name);
  }

  Value gvk(std::string_view group, std::string_view version, std::string_view kind) {
    Value out = Value::object();
    set(out, "group", group);
    set(out, "kind", kind);
    set(out, "version", version);
    return out;
  }

  Value kinds_of(const Schema& type) {
    Value out = Value::array();
    for (const KindInfo* kind : kinds_.all()) {
      auto [group, version] = split_api_version(kind->api_version);
      if (kind->schema == &type) out.push(arena_, gvk(group, version, kind->kind));
      if (kind->list_schema == &type) out.push(arena_, gvk(group, version, kind->list_kind));
      if (kind->schema == &type && kind->common && !version_.group.empty())
        out.push(arena_, gvk(version_.group, version_.version, kind->kind));
    }
    return out;
  }

  Value parameter(std::string_view in, std::string_view name, std::string_view type) {
    Value out = Value::object(), schema = one("type", type);
    set(out, "name", name);
    set(out, "in", in);
    set(schema, "uniqueItems", Value::boolean(true));
    if (in == "path") set(out, "required", Value::boolean(true));
    set(out, "schema", schema);
    return out;
  }

  Value query(std::initializer_list<std::string_view> names) {
    Value out = Value::array();
    for (auto name : names) {
      bool flag = name == "force" || name == "watch" || name == "allowWatchBookmarks" || name == "sendInitialEvents";
      bool number = name == "limit" || name == "timeoutSeconds" || name == "gracePeriodSeconds";
      out.push(arena_, parameter("query", name, flag ? "boolean" : number ? "integer" : "string"));
    }
    return out;
  }

  Value parameters_of(std::string_view verb) {
    if (verb == "list") return query({"allowWatchBookmarks", "continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
                                      "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds", "watch"});
    if (verb == "post" || verb == "put") return query({"dryRun", "fieldManager", "fieldValidation"});
    if (verb == "patch") return query({"dryRun", "fieldManager", "fieldValidation", "force"});
    if (verb == "delete") return query({"dryRun", "gracePeriodSeconds", "propagationPolicy"});
    if (verb == "deletecollection") return query({"continue", "dryRun", "fieldSelector", "gracePeriodSeconds", "labelSelector", "limit",
                                                  "propagationPolicy", "resourceVersion", "timeoutSeconds"});
    return Value::array();
  }

  Value content(std::initializer_list<std::string_view> media_types, const Value& schema) {
    Value out = Value::object();
    for (auto type : media_types) set(out, type, one("schema", schema));
    return one("content", out);
  }

  Value body_of(std::string_view verb, const Value& body) {
    if (verb == "patch")
      return content({"application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
                      "application/strategic-merge-patch+json"},
                     special(cat(kMeta, "Patch"), "object", {}));
    return content({"*/*"}, body);
  }

  // `action` is Kubernetes' name of the verb; `method` HTTP's.
  void operation(Value& path, std::string_view method, std::string_view action, const KindInfo& named, std::string_view group_version,
                 std::string_view kind, const Value& body, const Value& answer) {
    Value out = Value::object(), responses = Value::object(), tags = Value::array();
    std::string tag = version_.group.empty() ? cat("core_", version_.version) : cat(version_.group.substr(0, version_.group.find('.')), "_", version_.version);
    tags.push(arena_, Value::string(arena_, tag));
    set(out, "tags", tags);
    set(out, "operationId", cat(action, "_", tag, "_", named.plural, "_", operations_++));
    if (Value parameters = parameters_of(action); !parameters.empty()) set(out, "parameters", parameters);
    if (action == "post" || action == "put" || action == "patch" || action == "delete") set(out, "requestBody", body_of(action, body));
    set(responses, "200", content({"application/json", "application/yaml", "application/vnd.kubernetes.protobuf"}, answer));
    set(out, "responses", responses);
    auto [group, version] = split_api_version(group_version);
    set(out, "x-kubernetes-action", action);
    set(out, "x-kubernetes-group-version-kind", gvk(group, version, kind));
    set(path, method, out);
  }

  void put_path(std::string_view text, Value path, bool in_namespace, bool named) {
    Value parameters = Value::array();
    if (named) parameters.push(arena_, parameter("path", "name", "string"));
    if (in_namespace) parameters.push(arena_, parameter("path", "namespace", "string"));
    parameters.push(arena_, parameter("query", "pretty", "string"));
    set(path, "parameters", parameters);
    set(paths_, text, path);
  }

  void collection(const KindInfo& kind, std::string_view text, bool in_namespace, bool writes) {
    Value path = Value::object(), object = component(*kind.schema), list = kind.list_schema ? component(*kind.list_schema) : object;
    auto add = [&](std::string_view method, std::string_view verb, std::string_view action, const Value& answer) {
      for (auto served : kind.verbs)
        if (served == verb) operation(path, method, action, kind, kind.api_version, kind.kind, object, answer);
    };
    add("get", "list", "list", list);
    if (writes) add("post", "create", "post", object);
    if (writes) add("delete", "deletecollection", "deletecollection", component(*kinds_.find_kind("v1", "Status")->schema));
    if (!path.empty()) put_path(text, path, in_namespace, false);
  }

  void item(const KindInfo& kind, std::string_view text) {
    Value path = Value::object(), object = component(*kind.schema);
    for (auto verb : kind.verbs) {
      if (verb == "get") operation(path, "get", "get", kind, kind.api_version, kind.kind, {}, object);
      if (verb == "update") operation(path, "put", "put", kind, kind.api_version, kind.kind, object, object);
      if (verb == "patch") operation(path, "patch", "patch", kind, kind.api_version, kind.kind, {}, object);
      if (verb == "delete")
        operation(path, "delete", "delete", kind, kind.api_version, kind.kind,
                  component(*kinds_.find_kind("v1", "DeleteOptions")->schema), component(*kinds_.find_kind("v1", "Status")->schema));
    }
    if (!path.empty()) put_path(text, path, kind.namespaced, true);
  }

  void subresource(const KindInfo& kind, const Subresource& sub, std::string_view text) {
    const KindInfo* own = sub.kind.empty() ? &kind : kinds_.find_kind(sub.group_version, sub.kind);
    Value object = own ? component(*own->schema) : one("type", "string"), path = Value::object();
    std::string_view group_version = sub.kind.empty() ? kind.api_version : sub.group_version;
    std::string_view name = sub.kind.empty() ? kind.kind : sub.kind;
    for (auto verb : sub.verbs) {
      if (verb == "get") operation(path, "get", "get", kind, group_version, name, {}, object);
      if (verb == "update") operation(path, "put", "put", kind, group_version, name, object, object);
      if (verb == "patch") operation(path, "patch", "patch", kind, group_version, name, {}, object);
      if (verb == "create") operation(path, "post", "post", kind, group_version, name, object, object);
    }
    put_path(text, path, kind.namespaced, true);
  }

  void resource(const KindInfo& kind) {
    std::string flat = cat(base_, "/", kind.plural);
    std::string scoped = kind.namespaced ? cat(base_, "/namespaces/{namespace}/", kind.plural) : flat;
    if (kind.namespaced) collection(kind, flat, false, false);
    collection(kind, scoped, kind.namespaced, true);
    std::string named = scoped + "/{name}";
    item(kind, named);
    for (const Subresource& sub : kind.subresources)
      if (served_(kind, sub.name)) subresource(kind, sub, cat(named, "/", sub.name));
  }

  Arena arena_;
  const ServedVersion& version_;
  const KindRegistry& kinds_;
  const Served& served_;
  std::string base_;
  Value paths_ = Value::object(), schemas_ = Value::object();
  int operations_ = 0;
};

std::string path_of(const ServedVersion& version) {
  return version.group.empty() ? cat("api/", version.version) : cat("apis/", version.api_version());
}

}  // namespace

std::vector<std::string> openapi_paths(const KindRegistry& kinds, const Served& served) {
  std::vector<std::string> out;
  for (const auto& version : served_versions(kinds, served)) out.push_back(path_of(version));
  return out;
}

std::optional<std::string> openapi_document(const KindRegistry& kinds, const Served& served, std::string_view path) {
  for (const auto& version : served_versions(kinds, served))
    if (path_of(version) == path) return Document(version, kinds, served).text();
  return std::nullopt;
}

std::string openapi_index(const std::vector<std::pair<std::string, std::string>>& hashes) {
  std::string out = R"({"paths":{)";
  for (size_t i = 0; i < hashes.size(); ++i)
    cat_to(out, i ? "," : "", "\"", hashes[i].first, R"(":{"serverRelativeURL":"/openapi/v3/)", hashes[i].first, "?hash=", hashes[i].second,
           R"("})");
  return out + "}}";
}

}  // namespace kobuk::api
