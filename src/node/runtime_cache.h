// What the engine says about pods: sandboxes and containers by pod, read once and then kept by the engine's events.
// Nothing is polled. Loop thread.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/cri.h"

namespace kobuk::node {

struct PodRuntime {
  std::vector<engine::PodSandboxStatus> sandboxes;  // newest first
  std::vector<engine::ContainerStatus> containers;  // newest first

  const engine::PodSandboxStatus* sandbox() const { return sandboxes.empty() ? nullptr : &sandboxes.front(); }
  // The newest container of that name; `sandbox`: only of this sandbox.
  const engine::ContainerStatus* latest(std::string_view name, std::string_view sandbox = {}) const;
  const engine::ContainerStatus* previous(std::string_view name) const;  // the one before latest()
  const engine::ContainerStatus* by_id(std::string_view id) const;
  bool any_running() const;
  bool empty() const { return sandboxes.empty() && containers.empty(); }
};

std::string_view container_name_of(const engine::ContainerStatus& status);

class RuntimeCache {
 public:
  explicit RuntimeCache(engine::Cri& cri) : cri_(&cri) {}
  io::Task<Result<void>> load();
  // Reads one container (or sandbox) again; the uid of its pod, empty when it was never known.
  io::Task<Result<std::string>> refresh(engine::CriEvent event);
  const PodRuntime& of(const std::string& uid) const;
  std::vector<std::string> uids() const;

 private:
  template <class Status>
  std::string erase(const std::string& id, std::vector<Status> PodRuntime::*list);
  void put_container(engine::ContainerStatus status);
  void put_sandbox(engine::PodSandboxStatus status);
  std::string erase_container(const std::string& id);
  std::string erase_sandbox(const std::string& id);
  bool newest(const std::string& id, uint64_t question);

  engine::Cri* cri_;
  std::map<std::string, PodRuntime> pods_;
  std::map<std::string, std::string> owner_;    // id of a container or sandbox → uid
  std::map<std::string, uint64_t> answered_;    // id → the latest question whose answer is in
  uint64_t next_question_ = 1;
};

}  // namespace kobuk::node
