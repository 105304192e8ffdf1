#include "controlplane/controllers/controller.h"

#include "base/log.h"

namespace kobuk::controlplane {

Controller::Controller(ControllerContext& context, std::string name, int workers)
    : context_(context), name_(name), queue_(context.loop), events_(context.loop, context.client, std::move(name)), workers_(workers) {}

void Controller::start(io::TaskGroup& tasks) {
  started();
  for (int i = 0; i < workers_; ++i) tasks.spawn(work());
}

io::Task<void> Controller::work() {
  while (true) {
    std::optional<std::string> key = co_await queue_.next();
    if (!key) co_return;
    Result<void> result = co_await reconcile(*key);
    if (result) {
      queue_.forget(*key);
    } else {
      Code code = result.error().code();
      if (code != Code::kConflict && code != Code::kNotFound) {
        log::warn("reconcile failed", {{"controller", name_}, {"key", *key}, {"error", result.error().message()}});
      }
      queue_.add_rate_limited(*key);
    }
    queue_.done(*key);
  }
}

}  // namespace kobuk::controlplane
