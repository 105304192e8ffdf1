// Core: what a container's life is, once, for both doors. Internal to the room; engine.h is the seam.
//
//   KOBUK_CO_TRY(EntryPtr entry, co_await core.create(record));
//   KOBUK_CO_CHECK(co_await core.start(entry));
//   KOBUK_CO_TRY(int64_t code, co_await core.wait(entry, WaitFor::kNotRunning, cancel));
//
// Operations on one container take turns; signals and waiting do not. An Entry stays valid for whoever holds it, also
// after its removal (removed is then true). Loop thread only.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/events.h"
#include "engine/record.h"
#include "engine/records.h"
#include "engine/turnstile.h"
#include "image/images.h"
#include "network/networks.h"
#include "runtime/container.h"

namespace kobuk::engine {

// Somebody who waits for the container's streams before it runs.
struct PendingAttach {
  explicit PendingAttach(io::Loop& loop) : ready(loop) {}
  runtime::Container::AttachOptions options;
  std::unique_ptr<runtime::Attachment> attachment;
  std::optional<Error> error;
  io::Event ready;
};

// An exec of the Docker API: made, started, and asked about afterwards.
struct ExecEntry {
  explicit ExecEntry(io::Loop& loop) : changed(loop) {}
  std::string id, container_id;
  std::vector<std::string> args, env;
  std::string user, cwd, detach_keys;
  bool tty = false, privileged = false, in = false, out = false, err = false;
  uint16_t columns = 0, rows = 0;
  std::shared_ptr<runtime::Exec> live;  // while it runs
  bool started = false, running = false;
  int pid = 0;
  std::optional<int> exit_code;
  io::Event changed;
};
using ExecPtr = std::shared_ptr<ExecEntry>;

struct HealthState {
  std::string status;  // "starting", "healthy", "unhealthy"; empty: no check
  int64_t failing_streak = 0;
  struct Probe {
    WallTime start{}, end{};
    int64_t exit_code = 0;
    std::string output;
  };
  std::vector<Probe> log;  // the last five
};

struct Entry {
  Entry(io::Loop& loop, ContainerRecord r) : record(std::move(r)), changed(loop), turnstile(loop) {}
  ContainerRecord record;
  StatusRecord status;
  std::unique_ptr<runtime::Container> live;  // while it has a monitor
  std::string unadopted;                     // why it is left alone: it may well run, but can't be talked to
  io::Event changed;                         // set after every change of status, exits and removed
  Turnstile turnstile;
  uint64_t exits = 0;
  bool removed = false;
  Duration backoff{};
  io::Loop::TimerId restart_timer = 0;
  std::vector<std::shared_ptr<PendingAttach>> pending;
  std::map<std::string, ExecPtr> execs;
  HealthState health;
  uint64_t run = 0;  // how often it was started: tells a health check that its run is over

  bool running() const { return status.status == Status::kRunning || status.status == Status::kPaused; }
};
using EntryPtr = std::shared_ptr<Entry>;
// For whoever had to wait: kNotFound "No such container: x" when it was removed meanwhile.
Result<void> still_there(const Entry& entry);
// kFailedPrecondition for one that open() had to leave alone.
Result<void> adopted(const Entry& entry);

enum class WaitFor : uint8_t { kNotRunning, kNextExit, kRemoved };
struct RemoveOptions {
  bool force = false;
  bool volumes = false;  // its anonymous volumes too
};

class Core {
 public:
  static io::Task<Result<std::unique_ptr<Core>>> open(io::Loop& loop, EngineOptions options);
  ~Core();

  io::Loop& loop() { return loop_; }
  const EngineOptions& options() const { return options_; }
  image::Images& images() { return *images_; }
  network::Networks& networks() { return *networks_; }
  runtime::Runtime& runtime() { return *runtime_; }
  EventHub& events() { return events_; }
  Records& records() { return records_; }
  const std::string& id() const { return id_; }  // of this engine, the same for ever

