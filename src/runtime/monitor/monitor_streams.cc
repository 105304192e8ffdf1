// The container's standard streams: output goes to the log and to every attached client, input comes from
// them.
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "runtime/monitor/monitor.h"

namespace kobuk::runtime {

void Monitor::output_ready(Output& output) {
  static char buffer[kMaxInput];  // one for all: it is empty again before the next read
  ssize_t got = ::read(output.fd.get(), buffer, sizeof buffer);
  if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (got <= 0) return output_ended(output);  // EIO is a terminal's way to say that its last user is gone
  std::string_view bytes(buffer, static_cast<size_t>(got));
  (void)log_.write(output.stream, bytes, system_clock().wall());
  broadcast(output.stream, bytes);
}

void Monitor::output_ended(Output& output) {
  poller_.unwatch(output.fd.get());
  std::erase_if(outputs_, [&](auto& o) { return o.get() == &output; });
  if (outputs_.empty())
    for (auto& client : clients_)
      if (client->attached && client->unsent.empty()) client->gone = true;
  drop_gone();
  end_if_done();
}

void Monitor::broadcast(LogStream stream, std::string_view bytes) {
  bool any = std::any_of(clients_.begin(), clients_.end(), [&](auto& c) {
    return c->attached && !c->gone && (stream == LogStream::kStderr ? c->wants_err : c->wants_out);
  });
  if (!any) return;
  Reply reply{.kind = Reply::Kind::kOutput, .is_stderr = stream == LogStream::kStderr};
  reply.bytes = bytes;
  std::string packet = encode(reply);
  for (auto& client : clients_) {
    bool wanted = stream == LogStream::kStderr ? client->wants_err : client->wants_out;
    if (!client->attached || client->gone || !wanted) continue;
    auto sent = sys::send_packet(client->socket.get(), packet);
    if (sent) continue;
    if (sent.error().system_errno() == EAGAIN) {
      client->unsent = packet;
      watch_client(*client);
    } else {
      client->gone = true;
    }
  }
  hold_outputs();
  drop_gone();
}

// While a client is behind nothing more is read, so that the container waits for it, as it would for a slow
// terminal.
void Monitor::hold_outputs() {
  bool behind =
      std::any_of(clients_.begin(), clients_.end(), [](auto& c) { return !c->unsent.empty() && !c->gone; });
  for (auto& output : outputs_) {
    Output* o = output.get();
    // Not by an empty set of events: the end of a pipe is reported whatever is asked for.
    if (behind) poller_.unwatch(o->fd.get());
    if (!behind && !poller_.watched(o->fd.get()))
      (void)poller_.watch(o->fd.get(), EPOLLIN, [this, o](uint32_t) { output_ready(*o); });
  }
}

void Monitor::take_input(std::string_view bytes) {
  if (input_fd() < 0 || close_input_)
    return;  // it reads nothing any more: the bytes go where a closed pipe's go
  unwritten_.append(bytes);
  flush_input();
}

void Monitor::flush_input() {
  int fd = input_fd();
  while (fd >= 0 && !unwritten_.empty()) {
    ssize_t put = ::write(fd, unwritten_.data(), unwritten_.size());
    if (put > 0) {
      unwritten_.erase(0, static_cast<size_t>(put));
      continue;
    }
    if (put < 0 && errno == EINTR) continue;
    if (put < 0 && errno == EAGAIN) break;
    unwritten_.clear();  // nobody reads it
    if (!terminal_) close_input_ = true;
  }
  bool full = !unwritten_.empty();
  if (full) {
    (void)poller_.watch(fd, EPOLLOUT, [this](uint32_t) { flush_input(); });
  } else {
    poller_.unwatch(fd);
    unwritten_.shrink_to_fit();
    if (close_input_) stdin_.reset();
  }
  // Clients are not read while the container is behind: their sockets fill, and they wait.
  for (auto& client : clients_)
    if (client->gives_in && !client->gone) watch_client(*client);
}

void Monitor::close_input() {
  close_input_ = true;
  if (unwritten_.empty()) {
    if (stdin_) poller_.unwatch(stdin_.get());
    stdin_.reset();
  }
}

}  // namespace kobuk::runtime
