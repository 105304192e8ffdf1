// BPF_PROG_TYPE_CGROUP_DEVICE: include/uapi/linux/bpf.h (struct bpf_cgroup_dev_ctx) and
// Documentation/admin-guide/cgroup-v2.rst, "Device controller", of Linux. The program is asked for each mknod and each
// open of a device node, and answers 1 or 0 (EPERM).
#include "sys/device_filter.h"

#include <linux/bpf.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <optional>

#include "base/strings.h"
#include "sys/fd.h"

namespace kobuk::sys {
namespace {

static_assert(sizeof(BpfInstruction) == sizeof(bpf_insn));
static_assert(int{kDeviceMake} == int{BPF_DEVCG_ACC_MKNOD} && int{kDeviceRead} == int{BPF_DEVCG_ACC_READ} &&
              int{kDeviceWrite} == int{BPF_DEVCG_ACC_WRITE});

constexpr uint8_t kResult = 0, kContext = 1, kType = 2, kAccess = 3, kMajor = 4, kMinor = 5;  // registers

BpfInstruction load(uint8_t into, size_t offset) {
  return {BPF_LDX | BPF_MEM | BPF_W, static_cast<uint8_t>(into | kContext << 4), static_cast<int16_t>(offset), 0};
}
BpfInstruction compute(uint8_t operation, uint8_t with, int32_t value) {
  return {static_cast<uint8_t>(BPF_ALU64 | operation | BPF_K), with, 0, value};
}
BpfInstruction skip_unless(uint8_t equals, int64_t value) {
  return {BPF_JMP | BPF_JNE | BPF_K, equals, 0, static_cast<int32_t>(value)};
}

// Takes out of kAccess what the rule allows, if it matches.
void append_rule(std::vector<BpfInstruction>& out, const DeviceRule& rule) {
  size_t first = out.size();
  if (rule.type != 'a') out.push_back(skip_unless(kType, rule.type == 'b' ? BPF_DEVCG_DEV_BLOCK : BPF_DEVCG_DEV_CHAR));
  if (rule.major != DeviceRule::kAny) out.push_back(skip_unless(kMajor, rule.major));
  if (rule.minor != DeviceRule::kAny) out.push_back(skip_unless(kMinor, rule.minor));
  for (size_t i = first; i < out.size(); ++i) out[i].offset = static_cast<int16_t>(out.size() - i);
  out.push_back(compute(BPF_AND, kAccess, ~int32_t{rule.access}));
}

std::string number_text(int64_t number) { return number == DeviceRule::kAny ? "*" : cat(number); }

// A container that can not be held to its devices does not start: what to change.
Error explain(int error, std::string_view what) {
  Error out = errno_error(error, what).context("the container's devices can not be restricted");
  if (error == EPERM || error == EACCES)
    return Error(Code::kPermissionDenied,
                 cat(out.message(), "; kobuk needs CAP_SYS_ADMIN, or CAP_BPF and CAP_NET_ADMIN, on the host"), error);
  if (error == ENOSYS || error == EINVAL)
    return Error(Code::kUnsupported,
                 cat(out.message(), "; the kernel needs CONFIG_BPF_SYSCALL and CONFIG_CGROUP_BPF"), error);
  return out;
}

}  // namespace

bool allows_every_device(const std::vector<DeviceRule>& rules) {
  return std::any_of(rules.begin(), rules.end(), [](const DeviceRule& rule) { return rule == kEveryDevice; });
}

Result<uint8_t> parse_device_access(std::string_view text) {
  if (text.empty()) return uint8_t{kDeviceAll};
  uint8_t out = 0;
  for (char letter : text) {
    uint8_t bit = letter == 'r' ? kDeviceRead : letter == 'w' ? kDeviceWrite : letter == 'm' ? kDeviceMake : 0;
    if (bit == 0) return fail(Code::kInvalid, "invalid device mode: ", text);
    out |= bit;
  }
  return out;
}

Result<DeviceRule> parse_device_rule(std::string_view text) {
  auto wrong = [&] { return fail(Code::kInvalid, "invalid device cgroup rule format: '", text, "'"); };
  auto number = [](std::string_view part) -> std::optional<int64_t> {
    if (part == "*") return DeviceRule::kAny;
    auto value = parse_uint(part);
    if (!value || *value > UINT32_MAX) return std::nullopt;
    return static_cast<int64_t>(*value);
  };
  auto parts = split(text, ' ');
  if (parts.size() != 3 || parts[0].size() != 1 || parts[2].empty() || parts[2].size() > 3) return wrong();
  auto numbers = split(parts[1], ':');
  if (numbers.size() != 2 || std::string_view("abc").find(parts[0]) == std::string_view::npos) return wrong();
  auto major = number(numbers[0]), minor = number(numbers[1]);
  auto access = parse_device_access(parts[2]);
  if (!major || !minor || !access) return wrong();
  return DeviceRule{parts[0][0], *major, *minor, *access};
}

std::string device_rule_text(const DeviceRule& rule) {
  return cat(std::string_view(&rule.type, 1), ' ', number_text(rule.major), ':', number_text(rule.minor), ' ',
             (rule.access & kDeviceRead) != 0 ? "r" : "", (rule.access & kDeviceWrite) != 0 ? "w" : "",
             (rule.access & kDeviceMake) != 0 ? "m" : "");
}

std::vector<BpfInstruction> device_program(const std::vector<DeviceRule>& rules) {
  std::vector<BpfInstruction> out = {
      load(kType, offsetof(bpf_cgroup_dev_ctx, access_type)),
      load(kAccess, offsetof(bpf_cgroup_dev_ctx, access_type)),
      load(kMajor, offsetof(bpf_cgroup_dev_ctx, major)),
      load(kMinor, offsetof(bpf_cgroup_dev_ctx, minor)),
      compute(BPF_AND, kType, 0xffff),
      compute(BPF_RSH, kAccess, 16),
  };
  for (const DeviceRule& rule : rules) append_rule(out, rule);
  // Allowed when nothing is left that no rule allowed.
  out.push_back(compute(BPF_MOV, kResult, 0));
  BpfInstruction end = skip_unless(kAccess, 0);
  end.offset = 1;
  out.push_back(end);
  out.push_back(compute(BPF_MOV, kResult, 1));
  out.push_back({BPF_JMP | BPF_EXIT, 0, 0, 0});
  return out;
}

Result<void> attach_device_filter(int group, const std::vector<DeviceRule>& rules) {
  std::vector<BpfInstruction> program = device_program(rules);
  bpf_attr load{};
  load.prog_type = BPF_PROG_TYPE_CGROUP_DEVICE;
  load.insns = reinterpret_cast<uint64_t>(program.data());
  load.insn_cnt = static_cast<uint32_t>(program.size());
  load.license = reinterpret_cast<uint64_t>("GPL");
  UniqueFd loaded(static_cast<int>(syscall(SYS_bpf, BPF_PROG_LOAD, &load, sizeof load)));
  if (!loaded) return fail(explain(errno, "load a BPF program"));
  bpf_attr attach{};
  attach.target_fd = static_cast<uint32_t>(group);
  attach.attach_bpf_fd = static_cast<uint32_t>(loaded.get());
  attach.attach_type = BPF_CGROUP_DEVICE;
  // So that programs of the groups above hold as well, and groups below may be narrowed further.
  attach.attach_flags = BPF_F_ALLOW_MULTI;
  if (syscall(SYS_bpf, BPF_PROG_ATTACH, &attach, sizeof attach) != 0)
    return fail(explain(errno, "attach a BPF program to the cgroup"));
  return {};
}

}  // namespace kobuk::sys
