#include "network/testing/playground.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>

#include "sys/file.h"

namespace kobuk::network::testing {
namespace {

// Runs `work` on a thread in that namespace; sockets that it opens stay there.
void inside(const Namespace* where, const std::function<void()>& work) {
  if (!where) return work();
  std::thread thread([&] {
    if (setns(where->fd(), CLONE_NEWNET) != 0) abort();
    work();
  });
  thread.join();
}

sockaddr_in address_of(const std::string& address, uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

std::string name_of_error(int error) {
  if (error == ECONNREFUSED) return "refused";
  if (error == ENETUNREACH || error == EHOSTUNREACH) return "unreachable";
  return strerror(error);
}

bool wait_for(int fd, short events, int wait_ms) {
  pollfd poll_fd{fd, events, 0};
  return poll(&poll_fd, 1, wait_ms) == 1;
}

}  // namespace

Namespace Namespace::make() {
  Namespace out;
  std::thread thread([&] {
    if (unshare(CLONE_NEWNET) != 0) abort();
    out.fd_ = std::move(*sys::open_file("/proc/thread-self/ns/net", O_RDONLY));
    auto links = sys::open_netlink();
    if (!links || !(*links)->set_up("lo")) abort();
  });
  thread.join();
  return out;
}

std::string Namespace::path() const { return sys::fd_path(fd_.get()); }

bool enter_fresh_namespace(std::string* why) {
  if (unshare(CLONE_NEWNET) != 0) {
    *why = cat("needs root for a network namespace of its own: ", strerror(errno));
    return false;
  }
  auto links = sys::open_netlink();
  return links && (*links)->set_up("lo");
}

Server::Server(const Namespace* where, const std::string& address, uint16_t port, std::string name,
               Transport transport)
    : stop_(eventfd(0, EFD_CLOEXEC)), name_(std::move(name)), transport_(transport) {
  inside(where, [&] {
    socket_ = sys::UniqueFd(socket(AF_INET, (transport == Transport::kTcp ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC, 0));
    int on = 1;
    setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in local = address_of(address, port);
    bool good = bind(socket_.get(), reinterpret_cast<sockaddr*>(&local), sizeof local) == 0;
    if (good && transport == Transport::kTcp) good = listen(socket_.get(), 64) == 0;
    if (!good) perror("test server"), abort();
  });
  thread_ = std::thread([this] { serve(); });
}

Server::~Server() {
  uint64_t one = 1;
  (void)!write(stop_.get(), &one, sizeof one);
  thread_.join();
}

void Server::serve() {
  for (;;) {
    pollfd fds[2] = {{socket_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
    if (poll(fds, 2, -1) < 0 && errno != EINTR) return;
    if (fds[1].revents) return;
    if (!fds[0].revents) continue;
    sockaddr_in peer{};
    socklen_t size = sizeof peer;
    char text[INET_ADDRSTRLEN] = {}, received[64];
    if (transport_ == Transport::kTcp) {
      sys::UniqueFd client(accept(socket_.get(), reinterpret_cast<sockaddr*>(&peer), &size));
      inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
      std::string answer = cat(name_, " ", std::string_view(text));
      (void)!send(client.get(), answer.data(), answer.size(), MSG_NOSIGNAL);
    } else {
      if (recvfrom(socket_.get(), received, sizeof received, 0, reinterpret_cast<sockaddr*>(&peer), &size) < 0) continue;
      inet_ntop(AF_INET, &peer.sin_addr, text, sizeof text);
      std::string answer = cat(name_, " ", std::string_view(text));
      sendto(socket_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&peer), size);
    }
  }
}

std::string ask(const Namespace* from, const std::string& address, uint16_t port, Transport transport, int wait_ms) {
  std::string out;
  inside(from, [&] {
    bool stream = transport == Transport::kTcp;
    sys::UniqueFd fd(socket(AF_INET, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    sockaddr_in remote = address_of(address, port);
    int connected = connect(fd.get(), reinterpret_cast<sockaddr*>(&remote), sizeof remote);
    if (connected != 0 && errno != EINPROGRESS) return void(out = name_of_error(errno));
    if (stream && !wait_for(fd.get(), POLLOUT, wait_ms)) return void(out = "no answer");
    int error = 0;
    socklen_t size = sizeof error;
    getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return void(out = name_of_error(error));
    if (!stream && send(fd.get(), "?", 1, 0) != 1) return void(out = name_of_error(errno));
    if (!wait_for(fd.get(), POLLIN, wait_ms)) return void(out = "no answer");
    char buffer[256];
    ssize_t got = recv(fd.get(), buffer, sizeof buffer, 0);
    out = got < 0 ? name_of_error(errno) : std::string(buffer, static_cast<size_t>(got));
  });
  return out;
}

Asker::Asker(const Namespace* from, const std::string& address, uint16_t port) {
  inside(from, [&] {
    socket_ = sys::UniqueFd(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_in remote = address_of(address, port);
    if (connect(socket_.get(), reinterpret_cast<sockaddr*>(&remote), sizeof remote) != 0) perror("test client"), abort();
  });
}

std::string Asker::ask(int wait_ms) {
  char buffer[256];
  if (send(socket_.get(), "?", 1, 0) != 1 || !wait_for(socket_.get(), POLLIN, wait_ms)) return "no answer";
  ssize_t got = recv(socket_.get(), buffer, sizeof buffer, 0);
  return got < 0 ? name_of_error(errno) : std::string(buffer, static_cast<size_t>(got));
}

Result<Namespace> add_other_host(int host) {
  KOBUK_TRY(auto links, sys::open_netlink());
  if (!links->link("lan")) {
    KOBUK_CHECK(links->add_bridge({.name = "lan"}));
    KOBUK_CHECK(links->add_address("lan", "192.168.50.1", 24));
    KOBUK_CHECK(links->set_up("lan"));
  }
  Namespace out = Namespace::make();
  KOBUK_CHECK(links->add_veth(
      {.name = cat("lan", host), .bridge = "lan", .peer_name = "eth0", .peer_namespace = out.fd()}));
  KOBUK_TRY(auto inside, sys::open_netlink_in(out.fd()));
  KOBUK_CHECK(inside->add_address("eth0", cat("192.168.50.", host), 24));
  KOBUK_CHECK(inside->set_up("eth0"));
  KOBUK_CHECK(inside->add_default_route("eth0", "192.168.50.1"));
  return out;
}

std::string run(const std::string& command) {
  std::string out;
  FILE* pipe = popen(cat(command, " 2>&1").c_str(), "r");
  if (!pipe) return out;
  char buffer[4096];
  while (size_t got = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
  pclose(pipe);
  return out;
}

}  // namespace kobuk::network::testing
