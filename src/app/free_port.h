// TCP ports of the loopback address.
#pragma once

#include <cstdint>
#include <vector>

#include "base/result.h"

namespace kobuk::app {

// kAlreadyExists, with the remedy, when somebody listens there.
Result<void> check_port_free(uint16_t port);
// `usual`, or the next free one above it that is not in `reserved`.
Result<uint16_t> free_port(uint16_t usual, const std::vector<uint16_t>& reserved);

}  // namespace kobuk::app
