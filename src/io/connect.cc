#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "io/address.h"
#include "io/fd_stream.h"
#include "io/stream.h"

namespace kobuk::io {
namespace {

using detail::SocketAddress;

Task<Result<std::vector<SocketAddress>>> resolve(Loop& loop, std::string address) {
  auto numeric = detail::parse_address(address);
  if (numeric) co_return std::vector<SocketAddress>{*numeric};
  if (numeric.error().code() != Code::kUnsupported) co_return fail(numeric.error());
  KOBUK_CO_TRY(auto name, detail::split_host_port(address));
  auto work = [name] { return detail::resolve_blocking(name); };
  auto found = co_await loop.offload("resolve", work);
  co_return found;
}

// EINPROGRESS ends with the descriptor writable and SO_ERROR, or with the timer, which closes.
Task<Result<int>> connect_one(Loop& loop, SocketAddress address, Duration timeout) {
  int fd = socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) co_return fail_errno(errno, "socket");
  int on = 1;
  if (address.storage.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, address.get(), address.length) == 0) co_return fd;
  std::string what = cat("connect to ", detail::address_text(address));
  if (errno != EINPROGRESS) {
    int error = errno;
    ::close(fd);
    co_return fail_errno(error, what);
  }
  detail::PollFd poll(loop, fd);
  ScopedTimer timer{loop, loop.start_timer(timeout, [&poll] { poll.close(); })};
  co_await poll.wait(Loop::kWrite);
  if (poll.closed()) co_return fail(Error(Code::kTimeout, cat(what, ": no answer in time"), ETIMEDOUT));
  int error = 0;
  socklen_t length = sizeof error;
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) co_return fail_errno(error, what);
  co_return poll.release();
}

}  // namespace

Task<Result<std::unique_ptr<Stream>>> connect(Loop& loop, std::string address, Duration timeout) {
  KOBUK_CO_TRY(auto candidates, co_await resolve(loop, address));
  Error last(Code::kNotFound, cat("no address found for ", address));
  for (const SocketAddress& candidate : candidates) {
    auto fd = co_await connect_one(loop, candidate, timeout);
    if (fd) co_return adopt_fd(loop, *fd);
    last = std::move(fd).error();
  }
  co_return fail(std::move(last));
}

}  // namespace kobuk::io
