// Server-side apply, KEP-555, and managedFields as meta/v1 ManagedFieldsEntry documents them.
#include "api/apply.h"

#include <algorithm>
#include <tuple>

#include "api/field_set.h"
#include "api/typed_merge.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

constexpr size_t kMaxUpdateManagers = 10;
constexpr size_t kMaxAnnotationBytes = 256 << 10;
constexpr std::string_view kLastApplied = "kubectl.kubernetes.io/last-applied-configuration";
constexpr std::string_view kAncient = "ancient-changes";

struct Owner {
  std::string name, operation, api_version, subresource, time;
  FieldSet fields;

  // An applier keeps its entry when it moves to another version of the API.
  bool same(const Owner& other) const {
    return name == other.name && operation == other.operation && subresource == other.subresource &&
           (operation == "Apply" || api_version == other.api_version);
  }
  std::string text() const {
    std::string out = go_quote(name);
    if (!subresource.empty()) cat_to(out, " with subresource ", go_quote(subresource));
    if (operation == "Update") cat_to(out, " using ", api_version);
    return out;
  }
};
using Owners = std::vector<Owner>;

Result<Owners> owners_of(const Value& managed_fields) {
  Owners out;
  for (const Value& entry : managed_fields.items()) {
    std::string_view operation = entry["operation"].as_string();
    if (operation != "Apply" && operation != "Update") return fail(Code::kInvalid, "unknown operation of a manager");
    Owner owner{std::string(entry["manager"].as_string()), std::string(operation), std::string(entry["apiVersion"].as_string()),
                std::string(entry["subresource"].as_string()), std::string(entry["time"].as_string()), {}};
    KOBUK_TRY(owner.fields, FieldSet::from_json(entry["fieldsV1"]));
    out.push_back(std::move(owner));
  }
  return out;
}

Value entry_of(const Owner& owner, Arena& arena) {
  Value entry = Value::object();
  auto set = [&](std::string_view key, std::string_view text) {
    if (!text.empty()) entry.set(arena, key, Value::string(arena, text));
  };
  set("manager", owner.name);
  set("operation", owner.operation);
  set("apiVersion", owner.api_version);
  set("time", owner.time);
  set("fieldsType", "FieldsV1");
  entry.set(arena, "fieldsV1", owner.fields.to_json(arena));
  set("subresource", owner.subresource);
  return entry;
}

void store_owners(Value& object, Owners owners, Arena& arena) {
  std::erase_if(owners, [](const Owner& owner) { return owner.fields.empty(); });
  std::ranges::sort(owners, [](const Owner& a, const Owner& b) {
    return std::tie(a.operation, a.time, a.name, a.api_version, a.subresource) <
           std::tie(b.operation, b.time, b.name, b.api_version, b.subresource);
  });
  Value list = Value::array();
  for (const Owner& owner : owners) list.push(arena, entry_of(owner, arena));
  // The metadata may be shared with the live object: change a copy.
  Value metadata = Value::object();
  for (const auto& member : object["metadata"].members())
    if (member.key != "managedFields") metadata.add_unchecked(arena, member.key, member.value);
  if (!list.empty()) metadata.set(arena, "managedFields", list);
  object.set(arena, "metadata", metadata);
}

// Fields that nobody owns: the server's own.
const FieldSet& server_fields() {
  static const FieldSet fields = [] {
    FieldSet out;
    for (auto name : {"f:apiVersion", "f:kind", "f:metadata"}) out.insert({name});
    for (auto name : {"name", "namespace", "creationTimestamp", "selfLink", "uid", "clusterName", "generation", "managedFields",
                      "resourceVersion"})
      out.insert({"f:metadata", cat("f:", name)});
    return out;
  }();
  return fields;
}

FieldSet ownable(const FieldSet& fields, const Write& write) {
  FieldSet reset;
  for (auto name : write.reset) reset.insert({cat("f:", name)});
  return fields.without(server_fields()).without_subtrees(reset);
}

// The oldest updaters of a version share one entry when there are too many.
void cap_updaters(Owners& owners) {
  auto updaters = [&] { return std::ranges::count(owners, "Update", &Owner::operation); };
  while (updaters() > static_cast<ptrdiff_t>(kMaxUpdateManagers)) {
    std::vector<Owner*> oldest;
    for (Owner& owner : owners)
      if (owner.operation == "Update") oldest.push_back(&owner);
    std::ranges::sort(oldest, [](const Owner* a, const Owner* b) {
      bool a_young = a->name != kAncient, b_young = b->name != kAncient;
      return std::tie(a_young, a->time, a->name) < std::tie(b_young, b->time, b->name);
    });
    Owner* victim = oldest[1];
    for (Owner* other : oldest)
      if (other != oldest[0] && other->api_version == oldest[0]->api_version) {
        victim = other;
        break;
      }
    if (victim->api_version != oldest[0]->api_version) return;
    oldest[0]->fields = oldest[0]->fields.united(victim->fields);
    oldest[0]->time = std::max(oldest[0]->time, victim->time);
    oldest[0]->name = kAncient;
    oldest[0]->subresource.clear();
    owners.erase(owners.begin() + (victim - owners.data()));
  }
}

Owner self_of(const Write& write, std::string_view operation) {
  return {std::string(write.manager.empty() ? "unknown" : write.manager), std::string(operation), std::string(write.api_version),
          std::string(write.subresource), format_rfc3339(write.now), {}};
}

