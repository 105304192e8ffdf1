// k8s.io/apiserver registry/rest.BeforeDelete and registry/generic/registry.Store.Delete.
#include "controlplane/apiserver/delete.h"

#include "api/normalize.h"
#include "base/strings.h"
#include "codec/json.h"
#include "controlplane/apiserver/node_restriction.h"
#include "controlplane/apiserver/selection.h"
#include "controlplane/apiserver/strategy.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Arena;
using codec::Value;

constexpr int kTries = 16;
constexpr std::string_view kForeground = "foregroundDeletion", kOrphan = "orphan";

Status wrong_option(const api::FieldErrors& errors) {
  Status out(422, "Invalid", api::invalid_message("DeleteOptions.meta.k8s.io", "", errors));
  out.group = "meta.k8s.io", out.kind = "DeleteOptions";
  for (const auto& error : errors.all()) out.causes.push_back({std::string(api::cause_of(error.type)), error.body, error.field});
  return out;
}

Answer<void> check_preconditions(const DeleteOptions& options, const Call& call, const Value& object) {
  const Value& metadata = object["metadata"];
  std::string_view name = metadata["name"].as_string(), uid = metadata["uid"].as_string(), version = metadata["resourceVersion"].as_string();
  if (!options.uid.empty() && options.uid != uid)
    return refuse(conflict(call.kind(), name,
                           cat("the UID in the precondition (", options.uid, ") does not match the UID in record (", uid,
                               "). The object might have been deleted and then recreated")));
  if (!options.resource_version.empty() && options.resource_version != version)
    return refuse(conflict(call.kind(), name,
                           cat("the ResourceVersion in the precondition (", options.resource_version,
                               ") does not match the ResourceVersion in record (", version, "). The object might have been modified")));
  return {};
}

// The finalizers that the policy asks for. An empty policy leaves those that are there.
void set_policy_finalizers(Value& metadata, std::string_view policy, Arena& arena) {
  if (policy.empty()) return;
  Value list = Value::array();
  for (const Value& one : metadata["finalizers"].items())
    if (one.as_string() != kForeground && one.as_string() != kOrphan) list.push(arena, one);
  if (policy == "Foreground") list.push(arena, Value::string_view(kForeground));
  if (policy == "Orphan") list.push(arena, Value::string_view(kOrphan));
  if (list.empty()) metadata.erase("finalizers");
  else metadata.set(arena, "finalizers", list);
}

// Marks the object as deleted; false when nothing changes by that.
bool mark(Value& object, const Strategy& strategy, int64_t grace, WallTime now, Arena& arena) {
  Value& metadata = object.get_or_add(arena, "metadata");
  const Value& before = metadata["deletionTimestamp"];
  auto at = now + std::chrono::seconds(grace);
  if (!before.is_null()) {
    if (metadata["deletionGracePeriodSeconds"].as_int() <= grace) return false;  // a deletion is only brought forward
    auto deleted = parse_rfc3339(before.as_string());
    if (deleted) at = *deleted - std::chrono::seconds(metadata["deletionGracePeriodSeconds"].as_int() - grace);
  }
  metadata.set(arena, "deletionTimestamp", Value::string(arena, format_rfc3339(at)));
  metadata.set(arena, "deletionGracePeriodSeconds", Value::integer(grace));
  if (metadata["generation"].as_int() > 0) metadata.set(arena, "generation", Value::integer(metadata["generation"].as_int() + 1));
  strategy.mark_deleted(object, arena);
  return true;
}

struct Attempt {
  bool done = false;
  Deleted deleted;
};

io::Task<Answer<Attempt>> commit(Core& core, const Call& call, const DeleteOptions& options, Stored live, bool gone, Value marked) {
  const Resource& resource = *call.resource;
  Attempt out{.done = true, .deleted = {.gone = gone}};
  const Value& metadata = live.value()["metadata"];
  std::string status = succeeded(*resource.kind, metadata["name"].as_string(), metadata["uid"].as_string()).to_json();
  if (options.dry_run) {
    bool object = !gone || resource.strategy->returns_deleted();
    out.deleted.json = object ? with_revision(stored_form(gone ? live.value() : marked, resource), resource, live.kv.mod_revision) : status;
    co_return out;
  }
  if (!gone) {
    SharedBytes bytes = share(stored_form(marked, resource));
    store::TxnRequest txn = store::replace_if_unchanged(live.kv.key, live.kv.mod_revision, bytes);
    auto done = co_await core.store.txn(std::move(txn));
    API_CO_CHECK(done);
    out.done = done->succeeded;
    out.deleted.json = with_revision(*bytes, resource, done->revision);
    co_return out;
  }
  Value nothing;
  Arena arena;
  auto more = co_await resource.strategy->claim(core, nothing, live.value(), arena);
  API_CO_TRY(Claims claims, std::move(more));
  store::TxnRequest txn = store::delete_if_unchanged(live.kv.key, live.kv.mod_revision);
  for (auto& compare : claims.compares) txn.compares.push_back(std::move(compare));
  for (auto& operation : claims.operations) txn.then.push_back(std::move(operation));
  auto done = co_await core.store.txn(std::move(txn));
  API_CO_CHECK(done);
  out.done = done->succeeded;
  out.deleted.json = resource.strategy->returns_deleted() ? with_revision(*live.kv.value, resource, done->revision) : status;
  co_return out;
}

