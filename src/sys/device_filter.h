// Device filters: which device nodes the processes of a cgroup may make and open, as a list of what is allowed.
//
//   std::vector<DeviceRule> rules = {{'c', 1, 3, kDeviceAll}};            // /dev/null, and nothing else
//   KOBUK_CHECK(attach_device_filter(group.get(), rules));                // v2: a BPF program on the group's folder
//
// A device may be used in a way when the rules that match it together allow all of that way. Rules only ever narrow:
// those of the groups above hold too. On v1 the same list becomes writes of the devices controller.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::sys {

enum DeviceAccess : uint8_t { kDeviceMake = 1, kDeviceRead = 2, kDeviceWrite = 4, kDeviceAll = 7 };

struct DeviceRule {
  static constexpr int64_t kAny = -1;
  char type = 'a';  // 'c', 'b', or 'a': both
  int64_t major = kAny;
  int64_t minor = kAny;
  uint8_t access = 0;  // DeviceAccess
  bool operator==(const DeviceRule&) const = default;
};
inline constexpr DeviceRule kEveryDevice{'a', DeviceRule::kAny, DeviceRule::kAny, kDeviceAll};

bool allows_every_device(const std::vector<DeviceRule>& rules);
// "rwm", in any order; empty means all. kInvalid for other letters.
Result<uint8_t> parse_device_access(std::string_view text);
// What device_rule_text() writes, with any of 'a', 'b', 'c' and one to three letters of access. kInvalid.
Result<DeviceRule> parse_device_rule(std::string_view text);
// As the v1 controller writes it: "c 136:* rwm".
std::string device_rule_text(const DeviceRule& rule);

// One instruction of a BPF program, as struct bpf_insn has it.
struct BpfInstruction {
  uint8_t code = 0;
  uint8_t registers = 0;  // destination in the low half, source in the high one
  int16_t offset = 0;
  int32_t immediate = 0;
  bool operator==(const BpfInstruction&) const = default;
};
// The program of type BPF_PROG_TYPE_CGROUP_DEVICE that decides by these rules. Pure.
std::vector<BpfInstruction> device_program(const std::vector<DeviceRule>& rules);

// `group`: the folder of a v2 cgroup. kUnsupported or kPermissionDenied say what to change.
Result<void> attach_device_filter(int group, const std::vector<DeviceRule>& rules);

}  // namespace kobuk::sys
