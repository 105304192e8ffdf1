// The CRI over Core, in this process: a thin door. Internal to the room.
#pragma once

#include "engine/core.h"
#include "engine/cri.h"

namespace kobuk::engine {

class CriService final : public Cri {
 public:
  explicit CriService(Core& core) : core_(core) {}
  std::vector<PodSandboxStatus> sandboxes() const;  // as list_pod_sandboxes(), for who does not ask for events

  io::Task<Result<std::string>> run_pod_sandbox(PodSandboxConfig config) override;
  io::Task<Result<void>> stop_pod_sandbox(std::string id) override;
  io::Task<Result<void>> remove_pod_sandbox(std::string id) override;
  io::Task<Result<PodSandboxStatus>> pod_sandbox_status(std::string id) override;
  io::Task<Result<std::vector<PodSandboxStatus>>> list_pod_sandboxes() override;
  io::Task<Result<std::string>> create_container(std::string sandbox, ContainerConfig config, PodSandboxConfig sandbox_config) override;
  io::Task<Result<void>> start_container(std::string id) override;
  io::Task<Result<void>> stop_container(std::string id, Duration timeout) override;
  io::Task<Result<void>> remove_container(std::string id) override;
  io::Task<Result<ContainerStatus>> container_status(std::string id) override;
  io::Task<Result<std::vector<ContainerStatus>>> list_containers() override;
  io::Task<Result<void>> update_container_resources(std::string id, CriResources resources) override;
  io::Task<Result<void>> reopen_container_log(std::string id) override;
  io::Task<Result<CriStats>> container_stats(std::string id) override;
  io::Task<Result<ExecResult>> exec_sync(std::string id, std::vector<std::string> command, Duration timeout) override;
  io::Task<Result<std::unique_ptr<CriProcess>>> exec(std::string id, std::vector<std::string> command, bool tty, bool in, bool out, bool err) override;
  io::Task<Result<std::unique_ptr<CriProcess>>> attach(std::string id, bool tty, bool in, bool out, bool err) override;
  io::Task<Result<std::unique_ptr<io::Stream>>> port_forward(std::string sandbox, uint16_t port) override;
  io::Task<Result<std::string>> pull_image(std::string image, std::string credentials_json) override;
  io::Task<Result<std::optional<CriImage>>> image_status(std::string image) override;
  io::Task<Result<std::vector<CriImage>>> list_images() override;
  io::Task<Result<void>> remove_image(std::string image) override;
  io::Task<Result<CriEvent>> next_event() override;

 private:
  Result<EntryPtr> find(const std::string& id, Origin origin) const;
  ContainerStatus status_of(const Entry& entry) const;
  std::vector<EntryPtr> containers_of(const std::string& sandbox) const;

  Core& core_;
  std::unique_ptr<EventHub::Subscription> events_;  // from the first list on: one that nobody reads would only grow
};

}  // namespace kobuk::engine
