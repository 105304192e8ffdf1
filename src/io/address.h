// Socket addresses as text: "127.0.0.1:80", "[::1]:80", "unix:/path", "name:80". Internal to io.
#pragma once

#include <sys/socket.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::io::detail {

struct SocketAddress {
  sockaddr_storage storage{};
  socklen_t length = 0;
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

struct HostPort {
  std::string host, port;
};
Result<HostPort> split_host_port(std::string_view address);
// Numeric and unix addresses only; kUnsupported for a name.
Result<SocketAddress> parse_address(std::string_view address);
// getaddrinfo: /etc/hosts, then DNS. Blocks: for offload().
Result<std::vector<SocketAddress>> resolve_blocking(const HostPort& name);
std::string address_text(const SocketAddress& address);

}  // namespace kobuk::io::detail
