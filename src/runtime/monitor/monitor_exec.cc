// Further processes in the container. Nothing here waits: what a child says is an event like any other.
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>

#include "runtime/monitor/monitor.h"
#include "sys/file.h"

namespace kobuk::runtime {

Monitor::Exec* Monitor::exec_of(const Client& client) {
  for (auto& exec : execs_)
    if (exec->client == &client) return exec.get();
  return nullptr;
}

Result<void> Monitor::exec(Client& client, const Request& request, std::vector<sys::UniqueFd> fds) {
  if (state_.phase != Phase::kRunning && state_.phase != Phase::kCreated)
    return fail(Code::kFailedPrecondition, "the container is ", phase_name(state_.phase), ", not running");
  if (ended_) return fail(Code::kFailedPrecondition, "the container has ended");
  if (exec_of(client) != nullptr)
    return fail(Code::kFailedPrecondition, "this connection has its process already");
  if (fds.empty()) return fail(Code::kDataLoss, "an exec without its plan");
  size_t given = 1 + (request.in ? 1 : 0) + (request.out ? 1 : 0) + (request.err ? 1 : 0);
  if (fds.size() != given) return fail(Code::kDataLoss, "an exec with ", fds.size(), " descriptors");
  KOBUK_TRY(std::string bytes, sys::read_all(fds[0].get(), "the process plan"));
  KOBUK_TRY(ProcessPlan process, decode_process(bytes));
  size_t next = 1;
  auto stream = [&](bool wanted) { return wanted ? fds[next++].get() : -1; };
  Streams streams;
  if (!process.terminal) {
    streams.in = stream(request.in);
    streams.out = stream(request.out);
    streams.err = stream(request.err);
  }
  client.execs = true;
  KOBUK_TRY(Born born, bear_exec(process, plan_.cgroup, init_.pidfd.get(), streams));
  auto exec = std::make_unique<Exec>();
  exec->born = std::move(born);
  exec->client = &client;
  exec->size = process.console;
  KOBUK_CHECK(sys::set_nonblocking(exec->born.gate.get()));
  Exec* e = exec.get();
  execs_.push_back(std::move(exec));
  KOBUK_CHECK(poller_.watch(e->born.gate.get(), EPOLLIN, [this, e](uint32_t) { exec_speaks(*e); }));
  return poller_.watch(e->born.pidfd.get(), EPOLLIN, [this, e](uint32_t) { exec_ended(*e); });
}

// The process that is to run the program has been born: it is the one to watch now, and the one that bore it ends.
Result<void> Monitor::exec_is_ready(Exec& exec) {
  if (exec.started) return fail(Code::kInternal, "the process was ready twice");
  if (exec.born.parent == 0) return fail(Code::kInternal, "the process was ready before there was another to run the program");
  exec.started = true;
  Exec* e = &exec;
  KOBUK_CHECK(poller_.watch(exec.born.pidfd.get(), EPOLLIN, [this, e](uint32_t) { exec_ended(*e); }));
  pid_t parent = exec.born.parent;
  parents_.push_back({parent, std::move(exec.born.parent_pidfd)});
  KOBUK_CHECK(poller_.watch(parents_.back().pidfd.get(), EPOLLIN, [this, parent](uint32_t) {
    if (waitpid(parent, nullptr, WNOHANG) != parent) return;
    std::erase_if(parents_, [&](sys::Cloned& p) {
      if (p.pid == parent) poller_.unwatch(p.pidfd.get());
      return p.pid == parent;
    });
  }));
  if (exec.born.terminal && (exec.size.columns != 0 || exec.size.rows != 0)) {
    winsize window{exec.size.rows, exec.size.columns, 0, 0};
    ioctl(exec.born.terminal.get(), TIOCSWINSZ, &window);
  }
  return send_go(exec.born);
}

void Monitor::exec_speaks(Exec& exec, bool ended) {
  auto word = hear(exec.born);
  bool silent = !word && word.error().system_errno() == EAGAIN;
  if (silent && !ended) return;
  // The process that bore it may hold a copy of the gate a little longer than a short program runs.
  if (silent) word = Word::kEnd;
  if (word && *word == Word::kReady) {
    auto sent = exec_is_ready(exec);
    if (sent) return;
    word = fail(std::move(sent).error());
  }
  poller_.unwatch(exec.born.gate.get());
  exec.born.gate.reset();
  if (word && exec.started) {
    if (exec.client == nullptr) return;
    std::vector<int> fds;
    if (exec.born.terminal) fds.push_back(exec.born.terminal.get());
    send(*exec.client, Reply{.kind = Reply::Kind::kStarted, .number = exec.born.pid}, fds);
    exec.born.terminal.reset();
    drop_gone();
    return;
  }
  Error error =
      word ? Error(Code::kUnavailable, "the process ended before it was started: the container is ending")
           : word.error();
  if (exec.client != nullptr) send(*exec.client, error_reply(error));
  exec.client = nullptr;
  drop_gone();
}

void Monitor::exec_ended(Exec& exec) {
  if (exec.born.gate) exec_speaks(exec);  // its last word comes first
  int status = 0;
  if (waitpid(exec.born.pid, &status, WNOHANG) != exec.born.pid) return;
  if (exec.born.gate) exec_speaks(exec, true);
  if (exec.client != nullptr) {
    Reply reply{.kind = Reply::Kind::kEnded, .number = sys::exit_code_of(status)};
    reply.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    reply.time = system_clock().wall();
    send(*exec.client, reply);
  }
  drop_exec(exec);
  drop_gone();
  end_if_done();
}

void Monitor::drop_exec(Exec& exec) {
  if (exec.born.gate) poller_.unwatch(exec.born.gate.get());
  poller_.unwatch(exec.born.pidfd.get());
  std::erase_if(execs_, [&](auto& e) { return e.get() == &exec; });
}

}  // namespace kobuk::runtime
