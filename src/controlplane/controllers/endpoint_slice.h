// The EndpointSlice controller: keeps the slices of every Service that has a selector.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "controlplane/controllers/controller.h"
#include "controlplane/controllers/endpoints.h"

namespace kobuk::controlplane {

class EndpointSliceController final : public Controller {
 public:
  explicit EndpointSliceController(ControllerContext& context);

 private:
  using ServicePointer = std::shared_ptr<const Service>;
  io::Task<Result<void>> reconcile(std::string key) override;
  io::Task<Result<void>> apply(std::string space, SliceChanges changes);
  void pod_changed(const api::Cache<Pod>::Change& change);
  void node_changed(const api::Cache<api::core::v1::Node>::Change& change);

  api::Cache<Service>& services_;
  api::Cache<Pod>& pods_;
  api::Cache<api::core::v1::Node>& nodes_;
  api::Cache<EndpointSlice>& slices_;
  api::Index<EndpointSlice>& slices_by_service_;
  api::Index<Pod>& pods_by_label_;
  api::Index<Pod>& pods_by_node_;
};

}  // namespace kobuk::controlplane
