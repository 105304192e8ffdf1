// The engine with its Docker API in a process of its own, so that it can be killed as it deserves.
#pragma once

#include <sys/types.h>

#include <string>

#include "engine/testing/world.h"

namespace kobuk::engine::testing {

class Daemon {
 public:
  explicit Daemon(World& world) : world_(world) {}
  ~Daemon();
  void start();          // returns when it answers
  void kill_hard();      // SIGKILL
  void remove_all();     // remove_everything(), and its end
  bool running() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // The real docker client against it.
  Output docker(const std::string& arguments);

 private:
  World& world_;
  pid_t pid_ = -1;
};

// What the child runs: see daemon.cc. Returns the exit code.
int serve_from_environment();

}  // namespace kobuk::engine::testing
