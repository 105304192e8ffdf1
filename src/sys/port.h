// Ports of the host held by a socket, so that no other process takes them while packets to them go to a container.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

struct HeldPort {
  UniqueFd socket;
  uint16_t port = 0;
};
// protocol: IPPROTO_TCP, IPPROTO_UDP or IPPROTO_SCTP. port 0: a free one of the kernel's range. The socket listens
// (TCP, SCTP) but nobody accepts: it only stands in the way. kAlreadyExists with EADDRINUSE when the port is taken;
// kFailedPrecondition when the address is none of this host. Any thread.
Result<HeldPort> hold_port(const std::string& address, uint16_t port, int protocol);

}  // namespace kobuk::sys