  // Containers (container_create.cc, container_lifecycle.cc, core_open.cc).
  const std::map<std::string, EntryPtr>& entries() const { return entries_; }
  // By id, name (with or without '/'), or an unambiguous prefix of an id. kNotFound "No such container: x".
  Result<EntryPtr> find(std::string_view reference) const;
  io::Task<Result<EntryPtr>> create(ContainerRecord record);
  io::Task<Result<void>> start(EntryPtr entry);  // of what runs: nothing happens
  io::Task<Result<void>> stop(EntryPtr entry, std::optional<int> signal, std::optional<Duration> timeout);
  io::Task<Result<void>> kill(EntryPtr entry, int signal);
  io::Task<Result<void>> restart(EntryPtr entry, std::optional<int> signal, std::optional<Duration> timeout);
  io::Task<Result<void>> remove(EntryPtr entry, RemoveOptions options);
  io::Task<Result<void>> pause(EntryPtr entry);
  io::Task<Result<void>> resume(EntryPtr entry);
  io::Task<Result<void>> rename(EntryPtr entry, std::string name);
  struct Update {
    sys::CgroupLimits limits;  // those that are set change
    std::optional<RestartMode> restart;
    int64_t restart_tries = 0;
  };
  io::Task<Result<void>> update(EntryPtr entry, Update update);
  // kCancelled when `cancel` was; the exit code otherwise. kNextExit: the first after `exits` (Entry::exits as it was).
  io::Task<Result<int64_t>> wait(EntryPtr entry, WaitFor condition, uint64_t exits, io::CancelToken cancel);
  // Of one that does not run yet: has a place in line from now on, is ready when it runs, and misses nothing.
  std::shared_ptr<PendingAttach> await_start(EntryPtr entry, runtime::Container::AttachOptions options);
  io::Task<Result<std::unique_ptr<runtime::Attachment>>> attach(EntryPtr entry, runtime::Container::AttachOptions options);
  // kFailedPrecondition "container x is not running" when it does not.
  Result<runtime::Container*> running(const EntryPtr& entry) const;

  // Exec (container_exec.cc).
  Result<ExecPtr> create_exec(const EntryPtr& entry, std::shared_ptr<ExecEntry> exec);
  Result<ExecPtr> find_exec(const std::string& id) const;
  io::Task<Result<std::shared_ptr<runtime::Exec>>> start_exec(ExecPtr exec);
  // As any other process of the container would be: its user, capabilities, limits.
  Result<runtime::ExecSpec> exec_spec(const Entry& entry, std::vector<std::string> args) const;

  // Networks (core_networks.cc).
  const std::map<std::string, NetworkRecord>& network_records() const { return network_records_; }  // by id
  Result<NetworkRecord> find_network(std::string_view reference) const;  // kNotFound "network x not found"
  io::Task<Result<NetworkRecord>> create_network(NetworkRecord record);
  io::Task<Result<void>> remove_network(std::string reference);
  io::Task<Result<void>> connect(EntryPtr entry, EndpointRecord endpoint);
  io::Task<Result<void>> disconnect(EntryPtr entry, std::string network, bool force);
  std::vector<EntryPtr> attached_to(const std::string& network) const;

  // Volumes (core_volumes.cc).
  const std::map<std::string, VolumeRecord>& volumes() const { return volumes_; }
  std::string volume_path(const std::string& name) const;
  io::Task<Result<VolumeRecord>> create_volume(VolumeRecord record);  // an existing one of that name is fine
  io::Task<Result<void>> remove_volume(std::string name, bool force);
  std::vector<EntryPtr> volume_users(const std::string& name) const;

  // The container's file system as it sees it, running or not, and where a path leads that lies in a mount.
  struct View {
    sys::UniqueFd root;      // a folder
    std::string path;        // below root
    bool readonly = false;
  };
  io::Task<Result<View>> view(EntryPtr entry, std::string path);
  // Its own root, running or not, without what is mounted in it.
  io::Task<Result<sys::UniqueFd>> root_alone(EntryPtr entry);

