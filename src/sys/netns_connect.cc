#include "sys/netns_connect.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/socket.h>

#include <cerrno>
#include <thread>

#include "sys/file.h"

namespace kobuk::sys {
namespace {

Result<UniqueFd> connect_here(const std::string& address, uint16_t port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &to.sin_addr) != 1) return fail(Code::kInvalid, "\"", address, "\" is no IPv4 address");
  UniqueFd socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return fail_errno(errno, "socket");
  if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&to), sizeof to) != 0 && errno != EINPROGRESS)
    return fail_errno(errno, cat("connect to ", address, ":", port));
  return socket;
}

}  // namespace

Result<UniqueFd> begin_connect_in_namespace(const std::string& namespace_path, const std::string& address, uint16_t port) {
  KOBUK_TRY(UniqueFd space, open_file(namespace_path, O_RDONLY));
  Result<UniqueFd> out = fail(Code::kInternal, "no thread ran");
  std::thread connector([&] {
    out = setns(space.get(), CLONE_NEWNET) == 0 ? connect_here(address, port) : fail_errno(errno, "enter the network namespace");
  });
  connector.join();
  return out;
}

Result<void> connect_outcome(int socket) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &length) != 0) error = errno;
  if (error != 0) return fail_errno(error, "connect");
  return {};
}

}  // namespace kobuk::sys
