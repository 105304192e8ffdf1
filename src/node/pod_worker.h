// PodWorker: brings one pod, once bound to this node, through its life. It sleeps until something that concerns the pod
// has happened (the Pod, its ConfigMaps and Secrets, a container, a probe, a pull, a timer), looks at everything, and does
// the next steps. What takes long (pulls, hooks, kills, status writes) runs beside it and wakes it.
//
//   sync     pod_sync.cc       volumes, cgroup, sandbox, what compute_actions() says
//   start    container_start.cc   image, configuration, create, start, postStart
//   end      pod_end.cc        preStop, stop, status, deletion, removal of everything
//   status   pod_worker.cc
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "node/actions.h"
#include "node/backoff.h"
#include "node/kubelet_context.h"
#include "node/probes.h"
#include "node/status.h"
#include "node/volumes.h"

namespace kobuk::node {

class PodWorker {
 public:
  // on_finished: nothing of the pod is left; the worker may be destroyed on a later turn.
  PodWorker(KubeletContext& context, PodPtr pod, std::function<void()> on_finished);
  ~PodWorker();
  PodWorker(const PodWorker&) = delete;

  void update(PodPtr pod);  // as the cluster has it now
  void gone();              // the cluster has it no more
  void wake();
  const core::Pod& pod() const { return *pod_; }

 private:
  struct Start {  // of one container, between attempts
    PullWait pull;
    std::string image_id;           // pulled for the next attempt
    bool pull_failed = false;
    WallTime failed_at{};           // of the last pull
    std::string pull_error;
    WallTime not_before{};          // of the next try after an error
    bool backoff_told = false;
  };
  struct Kill {
    WallTime deadline;
  };

  io::Task<void> run();
  io::Task<bool> sync();  // true: finished
  // pod_sync.cc
  io::Task<void> sync_running();
  bool subscribe();  // false: some object is not known yet
  PodObjects objects() const;
  io::Task<bool> prepare_volumes();
  io::Task<Result<VolumeTokens>> fetch_tokens(core::Volume volume);
  io::Task<Result<void>> prepare_cgroup();
  io::Task<bool> prepare_sandbox(PodActions actions);  // false: later
  io::Task<void> stop_sandboxes();
  io::Task<void> apply(PodActions actions);
  void check_deadline();
  void check_supported();
  ActionInput action_input() const;
  // container_start.cc
  io::Task<void> start_container(ContainerStart which);
  enum class ImageState : uint8_t { kReady, kPending };
  io::Task<ImageState> ensure_image(core::Container container, Start& start);
  void begin_pull(const core::Container& container, Start& start);
  void finish_pull(const core::Container& container, Start& start);
  bool in_crash_backoff(const core::Container& container, Start& start);
  io::Task<Result<std::vector<engine::CriMount>>> make_mounts(core::Container container, Environment environment,
                                                              uint32_t attempt, std::vector<std::string> ips);
  io::Task<Result<engine::ContainerConfig>> configure(core::Container container, uint32_t attempt, std::string image);
  io::Task<void> post_start(core::Container container, std::string id);
  io::Task<void> remove_old_attempts(std::string name);
  void start_failed(const core::Container& container, Start& start, const std::string& reason, const std::string& message);
  // pod_end.cc
  void kill_container(const engine::ContainerStatus& status, WallTime deadline, std::string message);
  io::Task<void> run_kill(std::string id, std::string name, WallTime deadline, bool hook);
  io::Task<void> run_stop(std::string id, WallTime deadline);
  void kill_running(WallTime deadline);
  bool ending() const;
  io::Task<bool> sync_ending();
  io::Task<void> delete_pod();
  io::Task<bool> remove_everything();
  // pod_worker.cc
  void event(std::string_view container, std::string_view type, std::string_view reason, std::string message);
  void update_status();
  void read_messages();
  io::Task<void> send_status();
  bool status_sent() const;
  void wake_in(Duration delay);
  const PodRuntime& runtime() const { return context_.runtime.of(uid_); }
  std::string directory() const { return pod_directory(context_.config, uid_); }
  std::string pod_ip() const;
  NodeIdentity identity() const;
  void take(PodPtr pod);

  KubeletContext& context_;
  PodPtr pod_;              // newest known, status too
  const std::string uid_;
  std::function<void()> on_finished_;
  io::Event wake_;
  MonoTime timer_at_{};
  io::Loop::TimerId timer_ = 0;

  bool gone_ = false, deleted_ = false, deleting_ = false, torn_down_ = false;
  std::string forced_reason_, forced_message_;  // the pod has failed as a whole
  std::optional<WallTime> end_by_;              // when what still runs is killed

  PodReferences subscribed_;
  std::map<std::string, ObjectSubscription<core::ConfigMap>> config_maps_;
  std::map<std::string, ObjectSubscription<core::Secret>> secrets_;
  std::map<std::string, VolumePlan> mounted_;   // as applied last
  struct Tokens {
    VolumeTokens tokens;
    WallTime refresh;
  };
  std::map<std::string, Tokens> tokens_;
  Duration mount_delay_{};
  std::string mount_error_;
  bool cgroup_ready_ = false;
  WallTime sandbox_not_before_{};

  Backoff backoff_;
  std::map<std::string, Start> starts_;
  std::map<std::string, WaitingReason> waiting_;
  std::map<std::string, std::string> messages_;  // termination messages by container id
  std::set<std::string> hooks_;                  // container ids whose postStart runs
  std::set<std::string> again_;                  // container ids that were killed so as to start again
  std::map<std::string, Kill> kills_;            // by container id

  std::optional<core::PodStatus> wanted_;
  std::string wanted_text_, sent_text_;
  bool sending_ = false;
  Duration send_delay_{};

  Probes probes_;
  io::TaskGroup tasks_;  // last: ends before what it uses
};

}  // namespace kobuk::node
