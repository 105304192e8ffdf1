// What the server makes of itself: the system's namespaces, the Service "kubernetes" with its EndpointSlice; and the
// compaction of the store.
#pragma once

#include "controlplane/apiserver/core.h"

namespace kobuk::controlplane::apiserver {

// By requests through the server's own chain, so that they are objects like all others.
io::Task<Result<void>> create_system_objects(Core& core, io::http::Handler& server);

// Forgets history that is older than five to ten minutes. A timer runs only while there is something new to forget.
class Compaction {
 public:
  explicit Compaction(Core& core) : core_(&core), tasks_(core.loop) {}
  ~Compaction() { stop(); }
  void changed();
  void stop();

 private:
  void tick();
  io::Task<void> compact(store::Revision revision);
  Core* core_;
  io::Loop::TimerId timer_ = 0;
  store::Revision last_ = 0;  // of the last tick
  bool stopped_ = false;
  io::TaskGroup tasks_;
};

}  // namespace kobuk::controlplane::apiserver
