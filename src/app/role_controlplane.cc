// Scheduler and controllers: clients of the API server that act on what they watch.
#include "app/role.h"
#include "controlplane/controllers/controllers.h"
#include "controlplane/scheduler/scheduler.h"

namespace kobuk::app {
namespace {

class SchedulerRole final : public RunningRole {
 public:
  explicit SchedulerRole(Shared& shared) : shared_(shared) {}

  io::Task<Result<void>> start() override {
    KOBUK_CO_TRY(auto transport, shared_.connect("system:kube-scheduler", {}, shared_.pki.scheduler));
    client_.emplace(std::move(transport));
    if (shared_.caches != nullptr) scheduler_.emplace(shared_.loop, *client_, *shared_.caches);
    else scheduler_.emplace(shared_.loop, *client_);
    tasks_.emplace(shared_.loop);
    tasks_->spawn(scheduler_->run());
    co_return Result<void>();
  }

  io::Task<void> stop() override {
    tasks_.reset();
    scheduler_.reset();
    client_.reset();
    co_return;
  }

 private:
  Shared& shared_;
  std::optional<api::Client> client_;
  std::optional<controlplane::Scheduler> scheduler_;
  std::optional<io::TaskGroup> tasks_;
};

class ControllersRole final : public RunningRole {
 public:
  explicit ControllersRole(Shared& shared) : shared_(shared) {}

  io::Task<Result<void>> start() override {
    KOBUK_CO_TRY(auto transport, shared_.connect("system:kube-controller-manager", {}, shared_.pki.controllers));
    client_.emplace(std::move(transport));
    controlplane::ControllerOptions options{.load_balancer_cidr = shared_.profile.addresses().load_balancer_cidr,
                                            .root_ca_pem = shared_.pki.ca};
    caches_.emplace(shared_.loop, *client_);
    controllers_.emplace(shared_.loop, *client_, *caches_, std::move(options));
    shared_.caches = &*caches_;  // roles are stopped in reverse: the scheduler is gone before they are
    tasks_.emplace(shared_.loop);
    tasks_->spawn(controllers_->run());
    co_return Result<void>();
  }

  io::Task<void> stop() override {
    shared_.caches = nullptr;
    tasks_.reset();
    controllers_.reset();
    caches_.reset();
    client_.reset();
    co_return;
  }

 private:
  Shared& shared_;
  std::optional<api::Client> client_;
  std::optional<api::Caches> caches_;
  std::optional<controlplane::Controllers> controllers_;
  std::optional<io::TaskGroup> tasks_;
};

}  // namespace

std::unique_ptr<RunningRole> make_scheduler_role(Shared& shared) { return std::make_unique<SchedulerRole>(shared); }
std::unique_ptr<RunningRole> make_controllers_role(Shared& shared) { return std::make_unique<ControllersRole>(shared); }

}  // namespace kobuk::app
