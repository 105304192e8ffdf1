#include "controlplane/apiserver/resource.h"

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::controlplane::apiserver {

using codec::Value;

Resource::Resource(const api::KindInfo& info, const Strategy& per_kind)
    : kind(&info),
      strategy(&per_kind),
      key_prefix(cat("/registry/", info.plural, "/")),
      opening(cat(R"({"kind":")", info.kind, R"(","apiVersion":")", info.api_version, R"(","metadata":{)")),
      has_status(info.find_subresource("status") != nullptr) {}

std::string Resource::key(std::string_view space, std::string_view name) const {
  return kind->namespaced ? cat(key_prefix, space, "/", name) : cat(key_prefix, name);
}

std::string Resource::range_prefix(std::string_view space) const {
  return kind->namespaced && !space.empty() ? cat(key_prefix, space, "/") : key_prefix;
}

std::string stored_form(const Value& object, const Resource& resource) {
  std::string out = resource.opening;
  bool first = true;
  auto add = [&](const codec::Member& member) {
    if (!std::exchange(first, false)) out += ',';
    codec::append_json_string(out, member.key);
    out += ':';
    codec::append_json(out, member.value);
  };
  for (const auto& member : object["metadata"].members())
    if (member.key != "resourceVersion") add(member);
  out += '}';
  first = false;
  for (const auto& member : object.members())
    if (member.key != "kind" && member.key != "apiVersion" && member.key != "metadata") add(member);
  out += '}';
  return out;
}

void append_with_revision(std::string& out, std::string_view stored, const Resource& resource, store::Revision revision) {
  cat_to(out, resource.opening, "\"resourceVersion\":\"", revision, "\",", stored.substr(resource.opening.size()));
}

std::string with_revision(std::string_view stored, const Resource& resource, store::Revision revision) {
  std::string out;
  out.reserve(stored.size() + 48);
  append_with_revision(out, stored, resource, revision);
  return out;
}

Result<Stored> read_stored(store::KeyValue kv) {
  auto document = codec::parse_json(*kv.value);
  if (!document) return fail(Code::kDataLoss, "the stored object ", kv.key, " can't be read: ", document.error().message());
  Stored out{*std::move(document), std::move(kv)};
  Value& metadata = out.document.root.get_or_add(out.document.arena, "metadata");
  metadata.set(out.document.arena, "resourceVersion", Value::string(out.document.arena, cat(out.kv.mod_revision)));
  return out;
}

}  // namespace kobuk::controlplane::apiserver
