// A world of a test's own for real containers: a network namespace, folders, a name, a busybox image. What an engine
// left of it on the host can be asked for.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/testing/temporary_folder.h"

namespace kobuk::engine::testing {

// Why real containers can't be tested here; empty: they can.
std::string missing();
// This process' own network namespace from now on (once a process): bridges and rules of tests stay in it.
bool enter_own_network();

class World {
 public:
  World();
  EngineOptions options() const;
  std::string docker_socket() const { return run_.path() + "/docker.sock"; }
  std::string busybox_tar() const { return data_.path() + "/busybox.tar"; }
  const std::string& data() const { return data_.path(); }
  const std::string& run() const { return run_.path(); }
  // What is still there of this world's containers: cgroups, mounts, interfaces, rules, folders; empty: nothing.
  std::vector<std::string> leftovers() const;

 private:
  std::string name_;
  TemporaryFolder data_, run_{"/dev/shm"};
};

struct Output {
  std::string text;  // stdout and stderr
  int code = 0;
};
Output shell(const std::string& command);

}  // namespace kobuk::engine::testing
