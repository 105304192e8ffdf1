// Host: what networks and Services do to the machine, behind one interface, so that tests can record it and let the
// n-th operation fail (network/testing/fake_host.h). Loop thread only.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "io/loop.h"
#include "network/networks.h"
#include "sys/netlink.h"
#include "sys/netlink_conntrack.h"
#include "sys/nft.h"
#include "sys/port.h"

namespace kobuk::network {

class Host {
 public:
  virtual ~Host() = default;
  virtual sys::Netlink& links() = 0;
  virtual Result<sys::UniqueFd> open_namespace(const std::string& path) = 0;
  virtual Result<std::unique_ptr<sys::Netlink>> links_in(int network_namespace) = 0;
  virtual sys::nft::Nft& nft() = 0;
  // Connections that conntrack follows and that `stale` picks are forgotten: their next packet is a first one again.
  virtual Result<size_t> forget_connections(uint8_t protocol, const sys::ConnectionFilter& stale) = 0;
  // A file of /proc/sys: "net/ipv4/ip_forward". set does nothing when the value is there already.
  virtual Result<void> set_setting(const std::string& name, const std::string& value) = 0;
  virtual bool has_setting(const std::string& name) = 0;
  virtual Result<std::string> setting(const std::string& name) = 0;  // without the end of its line
  // Has the host's iptables accept what is forwarded from and to that interface, or no longer. kUnsupported when
  // iptables is not installed. Blocks for some milliseconds; where others hold iptables' lock, for some seconds.
  virtual Result<void> accept_forwarding(const std::string& interface, bool accept) = 0;
  virtual Result<sys::HeldPort> hold_port(const std::string& address, uint16_t port, Protocol protocol) = 0;
  virtual Result<std::string> read_state(const std::string& path) = 0;  // kNotFound when there is none
  enum class Keep : uint8_t { kThisRun, kLasting };  // kLasting: on the disk when it is done
  virtual Result<void> write_state(const std::string& path, const std::string& bytes, Keep keep) = 0;
  virtual Result<void> remove_state(const std::string& path) = 0;  // one that is not there is fine
};

// Of the calling thread's network namespace.
Result<std::unique_ptr<Host>> open_host();

Result<std::unique_ptr<Networks>> open_networks(std::unique_ptr<Host> host, Networks::Options options);

// IPPROTO_*.
uint8_t protocol_number(Protocol protocol);
std::string_view protocol_name(Protocol protocol);  // "tcp", "udp", "sctp"

// Brings the table in the kernel from `before` (null: unknown) to `after`; anew when somebody else changed it.
Result<void> commit_table(sys::nft::Nft& nft, const sys::nft::Table* before, const sys::nft::Table& after);

}  // namespace kobuk::network
