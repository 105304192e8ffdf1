// Creating objects: k8s.io/apiserver endpoints/handlers/create.go and registry/rest.BeforeCreate say what happens in
// which order; the admission plugin NamespaceLifecycle says what a namespace allows.
#include "api/apply.h"
#include "api/defaults.h"
#include "api/validate.h"
#include "base/random.h"
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

constexpr int kNameTries = 8;
constexpr int kClaimTries = 64;
constexpr size_t kMaxGeneratedBase = 58;

Value text(Arena& arena, std::string_view value) { return Value::string(arena, value); }

void set_system_metadata(Value& object, const Strategy& strategy, WallTime now, Arena& arena) {
  Value& metadata = object.get_or_add(arena, "metadata");
  for (auto name : {"deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "generation", "resourceVersion"}) metadata.erase(name);
  metadata.set(arena, "uid", text(arena, random_uuid()));
  metadata.set(arena, "creationTimestamp", text(arena, format_rfc3339(now)));
  if (strategy.has_generation()) metadata.set(arena, "generation", Value::integer(1));
}

void generate_name(Value& metadata, Arena& arena) {
  std::string base(metadata["generateName"].as_string().substr(0, kMaxGeneratedBase));
  metadata.set(arena, "name", text(arena, cat(base, random_name_suffix())));
}

io::Task<Answer<store::LeaseId>> event_lease(Core& core, int64_t seconds) {
  constexpr auto kShared = std::chrono::minutes(1);  // Events of a minute share one lease
  if (core.event_lease != 0 && core.loop.mono() < core.event_lease_until) co_return core.event_lease;
  Duration ttl = std::chrono::seconds(seconds) + kShared;
  auto lease = co_await core.store.grant(ttl);
  API_CO_CHECK(lease);
  core.event_lease = *lease;
  core.event_lease_until = core.loop.mono() + kShared;
  co_return *lease;
}

// Everything before the transaction, once.
Answer<void> prepare(Call& call, Document& document, bool owned, WallTime now) {
  const Resource& resource = *call.resource;
  Value& object = document.root;
  Arena& arena = document.arena;
  if (!object["metadata"]["resourceVersion"].as_string().empty())
    return refuse({500, "", "resourceVersion should not be set on objects to be created"});
  if (resource.has_status && !resource.strategy->keeps_status_on_create()) object.erase("status");
  api::apply_defaults(object, *resource.kind, arena);
  static constexpr std::string_view kStatus[] = {"status"};
  std::string manager = call.manager();
  api::Write write{.manager = manager, .api_version = resource.kind->api_version, .now = now};
  if (resource.has_status) write.reset = kStatus;
  if (!owned) api::track_update(object, Value(), *resource.kind, write, arena);
  set_system_metadata(object, *resource.strategy, now, arena);
  resource.strategy->prepare_create(object, arena);
  return {};
}

// What was found where the object should go.
enum class Outcome : uint8_t { kStored, kTaken, kRaced };

io::Task<Answer<Outcome>> store_new(Core& core, std::string key, SharedBytes bytes, Claims claims, store::LeaseId lease,
                                    store::Revision* revision) {
  store::TxnRequest txn = store::create_if_absent(key, std::move(bytes), lease);
  for (auto& compare : claims.compares) txn.compares.push_back(std::move(compare));
  for (auto& operation : claims.operations) txn.then.push_back(std::move(operation));
  txn.otherwise = {store::read(store::one_key(key), 1)};
  auto done = co_await core.store.txn(std::move(txn));
  API_CO_CHECK(done);
  *revision = done->revision;
  if (done->succeeded) co_return Outcome::kStored;
  bool taken = !done->results.empty() && !done->results[0].range.kvs.empty();
  co_return taken ? Outcome::kTaken : Outcome::kRaced;
}

Answer<void> validate(const Resource& resource, const Value& object) {
  api::FieldErrors errors = api::validate_create(*resource.kind, object);
  if (errors.empty()) return {};
  std::string_view name = object["metadata"]["name"].as_string();
  return refuse(invalid(*resource.kind, name.empty() ? object["metadata"]["generateName"].as_string() : name, errors));
}

io::Task<Answer<Outcome>> try_create(Core& core, Call& call, Document& document, Written& out) {
  const Resource& resource = *call.resource;
  Value object = document.root.clone(document.arena);  // what an attempt claims must not stay for the next
  std::string space(object["metadata"]["namespace"].as_string()), name(object["metadata"]["name"].as_string());
  Claims claims;
  auto allowed = co_await check_namespace(core, *resource.kind, space, name, claims);
  API_CO_CHECK(allowed);
  API_CO_CHECK(validate(resource, object));
  Value nothing;
  API_CO_CHECK(check_node_write(call.user, call.info, object, nothing));
  auto more = co_await resource.strategy->claim(core, object, nothing, document.arena);
  API_CO_TRY(Claims taken, std::move(more));
  for (auto& compare : taken.compares) claims.compares.push_back(std::move(compare));
  claims.operations = std::move(taken.operations);

  SharedBytes bytes = share(stored_form(object, resource));
  if (bytes->size() > kMaxObjectBytes) co_return refuse(too_large(bytes->size(), kMaxObjectBytes));
  std::string key = resource.key(space, name);
  if (call.dry_run()) {
    auto there = co_await core.store.range({.range = store::one_key(key), .count_only = true});
    API_CO_CHECK(there);
    if (there->count > 0) co_return Outcome::kTaken;
    out.json = stored_form(object, resource);
    co_return Outcome::kStored;
  }
  store::LeaseId lease = 0;
  if (int64_t seconds = resource.strategy->time_to_live()) {
    auto granted = co_await event_lease(core, seconds);
    API_CO_TRY(lease, std::move(granted));
  }
  store::Revision revision = 0;
  auto outcome = co_await store_new(core, std::move(key), bytes, std::move(claims), lease, &revision);
  API_CO_CHECK(outcome);
  if (*outcome == Outcome::kStored) {
    out.revision = revision;
    out.json = with_revision(*bytes, resource, revision);
  }
  co_return *outcome;
}

}  // namespace

Answer<void> match_address(Value& object, const RequestInfo& info, const api::KindInfo& kind, bool with_name, Arena& arena) {
  Value& metadata = object.get_or_add(arena, "metadata");
  if (kind.namespaced) {
    std::string_view space = metadata["namespace"].as_string();
    if (space.empty()) metadata.set(arena, "namespace", text(arena, info.space));
    else if (space != info.space)
      return refuse(bad_request("the namespace of the provided object does not match the namespace sent on the request"));
  }
  if (!with_name) return {};
  std::string_view name = metadata["name"].as_string();
  if (name.empty()) metadata.set(arena, "name", text(arena, info.name));
  else if (name != info.name)
    return refuse(bad_request(cat("the name of the object (", name, ") does not match the name on the URL (", info.name, ")")));
  return {};
}

io::Task<Answer<void>> check_namespace(Core& core, const api::KindInfo& kind, std::string space, std::string name, Claims& claims) {
  if (!kind.namespaced) co_return Answer<void>();
  const Resource& namespaces = core.core_v1("namespaces");
  std::string key = namespaces.key("", space);
  auto found = co_await core.store.range({.range = store::one_key(key)});
  API_CO_CHECK(found);
  if (found->kvs.empty()) co_return refuse(not_found(*namespaces.kind, space));
  auto read = read_stored(found->kvs[0]);
  API_CO_CHECK(read);
  claims.compares.push_back({.key = key, .number = found->kvs[0].mod_revision});
  if (read->value()["status"]["phase"].as_string() != "Terminating") co_return Answer<void>();
  Status status = forbidden(kind.group, kind.plural, name,
                            cat("unable to create new content in namespace ", space, " because it is being terminated"));
  status.causes.push_back({"NamespaceTerminating", cat("namespace ", space, " is being terminated"), "metadata.namespace"});
  co_return refuse(std::move(status));
}

io::Task<Answer<Written>> create_object(Core& core, Call& call, Document document, bool owned) {
  Arena& arena = document.arena;
  WallTime now = core.loop.now();
  API_CO_CHECK(prepare(call, document, owned, now));
  Value& metadata = *document.root.find("metadata");
  bool generated = metadata["name"].as_string().empty() && !metadata["generateName"].as_string().empty();
  Written out{.created = true};
  int names = 0;
  for (int tries = 0; tries < kClaimTries; ++tries) {
    if (generated) generate_name(*document.root.find("metadata"), arena);
    auto outcome = co_await try_create(core, call, document, out);
    API_CO_CHECK(outcome);
    if (*outcome == Outcome::kStored) co_return out;
    if (*outcome == Outcome::kTaken && (!generated || ++names == kNameTries))
      co_return refuse(already_exists(call.kind(), document.root["metadata"]["name"].as_string()));
  }
  co_return refuse({503, "ServiceUnavailable", "too many others write at the same time; try again"});
}

}  // namespace kobuk::controlplane::apiserver
