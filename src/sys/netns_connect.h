// TCP connections that begin in another network namespace: to what listens on a pod's loopback.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

// Connected, blocking until it is (on a loopback: at once). kUnavailable (ECONNREFUSED) when nobody listens, kNotFound
// when the namespace is gone. The socket is opened by a thread that lives only for that; the caller stays where it is.
Result<UniqueFd> connect_in_namespace(const std::string& namespace_path, const std::string& address, uint16_t port);

}  // namespace kobuk::sys
