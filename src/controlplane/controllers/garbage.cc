// Cascading deletion ("Garbage collection" in the documentation): background, foreground with blockOwnerDeletion, orphan.
// The graph says what to look at; before anything is deleted the server is asked, because a cache may be late.
#include "controlplane/controllers/garbage.h"

#include <algorithm>

#include "api/decode.h"

namespace kobuk::controlplane {
namespace {

// Events are many, short-lived and own nothing.
bool is_collected(const api::ServedResource& one) {
  return one.resource.resource != "events" && one.can("watch") && one.can("delete");
}

bool same(const ObjectMeta& a, const ObjectMeta& b) {
  return a.uid == b.uid && a.deletion_timestamp == b.deletion_timestamp && a.finalizers == b.finalizers &&
         a.owner_references.size() == b.owner_references.size() &&
         std::equal(a.owner_references.begin(), a.owner_references.end(), b.owner_references.begin(),
                    [](const OwnerReference& x, const OwnerReference& y) {
                      return x.uid == y.uid && x.block_owner_deletion == y.block_owner_deletion;
                    });
}

std::string patch_of(const ObjectMeta& live, const ObjectMeta& after, std::string_view member) {
  std::string list;
  if (member == "ownerReferences") {
    for (const OwnerReference& reference : after.owner_references) cat_to(list, list.empty() ? "" : ",", api::to_json(reference));
  } else {
    for (const std::string& finalizer : after.finalizers) cat_to(list, list.empty() ? "\"" : ",\"", finalizer, "\"");
  }
  return cat("{\"metadata\":{\"uid\":\"", live.uid, "\",\"resourceVersion\":\"", live.resource_version, "\",\"", member, "\":[", list, "]}}");
}

}  // namespace

io::Task<Result<void>> GarbageCollector::discover() {
  KOBUK_CO_TRY(resources_, co_await context_.client.discover());
  std::erase_if(resources_, [](const api::ServedResource& one) { return !is_collected(one); });
  for (size_t kind = 0; kind < resources_.size(); ++kind) {
    auto handler = [this, kind](const api::MetadataChange& change) { changed(kind, change); };
    context_.caches.metadata_of(resources_[kind].resource).on_metadata_change(handler);
  }
  co_return Result<void>();
}

void GarbageCollector::changed(size_t kind, const api::MetadataChange& change) {
  if (change.after == nullptr) return wake(graph_.remove(change.before->uid));
  if (change.before != nullptr && same(*change.before, *change.after)) return;
  wake(graph_.put(kind, *change.after));
}

void GarbageCollector::wake(const OwnershipGraph::Wake& wake) {
  for (const std::string& uid : wake.check) queue_.add(cat("c", uid));
  for (const std::string& uid : wake.orphan) queue_.add(cat("o", uid));
}

io::Task<Result<void>> GarbageCollector::reconcile(std::string key) {
  const OwnedObject* object = graph_.find(key.substr(1));
  if (object == nullptr) co_return Result<void>();
  OwnedObject copy = *object;
  Result<void> result;
  if (key[0] == 'o') {
    result = co_await orphan(std::move(copy));
  } else {
    result = co_await check(std::move(copy));
  }
  if (!result && result.error().code() == Code::kNotFound) result = Result<void>();  // gone is what was wanted
  co_return result;
}

bool GarbageCollector::all_owners_stand(const OwnedObject& object) const {
  return std::all_of(object.owners.begin(), object.owners.end(), [&](const OwnerReference& reference) {
    const OwnedObject* owner = graph_.find(reference.uid);
    return owner != nullptr && !owner->deletes_dependents;
  });
}

io::Task<Result<void>> GarbageCollector::check(OwnedObject object) {
  if (object.deletes_dependents) co_return co_await release_owner(std::move(object));
  if (object.deleting || all_owners_stand(object)) co_return Result<void>();
  KOBUK_CO_TRY(Live live, co_await get(object));
  if (!live || live->uid != object.uid || live->owner_references.empty()) co_return Result<void>();
  co_return co_await collect(std::move(object), live);
}

io::Task<Result<void>> GarbageCollector::collect(OwnedObject object, Live live) {
  std::vector<std::string> gone, waiting;
  bool solid = false;
  for (const OwnerReference& reference : live->owner_references) {
    KOBUK_CO_TRY(OwnerState state, co_await state_of(object, reference));
    if (state == OwnerState::kGone) gone.push_back(reference.uid);
    if (state == OwnerState::kWaiting) waiting.push_back(reference.uid);
    solid = solid || state == OwnerState::kSolid;
  }
  if (solid) {  // one owner keeps it; the others are forgotten
    gone.insert(gone.end(), waiting.begin(), waiting.end());
    if (gone.empty()) co_return Result<void>();
    co_return co_await drop_owners(std::move(object), std::move(gone));
  }
  std::string policy = "Background";
  if (!waiting.empty() && !object.dependents.empty()) {
    policy = "Foreground";  // its own dependents first, so that the whole tree goes before the root
  } else if (std::find(live->finalizers.begin(), live->finalizers.end(), kOrphanFinalizer) != live->finalizers.end()) {
    policy = "Orphan";
  } else if (std::find(live->finalizers.begin(), live->finalizers.end(), kForegroundFinalizer) != live->finalizers.end()) {
    policy = "Foreground";
  }
  co_return co_await remove(std::move(object), std::move(policy), live->resource_version);
}

io::Task<Result<void>> GarbageCollector::release_owner(OwnedObject owner) {
  std::vector<std::string> blocking = graph_.blocking(owner);
  if (blocking.empty()) co_return co_await drop_finalizer(std::move(owner), std::string(kForegroundFinalizer));
  for (const std::string& uid : blocking) {
    const OwnedObject* dependent = graph_.find(uid);
    if (dependent != nullptr && !dependent->deleting) queue_.add(cat("c", uid));
  }
  co_return Result<void>();
}

io::Task<Result<void>> GarbageCollector::orphan(OwnedObject owner) {
  for (const std::string& uid : owner.dependents) {
    const OwnedObject* found = graph_.find(uid);
    if (found == nullptr) continue;
    OwnedObject dependent = *found;
    std::vector<std::string> owners = {owner.uid};
    auto done = co_await drop_owners(std::move(dependent), std::move(owners));
    if (!done && done.error().code() != Code::kNotFound) co_return done;
  }
  co_return co_await drop_finalizer(std::move(owner), std::string(kOrphanFinalizer));
}

io::Task<Result<GarbageCollector::OwnerState>> GarbageCollector::state_of(OwnedObject object, OwnerReference reference) {
  if (const OwnedObject* known = graph_.find(reference.uid)) {
    co_return known->deletes_dependents ? OwnerState::kWaiting : OwnerState::kSolid;
  }
  auto served = std::find_if(resources_.begin(), resources_.end(), [&](const api::ServedResource& one) {
    return one.kind == reference.kind && one.api_version() == reference.api_version;
  });
  if (served == resources_.end()) co_return OwnerState::kSolid;  // of a kind that nobody serves: not ours to judge
  OwnedObject owner;
  owner.kind = static_cast<size_t>(served - resources_.begin());
  owner.space = served->namespaced ? object.space : "";
  owner.name = reference.name;
  KOBUK_CO_TRY(Live live, co_await get(std::move(owner)));
  if (!live || live->uid != reference.uid) co_return OwnerState::kGone;
  bool waits = is_deleting(*live) && std::find(live->finalizers.begin(), live->finalizers.end(), kForegroundFinalizer) != live->finalizers.end();
  co_return waits ? OwnerState::kWaiting : OwnerState::kSolid;
}

io::Task<Result<GarbageCollector::Live>> GarbageCollector::get(OwnedObject object) {
  auto text = co_await context_.client.get(resources_[object.kind].resource, object.space, object.name);
  if (!text && text.error().code() == Code::kNotFound) co_return Live();
  if (!text) co_return fail(std::move(text).error());
  KOBUK_CO_TRY(auto decoded, api::from_json<api::meta::v1::PartialObjectMetadata>(*text));
  co_return std::make_shared<const ObjectMeta>(std::move(decoded.metadata));
}

io::Task<Result<void>> GarbageCollector::remove(OwnedObject object, std::string policy, std::string resource_version) {
  std::string options = cat(R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":")", policy, R"(","preconditions":{"uid":")",
                            object.uid, R"(","resourceVersion":")", resource_version, "\"}}");
  KOBUK_CO_CHECK(co_await context_.client.remove(resources_[object.kind].resource, object.space, object.name, std::move(options)));
  co_return Result<void>();
}

