// What every namespace gets: the ServiceAccount "default", and the ConfigMap kube-root-ca.crt by which pods know the API
// server.
#pragma once

#include <string>

#include "api/types/core_v1.h"
#include "controlplane/controllers/controller.h"

namespace kobuk::controlplane {

class ServiceAccountController final : public Controller {
 public:
  explicit ServiceAccountController(ControllerContext& context);

 private:
  io::Task<Result<void>> reconcile(std::string key) override;
  api::Cache<api::core::v1::Namespace>& namespaces_;
  api::Cache<api::core::v1::ServiceAccount>& accounts_;
};

class RootCaPublisher final : public Controller {
 public:
  explicit RootCaPublisher(ControllerContext& context);
  void follow(io::TaskGroup& tasks) { tasks.spawn(maps_.run()); }

 private:
  io::Task<Result<void>> reconcile(std::string key) override;
  api::Cache<api::core::v1::Namespace>& namespaces_;
  api::Cache<api::core::v1::ConfigMap> maps_;  // those of this name alone
};

}  // namespace kobuk::controlplane