// `kubectl apply --server-side` on an object of client-side apply: its record follows, so that both ways stay usable.
void follow_last_applied(Value& object, const Value& config, Arena& arena) {
  const Value& metadata = object["metadata"];
  if (metadata["annotations"][kLastApplied].is_null()) return;
  std::string text = codec::to_json(config) + "\n";
  Value annotations = Value::object(), changed = Value::object();
  for (const auto& member : metadata["annotations"].members()) annotations.add_unchecked(arena, member.key, member.value);
  if (text.size() > kMaxAnnotationBytes) annotations.erase(kLastApplied);
  else annotations.set(arena, kLastApplied, Value::string(arena, text));
  for (const auto& member : metadata.members()) changed.add_unchecked(arena, member.key, member.value);
  changed.set(arena, "annotations", annotations);
  object.set(arena, "metadata", changed);
}

Value shallow(const Value& object, Arena& arena) {
  Value out = Value::object();
  for (const auto& member : object.members()) out.add_unchecked(arena, member.key, member.value);
  return out;
}

}  // namespace

std::string conflict_message(const std::vector<ApplyConflict>& conflicts) {
  if (conflicts.size() == 1)
    return cat("Apply failed with 1 conflict: conflict with ", conflicts[0].manager, ": ", conflicts[0].field);
  std::vector<std::string> managers, lines;
  for (const auto& conflict : conflicts) managers.push_back(conflict.manager);
  std::ranges::sort(managers);
  managers.erase(std::unique(managers.begin(), managers.end()), managers.end());
  for (const auto& manager : managers) {
    lines.push_back(cat("conflicts with ", manager, ":"));
    for (const auto& conflict : conflicts)
      if (conflict.manager == manager) lines.push_back(cat("- ", conflict.field));
  }
  return cat("Apply failed with ", conflicts.size(), " conflicts: ", join(lines, "\n"));
}

Result<Applied> apply_configuration(const Value& live, const Value& config, const KindInfo& kind, const Write& write, bool force,
                                    Arena& arena) {
  if (!config["metadata"]["managedFields"].is_null()) return fail(Code::kInvalid, "metadata.managedFields must be nil");
  const Schema& schema = *kind.schema;
  Owner self = self_of(write, "Apply");
  KOBUK_TRY(FieldSet set, fields_of(config, schema));
  self.fields = ownable(set, write);

  auto known = owners_of(live["metadata"]["managedFields"]);
  Owners owners = known ? *std::move(known) : Owners();
  FieldSet others, last;
  for (const Owner& owner : owners) (owner.same(self) ? last : others) = (owner.same(self) ? last : others).united(owner.fields);

  Value merged = live.is_null() ? config : merge_typed(live, config, schema, arena);
  FieldSet dropped = last.without(self.fields).without(others);
  if (!dropped.empty()) merged = remove_fields(merged, dropped, others.united(self.fields), schema, arena);

  Applied out;
  Difference diff = compare(live, merged, schema);
  FieldSet changed = diff.added.united(diff.modified);
  bool same_set = false;
  for (Owner& owner : owners) {
    if (owner.same(self)) {
      same_set = owner.fields == self.fields && owner.api_version == self.api_version;
      if (same_set && merged == live) self.time = owner.time;
      continue;
    }
    FieldSet taken = owner.fields.intersected(changed);
    if (!force) taken.each([&](const FieldPath& path) { out.conflicts.push_back({owner.text(), path_text(path)}); });
    owner.fields = owner.fields.without(taken).without(diff.removed);
  }
  if (!out.conflicts.empty()) return out;
  std::erase_if(owners, [&](const Owner& owner) { return owner.same(self); });
  owners.push_back(std::move(self));

  out.object = shallow(merged, arena);
  if (write.manager == "kubectl") follow_last_applied(out.object, config, arena);
  store_owners(out.object, std::move(owners), arena);
  return out;
}

void track_update(Value& object, const Value& live, const KindInfo& kind, const Write& write, Arena& arena) {
  const Value& sent = object["metadata"]["managedFields"];
  bool reset = sent.size() == 1 && sent.at(0).empty();
  auto known = reset ? Result<Owners>(Owners()) : owners_of(sent.empty() ? live["metadata"]["managedFields"] : sent);
  if (!known) known = owners_of(live["metadata"]["managedFields"]);
  Owners owners = known ? *std::move(known) : Owners();
  if (reset) return store_owners(object, {}, arena);

  Difference diff = compare(live, object, *kind.schema);
  FieldSet changed = ownable(diff.added.united(diff.modified), write);
  Owner self = self_of(write, "Update");
  for (Owner& owner : owners) {
    bool own = owner.same(self);
    owner.fields = owner.fields.without(diff.removed);
    if (own) {
      owner.fields = owner.fields.united(changed);
      if (!changed.empty()) owner.time = self.time;
      self.name.clear();
    } else {
      owner.fields = owner.fields.without(changed);
    }
  }
  if (!self.name.empty() && !changed.empty()) {
    self.fields = std::move(changed);
    owners.push_back(std::move(self));
  }
  std::erase_if(owners, [](const Owner& owner) { return owner.fields.empty(); });
  cap_updaters(owners);
  store_owners(object, std::move(owners), arena);
}

}  // namespace kobuk::api
