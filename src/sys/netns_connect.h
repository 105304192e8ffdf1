// TCP connections that begin in another network namespace: to what listens on a pod's loopback.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

// A non-blocking socket whose connection is under way or stands: once it is writable, connect_outcome() tells. An error
// that is known at once is returned at once. kNotFound when the namespace is gone. The socket is opened by a thread that
// lives only for that; the caller stays where it is.
Result<UniqueFd> begin_connect_in_namespace(const std::string& namespace_path, const std::string& address, uint16_t port);
// kUnavailable (ECONNREFUSED) when nobody listens.
Result<void> connect_outcome(int socket);

}  // namespace kobuk::sys
