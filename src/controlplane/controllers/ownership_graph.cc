// Owners and dependents, cascading deletion ("Garbage collection" and "Finalizers" in the documentation).
#include "controlplane/controllers/ownership_graph.h"

#include <algorithm>

namespace kobuk::controlplane {
namespace {

bool has(const std::vector<std::string>& finalizers, std::string_view wanted) {
  return std::find(finalizers.begin(), finalizers.end(), wanted) != finalizers.end();
}

OwnedObject object_of(size_t kind, const api::meta::v1::ObjectMeta& metadata) {
  OwnedObject out;
  out.uid = metadata.uid;
  out.space = metadata.namespace_;
  out.name = metadata.name;
  out.kind = kind;
  out.owners = metadata.owner_references;
  out.deleting = !metadata.deletion_timestamp.empty();
  out.deletes_dependents = out.deleting && has(metadata.finalizers, kForegroundFinalizer);
  out.orphans = out.deleting && has(metadata.finalizers, kOrphanFinalizer);
  return out;
}

bool blocks(const OwnedObject& dependent, const std::string& owner) {
  return std::any_of(dependent.owners.begin(), dependent.owners.end(),
                     [&](const auto& reference) { return reference.uid == owner && reference.block_owner_deletion.value_or(false); });
}

}  // namespace

const OwnedObject* OwnershipGraph::find(const std::string& uid) const {
  auto found = objects_.find(uid);
  return found == objects_.end() ? nullptr : &found->second;
}

void OwnershipGraph::link(const OwnedObject& object) {
  for (const auto& reference : object.owners) {
    auto owner = objects_.find(reference.uid);
    (owner == objects_.end() ? expected_[reference.uid] : owner->second.dependents).insert(object.uid);
  }
}

void OwnershipGraph::unlink(const OwnedObject& object) {
  for (const auto& reference : object.owners) {
    auto owner = objects_.find(reference.uid);
    if (owner != objects_.end()) owner->second.dependents.erase(object.uid);
    auto expected = expected_.find(reference.uid);
    if (expected == expected_.end()) continue;
    expected->second.erase(object.uid);
    if (expected->second.empty()) expected_.erase(expected);
  }
}

OwnershipGraph::Wake OwnershipGraph::put(size_t kind, const api::meta::v1::ObjectMeta& metadata) {
  Wake wake;
  OwnedObject next = object_of(kind, metadata);
  OwnedObject before;
  if (auto found = objects_.find(next.uid); found != objects_.end()) {
    before = found->second;
    unlink(before);
    next.dependents = before.dependents;
  } else if (auto expected = expected_.find(next.uid); expected != expected_.end()) {
    next.dependents = std::move(expected->second);
    expected_.erase(expected);
  }
  OwnedObject& object = objects_[next.uid] = std::move(next);
  link(object);

  for (const auto& reference : object.owners) {
    const OwnedObject* owner = find(reference.uid);
    // An owner that is not there, or is waiting for its dependents to go.
    if (owner == nullptr || owner->deletes_dependents) wake.check.push_back(object.uid);
    if (owner != nullptr && owner->deletes_dependents) wake.check.push_back(owner->uid);
  }
  for (const auto& reference : before.owners) {  // no longer held by this one
    const OwnedObject* owner = find(reference.uid);
    if (owner != nullptr && owner->deletes_dependents) wake.check.push_back(owner->uid);
  }
  if (object.deletes_dependents && !before.deletes_dependents) {
    wake.check.push_back(object.uid);
    wake.check.insert(wake.check.end(), object.dependents.begin(), object.dependents.end());
  }
  if (object.orphans && !before.orphans) wake.orphan.push_back(object.uid);
  return wake;
}

OwnershipGraph::Wake OwnershipGraph::remove(const std::string& uid) {
  Wake wake;
  auto found = objects_.find(uid);
  if (found == objects_.end()) return wake;
  OwnedObject object = std::move(found->second);
  objects_.erase(found);
  unlink(object);
  if (!object.dependents.empty()) expected_[uid] = object.dependents;
  wake.check.assign(object.dependents.begin(), object.dependents.end());
  for (const auto& reference : object.owners) {
    const OwnedObject* owner = find(reference.uid);
    if (owner != nullptr && owner->deletes_dependents) wake.check.push_back(owner->uid);
  }
  return wake;
}

std::vector<std::string> OwnershipGraph::blocking(const OwnedObject& owner) const {
  std::vector<std::string> out;
  for (const std::string& uid : owner.dependents) {
    const OwnedObject* dependent = find(uid);
    if (dependent != nullptr && blocks(*dependent, owner.uid)) out.push_back(uid);
  }
  return out;
}

}  // namespace kobuk::controlplane
