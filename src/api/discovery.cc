// Discovery documents: meta/v1 APIVersions, APIGroupList, APIGroup, APIResourceList; apidiscovery.k8s.io/v2
// APIGroupDiscoveryList.
#include "api/discovery.h"

#include <algorithm>
#include <array>
#include <tuple>
#include <utility>

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

constexpr std::array<std::string_view, 20> kGroupOrder = {
    "",                  "apiregistration.k8s.io", "apps",          "events.k8s.io",           "authentication.k8s.io",
    "authorization.k8s.io", "autoscaling",         "batch",         "certificates.k8s.io",     "networking.k8s.io",
    "policy",            "rbac.authorization.k8s.io", "storage.k8s.io", "admissionregistration.k8s.io", "apiextensions.k8s.io",
    "scheduling.k8s.io", "coordination.k8s.io",    "node.k8s.io",   "discovery.k8s.io",        "resource.k8s.io"};

size_t rank(std::string_view group) { return static_cast<size_t>(std::ranges::find(kGroupOrder, group) - kGroupOrder.begin()); }

// "v2" before "v1" before "v1beta2" before "v1alpha1".
bool preferred(std::string_view a, std::string_view b) {
  auto parts = [](std::string_view version) {
    struct {
      int stage = 0;
      int64_t major = 0, minor = 0;
    } out;
    for (auto [name, stage] : {std::pair{"beta", 1}, std::pair{"alpha", 2}}) {
      auto at = version.find(name);
      if (at == version.npos) continue;
      out.stage = stage;
      out.minor = parse_int(version.substr(at + std::string_view(name).size())).value_or(0);
      version = version.substr(0, at);
    }
    out.major = version.empty() ? 0 : parse_int(version.substr(1)).value_or(0);
    return std::tuple(out.stage, -out.major, -out.minor);
  };
  return parts(a) < parts(b);
}

class Builder {
 public:
  Value text(std::string_view text) { return Value::string(arena, text); }
  Value texts(std::span<const std::string_view> list) {
    Value out = Value::array();
    for (auto one : list) out.push(arena, text(one));
    return out;
  }
  void set(Value& object, std::string_view key, Value value) { object.set(arena, key, value); }
  void set(Value& object, std::string_view key, std::string_view value) { object.set(arena, key, text(value)); }

  Value group_version(const ServedVersion& version) {
    Value out = Value::object();
    set(out, "groupVersion", version.api_version());
    set(out, "version", version.version);
    return out;
  }

  Value group(std::string_view name, std::span<const ServedVersion> all) {
    Value out = Value::object(), versions = Value::array();
    for (const auto& one : all)
      if (one.group == name) versions.push(arena, group_version(one));
    set(out, "name", name);
    set(out, "versions", versions);
    set(out, "preferredVersion", versions.at(0));
    return out;
  }

  Value resource(const KindInfo& kind) {
    Value out = Value::object();
    set(out, "name", kind.plural);
    set(out, "singularName", kind.singular);
    set(out, "namespaced", Value::boolean(kind.namespaced));
    set(out, "kind", kind.kind);
    set(out, "verbs", texts(kind.verbs));
    if (!kind.short_names.empty()) set(out, "shortNames", texts(kind.short_names));
    if (!kind.categories.empty()) set(out, "categories", texts(kind.categories));
    return out;
  }

  Value subresource(const KindInfo& kind, const Subresource& sub) {
    Value out = Value::object();
    set(out, "name", cat(kind.plural, "/", sub.name));
    set(out, "singularName", "");
    set(out, "namespaced", Value::boolean(kind.namespaced));
    if (!sub.kind.empty()) {
      auto [group, version] = split_api_version(sub.group_version);
      if (!group.empty()) set(out, "group", group);
      if (!group.empty()) set(out, "version", version);
    }
    set(out, "kind", sub.kind.empty() ? kind.kind : sub.kind);
    set(out, "verbs", texts(sub.verbs));
    return out;
  }

  Value response_kind(std::string_view group, std::string_view version, std::string_view kind) {
    Value out = Value::object();
    set(out, "group", group);
    set(out, "version", version);
    set(out, "kind", kind);
    return out;
  }

  Value aggregated_resource(const KindInfo& kind, const Served& served) {
    Value out = Value::object();
    set(out, "resource", kind.plural);
    set(out, "responseKind", response_kind(kind.group, kind.version, kind.kind));
    set(out, "scope", kind.namespaced ? "Namespaced" : "Cluster");
    set(out, "singularResource", kind.singular);
    set(out, "verbs", texts(kind.verbs));
    if (!kind.short_names.empty()) set(out, "shortNames", texts(kind.short_names));
    if (!kind.categories.empty()) set(out, "categories", texts(kind.categories));
    Value subs = Value::array();
    for (const Subresource& sub : kind.subresources) {
      if (!served(kind, sub.name)) continue;
      auto [group, version] = split_api_version(sub.kind.empty() ? kind.api_version : sub.group_version);
      Value one = Value::object();
      set(one, "subresource", sub.name);
      set(one, "responseKind", response_kind(group, version, sub.kind.empty() ? kind.kind : sub.kind));
      set(one, "verbs", texts(sub.verbs));
      subs.push(arena, one);
    }
    if (!subs.empty()) set(out, "subresources", subs);
    return out;
  }

