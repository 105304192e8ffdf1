#include "engine/engine.h"

#include "engine/core.h"
#include "engine/cri_server.h"
#include "engine/cri_service.h"
#include "engine/docker.h"

namespace kobuk::engine {
namespace {

class EngineImpl final : public Engine {
 public:
  explicit EngineImpl(std::unique_ptr<Core> core) : core_(std::move(core)), docker_(*core_), cri_(*core_), cri_server_(*core_) {}
  io::http::Handler& docker_api() override { return docker_; }
  Cri& cri() override { return cri_; }
  io::http::Handler& cri_api() override { return cri_server_; }
  io::Task<Result<void>> stop_everything(Duration grace) override { return core_->stop_everything(grace); }
  io::Task<Result<void>> remove_everything() override { return core_->remove_everything(); }

 private:
  std::unique_ptr<Core> core_;
  docker::Api docker_;
  CriService cri_;
  CriServer cri_server_;
};

}  // namespace

io::Task<Result<std::unique_ptr<Engine>>> Engine::open(io::Loop& loop, EngineOptions options) {
  KOBUK_CO_TRY(auto core, co_await Core::open(loop, std::move(options)));
  co_return std::make_unique<EngineImpl>(std::move(core));
}

io::http::ServerLimits cri_server_limits() { return {.body_timeout = Duration{0}, .socket_mode = 0600, .h2c = true}; }

}  // namespace kobuk::engine
