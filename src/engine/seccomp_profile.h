// Seccomp profiles as Docker and the CRI take them: JSON as of the OCI runtime-spec's linux.seccomp, with Docker's
// archMap, includes and excludes.
#pragma once

#include <string_view>

#include "base/result.h"
#include "sys/seccomp.h"

namespace kobuk::engine {

// `capabilities` and `machine` decide rules with includes and excludes. kInvalid says what is not understood.
Result<sys::SeccompProfile> parse_seccomp_profile(std::string_view json, const std::string& machine, uint64_t capabilities);

}  // namespace kobuk::engine
