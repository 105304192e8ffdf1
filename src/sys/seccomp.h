// Seccomp filters: a profile as data, compiled to a BPF program once and loaded as bytes ever after.
//
//   KOBUK_TRY(std::string filter, sys::compile_seccomp(profile));     // about 2 ms an architecture: cache it
//   kernel.load_seccomp(filter);                                      // microseconds
//
// Compiling uses libseccomp and is for the daemon; the monitor only loads. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/result.h"

namespace kobuk::sys {

enum class SeccompAction : uint8_t { kAllow, kErrno, kKillProcess, kKillThread, kTrap, kLog, kTrace };

struct SeccompArgument {
  enum class Op : uint8_t { kNotEqual, kLess, kLessOrEqual, kEqual, kGreaterOrEqual, kGreater, kMaskedEqual };
  uint32_t index = 0;  // 0…5
  Op op = Op::kEqual;
  uint64_t value = 0;      // the mask for kMaskedEqual
  uint64_t value_two = 0;  // what the masked argument must be
  bool operator==(const SeccompArgument&) const = default;
};

struct SeccompRule {
  std::vector<std::string> names;  // system calls; those that an architecture lacks are skipped
  SeccompAction action = SeccompAction::kAllow;
  uint32_t error = 0;                      // errno of kErrno, message of kTrace
  std::vector<SeccompArgument> arguments;  // all must hold
  bool operator==(const SeccompRule&) const = default;
};

struct SeccompProfile {
  SeccompAction default_action = SeccompAction::kErrno;
  uint32_t default_error = 1;  // EPERM
  std::vector<std::string>
      architectures;  // "x86_64" "x86" "x32" "aarch64" "arm"; the native one is always in
  std::vector<SeccompRule> rules;
  bool operator==(const SeccompProfile&) const = default;
};

// An array of sock_filter. System calls that are newer than this program knows answer ENOSYS, not the default
// error, so that C libraries fall back to what they did before. kInvalid for unknown architectures or
// impossible rules.
Result<std::string> compile_seccomp(const SeccompProfile& profile);
// Equal for equal profiles and this version of the compiler only: the key of a cache.
std::string seccomp_cache_key(const SeccompProfile& profile);

}  // namespace kobuk::sys
