// Controller: the frame that all controllers share. Changes of cached objects put keys into a queue; workers bring the
// world of one key nearer to what is wanted, and try again later when that fails.
//
//   class Things final : public Controller {
//     explicit Things(ControllerContext& context) : Controller(context, "things") {
//       context.caches.of<Thing>().on_change([this](auto& change) { queue_.add(change.key); });
//     }
//     io::Task<Result<void>> reconcile(std::string key) override;
//   };
//
// A reconcile that writes waits until the caches show its own writes (Cache::reached, removed) before it ends, so the
// next one never decides on an older state than its own. Workers are cheap; most wait.
#pragma once

#include <string>
#include <string_view>

#include "api/cache.h"
#include "api/client.h"
#include "api/event_recorder.h"
#include "api/work_queue.h"
#include "base/result.h"
#include "controlplane/controllers/controllers.h"
#include "io/loop.h"

namespace kobuk::controlplane {

// What controllers live in; outlives them.
struct ControllerContext {
  io::Loop& loop;
  api::Client& client;
  api::Caches& caches;
  ControllerOptions options;
};

class Controller {
 public:
  Controller(ControllerContext& context, std::string name, int workers = 8);
  virtual ~Controller() = default;
  Controller(const Controller&) = delete;
  // Once the caches are synced. The tasks end before the controller does.
  void start(io::TaskGroup& tasks);

 protected:
  // kConflict and kNotFound are races that the next try settles; they are not reported.
  virtual io::Task<Result<void>> reconcile(std::string key) = 0;
  virtual void started() {}  // before the first reconcile, with full caches
  std::string now() const { return format_rfc3339(context_.loop.now()); }

  ControllerContext& context_;
  std::string name_;
  api::WorkQueue queue_;
  api::EventRecorder events_;

 private:
  io::Task<void> work();
  int workers_;
};

}  // namespace kobuk::controlplane
