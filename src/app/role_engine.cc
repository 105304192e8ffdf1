// The engine with its doors: the Docker Engine API and the CRI, each on a Unix socket.
#include "app/engine_options.h"
#include "app/role.h"
#include "app/version.h"

namespace kobuk::app {

engine::EngineOptions engine_options(const Profile& profile) {
  AddressPlan addresses = profile.addresses();
  return {.profile = profile.name,
          .directory = cat(profile.root, "/engine"),
          .run_directory = cat(profile.run_directory(), "/engine"),
          .cgroup_root = profile.cgroup_root(),
          .pod_subnet = addresses.pod_subnet,
          .docker_subnet = addresses.docker_subnet,
          .mirrors = profile.mirrors,
          .insecure_registries = profile.insecure_registries,
          .version = kVersion};
}

namespace {

class EngineRole final : public RunningRole {
 public:
  explicit EngineRole(Shared& shared) : shared_(shared) {}

  io::Task<Result<void>> start() override {
    KOBUK_CO_TRY(engine_, co_await engine::Engine::open(shared_.loop, engine_options(shared_.profile)));
    docker_.emplace(shared_.loop, engine_->docker_api());
    KOBUK_CO_CHECK(docker_->listen(cat("unix:", shared_.profile.docker_socket()), nullptr));
    cri_.emplace(shared_.loop, engine_->cri_api(), engine::cri_server_limits());
    KOBUK_CO_CHECK(cri_->listen(cat("unix:", shared_.profile.cri_socket()), nullptr));
    shared_.cri = &engine_->cri();
    co_return Result<void>();
  }

  io::Task<void> stop() override {
    if (docker_) co_await docker_->shutdown(std::chrono::milliseconds(200));
    if (cri_) co_await cri_->shutdown(std::chrono::milliseconds(200));
    shared_.cri = nullptr;
    cri_.reset();
    docker_.reset();
    engine_.reset();
  }

 private:
  Shared& shared_;
  std::unique_ptr<engine::Engine> engine_;
  std::optional<io::http::Server> docker_, cri_;
};

}  // namespace

std::unique_ptr<RunningRole> make_engine_role(Shared& shared) { return std::make_unique<EngineRole>(shared); }

}  // namespace kobuk::app
