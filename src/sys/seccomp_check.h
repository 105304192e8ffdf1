// What a compiled seccomp filter (sys/seccomp.h) answers to a call, asked before it is loaded.
//
//   if (seccomp_allows(filter, {SYS_setsid})) …
#pragma once

#include <cstdint>
#include <string_view>

namespace kobuk::sys {

struct SystemCall {
  long number = 0;  // SYS_*
  uint64_t arguments[6] = {};
};
// Whether the call goes through (and is logged at most). False also for a filter that holds what no compiler of ours
// writes. Pure.
bool seccomp_allows(std::string_view filter, const SystemCall& call);

}  // namespace kobuk::sys
