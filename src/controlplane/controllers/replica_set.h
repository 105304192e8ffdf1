// The ReplicaSet controller: keeps as many pods as each ReplicaSet wants, and says in its status how many there are.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/types/apps_v1.h"
#include "controlplane/controllers/controller.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {

using ReplicaSet = api::apps::v1::ReplicaSet;

class ReplicaSetController final : public Controller {
 public:
  explicit ReplicaSetController(ControllerContext& context);

 private:
  using Pods = std::vector<std::shared_ptr<const Pod>>;
  using Set = std::shared_ptr<const ReplicaSet>;
  io::Task<Result<void>> reconcile(std::string key) override;
  io::Task<Result<Pods>> claim_pods(Set set);
  io::Task<Result<void>> adjust(Set set, Pods pods);  // creates or deletes; the error of the first failure
  io::Task<Result<void>> create(Set set, int32_t count);
  io::Task<Result<void>> remove(Set set, std::vector<std::string> names, Pods pods);
  io::Task<void> create_one(Set set, std::string text, Result<std::string>* result);
  io::Task<void> remove_one(Set set, std::shared_ptr<const Pod> pod, Result<std::string>* result);
  io::Task<Result<void>> write_status(Set set, Result<void> adjusted);
  void pod_changed(const api::Cache<Pod>::Change& change);
  int32_t neighbours_of(const Set& set, const Pod& pod) const;

  api::Cache<ReplicaSet>& sets_;
  api::Cache<Pod>& pods_;
  api::Index<Pod>& pods_by_controller_;
  api::Index<ReplicaSet>& sets_by_controller_;
};

// Pure: what the status says, given the pods that the set owns.
api::apps::v1::ReplicaSetStatus replica_set_status(const ReplicaSet& set, const std::vector<std::shared_ptr<const Pod>>& pods,
                                                   const Result<void>& adjusted, WallTime now);

}  // namespace kobuk::controlplane
