// The host's network for containers and pods of one profile: bridges, addresses, published ports.
//
//   KOBUK_TRY(auto networks, Networks::open(loop, {.profile = "default", .state_directory = …}));
//   KOBUK_CHECK(networks->ensure_bridge({.name = "bridge", .subnet = "172.17.0.0/16"}));
//   KOBUK_CO_TRY(Attachment at, co_await networks->attach({.network = "bridge", .container = id, .netns = "/proc/7/ns/net"}));
//
// What is allocated is written down before it is used, so that a daemon that was killed finds it again. Everything has names of the profile ("kobuk-<8 hex>…" interfaces, nft table "kobuk-<profile>"), and clean_up()
// removes all of it. Loop thread only; netlink work is short and synchronous.
// Errors: kAlreadyExists (a port is taken, says by whom if known), kResourceExhausted (no address left),
// kPermissionDenied (not root), kUnsupported (no bridge, veth or nf_tables in this kernel).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/loop.h"

namespace kobuk::network {

struct BridgeSpec {
  std::string name;     // of the network: "bridge", "pods"; the interface's name is derived
  std::string subnet;   // "10.100.0.0/24"; its first address is the bridge's own and the gateway. Empty: a free one
  bool masquerade = true;   // traffic that leaves the subnet gets the host's address
  int mtu = 0;              // 0: of the default route's interface, else 1500
  bool internal = false;    // no way out, and none in
  bool routed = false;      // other hosts may reach the containers' own addresses; else published ports only
};

enum class Protocol : uint8_t { kTcp, kUdp, kSctp };

struct PortMapping {
  std::string host_ip;      // empty: every address
  uint16_t host_port = 0;   // 0: a free one is chosen
  uint16_t container_port = 0;
  Protocol protocol = Protocol::kTcp;
  bool operator==(const PortMapping&) const = default;
};

struct AttachRequest {
  std::string network;
  std::string container;   // id: names the allocation
  std::string netns;       // path
  std::string interface = "eth0";
  std::string address;     // wanted, or empty
  std::vector<PortMapping> ports;
};

struct Attachment {
  std::string network, container;
  std::string address;     // "10.100.0.7"
  int prefix = 24;
  std::string gateway, mac;
  std::string host_interface;
  std::vector<PortMapping> ports;  // host ports filled in
  bool operator==(const Attachment&) const = default;
};

class Networks {
 public:
  struct Options {
    std::string profile;
    std::string state_directory;
    std::string run_directory;  // gone when the host is started anew, as what is attached is
  };
  // Reads what an earlier daemon left and makes the kernel agree with it.
  static Result<std::unique_ptr<Networks>> open(io::Loop& loop, Options options);
  virtual ~Networks() = default;

  virtual Result<void> ensure_bridge(const BridgeSpec& spec) = 0;
  virtual Result<void> remove_bridge(const std::string& name) = 0;   // kFailedPrecondition while something is attached
  virtual std::vector<BridgeSpec> bridges() const = 0;
  // Brings up lo and eth0 with address and default route inside the namespace. Nothing is left after an error.
  virtual io::Task<Result<Attachment>> attach(AttachRequest request) = 0;
  // Gives address and ports back; the namespace may be gone. Twice is fine.
  virtual io::Task<Result<void>> detach(std::string network, std::string container) = 0;
  virtual std::vector<Attachment> attachments() const = 0;
  // Removes the profile's interfaces and rules (not: the state directory). Also for a profile whose daemon died.
  virtual Result<void> clean_up() = 0;
};

}  // namespace kobuk::network
