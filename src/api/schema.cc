// Look-ups in schemas and kinds. The tables themselves are generated (schemas/, tools/gen).
#include "api/schema.h"

#include "base/strings.h"

namespace kobuk::api {

const Field* Schema::find(std::string_view field) const {
  for (const Field& f : fields)
    if (f.name == field) return &f;
  return nullptr;
}

std::string_view Schema::short_name() const {
  auto dot = name.rfind('.');
  return dot == name.npos ? name : name.substr(dot + 1);
}

const Subresource* KindInfo::find_subresource(std::string_view name) const {
  for (const Subresource& s : subresources)
    if (s.name == name) return &s;
  return nullptr;
}

std::string KindInfo::qualified_resource() const { return group.empty() ? std::string(plural) : cat(plural, ".", group); }
std::string KindInfo::qualified_kind() const { return group.empty() ? std::string(kind) : cat(kind, ".", group); }

void KindRegistry::add(const KindInfo* kind) {
  kinds_.push_back(kind);
  if (!kind->plural.empty()) by_resource_[cat(kind->group, "/", kind->version, "/", kind->plural)] = kind;
  by_kind_[cat(kind->group, "/", kind->version, "/", kind->kind)] = kind;
  if (kind->common) by_kind_[cat("*/", kind->kind)] = kind;
  auto [group, version] = split_api_version(kind->api_version);
  if (group != kind->group) by_kind_.try_emplace(cat(group, "/", version, "/", kind->kind), kind);
}

const KindInfo* KindRegistry::find_resource(std::string_view group, std::string_view version, std::string_view plural) const {
  auto it = by_resource_.find(cat(group, "/", version, "/", plural));
  return it == by_resource_.end() ? nullptr : it->second;
}

const KindInfo* KindRegistry::find_kind(std::string_view group, std::string_view version, std::string_view kind) const {
  auto it = by_kind_.find(cat(group, "/", version, "/", kind));
  if (it == by_kind_.end()) it = by_kind_.find(cat("*/", kind));
  return it == by_kind_.end() ? nullptr : it->second;
}

const KindInfo* KindRegistry::find_kind(std::string_view api_version, std::string_view kind) const {
  auto [group, version] = split_api_version(api_version);
  return find_kind(group, version, kind);
}

GroupVersion split_api_version(std::string_view api_version) {
  auto slash = api_version.find('/');
  if (slash == api_version.npos) return {{}, api_version};
  return {api_version.substr(0, slash), api_version.substr(slash + 1)};
}

const KindRegistry& builtin_kinds() {
  static const KindRegistry registry = [] {
    KindRegistry all;
    for (const KindInfo& kind : builtin_kind_infos()) all.add(&kind);
    return all;
  }();
  return registry;
}

}  // namespace kobuk::api
