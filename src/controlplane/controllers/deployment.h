// The Deployment controller: a ReplicaSet for each template, rollouts within their bounds, revisions, status.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "api/types/apps_v1.h"
#include "controlplane/controllers/controller.h"
#include "controlplane/controllers/deployment_status.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {

class DeploymentController final : public Controller {
 public:
  explicit DeploymentController(ControllerContext& context);

 private:
  using Pointer = std::shared_ptr<const Deployment>;
  io::Task<Result<void>> reconcile(std::string key) override;
  io::Task<Result<void>> reconcile_one(Pointer deployment);
  io::Task<Result<DeploymentSets>> claim_sets(Pointer deployment);
  DeploymentSets look_up(const Deployment& deployment, const api::LabelSelector& selector) const;
  // The set of the present template as it should be: its revision and annotations, or the set itself when `create`.
  io::Task<Result<void>> sync_current(Pointer deployment, DeploymentSets sets, bool create);
  io::Task<Result<void>> create_set(Pointer deployment, DeploymentSets sets, int64_t revision);
  io::Task<Result<void>> settle_collision(Pointer deployment, Error error, std::string name);
  // True when sizes have changed: the rest waits for the next look.
  io::Task<Result<bool>> resize(Pointer deployment, DeploymentSets sets, std::vector<Resize> sizes);
  io::Task<Result<bool>> roll_out(Pointer deployment, DeploymentSets sets);
  io::Task<Result<void>> clean_up(Pointer deployment, DeploymentSets sets);
  io::Task<Result<void>> write_set(SetPointer before, ReplicaSet after);
  io::Task<Result<void>> write_status(Pointer deployment, DeploymentStatus status);
  io::Task<Result<void>> write_revision(Pointer deployment, std::string revision);
  io::Task<Result<void>> sync_paused_condition(Pointer deployment);
  bool old_pods_run(const DeploymentSets& sets) const;
  void set_changed(const api::Cache<ReplicaSet>::Change& change);
  void pod_gone(const Pod& pod);
  void report_resize(const Deployment& deployment, const std::string& name, int32_t from, int32_t to);

  api::Cache<Deployment>& deployments_;
  api::Cache<ReplicaSet>& sets_;
  api::Cache<Pod>& pods_;
  api::Index<ReplicaSet>& sets_by_controller_;
  api::Index<Pod>& pods_by_controller_;
};

}  // namespace kobuk::controlplane
