#include "io/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace kobuk::io::detail {

Result<HostPort> split_host_port(std::string_view address) {
  size_t colon = address.rfind(':');
  auto bad = [&] { return fail(Code::kInvalid, "address ", go_quote(address), " is not HOST:PORT, [IPv6]:PORT or unix:PATH"); };
  if (colon == std::string_view::npos) return bad();
  std::string_view host = address.substr(0, colon), port = address.substr(colon + 1);
  auto number = parse_uint(port);
  if (!number || *number > 65535) return bad();
  if (host.starts_with('[') && host.ends_with(']')) {
    host = host.substr(1, host.size() - 2);
  } else if (host.find(':') != std::string_view::npos) {
    return bad();
  }
  return HostPort{std::string(host), std::string(port)};
}

Result<SocketAddress> parse_address(std::string_view address) {
  SocketAddress out;
  if (address.starts_with("unix:")) {
    std::string_view path = address.substr(5);
    auto* to = reinterpret_cast<sockaddr_un*>(&out.storage);
    if (path.empty() || path.size() >= sizeof to->sun_path) {
      return fail(Code::kInvalid, "socket path ", go_quote(path), " must have 1 to ", sizeof to->sun_path - 1, " bytes");
    }
    to->sun_family = AF_UNIX;
    std::memcpy(to->sun_path, path.data(), path.size());
    out.length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + 1);
    return out;
  }
  KOBUK_TRY(HostPort parts, split_host_port(address));
  auto port = htons(static_cast<uint16_t>(*parse_uint(parts.port)));
  auto* v4 = reinterpret_cast<sockaddr_in*>(&out.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&out.storage);
  if (inet_pton(AF_INET, parts.host.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = port;
    out.length = sizeof *v4;
    return out;
  }
  if (inet_pton(AF_INET6, parts.host.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    out.length = sizeof *v6;
    return out;
  }
  return fail(Code::kUnsupported, go_quote(parts.host), " is a name, not an address");
}

Result<std::vector<SocketAddress>> resolve_blocking(const HostPort& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_ADDRCONFIG | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  int error = getaddrinfo(name.host.c_str(), name.port.c_str(), &hints, &found);
  if (error != 0) return fail(error == EAI_NONAME ? Code::kNotFound : Code::kUnavailable, "lookup ", name.host, ": ", gai_strerror(error));
  std::vector<SocketAddress> out;
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    SocketAddress address;
    std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
    address.length = at->ai_addrlen;
    out.push_back(address);
  }
  freeaddrinfo(found);
  return out;
}

std::string address_text(const SocketAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.storage.ss_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(&address.storage);
    inet_ntop(AF_INET, &v4->sin_addr, text, sizeof text);
    return cat(text, ':', ntohs(v4->sin_port));
  }
  if (address.storage.ss_family == AF_INET6) {
    const auto* v6 = reinterpret_cast<const sockaddr_in6*>(&address.storage);
    inet_ntop(AF_INET6, &v6->sin6_addr, text, sizeof text);
    return cat('[', text, "]:", ntohs(v6->sin6_port));
  }
  return "unix";
}

}  // namespace kobuk::io::detail
