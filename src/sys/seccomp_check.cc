// Classic BPF as seccomp(2) runs it: Documentation/networking/filter.rst and userspace-api/seccomp_filter.rst of Linux.
// Only what libseccomp and sys/seccomp.cc write: loads of the call's data, masks, comparisons, constant answers.
#include "sys/seccomp_check.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>

#include <cstddef>
#include <cstring>

namespace kobuk::sys {
namespace {

#if defined(__x86_64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
constexpr uint32_t kArchitecture = AUDIT_ARCH_AARCH64;
#endif

bool holds(uint16_t operation, uint32_t left, uint32_t right) {
  switch (operation) {
    case BPF_JEQ: return left == right;
    case BPF_JGT: return left > right;
    case BPF_JGE: return left >= right;
    default: return (left & right) != 0;  // BPF_JSET
  }
}

}  // namespace

bool seccomp_allows(std::string_view filter, const SystemCall& call) {
  seccomp_data data{.nr = static_cast<int>(call.number), .arch = kArchitecture};
  for (size_t i = 0; i < 6; ++i) data.args[i] = call.arguments[i];
  uint32_t accumulator = 0;
  size_t count = filter.size() / sizeof(sock_filter);
  for (size_t at = 0; at < count; ++at) {  // jumps only lead forwards: it ends
    sock_filter i;
    std::memcpy(&i, filter.data() + at * sizeof i, sizeof i);
    switch (i.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        if (i.k > sizeof data - sizeof accumulator) return false;
        std::memcpy(&accumulator, reinterpret_cast<const char*>(&data) + i.k, sizeof accumulator);
        break;
      case BPF_ALU | BPF_AND | BPF_K: accumulator &= i.k; break;
      case BPF_JMP | BPF_JA: at += i.k; break;
      case BPF_JMP | BPF_JEQ | BPF_K:
      case BPF_JMP | BPF_JGT | BPF_K:
      case BPF_JMP | BPF_JGE | BPF_K:
      case BPF_JMP | BPF_JSET | BPF_K: at += holds(BPF_OP(i.code), accumulator, i.k) ? i.jt : i.jf; break;
      case BPF_RET | BPF_K: {
        uint32_t action = i.k & SECCOMP_RET_ACTION_FULL;
        return action == SECCOMP_RET_ALLOW || action == SECCOMP_RET_LOG;
      }
      default: return false;
    }
  }
  return false;
}

}  // namespace kobuk::sys
