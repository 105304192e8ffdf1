// Links, addresses and routes of one network namespace (rtnetlink(7)).
//
//   KOBUK_TRY(auto host, sys::open_netlink());
//   KOBUK_CHECK(host->add_bridge({.name = "kobuk-1", .mtu = 1500}));
//   KOBUK_TRY(auto inside, sys::open_netlink_in("/proc/7/ns/net"));    // the calling thread stays where it is
//   KOBUK_CHECK(inside->set_up("lo"));
//
// A Netlink acts where its socket was opened, for ever: also after the last process of that namespace ended.
// Requests are short (well below a millisecond; removing a link may wait some milliseconds for readers in the kernel).
// open_*() on any thread; one Netlink is used by one thread at a time. Errors name the object; kAlreadyExists and
// kNotFound are the kernel's. IPv4 only.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

inline constexpr size_t kMaxInterfaceName = 15;

struct Link {
  int index = 0;
  std::string name;
  std::string kind;   // "bridge", "veth", "" for hardware
  std::string mac;    // "02:42:ac:11:00:02"
  std::string alias;  // a note of up to 255 bytes that whoever made it left
  int mtu = 0;
  int master = 0;     // index of the bridge it belongs to; 0: none
  bool up = false;
  bool operator==(const Link&) const = default;
};

struct BridgeLink {
  std::string name;
  std::string mac;      // empty: the kernel chooses, and changes it with the ports
  int mtu = 1500;
  bool filter = false;  // frames between two ports pass the rules for IPv4 as well (needs br_netfilter)
};

struct VethLink {
  std::string name;      // the end that stays here, brought up as a port of the bridge
  std::string bridge;
  int mtu = 1500;
  bool hairpin = false;  // the bridge may send a frame back through the port that it came from
  std::string peer_name;
  std::string peer_mac;
  int peer_namespace = -1;  // descriptor of the namespace in which the other end is born
};

struct LinkAddress {
  int link = 0;
  std::string address;  // "10.0.0.1"
  int prefix = 0;
  bool operator==(const LinkAddress&) const = default;
};

struct Route {
  std::string destination;  // "0.0.0.0" with prefix 0: the default route
  int prefix = 0;
  std::string gateway;      // empty: reachable directly
  int link = 0;
  uint32_t metric = 0;
  bool operator==(const Route&) const = default;
};

class Netlink {
 public:
  virtual ~Netlink() = default;
  virtual Result<std::vector<Link>> links() = 0;
  virtual Result<Link> link(const std::string& name) = 0;  // kNotFound
  virtual Result<void> add_bridge(const BridgeLink& bridge) = 0;
  virtual Result<void> add_veth(const VethLink& veth) = 0;
  virtual Result<void> remove_link(const std::string& name) = 0;  // an absent one is fine
  virtual Result<void> set_up(const std::string& name) = 0;
  virtual Result<void> set_mtu(const std::string& name, int mtu) = 0;
  virtual Result<void> set_alias(const std::string& name, const std::string& alias) = 0;
  virtual Result<void> set_master(const std::string& name, const std::string& bridge) = 0;
  virtual Result<void> rename(const std::string& name, const std::string& to) = 0;  // of a link that is down
  virtual Result<std::vector<LinkAddress>> addresses() = 0;
  // The same address twice is fine.
  virtual Result<void> add_address(const std::string& name, const std::string& address, int prefix) = 0;
  virtual Result<void> remove_address(const std::string& name, const std::string& address, int prefix) = 0;
  virtual Result<std::vector<Route>> routes() = 0;  // of the main table
  virtual Result<void> add_default_route(const std::string& name, const std::string& gateway) = 0;
};

Result<std::unique_ptr<Netlink>> open_netlink();
// In the namespace of that path or descriptor. The socket is opened by a thread that lives only for that: setns(2)
// changes the calling thread alone, so no other thread of the daemon is disturbed, and a thread costs some 50 µs where
// a fork would copy the daemon's page tables and could run only async-signal-safe code.
Result<std::unique_ptr<Netlink>> open_netlink_in(const std::string& namespace_path);
Result<std::unique_ptr<Netlink>> open_netlink_in(int namespace_fd);

// The default route with the least metric; nullopt when there is none.
std::optional<Route> default_route(const std::vector<Route>& routes);

}  // namespace kobuk::sys
