// Node life-cycle: a node whose Lease is no longer renewed becomes Unknown; nodes are tainted by their conditions; pods
// leave tainted nodes when their tolerations end.
#pragma once

#include <map>
#include <string>

#include "api/types/coordination_v1.h"
#include "api/types/core_v1.h"
#include "controlplane/controllers/controller.h"
#include "controlplane/controllers/node_health.h"

namespace kobuk::controlplane {

// Keys are nodes.
class NodeLifecycleController final : public Controller {
 public:
  explicit NodeLifecycleController(ControllerContext& context);

 private:
  using Lease = api::coordination::v1::Lease;
  using NodePointer = std::shared_ptr<const Node>;
  io::Task<Result<void>> reconcile(std::string key) override;
  io::Task<Result<void>> mark_silent(NodePointer node);
  io::Task<Result<void>> mark_pods_not_ready(std::string node);
  io::Task<Result<void>> write_taints(NodePointer node);
  void node_changed(const api::Cache<Node>::Change& change);
  bool disrupted() const { return silent_ > 0 && silent_ == nodes_.objects().size(); }
  void lease_changed(const api::Cache<Lease>::Change& change);
  api::Cache<Node>& nodes_;
  api::Cache<Lease>& leases_;
  api::Index<Pod>& pods_by_node_;
  // When this process last heard of the node: no other clock than ours is trusted.
  std::map<std::string, MonoTime, std::less<>> heard_;
  size_t silent_ = 0;  // nodes whose Ready is Unknown
  bool was_disrupted_ = false;
};

// Keys are pods.
class TaintEvictionController final : public Controller {
 public:
  explicit TaintEvictionController(ControllerContext& context);

 private:
  io::Task<Result<void>> reconcile(std::string key) override;
  api::Cache<Node>& nodes_;
  api::Cache<Pod>& pods_;
  api::Index<Pod>& pods_by_node_;
  std::map<std::string, WallTime> since_;  // by pod: when it was first seen to stand on a tainted node
};

}  // namespace kobuk::controlplane
