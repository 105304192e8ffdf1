// The garbage collector: deletes what has lost its owners, lets owners go that wait for their dependents (foreground), and
// cuts dependents loose that shall stay (orphan). Works on the metadata of every kind that discovery lists.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controlplane/controllers/controller.h"
#include "controlplane/controllers/objects.h"
#include "controlplane/controllers/ownership_graph.h"

namespace kobuk::controlplane {

class GarbageCollector final : public Controller {
 public:
  explicit GarbageCollector(ControllerContext& context) : Controller(context, "generic-garbage-collector", 16) {}
  // Asks for the kinds and follows those that nobody follows yet; before start().
  io::Task<Result<void>> discover();

 private:
  using Live = std::shared_ptr<const ObjectMeta>;  // of an object as the server has it now; null: it is gone
  io::Task<Result<void>> reconcile(std::string key) override;  // "c<uid>": check, "o<uid>": orphan
  io::Task<Result<void>> check(OwnedObject object);
  io::Task<Result<void>> release_owner(OwnedObject owner);
  io::Task<Result<void>> orphan(OwnedObject owner);
  io::Task<Result<void>> collect(OwnedObject object, Live live);
  io::Task<Result<void>> remove(OwnedObject object, std::string policy, std::string resource_version);
  io::Task<Result<void>> drop_owners(OwnedObject object, std::vector<std::string> owner_uids);
  io::Task<Result<void>> drop_finalizer(OwnedObject object, std::string finalizer);
  io::Task<Result<Live>> get(OwnedObject object);
  enum class OwnerState { kSolid, kGone, kWaiting };
  io::Task<Result<OwnerState>> state_of(OwnedObject object, OwnerReference reference);
  bool all_owners_stand(const OwnedObject& object) const;
  void changed(size_t kind, const api::MetadataChange& change);
  void wake(const OwnershipGraph::Wake& wake);

  std::vector<api::ServedResource> resources_;
  OwnershipGraph graph_;
};

}  // namespace kobuk::controlplane
