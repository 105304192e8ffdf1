// Scheduler: gives every Pod without a node one (pods/binding), or says why not (condition PodScheduled, an Event).
//
//   Scheduler scheduler(loop, client);
//   tasks.spawn(scheduler.run());        // until destroyed
//
// Many pods are bound at the same time; each counts on its node from the decision on. Idle costs nothing: pods that fit
// nowhere wait for a change.
#pragma once

#include <memory>
#include <string>

#include "api/cache.h"
#include "api/client.h"
#include "io/loop.h"

namespace kobuk::controlplane {

class Scheduler {
 public:
  Scheduler(io::Loop& loop, api::Client& client, std::string name = "default-scheduler");
  // With caches that others use too: one watch a resource for all of them. They outlive this.
  Scheduler(io::Loop& loop, api::Client& client, api::Caches& caches, std::string name = "default-scheduler");
  ~Scheduler();
  io::Task<void> run();

 private:
  struct Impl;
  std::unique_ptr<api::Caches> own_caches_;  // outlives impl_
  std::unique_ptr<Impl> impl_;
};

}  // namespace kobuk::controlplane
