// The pod garbage collector: pods of nodes that are gone, pods that were deleted before they had a node, and finished pods
// beyond a threshold.
#pragma once

#include <string>
#include <vector>

#include "api/types/core_v1.h"
#include "controlplane/controllers/controller.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {

class PodGarbageCollector final : public Controller {
 public:
  explicit PodGarbageCollector(ControllerContext& context, size_t finished_threshold = 12500);

 private:
  io::Task<Result<void>> reconcile(std::string key) override;  // "node <name>", "pod <key>", "finished"
  io::Task<Result<void>> collect_node(std::string node);
  io::Task<Result<void>> collect_finished();
  io::Task<Result<void>> remove(std::shared_ptr<const Pod> pod, bool fails);

  api::Cache<Pod>& pods_;
  api::Cache<api::core::v1::Node>& nodes_;
  api::Index<Pod>& by_node_;
  size_t finished_ = 0, threshold_;
};

}  // namespace kobuk::controlplane
