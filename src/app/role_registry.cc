// The registry that a profile serves: OCI distribution over plain HTTP, on loopback only.
#include "app/role.h"
#include "image/registry_server.h"

namespace kobuk::app {
namespace {

class RegistryRole final : public RunningRole {
 public:
  explicit RegistryRole(Shared& shared) : shared_(shared) {}

  io::Task<Result<void>> start() override {
    KOBUK_CO_TRY(registry_, image::RegistryServer::open(shared_.loop, cat(shared_.profile.root, "/registry")));
    http_.emplace(shared_.loop, *registry_);
    KOBUK_CO_CHECK(http_->listen(cat("127.0.0.1:", shared_.profile.registry_port), nullptr));
    co_return Result<void>();
  }

  io::Task<void> stop() override {
    if (http_) co_await http_->shutdown(std::chrono::milliseconds(200));
    http_.reset();
    registry_.reset();
  }

 private:
  Shared& shared_;
  std::unique_ptr<image::RegistryServer> registry_;
  std::optional<io::http::Server> http_;
};

}  // namespace

std::unique_ptr<RunningRole> make_registry_role(Shared& shared) { return std::make_unique<RegistryRole>(shared); }

}  // namespace kobuk::app
