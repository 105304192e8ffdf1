// A network namespace of the test's own, with further ones as containers and as other hosts, servers and clients in
// them. Nothing of the host's own network is touched; everything is gone with the test's process.
#pragma once

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"
#include "sys/netlink.h"

namespace kobuk::network::testing {

// A namespace with lo up; path() is valid as long as it lives.
class Namespace {
 public:
  static Namespace make();
  std::string path() const;
  int fd() const { return fd_.get(); }

 private:
  sys::UniqueFd fd_;
};

// Moves the calling thread into a fresh namespace with lo up. False (and a reason for GTEST_SKIP) without the right.
bool enter_fresh_namespace(std::string* why);

enum class Transport { kTcp, kUdp };

// Answers every client with "<name> <the client's address>", on a thread of its own.
class Server {
 public:
  // where: nullptr is the namespace of the calling thread.
  Server(const Namespace* where, const std::string& address, uint16_t port, std::string name,
         Transport transport = Transport::kTcp);
  ~Server();
  Server(const Server&) = delete;

 private:
  void serve();
  sys::UniqueFd socket_, stop_;
  std::string name_;
  Transport transport_;
  std::thread thread_;
};

// What the server said; "refused", "unreachable", or "no answer" after wait_ms.
std::string ask(const Namespace* from, const std::string& address, uint16_t port, Transport transport = Transport::kTcp,
                int wait_ms = 3000);

// A client that asks again from the same socket: for conntrack the same UDP connection.
class Asker {
 public:
  Asker(const Namespace* from, const std::string& address, uint16_t port);
  std::string ask(int wait_ms = 3000);

 private:
  sys::UniqueFd socket_;
};

// A bridge "lan" with 192.168.50.1/24 here, and a namespace with 192.168.50.<host> and its default route here.
Result<Namespace> add_other_host(int host);

std::string run(const std::string& command);  // what it printed

}  // namespace kobuk::network::testing
