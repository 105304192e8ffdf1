// FakeCri: an engine in memory, in the loop's time. What containers do is scripted by their name.
//
//   FakeCri cri(loop);
//   cri.images["nginx"] = {.id = "sha256:1"};
//   cri.scripts["job"] = {.runs_for = 2s, .exit_code = 1};
//   cri.on_exec = [](auto& container, auto& command) { return ExecResult{.exit_code = 0}; };
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/cri.h"

namespace kobuk::node {

struct FakeScript {
  Duration runs_for{};          // 0: until it is stopped
  int32_t exit_code = 0;        // when it ends by itself
  Duration stops_after{};       // of the stop signal; longer than the timeout: killed
  int32_t stop_exit_code = 0;
  std::string message;          // written to its termination message file when it ends
  std::string start_error, create_error, stop_error;
};

class FakeCri final : public engine::Cri {
 public:
  explicit FakeCri(io::Loop& loop) : loop_(loop), changed_(loop) {}
  ~FakeCri() override;

  std::map<std::string, engine::CriImage> images;    // by name and by id
  std::map<std::string, std::string> registry;       // name → id of what can be pulled
  std::map<std::string, FakeScript> scripts;         // by container name
  std::function<Result<engine::ExecResult>(const engine::ContainerStatus&, const std::vector<std::string>&)> on_exec;
  std::string sandbox_error;                         // run_pod_sandbox fails with it
  Duration pull_time{};

  // What happened, in order: "run web", "start web/app#0", "stop web/app#0 30s", "pull nginx" …
  std::vector<std::string> calls;
  size_t count(std::string_view prefix) const;
  const engine::ContainerStatus* container(std::string_view name) const;     // the newest
  const engine::ContainerConfig* config(std::string_view name) const;        // of the newest
  std::vector<engine::PodSandboxStatus> sandboxes() const;
  size_t containers_left() const { return containers_.size(); }
  void end(const std::string& name, int32_t exit_code);  // the running container of that name ends now
  void lose_sandboxes();                                 // as after a reboot: all end, none is ready
  bool away = false;                                     // lists fail, as of an engine that does not run
  void break_events();                                   // next_event() fails once

  io::Task<Result<std::string>> run_pod_sandbox(engine::PodSandboxConfig config) override;
  io::Task<Result<void>> stop_pod_sandbox(std::string id) override;
  io::Task<Result<void>> remove_pod_sandbox(std::string id) override;
  io::Task<Result<engine::PodSandboxStatus>> pod_sandbox_status(std::string id) override;
  io::Task<Result<std::vector<engine::PodSandboxStatus>>> list_pod_sandboxes() override;
  io::Task<Result<std::string>> create_container(std::string sandbox, engine::ContainerConfig config,
                                                 engine::PodSandboxConfig sandbox_config) override;
  io::Task<Result<void>> start_container(std::string id) override;
  io::Task<Result<void>> stop_container(std::string id, Duration timeout) override;
  io::Task<Result<void>> remove_container(std::string id) override;
  io::Task<Result<engine::ContainerStatus>> container_status(std::string id) override;
  io::Task<Result<std::vector<engine::ContainerStatus>>> list_containers() override;
  io::Task<Result<void>> update_container_resources(std::string id, engine::CriResources resources) override;
  io::Task<Result<void>> reopen_container_log(std::string id) override;
  io::Task<Result<engine::CriStats>> container_stats(std::string id) override;
  io::Task<Result<engine::ExecResult>> exec_sync(std::string id, std::vector<std::string> command, Duration timeout) override;
  io::Task<Result<std::unique_ptr<engine::CriProcess>>> exec(std::string id, std::vector<std::string> command, bool tty,
                                                             bool in, bool out, bool err) override;
  io::Task<Result<std::unique_ptr<engine::CriProcess>>> attach(std::string id, bool tty, bool in, bool out, bool err) override;
  io::Task<Result<std::unique_ptr<io::Stream>>> port_forward(std::string sandbox, uint16_t port) override;
  io::Task<Result<std::string>> pull_image(std::string image, std::string credentials_json) override;
  io::Task<Result<std::optional<engine::CriImage>>> image_status(std::string image) override;
  io::Task<Result<std::vector<engine::CriImage>>> list_images() override;
  io::Task<Result<void>> remove_image(std::string image) override;
  io::Task<Result<engine::CriEvent>> next_event() override;

 private:
  struct Container {
    engine::ContainerStatus status;
    engine::ContainerConfig config;
    std::string title;
    io::Loop::TimerId timer = 0;
    std::shared_ptr<io::Event> ended;
  };
  void finish(Container& container, int32_t exit_code);
  void tell(const std::string& sandbox, const std::string& container);
  Container* find(const std::string& id);

  io::Loop& loop_;
  io::Event changed_;
  std::deque<engine::CriEvent> events_;
  std::map<std::string, engine::PodSandboxStatus> sandboxes_;
  std::map<std::string, Container> containers_;
  bool broken_ = false;
  int next_ = 1;
};

}  // namespace kobuk::node
