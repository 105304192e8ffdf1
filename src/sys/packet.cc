#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "sys/file.h"
#include "sys/process.h"

namespace kobuk::sys {
namespace {

Result<sockaddr_un> address_of(int directory, const std::string& name) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string path = cat(fd_path(directory), '/', name);
  if (path.size() >= sizeof address.sun_path) return fail_errno(ENAMETOOLONG, name);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

Result<UniqueFd> make_socket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  if (!fd) return fail_errno(errno, "socket");
  return fd;
}

}  // namespace

Result<std::pair<UniqueFd, UniqueFd>> packet_socket_pair() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0)
    return fail_errno(errno, "socketpair");
  return std::pair(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

Result<void> learn_senders(int socket) {
  int on = 1;
  if (setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof on) != 0) return fail_errno(errno, "ask for the senders of messages");
  return {};
}

Result<UniqueFd> listen_packet(const std::string& directory, const std::string& name) {
  KOBUK_TRY(UniqueFd folder, open_file(directory, O_PATH | O_DIRECTORY));
  KOBUK_TRY(sockaddr_un address, address_of(folder.get(), name));
  KOBUK_TRY(UniqueFd fd, make_socket());
  unlinkat(folder.get(), name.c_str(), 0);
  if (bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(errno, cat("bind ", directory, '/', name));
  if (listen(fd.get(), 64) != 0) return fail_errno(errno, "listen");
  return fd;
}

Result<UniqueFd> connect_packet(const std::string& directory, const std::string& name) {
  KOBUK_TRY(UniqueFd folder, open_file(directory, O_PATH | O_DIRECTORY));
  KOBUK_TRY(sockaddr_un address, address_of(folder.get(), name));
  KOBUK_TRY(UniqueFd fd, make_socket());
  if (connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0)
    return fail_errno(errno, cat("connect to ", directory, '/', name));
  return fd;
}

Result<void> send_packet(int socket, std::string_view bytes, const std::vector<int>& fds) {
  if (fds.size() > kMaxPacketFds) return fail(Code::kInvalid, "too many descriptors in a message");
  iovec part{const_cast<char*>(bytes.data()), bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxPacketFds * sizeof(int))]{};
  if (!fds.empty()) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
    std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
  }
  while (sendmsg(socket, &message, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) return fail_errno(errno, "send a message");
  return {};
}

Result<Packet> receive_packet(int socket, size_t max) {
  Packet packet;
  // Asked first how long it is: most are small, and a buffer for the longest would be filled with zeros each
  // time. ECONNRESET once: the other side left without reading all of ours. What it had sent before is still
  // there.
  bool reset = false;
  auto again = [&reset] { return errno == EINTR || (errno == ECONNRESET && !std::exchange(reset, true)); };
  ssize_t length;
  do {
    length = recv(socket, nullptr, 0, MSG_PEEK | MSG_TRUNC);
  } while (length < 0 && again());
  if (length < 0) return fail_errno(errno, "receive a message");
  packet.bytes.resize(std::min(max, static_cast<size_t>(length)));
  iovec part{packet.bytes.data(), packet.bytes.size()};
  msghdr message{};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(kMaxPacketFds * sizeof(int)) + CMSG_SPACE(sizeof(ucred))];
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  ssize_t got;
  do {
    got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
  } while (got < 0 && again());
  if (got < 0) return fail_errno(errno, "receive a message");
  packet.bytes.resize(static_cast<size_t>(got));
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_CREDENTIALS) {
      ucred sender;
      std::memcpy(&sender, CMSG_DATA(header), sizeof sender);
      packet.sender = sender.pid;
    }
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd;
      std::memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
      packet.fds.emplace_back(fd);
    }
  }
  if ((message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0)
    return fail(Code::kTooLarge, "a message over ", max, " bytes");
  return packet;
}

}  // namespace kobuk::sys