io::Task<Answer<Attempt>> try_delete(Core& core, Call& call, const DeleteOptions& options, store::KeyValue kv) {
  const Strategy& strategy = *call.resource->strategy;
  API_CO_TRY(Stored live, read_stored(std::move(kv)));
  API_CO_CHECK(check_preconditions(options, call, live.value()));
  API_CO_CHECK(strategy.check_delete(live.value()));
  API_CO_CHECK(check_node_write(call.user, call.info, Value(), live.value()));
  Arena arena;
  Value object = live.value().clone(arena);
  Value& metadata = object.get_or_add(arena, "metadata");
  set_policy_finalizers(metadata, options.propagation, arena);
  int64_t grace = strategy.grace_seconds(object, options.grace_seconds);
  bool waits = grace > 0 || !metadata["finalizers"].empty() || strategy.held(object);
  bool changed = false;
  if (waits) {
    bool finalizers = !(live.value()["metadata"]["finalizers"] == metadata["finalizers"]);
    changed = mark(object, strategy, grace, core.loop.now(), arena) || finalizers;
  }
  if (waits && !changed) {
    Attempt out{.done = true};
    out.deleted.json = with_revision(*live.kv.value, *call.resource, live.kv.mod_revision);
    co_return out;
  }
  auto attempt = co_await commit(core, call, options, std::move(live), !waits, object);
  co_return attempt;
}

}  // namespace

Answer<DeleteOptions> parse_delete_options(const Call& call, const Value& options) {
  DeleteOptions out;
  api::FieldErrors errors;
  if (const Value* grace = options.find("gracePeriodSeconds"); grace && grace->is_int()) out.grace_seconds = grace->as_int();
  out.propagation = options["propagationPolicy"].as_string();
  if (const Value* orphan = options.find("orphanDependents"); orphan && orphan->is_bool()) {
    api::Path path("propagationPolicy");
    if (!out.propagation.empty()) errors.invalid(path, out.propagation, "orphanDependents and deletionPropagation cannot be both set");
    out.propagation = orphan->as_bool() ? "Orphan" : "Background";
  }
  constexpr std::string_view kPolicies[] = {"Foreground", "Background", "Orphan", "nil"};
  if (!out.propagation.empty() && out.propagation != "Foreground" && out.propagation != "Background" && out.propagation != "Orphan")
    errors.not_supported(api::Path("propagationPolicy"), out.propagation, kPolicies);
  if (!errors.empty()) return refuse(wrong_option(errors));
  if (out.grace_seconds && *out.grace_seconds < 0) out.grace_seconds = 1;
  out.uid = options["preconditions"]["uid"].as_string();
  out.resource_version = options["preconditions"]["resourceVersion"].as_string();
  out.dry_run = call.dry_run() || !options["dryRun"].empty();
  return out;
}

io::Task<Answer<Deleted>> delete_object(Core& core, Call& call, std::string space, std::string name, DeleteOptions options) {
  std::string key = call.resource->key(space, name);
  for (int tries = 0; tries < kTries; ++tries) {
    auto found = co_await core.store.range({.range = store::one_key(key)});
    API_CO_CHECK(found);
    if (found->kvs.empty()) co_return refuse(not_found(call.kind(), name));
    auto attempt = co_await try_delete(core, call, options, found->kvs[0]);
    API_CO_CHECK(attempt);
    if (attempt->done) co_return std::move(attempt->deleted);
  }
  co_return refuse(conflict(call.kind(), name, kModified));
}

io::Task<Answer<std::string>> delete_collection(Core& core, Call& call, DeleteOptions options) {
  const Resource& resource = *call.resource;
  API_CO_TRY(Selection selection, parse_selection(call));
  auto found = co_await core.store.range({.range = selection.range(resource)});
  API_CO_CHECK(found);
  std::string items;
  for (store::KeyValue& kv : found->kvs) {
    store::Revision revision = kv.mod_revision;
    SharedBytes bytes = kv.value;
    API_CO_TRY(Stored one, read_stored(std::move(kv)));
    if (!selection.matches(one.value())) continue;
    const Value& metadata = one.value()["metadata"];
    std::string space(metadata["namespace"].as_string()), name(metadata["name"].as_string());
    auto deleted = co_await delete_object(core, call, space, name, options);
    if (!deleted && deleted.error().code != 404) co_return refuse(deleted.error());
    if (!items.empty()) items += ',';
    append_with_revision(items, *bytes, resource, revision);
  }
  co_return cat(R"({"kind":")", resource.kind->list_kind, R"(","apiVersion":")", resource.kind->api_version,
                R"(","metadata":{"resourceVersion":")", found->revision, R"("},"items":[)", items, "]}");
}

}  // namespace kobuk::controlplane::apiserver
