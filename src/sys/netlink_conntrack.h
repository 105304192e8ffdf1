// Connections that the kernel follows (conntrack), and forgetting them. A UDP "connection" goes on to where its first
// packet went for as long as packets come: after a change of where they should go, it must be forgotten.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "base/result.h"

namespace kobuk::sys {

struct TrackedConnection {
  std::string source, destination;  // of the first packet, as it came; 4 bytes in network order
  uint16_t destination_port = 0;
  std::string answering;            // who answers: the destination after translation
  uint16_t answering_port = 0;
};
using ConnectionFilter = std::function<bool(const TrackedConnection&)>;

// How many were forgotten. In the namespace of the calling thread; any thread. Reads the whole table of connections.
Result<size_t> forget_connections(uint8_t protocol, const ConnectionFilter& stale);

}  // namespace kobuk::sys
