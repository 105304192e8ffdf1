// https://github.com/opencontainers/runtime-spec/blob/main/config-linux.md#seccomp, and the fields that Docker adds:
// archMap, syscalls[].includes and excludes (arches, caps). Their minKernel is passed over: the newest in Docker's own
// profile is 4.8, and kobuk runs on nothing that old.
#include "engine/seccomp_profile.h"

#include <array>

#include "codec/json.h"
#include "sys/capability.h"

namespace kobuk::engine {
namespace {

using codec::Value;
using sys::SeccompAction;
using sys::SeccompArgument;

template <class T, size_t N>
Result<T> look_up(const std::pair<std::string_view, T> (&table)[N], std::string_view name, const char* what) {
  for (const auto& [key, value] : table)
    if (key == name) return value;
  return fail(Code::kInvalid, "seccomp profile: unknown ", what, " \"", name, "\"");
}

constexpr std::pair<std::string_view, SeccompAction> kActions[] = {
    {"SCMP_ACT_ALLOW", SeccompAction::kAllow},      {"SCMP_ACT_ERRNO", SeccompAction::kErrno},
    {"SCMP_ACT_KILL", SeccompAction::kKillThread},  {"SCMP_ACT_KILL_THREAD", SeccompAction::kKillThread},
    {"SCMP_ACT_KILL_PROCESS", SeccompAction::kKillProcess}, {"SCMP_ACT_TRAP", SeccompAction::kTrap},
    {"SCMP_ACT_LOG", SeccompAction::kLog},          {"SCMP_ACT_TRACE", SeccompAction::kTrace}};

constexpr std::pair<std::string_view, SeccompArgument::Op> kOps[] = {
    {"SCMP_CMP_NE", SeccompArgument::Op::kNotEqual},    {"SCMP_CMP_LT", SeccompArgument::Op::kLess},
    {"SCMP_CMP_LE", SeccompArgument::Op::kLessOrEqual}, {"SCMP_CMP_EQ", SeccompArgument::Op::kEqual},
    {"SCMP_CMP_GE", SeccompArgument::Op::kGreaterOrEqual}, {"SCMP_CMP_GT", SeccompArgument::Op::kGreater},
    {"SCMP_CMP_MASKED_EQ", SeccompArgument::Op::kMaskedEqual}};

constexpr std::pair<std::string_view, std::string_view> kArchitectures[] = {
    {"SCMP_ARCH_X86_64", "x86_64"}, {"SCMP_ARCH_X86", "x86"}, {"SCMP_ARCH_X32", "x32"},
    {"SCMP_ARCH_AARCH64", "aarch64"}, {"SCMP_ARCH_ARM", "arm"}};

Result<std::string> machine_of(std::string_view name) {
  KOBUK_TRY(std::string_view found, look_up(kArchitectures, name, "architecture"));
  return std::string(found);
}

bool lists_arch(const Value& arches, std::string_view machine) {
  std::string_view docker = machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : machine;
  for (const Value& arch : arches.items())
    if (arch.as_string() == docker) return true;
  return false;
}

// How many of the capabilities are had.
size_t held(const Value& names, uint64_t capabilities) {
  size_t count = 0;
  for (const Value& name : names.items()) {
    auto number = sys::capability_number(name.as_string());
    count += number && (capabilities & sys::capability_bit(*number)) != 0 ? 1 : 0;
  }
  return count;
}

bool applies(const Value& rule, const std::string& machine, uint64_t capabilities) {
  const Value& in = rule["includes"];
  const Value& out = rule["excludes"];
  if (in["arches"].size() > 0 && !lists_arch(in["arches"], machine)) return false;
  if (held(in["caps"], capabilities) != in["caps"].size()) return false;
  return !lists_arch(out["arches"], machine) && held(out["caps"], capabilities) == 0;
}

Result<sys::SeccompRule> read_rule(const Value& value) {
  sys::SeccompRule rule;
  KOBUK_TRY(rule.action, look_up(kActions, value["action"].as_string(), "action"));
  rule.error = static_cast<uint32_t>(value["errnoRet"].as_int(1));
  if (value["name"].is_string()) rule.names.emplace_back(value["name"].as_string());
  for (const Value& name : value["names"].items()) rule.names.emplace_back(name.as_string());
  for (const Value& item : value["args"].items()) {
    SeccompArgument argument;
    argument.index = static_cast<uint32_t>(item["index"].as_int());
    argument.value = static_cast<uint64_t>(item["value"].as_int());
    argument.value_two = static_cast<uint64_t>(item["valueTwo"].as_int());
    KOBUK_TRY(argument.op, look_up(kOps, item["op"].as_string(), "operator"));
    if (argument.index > 5) return fail(Code::kInvalid, "seccomp profile: argument index ", argument.index, " is past 5");
    rule.arguments.push_back(argument);
  }
  return rule;
}

}  // namespace

Result<sys::SeccompProfile> parse_seccomp_profile(std::string_view json, const std::string& machine, uint64_t capabilities) {
  auto document = codec::parse_json(json, {.max_bytes = 4 << 20, .max_depth = 16});
  if (!document || !document->root.is_object()) return fail(Code::kInvalid, "Decoding seccomp profile failed: it is no JSON object");
  const Value& root = document->root;
  sys::SeccompProfile out;
  KOBUK_TRY(out.default_action, look_up(kActions, root["defaultAction"].as_string(), "action"));
  out.default_error = static_cast<uint32_t>(root["defaultErrnoRet"].as_int(1));
  for (const Value& arch : root["architectures"].items()) {
    // Other machines' names are common in profiles for many hosts; they mean nothing here.
    if (auto name = machine_of(arch.as_string())) out.architectures.push_back(std::move(*name));
  }
  for (const Value& map : root["archMap"].items()) {
    auto native = machine_of(map["architecture"].as_string());
    if (!native || *native != machine) continue;
    for (const Value& sub : map["subArchitectures"].items())
      if (auto name = machine_of(sub.as_string())) out.architectures.push_back(std::move(*name));
  }
  for (const Value& rule : root["syscalls"].items()) {
    if (!applies(rule, machine, capabilities)) continue;
    KOBUK_TRY(sys::SeccompRule read, read_rule(rule));
    if (!read.names.empty()) out.rules.push_back(std::move(read));
  }
  return out;
}

}  // namespace kobuk::engine
