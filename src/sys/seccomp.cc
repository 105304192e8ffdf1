// seccomp(2) filters by libseccomp.
#include "sys/seccomp.h"

#include <linux/filter.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "sys/fd.h"
#include "sys/file.h"

namespace kobuk::sys {
namespace {

// Calls that the packaged libseccomp may not know by name. Since 424 all architectures share the numbers.
constexpr struct {
  std::string_view name;
  int number;
} kNewCalls[] = {
    {"quotactl_fd", 443},       {"landlock_create_ruleset", 444},
    {"landlock_add_rule", 445}, {"landlock_restrict_self", 446},
    {"memfd_secret", 447},      {"process_mrelease", 448},
    {"futex_waitv", 449},       {"set_mempolicy_home_node", 450},
    {"cachestat", 451},         {"fchmodat2", 452},
    {"map_shadow_stack", 453},  {"futex_wake", 454},
    {"futex_wait", 455},        {"futex_requeue", 456},
    {"statmount", 457},         {"listmount", 458},
    {"lsm_get_self_attr", 459}, {"lsm_set_self_attr", 460},
    {"lsm_list_modules", 461},  {"mseal", 462},
    {"setxattrat", 463},        {"getxattrat", 464},
    {"listxattrat", 465},       {"removexattrat", 466},
    {"open_tree_attr", 467},    {"file_getattr", 468},
    {"file_setattr", 469},
};
constexpr uint32_t kNewestKnown = 469;
constexpr uint32_t kX32Bit = 0x40000000;

std::optional<uint32_t> architecture(std::string_view name) {
  if (name == "x86_64") return SCMP_ARCH_X86_64;
  if (name == "x86") return SCMP_ARCH_X86;
  if (name == "x32") return SCMP_ARCH_X32;
  if (name == "aarch64") return SCMP_ARCH_AARCH64;
  if (name == "arm") return SCMP_ARCH_ARM;
  return std::nullopt;
}

uint32_t action_of(SeccompAction action, uint32_t error) {
  switch (action) {
    case SeccompAction::kAllow:
      return SCMP_ACT_ALLOW;
    case SeccompAction::kErrno:
      return SCMP_ACT_ERRNO(error);
    case SeccompAction::kKillProcess:
      return SCMP_ACT_KILL_PROCESS;
    case SeccompAction::kKillThread:
      return SCMP_ACT_KILL_THREAD;
    case SeccompAction::kTrap:
      return SCMP_ACT_TRAP;
    case SeccompAction::kLog:
      return SCMP_ACT_LOG;
    case SeccompAction::kTrace:
      return SCMP_ACT_TRACE(error);
  }
  return SCMP_ACT_KILL_PROCESS;
}

scmp_compare compare_of(SeccompArgument::Op op) {
  switch (op) {
    case SeccompArgument::Op::kNotEqual:
      return SCMP_CMP_NE;
    case SeccompArgument::Op::kLess:
      return SCMP_CMP_LT;
    case SeccompArgument::Op::kLessOrEqual:
      return SCMP_CMP_LE;
    case SeccompArgument::Op::kEqual:
      return SCMP_CMP_EQ;
    case SeccompArgument::Op::kGreaterOrEqual:
      return SCMP_CMP_GE;
    case SeccompArgument::Op::kGreater:
      return SCMP_CMP_GT;
    case SeccompArgument::Op::kMaskedEqual:
      return SCMP_CMP_MASKED_EQ;
  }
  return SCMP_CMP_EQ;
}

// A call that only we know by name: libseccomp can't take its number for several architectures at once.
struct NewCall {
  uint32_t number;
  uint32_t action;
};

std::optional<uint32_t> new_call(std::string_view name) {
  for (const auto& call : kNewCalls)
    if (call.name == name) return static_cast<uint32_t>(call.number);
  return std::nullopt;
}

Result<void> add_rule(scmp_filter_ctx context, const SeccompRule& rule, const SeccompProfile& profile,
                      std::vector<NewCall>& own) {
  uint32_t action = action_of(rule.action, rule.error);
  if (action == action_of(profile.default_action, profile.default_error))
    return {};  // libseccomp refuses these
  std::vector<scmp_arg_cmp> arguments;
  for (const SeccompArgument& a : rule.arguments) {
    if (a.index > 5) return fail(Code::kInvalid, "seccomp: a system call has no argument ", a.index);
    arguments.push_back({a.index, compare_of(a.op), a.value, a.value_two});
  }
  for (const std::string& name : rule.names) {
    int number = seccomp_syscall_resolve_name(name.c_str());
    if (number == __NR_SCMP_ERROR) {
      auto newer = new_call(name);
      if (newer && !arguments.empty())
        return fail(Code::kUnsupported, "seccomp: this libseccomp does not know ", name,
                    " and can not look at its arguments");
      if (newer) own.push_back({*newer, action});
      continue;
    }
    int result = seccomp_rule_add_array(context, action, number, static_cast<unsigned>(arguments.size()),
                                        arguments.data());
    // EDOM, EEXIST: the call does not exist on an architecture of the filter, or the rule is there already.
    if (result != 0 && result != -EDOM && result != -EEXIST)
      return fail_errno(-result, cat("seccomp rule for ", name));
  }
  return {};
}

// What is decided before libseccomp's program is asked, by numbers that all architectures share (but x32,
// which has a high bit): the calls of `own`, and, in a profile that refuses by errno, calls newer than
// kNewestKnown get ENOSYS.
std::string prefix_of(const std::vector<NewCall>& own, bool refuse_newer) {
  std::vector<sock_filter> program = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0)};  // seccomp_data.nr
  for (const NewCall& call : own) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, call.number, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, call.action));
  }
  if (refuse_newer) {
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, kX32Bit, 2, 0));
    program.push_back(BPF_JUMP(BPF_JMP | BPF_JGT | BPF_K, kNewestKnown, 0, 1));
    program.push_back(BPF_STMT(BPF_RET | BPF_K, SCMP_ACT_ERRNO(ENOSYS)));
  }
  if (program.size() == 1) return {};
  return {reinterpret_cast<const char*>(program.data()), program.size() * sizeof(sock_filter)};
}

}  // namespace

