// Containers as the engine sees them. Each is a monitor process with a folder; this side only talks to it.
//
//   KOBUK_TRY(auto runtime, Runtime::open(loop, {.directory = "/run/kobuk/default/containers", …}));
//   KOBUK_CO_TRY(auto c, co_await runtime->create(spec));       // namespaces exist, c->state().pid is known
//   attach_network(c->namespace_path(NamespaceKind::kNetwork));
//   KOBUK_CO_CHECK(co_await c->start());
//   KOBUK_CO_TRY(ExitStatus end, co_await c->wait());
//   KOBUK_CO_CHECK(co_await c->remove());
//
// The daemon may die at any time: containers go on, and adopt() finds them again. A monitor that died takes
// its container with it; that container's state is then stopped, exit code 137, error "monitor lost".
//
// Loop thread only. A Container must outlive the tasks of its members; Exec and Attachment stand for
// themselves. Errors: kNotFound (no such file, user, process), kFailedPrecondition (wrong phase, says which),
// kInvalid (spec), kUnsupported (host), kUnavailable (the monitor is gone).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "io/loop.h"
#include "io/stream.h"
#include "runtime/spec.h"
#include "runtime/state.h"
#include "sys/cgroup.h"
#include "sys/host_facts.h"

namespace kobuk::runtime {

class Container;
class Channel;
class SeccompCache;
struct Plan;
struct Request;

struct ExitStatus {
  int code = 0;  // 128 + signal when killed
  int signal = 0;
  bool oom_killed = false;
  WallTime finished{};
  std::string error;
};

struct ExecSpec {
  Process process;  // rlimits, capabilities, user, terminal as for a container
  std::optional<sys::SeccompProfile> seccomp;
  bool stdin_open = false;
  bool stdout_open = true;
  bool stderr_open = true;
};

// A process that was started in a running container. Destroying it leaves the process alone and closes the
// streams.
class Exec {
 public:
  ~Exec();
  int pid() const { return pid_; }  // on the host
  // nullptr where not asked for. With a terminal `in` and `out` are both the terminal and `err` is nullptr:
  // use out.
  io::Stream* in() { return in_.get(); }
  io::Stream* out() { return out_.get(); }
  io::Stream* err() { return err_.get(); }
  void close_in() { in_.reset(); }
  io::Task<Result<ExitStatus>> wait();  // may be asked again and again
  Result<void> resize(ConsoleSize size);
  Result<void> signal(int signal);

 private:
  friend class Container;
  struct Ending;
  Exec() = default;
  static io::Task<void> await_end(std::shared_ptr<Channel> channel, std::shared_ptr<Ending> ending);
  int pid_ = 0;
  std::unique_ptr<io::Stream> in_, out_, err_;
  std::shared_ptr<Channel> channel_;
  std::shared_ptr<Ending> ending_;
  sys::UniqueFd terminal_;
};

// A client of the container's own standard streams. What was written before is in the log.
class Attachment {
 public:
  struct Chunk {
    bool is_stderr = false;
    std::string bytes;
  };
  ~Attachment();
  // nullopt: the container's output has ended.
  io::Task<Result<std::optional<Chunk>>> read();
  io::Task<Result<void>> write(std::string bytes);  // standard input
  Result<void> close_stdin();
  void close();  // detaches

 private:
  friend class Container;
  Attachment() = default;
  std::shared_ptr<Channel> channel_;
};

class Runtime {
 public:
  struct Options {
    std::string directory;      // one folder per container, mode 0700; on a tmpfs, by preference
    std::string cgroup_root;    // "/kobuk-default": monitors live in <root>/monitors
    std::string seccomp_cache;  // folder of compiled filters; empty: memory only
  };
  // kFailedPrecondition: this process is in a chroot.
  static Result<std::unique_ptr<Runtime>> open(io::Loop& loop, Options options);
  ~Runtime();

  const sys::HostFacts& facts() const { return facts_; }
  // Makes <directory>/<id>, starts a monitor, and returns when the container's namespaces, mounts and cgroup
  // stand and its init waits for start(). On an error nothing is left. kAlreadyExists when the folder does.
  io::Task<Result<std::unique_ptr<Container>>> create(ContainerSpec spec);
  // Finds a container of an earlier daemon again, whatever happened to it. kNotFound when there is no such
  // folder; any other error: it may live, and nothing of it is touched.
  io::Task<Result<std::unique_ptr<Container>>> adopt(std::string id);
  // The ids of all folders.
  Result<std::vector<std::string>> list() const;
  // Removes what is left of the profile's cgroups once all containers are removed.
  Result<void> remove_cgroups();

 private:
  friend class Container;
  Runtime(io::Loop& loop, Options options, sys::HostFacts facts);
  struct Launch;
  Result<Launch> launch(const std::string& directory, const Plan& plan);
  io::Loop& loop_;
  Options options_;
  sys::HostFacts facts_;
  std::unique_ptr<SeccompCache> seccomp_;
  sys::UniqueFd monitor_;   // the sealed program
  sys::UniqueFd monitors_;  // the v2 cgroup of all monitors, where there is one
};

class Container {
 public:
  ~Container();  // lets go of the monitor; the container goes on
  const std::string& id() const { return id_; }
  const std::string& directory() const { return directory_; }
  const ContainerState& state() const { return state_; }  // kept up to date by the monitor's events
  // "/proc/<pid>/ns/net": to join or to configure. Valid while the container lives.
  std::string namespace_path(NamespaceKind kind) const;

  io::Task<Result<void>> start();
  // kFailedPrecondition when it does not run. all: every process of the container.
  io::Task<Result<void>> signal(int signal, bool all = false);
  // Returns once it is stopped, its output is in the log and its state is written.
  io::Task<Result<ExitStatus>> wait();
  io::Task<Result<std::unique_ptr<Exec>>> exec(ExecSpec spec);
  struct AttachOptions {
    bool in = false;
    bool out = true;
    bool err = true;
  };
  io::Task<Result<std::unique_ptr<Attachment>>> attach(AttachOptions options);
  io::Task<Result<void>> resize(ConsoleSize size);
  io::Task<Result<void>> reopen_log();  // after somebody renamed it
  io::Task<Result<void>> pause();
  io::Task<Result<void>> resume();
  io::Task<Result<void>> update(sys::CgroupLimits limits);
  io::Task<Result<sys::CgroupStats>> stats();
  // Kills what still runs, ends the monitor, removes the cgroup and the folder. Other folders of the caller
  // (overlay upper, logs) are the caller's. Doing it twice is fine.
  io::Task<Result<void>> remove();
  // Called after every change of state(); one listener.
  void on_change(std::function<void(const ContainerState&)> listener) { listener_ = std::move(listener); }

 private:
  friend class Runtime;
  Container(Runtime& runtime, std::string id);
  io::Task<Result<void>> request(Request request);
  Result<std::shared_ptr<Channel>> open_channel(std::string_view what);
  io::Task<Result<void>> freeze(bool frozen);
  void take_state(ContainerState state);
  io::Task<void> clean_up_lost();  // of a container whose monitor died: takes its processes with it
  void follow_events(std::shared_ptr<Channel> events);
  static io::Task<void> follow(std::shared_ptr<Channel> events, std::shared_ptr<Container*> self);

  Runtime& runtime_;
  std::string id_;
  std::string directory_;
  ContainerState state_;
  std::shared_ptr<Channel> channel_;  // the connection that carries events
  std::shared_ptr<Container*> self_;  // null inside once this is gone
  io::Event stopped_;
  std::function<void(const ContainerState&)> listener_;
};

}  // namespace kobuk::runtime
