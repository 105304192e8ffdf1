#include "sys/port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace kobuk::sys {

Result<HeldPort> hold_port(const std::string& address, uint16_t port, int protocol) {
  sockaddr_in local{};
  local.sin_family = AF_INET;
  local.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &local.sin_addr) != 1)
    return fail(Code::kInvalid, "\"", address, "\" is no IPv4 address");
  std::string what = cat("hold ", address, ":", port);
  bool stream = protocol != IPPROTO_UDP;
  UniqueFd fd(socket(AF_INET, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd && errno == EPROTONOSUPPORT)
    return fail(Error(Code::kUnsupported, cat(what, ": this kernel does not speak protocol ", protocol), errno));
  if (!fd) return fail_errno(errno, what);
  int on = 1;
  // Closed connections that linger do not count; a listener still does. A datagram socket would share the port.
  if (stream) setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  bool bound = bind(fd.get(), reinterpret_cast<sockaddr*>(&local), sizeof local) == 0;
  if (bound && stream) bound = listen(fd.get(), 1) == 0;
  if (!bound && errno == EADDRINUSE) return fail(Error(Code::kAlreadyExists, cat(what, ": ", strerror(EADDRINUSE)), EADDRINUSE));
  if (!bound && errno == EADDRNOTAVAIL)
    return fail(Error(Code::kFailedPrecondition, cat(what, ": this host has no such address"), EADDRNOTAVAIL));
  if (!bound) return fail_errno(errno, what);
  socklen_t size = sizeof local;
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&local), &size) != 0) return fail_errno(errno, what);
  return HeldPort{std::move(fd), ntohs(local.sin_port)};
}

}  // namespace kobuk::sys