  void spawn(io::Task<void> task) { tasks_.spawn(std::move(task)); }  // ends with the core at the latest
  std::string uploads_directory() const { return cat(options_.directory, "/uploads"); }  // empty at open()
  std::string files_directory(const std::string& id) const { return records_.container_directory(id); }
  void publish(const Entry& entry, std::string action, std::map<std::string, std::string> more = {});

  io::Task<Result<void>> stop_everything(Duration grace);
  io::Task<Result<void>> remove_everything();

 private:
  Core(io::Loop& loop, EngineOptions options);
  // core_open.cc
  Result<void> open_rooms();
  io::Task<Result<void>> load();
  io::Task<Result<void>> adopt(EntryPtr entry);
  io::Task<void> start_by_policy(std::vector<EntryPtr> entries);
  Result<void> load_engine_id();

  // container_lifecycle.cc
  io::Task<Result<void>> start_locked(EntryPtr entry);
  io::Task<Result<void>> bring_up(EntryPtr entry);
  io::Task<void> take_down(EntryPtr entry);  // what runs of it; its record stays
  io::Task<void> watch(EntryPtr entry);
  io::Task<void> ended(EntryPtr entry, runtime::ExitStatus status);
  io::Task<void> stop_one(EntryPtr entry, Duration grace);
  bool policy_wants(const Entry& entry, bool at_open) const;
  void schedule_restart(EntryPtr entry);
  io::Task<void> restart_now(EntryPtr entry);
  io::Task<void> auto_remove(EntryPtr entry);
  io::Task<Result<void>> remove_locked(EntryPtr entry, RemoveOptions options);
  io::Task<bool> wait_exit(EntryPtr entry, uint64_t exits, Duration limit);  // false: it still runs
  void set_status(Entry& entry, Status status);
  void save_status(Entry& entry);
  void cancel_restart(Entry& entry);

  // container_view.cc
  io::Task<Result<sys::UniqueFd>> overlay_of(EntryPtr entry);

  // container_health.cc
  io::Task<void> check_health(EntryPtr entry, uint64_t run);
  io::Task<void> probe(EntryPtr entry, uint64_t run);

  // container_files.cc: resolv.conf, hosts and hostname
  Result<void> write_files(const Entry& entry);
  Result<void> write_hosts(const Entry& entry);
  void refresh_hosts(const std::string& network);

  // core_networks.cc
  io::Task<Result<void>> attach_networks(EntryPtr entry);
  io::Task<void> detach_networks(EntryPtr entry);
  io::Task<Result<EndpointRecord>> attach_one(EntryPtr entry, EndpointRecord endpoint, std::vector<network::PortMapping> ports);
  Result<void> open_networks();
  Result<std::string> free_subnet() const;
  Result<void> ensure(const NetworkRecord& record);
  std::string bridge_name(const NetworkRecord& record) const;

  // core_volumes.cc
  io::Task<Result<std::map<std::string, std::string>>> prepare_volumes(EntryPtr entry, std::vector<std::string> layers);
  io::Task<void> remove_anonymous_volumes(std::vector<std::string> names);

  struct Joined;
  Result<runtime::ContainerSpec> spec_of(const Entry& entry, std::vector<std::string> layers,
                                         const std::map<std::string, std::string>& volumes) const;

  io::Loop& loop_;
  EngineOptions options_;
  std::string id_;
  Records records_;
  EventHub events_;
  std::unique_ptr<runtime::Runtime> runtime_;
  std::unique_ptr<image::Images> images_;
  std::unique_ptr<network::Networks> networks_;
  std::map<std::string, EntryPtr> entries_;                    // by id
  std::map<std::string, std::string, std::less<>> names_;      // name → id; reserved while one is being made
  std::map<std::string, NetworkRecord> network_records_;
  Turnstile networks_made_;  // one at a time: each must see the names and subnets of those before
  std::map<std::string, VolumeRecord> volumes_;
  bool stopping_ = false;  // nothing is restarted
  bool closing_ = false;   // nothing is made or started any more
  io::TaskGroup tasks_;  // last: its tasks use the members above
};

}  // namespace kobuk::engine
