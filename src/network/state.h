// What a profile's networks have given out: bridges, addresses, ports. Written before it is used, so that a daemon that
// was killed finds it again.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "network/networks.h"

namespace kobuk::network {

struct Bridge {
  BridgeSpec spec;
  uint32_t last_address = 0;  // given out last; the search goes on behind it, so that addresses rest before reuse
};

struct State {
  std::vector<Bridge> bridges;
  std::vector<Attachment> attachments;
  bool forwarding = false;  // switched on by us (forwarding.h)

  Bridge* find_bridge(std::string_view name);
  const Attachment* find(std::string_view network, std::string_view container) const;
  void erase(std::string_view network, std::string_view container);
};

std::string encode_state(const State& state);
// kDataLoss, with what is wrong, for anything that encode_state does not write.
Result<State> decode_state(std::string_view bytes);

// The next free address of the bridge, or `wanted`. kAlreadyExists, kInvalid (not of the subnet), kResourceExhausted.
Result<std::string> choose_address(const State& state, const Bridge& bridge, const std::string& wanted);
std::string gateway_of(const BridgeSpec& spec);

// "Bind for 0.0.0.0:8080 failed: port is already allocated" with kAlreadyExists, when an attachment has it.
Result<void> check_port(const State& state, const PortMapping& port);
std::string shown_host(const PortMapping& port);  // "0.0.0.0" for every address

}  // namespace kobuk::network
