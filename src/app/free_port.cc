#include "app/free_port.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "sys/fd.h"

namespace kobuk::app {

Result<void> check_port_free(uint16_t port) {
  sys::UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "socket");
  int on = 1;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return {};
  if (errno != EADDRINUSE) return fail_errno(errno, cat("bind 127.0.0.1:", port));
  return fail(Code::kAlreadyExists, "port ", port, " of 127.0.0.1 is taken by another program (ss -ltnp shows which); choose another");
}

Result<uint16_t> free_port(uint16_t usual, const std::vector<uint16_t>& reserved) {
  constexpr int kTries = 200;
  for (int port = usual; port < usual + kTries && port <= 65535; ++port) {
    auto candidate = static_cast<uint16_t>(port);
    if (std::find(reserved.begin(), reserved.end(), candidate) == reserved.end() && check_port_free(candidate)) return candidate;
  }
  return fail(Code::kResourceExhausted, "no free port between ", usual, " and ", usual + kTries, " on 127.0.0.1");
}

}  // namespace kobuk::app