io::Task<Result<void>> GarbageCollector::drop_owners(OwnedObject object, std::vector<std::string> owner_uids) {
  KOBUK_CO_TRY(Live live, co_await get(object));
  if (!live || live->uid != object.uid) co_return Result<void>();
  ObjectMeta after = *live;
  std::erase_if(after.owner_references, [&](const OwnerReference& reference) {
    return std::find(owner_uids.begin(), owner_uids.end(), reference.uid) != owner_uids.end();
  });
  if (after.owner_references.size() == live->owner_references.size()) co_return Result<void>();
  std::string patch = patch_of(*live, after, "ownerReferences");
  KOBUK_CO_CHECK(co_await context_.client.patch(resources_[object.kind].resource, object.space, object.name, api::PatchType::kMerge,
                                                std::move(patch)));
  co_return Result<void>();
}

io::Task<Result<void>> GarbageCollector::drop_finalizer(OwnedObject object, std::string finalizer) {
  KOBUK_CO_TRY(Live live, co_await get(object));
  if (!live || live->uid != object.uid) co_return Result<void>();
  ObjectMeta after = *live;
  if (std::erase(after.finalizers, finalizer) == 0) co_return Result<void>();
  std::string patch = patch_of(*live, after, "finalizers");
  KOBUK_CO_CHECK(co_await context_.client.patch(resources_[object.kind].resource, object.space, object.name, api::PatchType::kMerge,
                                                std::move(patch)));
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
