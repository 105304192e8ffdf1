// Monitor: the process that stays with one container from its birth to its end, whatever becomes of the
// daemon. It owns the container's streams, log and exit status, and serves runtime/protocol.h on a socket in
// the container's folder. It ends by itself when the container has ended, its output is in the log and its
// state is written.
//
// Single thread. Files: monitor.cc (life), monitor_streams.cc (stdio), monitor_clients.cc (requests),
// monitor_exec.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/monitor/birth.h"
#include "runtime/monitor/log_file.h"
#include "runtime/monitor/poller.h"
#include "runtime/protocol.h"
#include "runtime/state.h"
#include "sys/process.h"

namespace kobuk::runtime {

class Monitor {
 public:
  // `daemon`: the connection on which the creator waits for kState or kError.
  Monitor(Plan plan, std::string directory, sys::UniqueFd daemon);
  ~Monitor();
  int run();

 private:
  struct Client {
    sys::UniqueFd socket;
    bool follows = false;
    bool execs = false;  // its signals are for its process, ended or not
    bool attached = false, wants_out = false, wants_err = false, gives_in = false;
    std::string unsent;  // one packet that its socket had no room for
    bool gone = false;
  };
  struct Exec {
    Born born;
    Client* client = nullptr;  // nullptr: it left
    bool started = false;
    ConsoleSize size;
  };
  struct Output {
    sys::UniqueFd fd;
    LogStream stream = LogStream::kStdout;
  };

  // monitor.cc
  Result<void> launch();
  void rest();
  Result<void> make_streams(Streams& theirs, std::vector<sys::UniqueFd>& child_ends);
  Result<void> watch_all();
  void watch_memory();
  void memory_event();
  bool oom_happened() const;
  void init_ended();
  void stop_waiting();
  void end_if_done();
  void save_state();
  void set_phase(Phase phase);

  // monitor_streams.cc
  void output_ready(Output& output);
  void output_ended(Output& output);
  void broadcast(LogStream stream, std::string_view bytes);
  void hold_outputs();
  void take_input(std::string_view bytes);
  void flush_input();
  void close_input();
  int input_fd() const { return terminal_ ? terminal_.get() : stdin_.get(); }

  // monitor_clients.cc
  void accept_clients();
  void add_client(sys::UniqueFd socket);
  void client_ready(Client& client, uint32_t events);
  void client_left(Client& client);
  void drop_gone();
  void watch_client(Client& client);
  Result<void> serve(Client& client, const Request& request, std::vector<sys::UniqueFd> fds);
  Result<void> start();
  Result<void> freeze(const Request& request);
  void send(Client& client, const Reply& reply, const std::vector<int>& fds = {});
  void send_state(Client& client);

  // monitor_exec.cc
  Result<void> exec(Client& client, const Request& request, std::vector<sys::UniqueFd> fds);
  void exec_speaks(Exec& exec, bool ended = false);  // ended: nothing more can come
  Result<void> exec_is_ready(Exec& exec);
  void exec_ended(Exec& exec);
  void drop_exec(Exec& exec);
  Exec* exec_of(const Client& client);

  Plan plan_;
  std::string directory_;
  sys::UniqueFd daemon_;
  Poller poller_;
  LogFile log_;
  ContainerState state_;
  Born init_;
  sys::UniqueFd listener_, memory_;
  sys::UniqueFd stdin_, terminal_;
  std::string unwritten_;  // input that the container has not taken yet
  bool close_input_ = false;
  bool started_ = false, ended_ = false;
  std::vector<std::unique_ptr<Output>> outputs_;
  std::vector<std::unique_ptr<Client>> clients_;
  std::vector<std::unique_ptr<Exec>> execs_;
  std::vector<sys::Cloned> parents_;  // that bore a process and are about to end
};

}  // namespace kobuk::runtime
