// What tests of real containers share: a scratch folder, a root filesystem with busybox, a Runtime with
// cgroups of its own. Needs root; skip() says what is missing.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "runtime/container.h"
#include "runtime/defaults.h"

namespace kobuk::runtime::testing {

// Why tests of real containers can't run here; empty when they can.
std::string missing();

class Scratch {
 public:
  Scratch();
  ~Scratch();  // removes everything, and fails the test when something can't be removed or was left mounted
  Scratch(const Scratch&) = delete;

  const std::string& directory() const { return directory_; }
  std::string rootfs() const { return directory_ + "/rootfs"; }
  io::Loop& loop() { return loop_; }
  Runtime& runtime() { return *runtime_; }
  void drop_runtime() { runtime_.reset(); }
  void open_runtime();
  const std::string& cgroup_root() const { return cgroup_root_; }

  // Defaults, the busybox root filesystem, a cgroup, a json-file log at log_path(id).
  ContainerSpec spec(std::string id, std::vector<std::string> args);
  std::string log_path(std::string_view id) const;
  std::string log_of(std::string_view id) const;  // the text of the json-file log's "log" fields

  template <class T>
  T run(io::Task<T> task) {
    return loop_.run_until_done(std::move(task));
  }
  std::unique_ptr<Container> create(ContainerSpec spec);  // fails the test and returns nullptr
  // create, start, wait, remove: the exit status.
  Result<ExitStatus> run_container(ContainerSpec spec);
  size_t processes_left() const;  // in the cgroups of this scratch, monitors too

 private:
  std::string directory_, cgroup_root_;
  io::Loop loop_;
  std::unique_ptr<Runtime> runtime_;
};

}  // namespace kobuk::runtime::testing
