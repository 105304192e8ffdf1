// Schema: the shape of an object, for built-in kinds (generated from schemas/, constant data) and for custom ones (built
// at run time). KindInfo: what is served under a group, version and resource. The engine (validate.h, patch.h, apply.h,
// protobuf.h, table.h, openapi.h) knows types by these only.
//
//   const KindInfo* kind = builtin_kinds().find_resource("apps", "v1", "deployments");
//   const Field* spec = kind->schema->find("spec");
//
// Built-in schemas live for ever; immutable, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace kobuk::api {

enum class Type : uint8_t {
  kAny,     // any JSON value: RawExtension, x-kubernetes-preserve-unknown-fields
  kObject,  // named fields
  kArray,
  kMap,     // string keys, one type of values
  kString,
  kBytes,  // base64
  kBool,
  kInt32,
  kInt64,
  kDouble,
  kQuantity,
  kIntOrString,
  kTime,       // RFC 3339, seconds
  kMicroTime,  // RFC 3339, microseconds
  kFields,     // FieldsV1: a set of field paths as an object
};

enum class ListType : uint8_t { kAtomic, kSet, kMap };

struct Schema;

// What a value may be beyond its type. Absent bounds are nullopt or empty.
struct Bounds {
  std::optional<double> min, max;
  std::optional<int64_t> min_length, max_length, min_items, max_items;
  std::string_view pattern;
  std::string_view format;
};

struct Field {
  std::string_view name;
  const Schema* schema = nullptr;
  std::string_view default_json;  // compact JSON, empty when there is none
  std::string_view patch_key;     // merge key of a strategic merge patch
  uint16_t number = 0;            // of protobuf, 0 when there is none
  uint16_t inner = 0;             // not 0: `number` is a message that JSON inlines, and this the number within
  bool required = false;
  bool presence = false;  // absent and zero differ
  bool always = false;    // written even when zero
  bool patch_merge = false;
  bool patch_retain_keys = false;
};

struct Schema {
  Type type = Type::kAny;
  ListType list = ListType::kAtomic;
  bool atomic = false;            // maps and objects: server-side apply owns it as a whole
  bool has_type_meta = false;     // objects: apiVersion and kind are members
  bool preserve_unknown = false;  // objects: members that are not fields are kept
  bool nullable = false;
  std::string_view name;             // OpenAPI component, "io.k8s.api.core.v1.PodSpec"; empty for unnamed ones
  const Schema* element = nullptr;   // of arrays and maps
  std::span<const Field> fields;     // of objects
  std::span<const std::string_view> list_keys;
  std::span<const std::string_view> enums;  // of strings
  const Bounds* bounds = nullptr;

  const Field* find(std::string_view field) const;
  // The last part of the name: "PodSpec".
  std::string_view short_name() const;
};

struct Subresource {
  std::string_view name;
  std::span<const std::string_view> verbs;
  std::string_view group_version;  // of another kind that it speaks ("policy/v1"), empty: the kind's own
  std::string_view kind;           // "Eviction", empty: the kind's own
};

struct Column {
  std::string_view name;  // "Nominated Node"
  std::string_view type;  // string, integer, boolean, date
  std::string_view format;
  int priority = 0;            // 1: wide output only
  std::string_view json_path;  // custom kinds
};

struct KindInfo {
  std::string_view group, version, kind;
  std::string_view api_version;  // "apps/v1"
  std::string_view plural, singular, list_kind;  // plural is empty for kinds that are no resource
  std::span<const std::string_view> short_names, categories, verbs;
  std::span<const Subresource> subresources;
  std::span<const Column> columns;
  std::span<const std::string_view> selectable;  // "spec.nodeName"
  const Schema* schema = nullptr;
  const Schema* list_schema = nullptr;
  bool namespaced = false;
  bool common = false;  // known in every group version: DeleteOptions

  const Subresource* find_subresource(std::string_view name) const;
  // "deployments.apps", or "pods" in the core group: how messages name a resource.
  std::string qualified_resource() const;
  std::string qualified_kind() const;  // "Deployment.apps", "Pod"
};

// Look-ups over kinds. The kinds must outlive it. Copying is cheap enough for a copy per change of the CRDs.
class KindRegistry {
 public:
  void add(const KindInfo* kind);
  const KindInfo* find_resource(std::string_view group, std::string_view version, std::string_view plural) const;
  const KindInfo* find_kind(std::string_view group, std::string_view version, std::string_view kind) const;
  const KindInfo* find_kind(std::string_view api_version, std::string_view kind) const;
  std::span<const KindInfo* const> all() const { return kinds_; }

 private:
  std::vector<const KindInfo*> kinds_;
  std::unordered_map<std::string, const KindInfo*> by_resource_, by_kind_;
};

// "apps/v1" -> {"apps", "v1"}; "v1" -> {"", "v1"}.
struct GroupVersion {
  std::string_view group, version;
};
GroupVersion split_api_version(std::string_view api_version);

// Generated.
std::span<const KindInfo> builtin_kind_infos();
std::span<const Schema* const> builtin_schemas();  // every named type
const KindRegistry& builtin_kinds();

}  // namespace kobuk::api
