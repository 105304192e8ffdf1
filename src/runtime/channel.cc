#include "runtime/channel.h"

#include <cerrno>

#include "sys/process.h"

namespace kobuk::runtime {

Channel::Channel(io::Loop& loop, sys::UniqueFd socket) : loop_(loop), poll_(loop, socket.release()) {
  (void)sys::set_nonblocking(poll_.fd());
}

Result<void> Channel::send(const Request& request, const std::vector<int>& fds) {
  if (poll_.closed()) return fail(Code::kUnavailable, "the connection to the monitor is closed");
  auto sent = sys::send_packet(poll_.fd(), encode(request), fds);
  if (sent) return sent;
  return fail(std::move(sent).error().with_code(Code::kUnavailable).context("the container's monitor"));
}

io::Task<Result<void>> Channel::send_when_possible(Request request) {
  std::string packet = encode(request);
  while (!poll_.closed()) {
    auto sent = sys::send_packet(poll_.fd(), packet);
    if (sent) co_return sent;
    if (sent.error().system_errno() != EAGAIN)
      co_return fail(
          std::move(sent).error().with_code(Code::kUnavailable).context("the container's monitor"));
    co_await poll_.wait(io::Loop::kWrite);
  }
  co_return fail(Code::kCancelled, "the connection was closed on this side");
}

io::Task<Result<Channel::Message>> Channel::receive() {
  while (!poll_.closed()) {
    auto packet = sys::receive_packet(poll_.fd(), kMaxMessage);
    if (packet && packet->bytes.empty()) break;
    if (packet) {
      Message message;
      KOBUK_CO_TRY(message.reply, decode_reply(packet->bytes));
      message.fds = std::move(packet->fds);
      if (message.reply.kind == Reply::Kind::kError) co_return fail(error_of(message.reply));
      co_return message;
    }
    if (packet.error().system_errno() == ECONNRESET) break;
    if (packet.error().system_errno() != EAGAIN) co_return fail(std::move(packet).error());
    co_await poll_.wait(io::Loop::kRead);
  }
  co_return fail(Code::kUnavailable, "the container's monitor closed the connection");
}

Result<std::shared_ptr<Channel>> connect_monitor(io::Loop& loop, const std::string& directory) {
  auto socket = sys::connect_packet(directory, kSocketName);
  if (!socket) {
    int cause = socket.error().system_errno();
    bool nobody = cause == ECONNREFUSED || cause == ENOENT;
    return fail(std::move(socket).error().with_code(nobody ? Code::kUnavailable : Code::kResourceExhausted).context("the container's monitor"));
  }
  return std::make_shared<Channel>(loop, std::move(*socket));
}

}  // namespace kobuk::runtime
