// Names of linux/capability.h, in their order.
#include "sys/capability.h"

#include <iterator>

namespace kobuk::sys {
namespace {
constexpr std::string_view kNames[] = {"CAP_CHOWN",
                                       "CAP_DAC_OVERRIDE",
                                       "CAP_DAC_READ_SEARCH",
                                       "CAP_FOWNER",
                                       "CAP_FSETID",
                                       "CAP_KILL",
                                       "CAP_SETGID",
                                       "CAP_SETUID",
                                       "CAP_SETPCAP",
                                       "CAP_LINUX_IMMUTABLE",
                                       "CAP_NET_BIND_SERVICE",
                                       "CAP_NET_BROADCAST",
                                       "CAP_NET_ADMIN",
                                       "CAP_NET_RAW",
                                       "CAP_IPC_LOCK",
                                       "CAP_IPC_OWNER",
                                       "CAP_SYS_MODULE",
                                       "CAP_SYS_RAWIO",
                                       "CAP_SYS_CHROOT",
                                       "CAP_SYS_PTRACE",
                                       "CAP_SYS_PACCT",
                                       "CAP_SYS_ADMIN",
                                       "CAP_SYS_BOOT",
                                       "CAP_SYS_NICE",
                                       "CAP_SYS_RESOURCE",
                                       "CAP_SYS_TIME",
                                       "CAP_SYS_TTY_CONFIG",
                                       "CAP_MKNOD",
                                       "CAP_LEASE",
                                       "CAP_AUDIT_WRITE",
                                       "CAP_AUDIT_CONTROL",
                                       "CAP_SETFCAP",
                                       "CAP_MAC_OVERRIDE",
                                       "CAP_MAC_ADMIN",
                                       "CAP_SYSLOG",
                                       "CAP_WAKE_ALARM",
                                       "CAP_BLOCK_SUSPEND",
                                       "CAP_AUDIT_READ",
                                       "CAP_PERFMON",
                                       "CAP_BPF",
                                       "CAP_CHECKPOINT_RESTORE"};
constexpr int kCount = static_cast<int>(std::size(kNames));
}  // namespace

std::optional<int> capability_number(std::string_view name) {
  for (int i = 0; i < kCount; ++i)
    if (equals_ignore_case(name, kNames[i]) || equals_ignore_case(name, kNames[i].substr(4))) return i;
  return std::nullopt;
}

std::string_view capability_name(int number) {
  return number >= 0 && number < kCount ? kNames[number] : std::string_view();
}
int highest_known_capability() { return kCount - 1; }

Result<uint64_t> capability_mask(const std::vector<std::string>& names) {
  uint64_t mask = 0;
  for (const std::string& name : names) {
    if (equals_ignore_case(name, "ALL")) {
      mask |= (uint64_t{1} << kCount) - 1;
      continue;
    }
    auto number = capability_number(name);
    if (!number) return fail(Code::kInvalid, "unknown capability ", go_quote(name));
    mask |= capability_bit(*number);
  }
  return mask;
}

}  // namespace kobuk::sys