  Arena arena;
};

Value titled(Builder& builder, std::string_view kind, std::string_view api_version) {
  Value out = Value::object();
  builder.set(out, "kind", kind);
  if (!api_version.empty()) builder.set(out, "apiVersion", api_version);
  return out;
}

}  // namespace

std::vector<ServedVersion> served_versions(const KindRegistry& kinds, const Served& served) {
  std::vector<ServedVersion> out;
  for (const KindInfo* kind : kinds.all()) {
    if (kind->plural.empty() || !served(*kind, {})) continue;
    auto it = std::ranges::find_if(out, [&](const auto& v) { return v.group == kind->group && v.version == kind->version; });
    if (it == out.end()) it = out.insert(out.end(), {std::string(kind->group), std::string(kind->version), {}});
    it->kinds.push_back(kind);
  }
  for (auto& version : out)
    std::ranges::sort(version.kinds, [](const KindInfo* a, const KindInfo* b) { return a->plural < b->plural; });
  std::ranges::sort(out, [](const auto& a, const auto& b) {
    size_t left = rank(a.group), right = rank(b.group);
    if (left != right) return left < right;
    return a.group != b.group ? a.group < b.group : preferred(a.version, b.version);
  });
  return out;
}

Discovery::Discovery(const KindRegistry& kinds, Served served)
    : served_(std::move(served)), versions_(served_versions(kinds, served_)) {}

std::string Discovery::api_versions(std::string_view server_address) const {
  Builder builder;
  Value out = titled(builder, "APIVersions", {}), address = Value::object(), addresses = Value::array(), versions = Value::array();
  versions.push(builder.arena, builder.text("v1"));
  builder.set(out, "versions", versions);
  builder.set(address, "clientCIDR", "0.0.0.0/0");
  builder.set(address, "serverAddress", server_address);
  addresses.push(builder.arena, address);
  builder.set(out, "serverAddressByClientCIDRs", addresses);
  return codec::to_json(out);
}

std::string Discovery::groups() const {
  Builder builder;
  Value out = titled(builder, "APIGroupList", "v1"), groups = Value::array();
  std::string_view last;
  for (const auto& version : versions_)
    if (!version.group.empty() && version.group != last) groups.push(builder.arena, builder.group(version.group, versions_)), last = version.group;
  builder.set(out, "groups", groups);
  return codec::to_json(out);
}

std::optional<std::string> Discovery::group(std::string_view group) const {
  if (group.empty() || std::ranges::find(versions_, group, &ServedVersion::group) == versions_.end()) return std::nullopt;
  Builder builder;
  Value out = titled(builder, "APIGroup", "v1"), body = builder.group(group, versions_);
  for (const auto& member : body.members()) builder.set(out, member.key, member.value);
  return codec::to_json(out);
}

std::optional<std::string> Discovery::resources(std::string_view group, std::string_view version) const {
  for (const auto& one : versions_) {
    if (one.group != group || one.version != version) continue;
    Builder builder;
    Value out = titled(builder, "APIResourceList", "v1"), resources = Value::array();
    builder.set(out, "groupVersion", one.api_version());
    for (const KindInfo* kind : one.kinds) {
      resources.push(builder.arena, builder.resource(*kind));
      for (const Subresource& sub : kind->subresources)
        if (served_(*kind, sub.name)) resources.push(builder.arena, builder.subresource(*kind, sub));
    }
    builder.set(out, "resources", resources);
    return codec::to_json(out);
  }
  return std::nullopt;
}

std::string Discovery::aggregated(bool core) const {
  Builder builder;
  Value out = titled(builder, "APIGroupDiscoveryList", "apidiscovery.k8s.io/v2"), items = Value::array();
  builder.set(out, "metadata", Value::object());
  for (const auto& version : versions_) {
    if (version.group.empty() != core) continue;
    Value entry = Value::object(), resources = Value::array();
    builder.set(entry, "version", version.version);
    for (const KindInfo* kind : version.kinds) resources.push(builder.arena, builder.aggregated_resource(*kind, served_));
    builder.set(entry, "resources", resources);
    builder.set(entry, "freshness", "Current");
    bool known = !items.empty() && items.at(items.size() - 1)["metadata"]["name"].as_string() == version.group;
    if (known && !version.group.empty()) {
      items.items().back().find("versions")->push(builder.arena, entry);
      continue;
    }
    Value item = Value::object(), metadata = Value::object(), versions = Value::array();
    if (!version.group.empty()) builder.set(metadata, "name", version.group);
    versions.push(builder.arena, entry);
    builder.set(item, "metadata", metadata);
    builder.set(item, "versions", versions);
    items.push(builder.arena, item);
  }
  builder.set(out, "items", items);
  return codec::to_json(out);
}

}  // namespace kobuk::api
