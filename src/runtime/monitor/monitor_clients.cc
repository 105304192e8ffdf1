// Connections of daemons: requests in, replies and events out.
#include <signal.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "runtime/monitor/monitor.h"

namespace kobuk::runtime {

void Monitor::accept_clients() {
  while (true) {
    sys::UniqueFd socket(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
    if (!socket) return;
    add_client(std::move(socket));
  }
}

void Monitor::add_client(sys::UniqueFd socket) {
  auto client = std::make_unique<Client>();
  client->socket = std::move(socket);
  (void)sys::set_nonblocking(client->socket.get());
  clients_.push_back(std::move(client));
  watch_client(*clients_.back());
}

void Monitor::watch_client(Client& client) {
  uint32_t events = client.gives_in && !unwritten_.empty() ? 0u : EPOLLIN;
  if (!client.unsent.empty()) events |= EPOLLOUT;
  Client* c = &client;
  if (!poller_.watch(client.socket.get(), events, [this, c](uint32_t ready) { client_ready(*c, ready); }))
    client.gone = true;
}

void Monitor::client_ready(Client& client, uint32_t events) {
  if ((events & EPOLLOUT) != 0 && !client.unsent.empty()) {
    auto sent = sys::send_packet(client.socket.get(), client.unsent);
    if (sent) {
      client.unsent = std::string();
      watch_client(client);
      hold_outputs();
      if (outputs_.empty() && client.attached) client.gone = true;
    } else if (sent.error().system_errno() != EAGAIN) {
      client.gone = true;
    }
  }
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0 && !client.gone) {
    auto packet = sys::receive_packet(client.socket.get(), kMaxMessage);
    if (!packet && packet.error().system_errno() == EAGAIN) return;
    if (!packet || packet->bytes.empty()) {
      client_left(client);
    } else {
      auto request = decode_request(packet->bytes);
      auto served =
          request ? serve(client, *request, std::move(packet->fds)) : Result<void>(fail(request.error()));
      if (!served) send(client, error_reply(served.error()));
    }
  }
  drop_gone();
  end_if_done();
}

void Monitor::client_left(Client& client) {
  client.gone = true;
  if (client.gives_in && plan_.stdin_once) close_input();
  if (Exec* exec = exec_of(client)) exec->client = nullptr;
}

void Monitor::drop_gone() {
  bool any = false;
  for (auto& client : clients_) {
    if (!client->gone) continue;
    any = true;
    poller_.unwatch(client->socket.get());
    if (Exec* exec = exec_of(*client)) exec->client = nullptr;
  }
  if (!any) return;
  std::erase_if(clients_, [](auto& c) { return c->gone; });
  hold_outputs();
}

void Monitor::send(Client& client, const Reply& reply, const std::vector<int>& fds) {
  // A follower that does not read its few small packets is not worth keeping.
  if (!client.gone && !sys::send_packet(client.socket.get(), encode(reply), fds)) client.gone = true;
}

void Monitor::send_state(Client& client) {
  Reply reply{.kind = Reply::Kind::kState};
  reply.bytes = encode_state(state_);
  send(client, reply);
}

Result<void> Monitor::serve(Client& client, const Request& request, std::vector<sys::UniqueFd> fds) {
  using Kind = Request::Kind;
  switch (request.kind) {
    case Kind::kFollow:
      client.follows = true;
      send_state(client);
      return {};
    case Kind::kExec:
      return exec(client, request, std::move(fds));
    case Kind::kAttach:
      if (ended_) return fail(Code::kFailedPrecondition, "the container has ended");
      if (request.in && !plan_.stdin_open)
        return fail(Code::kFailedPrecondition, "the container's standard input is not open");
      client.attached = true;
      client.wants_out = request.out;
      client.wants_err = request.err;
      client.gives_in = request.in;
      send(client, Reply{});
      return {};
    case Kind::kInput:
      if (client.gives_in) take_input(request.bytes);
      return {};
    case Kind::kCloseInput:
      if (client.gives_in && !terminal_) close_input();
      return {};
    case Kind::kSignal: {
      if (Exec* exec = exec_of(client)) (void)sys::send_signal(exec->born.pidfd.get(), request.signal);
      if (client.execs) return {};
      if (ended_) return fail(Code::kFailedPrecondition, "the container has ended");
      KOBUK_CHECK(sys::send_signal(init_.pidfd.get(), request.signal));
      break;
    }
    case Kind::kStart:
      KOBUK_CHECK(start());
      break;
    case Kind::kFreeze:
      KOBUK_CHECK(freeze(request));
      break;
    case Kind::kReopenLog:
      KOBUK_CHECK(log_.reopen());
      break;
    case Kind::kResize: {
      if (!terminal_) return fail(Code::kFailedPrecondition, "the container has no terminal");
      winsize window{request.rows, request.columns, 0, 0};
      if (ioctl(terminal_.get(), TIOCSWINSZ, &window) != 0) return fail_errno(errno, "resize the terminal");
      break;
    }
  }
  send(client, Reply{});
  return {};
}

Result<void> Monitor::freeze(const Request& request) {
  Phase from = request.frozen ? Phase::kRunning : Phase::kPaused;
  if (state_.phase != from)
    return fail(Code::kFailedPrecondition, "the container is ", phase_name(state_.phase), ", not ",
                phase_name(from));
  KOBUK_CHECK(sys::apply_writes(request.writes));
  set_phase(request.frozen ? Phase::kPaused : Phase::kRunning);
  return {};
}

}  // namespace kobuk::runtime
