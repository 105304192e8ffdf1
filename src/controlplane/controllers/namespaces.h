// The namespace controller: empties a namespace that is being deleted, of every kind that discovery lists, pods first;
// then takes its finalizer away, which ends it.
#pragma once

#include <string>
#include <vector>

#include "api/types/core_v1.h"
#include "controlplane/controllers/controller.h"

namespace kobuk::controlplane {

class NamespaceController final : public Controller {
 public:
  explicit NamespaceController(ControllerContext& context);

 private:
  struct Left {
    std::string errors;                       // of deletions that failed
    std::map<std::string, int64_t> objects;   // by resource
    std::map<std::string, int64_t> finalizers;
    bool empty() const { return errors.empty() && objects.empty(); }
  };
  io::Task<Result<void>> reconcile(std::string key) override;
  io::Task<Left> delete_content(std::string space, std::vector<api::ServedResource> resources);
  io::Task<Result<void>> delete_all(std::string space, api::ServedResource resource);
  io::Task<Result<void>> count_left(std::string space, api::ServedResource resource, Left* left);
  io::Task<Result<void>> write_conditions(std::string name, std::string discovery_error, Left left);
  io::Task<Result<void>> finalize(std::string name);

  api::Cache<api::core::v1::Namespace>& namespaces_;
};

}  // namespace kobuk::controlplane
