// Changing objects: k8s.io/apiserver registry/generic/registry.Store.Update and registry/rest.BeforeUpdate.
#include <algorithm>

#include "api/apply.h"
#include "api/defaults.h"
#include "api/validate.h"
#include "base/strings.h"
#include "codec/json.h"
#include "controlplane/apiserver/node_restriction.h"
#include "controlplane/apiserver/strategy.h"
#include "controlplane/apiserver/write.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Arena;
using codec::Document;
using codec::Value;

constexpr int kTries = 16;

// The server's own metadata is not the client's to change; what else it sends must fit.
Answer<void> keep_system_metadata(const Call& call, Value& object, const Value& old, Arena& arena) {
  const Value& before = old["metadata"];
  Value& metadata = object.get_or_add(arena, "metadata");
  std::string_view name = before["name"].as_string();
  std::string_view uid = metadata["uid"].as_string(), version = metadata["resourceVersion"].as_string();
  if (!uid.empty() && uid != before["uid"].as_string())
    return refuse(conflict(call.kind(), name,
                           cat("Precondition failed: UID in precondition: ", uid, ", UID in object meta: ", before["uid"].as_string())));
  if (!version.empty() && version != "0" && version != before["resourceVersion"].as_string())
    return refuse(conflict(call.kind(), name, kModified));
  for (auto key : {"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "selfLink"}) {
    const Value* there = before.find(key);
    if (there) metadata.set(arena, key, *there);
    else metadata.erase(key);
  }
  return {};
}

// Each endpoint writes its own part of the object.
void separate_status(const Resource& resource, Value& object, const Value& old, std::string_view subresource, Arena& arena) {
  if (!resource.has_status) return;
  if (subresource == "status") {
    for (const auto& member : old.members())
      if (member.key != "status" && member.key != "metadata") object.set(arena, member.key, member.value.clone(arena));
    for (auto member = object.members().begin(); member != object.members().end();) {
      bool keeps = member->key == "status" || member->key == "metadata" || old.find(member->key) != nullptr;
      if (keeps) {
        ++member;
        continue;
      }
      object.erase(member->key);
      member = object.members().begin();
    }
    return;
  }
  if (!subresource.empty()) return;  // scale, binding …: they change the object that is there
  if (const Value* status = old.find("status")) object.set(arena, "status", status->clone(arena));
  else object.erase("status");
}

void track(const Call& call, const UpdateSpec& spec, const Resource& resource, Value& object, const Value& old, WallTime now, Arena& arena) {
  static constexpr std::string_view kStatus[] = {"status"}, kSpec[] = {"spec"};
  std::string manager = call.manager();
  api::Write write{.manager = manager, .api_version = resource.kind->api_version, .subresource = spec.subresource, .now = now};
  if (resource.has_status) write.reset = spec.subresource == "status" ? std::span(kSpec) : std::span(kStatus);
  api::track_update(object, old, *resource.kind, write, arena);
}

Answer<void> validate(const UpdateSpec& spec, const Resource& resource, const Value& object, const Value& old) {
  api::FieldErrors errors;
  if (spec.validates) errors = api::validate_update(*resource.kind, object, old, spec.subresource == "status" ? "status" : "");
  resource.strategy->validate_update(object, old, spec.subresource, errors);
  if (errors.empty()) return {};
  return refuse(invalid(*resource.kind, old["metadata"]["name"].as_string(), errors));
}

// The edited object, ready for the store.
Answer<Value> prepare(Core& core, const Call& call, const UpdateSpec& spec, const Resource& resource, const Value& old, Arena& arena) {
  API_TRY(Value object, spec.edit(&old, arena));
  API_CHECK(keep_system_metadata(call, object, old, arena));
  separate_status(resource, object, old, spec.subresource, arena);
  api::apply_defaults(object, *resource.kind, arena);
  const Strategy& strategy = *resource.strategy;
  if (!spec.owned) track(call, spec, resource, object, old, core.loop.now(), arena);
  strategy.prepare_update(object, old, spec.subresource, arena);
  if (strategy.has_generation() && spec.subresource != "status" && strategy.new_generation(object, old))
    object.find("metadata")->set(arena, "generation", Value::integer(old["metadata"]["generation"].as_int() + 1));
  API_CHECK(validate(spec, resource, object, old));
  API_CHECK(check_node_write(call.user, call.info, object, old));
  return object;
}

bool is_finished(const Strategy& strategy, const Value& object) {
  const Value& metadata = object["metadata"];
  return !metadata["deletionTimestamp"].is_null() && metadata["finalizers"].empty() && metadata["deletionGracePeriodSeconds"].as_int() == 0 &&
         !strategy.held(object);
}

struct Attempt {
  bool done = false;
  Written written;
};

io::Task<Answer<Attempt>> try_update(Core& core, Call& call, const UpdateSpec& spec, const Resource& resource, store::KeyValue kv) {
  API_CO_TRY(Stored live, read_stored(std::move(kv)));
  Arena arena;
  API_CO_TRY(Value object, prepare(core, call, spec, resource, live.value(), arena));
  Attempt out;
  object.find("metadata")->set(arena, "resourceVersion", live.value()["metadata"]["resourceVersion"]);
  if (object == live.value()) {  // nothing changes, but for the order of members: nothing is written
    out.done = true;
    out.written = {with_revision(*live.kv.value, resource, live.kv.mod_revision), live.kv.mod_revision};
    co_return out;
  }
  bool finished = is_finished(*resource.strategy, object);
  Value gone;
  auto more = co_await resource.strategy->claim(core, finished ? gone : object, live.value(), arena);
  API_CO_TRY(Claims claims, std::move(more));
  SharedBytes stored = share(stored_form(object, resource));
  // What the mark of a deletion made larger may still be changed to go.
  if (stored->size() > std::max(kMaxObjectBytes, live.kv.value->size())) co_return refuse(too_large(stored->size(), kMaxObjectBytes));
  if (call.dry_run()) {
    out.done = true;
    out.written = {with_revision(*stored, resource, live.kv.mod_revision), live.kv.mod_revision};
    co_return out;
  }
  store::TxnRequest txn = finished ? store::delete_if_unchanged(live.kv.key, live.kv.mod_revision)
                                   : store::replace_if_unchanged(live.kv.key, live.kv.mod_revision, stored);
  if (!finished) txn.then[0].lease = live.kv.lease;
  for (auto& compare : claims.compares) txn.compares.push_back(std::move(compare));
  for (auto& operation : claims.operations) txn.then.push_back(std::move(operation));
  auto done = co_await core.store.txn(std::move(txn));
  API_CO_CHECK(done);
  out.done = done->succeeded;
  out.written = {with_revision(*stored, resource, done->revision), done->revision};
  co_return out;
}

}  // namespace

io::Task<Answer<Written>> update_object(Core& core, Call& call, UpdateSpec spec) {
  const Resource& resource = *call.resource;
  std::string key = resource.key(spec.space, spec.name);
  for (int tries = 0; tries < kTries; ++tries) {
    auto found = co_await core.store.range({.range = store::one_key(key)});
    API_CO_CHECK(found);
    if (!found->kvs.empty()) {
      auto attempt = co_await try_update(core, call, spec, resource, found->kvs[0]);
      API_CO_CHECK(attempt);
      if (attempt->done) co_return std::move(attempt->written);
      continue;
    }
    if (!spec.creates) co_return refuse(not_found(*resource.kind, spec.name));
    Document document;
    API_CO_TRY(document.root, spec.edit(nullptr, document.arena));
    auto created = co_await create_object(core, call, std::move(document), spec.owned);
    bool raced = !created && created.error().reason == "AlreadyExists";
    if (!raced) co_return created;
  }
  co_return refuse(conflict(*resource.kind, spec.name, kModified));
}

}  // namespace kobuk::controlplane::apiserver