Result<std::string> compile_seccomp(const SeccompProfile& profile) {
  struct Release {
    void operator()(void* context) const { seccomp_release(context); }
  };
  std::unique_ptr<void, Release> context(
      seccomp_init(action_of(profile.default_action, profile.default_error)));
  if (!context) return fail(Code::kInvalid, "seccomp: the default action is not usable");
  for (const std::string& name : profile.architectures) {
    auto arch = architecture(name);
    if (!arch) return fail(Code::kInvalid, "seccomp: unknown architecture ", go_quote(name));
    int result = seccomp_arch_add(context.get(), *arch);
    if (result != 0 && result != -EEXIST) return fail_errno(-result, cat("seccomp architecture ", name));
  }
  // A binary tree over the numbers: the common call costs a few comparisons instead of some hundred.
  seccomp_attr_set(context.get(), SCMP_FLTATR_CTL_OPTIMIZE, 2);
  seccomp_attr_set(context.get(), SCMP_FLTATR_ACT_BADARCH,
                   action_of(profile.default_action, profile.default_error));
  std::vector<NewCall> own;
  for (const SeccompRule& rule : profile.rules) KOBUK_CHECK(add_rule(context.get(), rule, profile, own));
  UniqueFd file(memfd_create("seccomp", MFD_CLOEXEC));
  if (!file) return fail_errno(errno, "memfd_create");
  if (int result = seccomp_export_bpf(context.get(), file.get()); result != 0)
    return fail_errno(-result, "compile seccomp");
  lseek(file.get(), 0, SEEK_SET);
  KOBUK_TRY(std::string body, read_all(file.get(), "the seccomp program", 1 << 20));
  std::string program = prefix_of(own, profile.default_action == SeccompAction::kErrno) + body;
  if (program.size() / sizeof(sock_filter) > BPF_MAXINSNS)
    return fail(Code::kTooLarge, "the seccomp profile is too large");
  return program;
}

std::string seccomp_cache_key(const SeccompProfile& profile) {
  const scmp_version* version = seccomp_version();
  std::string key = cat("3 ", version->major, '.', version->minor, '.', version->micro, ' ',
                        static_cast<int>(profile.default_action), ' ', profile.default_error);
  for (const auto& a : profile.architectures) cat_to(key, ' ', a);
  for (const SeccompRule& rule : profile.rules) {
    cat_to(key, '\n', static_cast<int>(rule.action), ' ', rule.error);
    for (const auto& a : rule.arguments)
      cat_to(key, " [", a.index, ' ', static_cast<int>(a.op), ' ', a.value, ' ', a.value_two, ']');
    for (const auto& name : rule.names) cat_to(key, ' ', name);
  }
  return key;
}

}  // namespace kobuk::sys
