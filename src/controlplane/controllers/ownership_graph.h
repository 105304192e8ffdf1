// OwnershipGraph: who owns whom, by uid, over all kinds. Pure: changes in, keys of objects to look at out. The garbage
// collector acts on them.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "api/types/meta_v1.h"

namespace kobuk::controlplane {

inline constexpr std::string_view kOrphanFinalizer = "orphan", kForegroundFinalizer = "foregroundDeletion";

struct OwnedObject {
  std::string uid, space, name;
  size_t kind = 0;  // the collector's number of the resource
  std::vector<api::meta::v1::OwnerReference> owners;
  bool deleting = false;
  bool deletes_dependents = false;  // deleting, with the finalizer foregroundDeletion
  bool orphans = false;             // deleting, with the finalizer orphan
  std::set<std::string> dependents;  // uids
};

class OwnershipGraph {
 public:
  // What the collector should look at: an object that may have to go, or one whose dependents are to be orphaned.
  struct Wake {
    std::vector<std::string> check, orphan;  // uids
  };
  Wake put(size_t kind, const api::meta::v1::ObjectMeta& metadata);
  Wake remove(const std::string& uid);
  const OwnedObject* find(const std::string& uid) const;
  // Dependents that keep their owner: blockOwnerDeletion.
  std::vector<std::string> blocking(const OwnedObject& owner) const;
  size_t size() const { return objects_.size(); }

 private:
  void link(const OwnedObject& object);
  void unlink(const OwnedObject& object);
  std::unordered_map<std::string, OwnedObject> objects_;
  std::unordered_map<std::string, std::set<std::string>> expected_;  // dependents of owners that are not there (yet)
};

}  // namespace kobuk::controlplane
