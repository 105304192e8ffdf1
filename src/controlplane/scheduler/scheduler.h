// Scheduler: gives every Pod without a node one (pods/binding), or says why not (condition PodScheduled, an Event).
//
//   Scheduler scheduler(loop, client);
//   tasks.spawn(scheduler.run());        // until destroyed
#pragma once

#include <memory>
#include <string>

#include "api/client.h"
#include "io/loop.h"

namespace kobuk::controlplane {

class Scheduler {
 public:
  Scheduler(io::Loop& loop, api::Client& client, std::string name = "default-scheduler");
  ~Scheduler();
  io::Task<void> run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kobuk::controlplane
