// cri-api runtime.v1, api.proto: ContainerConfig and what it holds. Fields from 1001 are our own.
#include <algorithm>
#include <array>

#include "engine/cri_wire_fields.h"

namespace kobuk::engine::wire {
namespace {

// enum Signal, in its order from 1.
constexpr std::array<std::string_view, 65> kSignals = {
    "SIGABRT",      "SIGALRM",      "SIGBUS",       "SIGCHLD",      "SIGCLD",       "SIGCONT",      "SIGFPE",       "SIGHUP",
    "SIGILL",       "SIGINT",       "SIGIO",        "SIGIOT",       "SIGKILL",      "SIGPIPE",      "SIGPOLL",      "SIGPROF",
    "SIGPWR",       "SIGQUIT",      "SIGSEGV",      "SIGSTKFLT",    "SIGSTOP",      "SIGSYS",       "SIGTERM",      "SIGTRAP",
    "SIGTSTP",      "SIGTTIN",      "SIGTTOU",      "SIGURG",       "SIGUSR1",      "SIGUSR2",      "SIGVTALRM",    "SIGWINCH",
    "SIGXCPU",      "SIGXFSZ",      "SIGRTMIN",     "SIGRTMIN+1",   "SIGRTMIN+2",   "SIGRTMIN+3",   "SIGRTMIN+4",   "SIGRTMIN+5",
    "SIGRTMIN+6",   "SIGRTMIN+7",   "SIGRTMIN+8",   "SIGRTMIN+9",   "SIGRTMIN+10",  "SIGRTMIN+11",  "SIGRTMIN+12",  "SIGRTMIN+13",
    "SIGRTMIN+14",  "SIGRTMIN+15",  "SIGRTMAX-14",  "SIGRTMAX-13",  "SIGRTMAX-12",  "SIGRTMAX-11",  "SIGRTMAX-10",  "SIGRTMAX-9",
    "SIGRTMAX-8",   "SIGRTMAX-7",   "SIGRTMAX-6",   "SIGRTMAX-5",   "SIGRTMAX-4",   "SIGRTMAX-3",   "SIGRTMAX-2",   "SIGRTMAX-1",
    "SIGRTMAX"};

constexpr uint32_t kUnmaskedProc = 1001;                     // LinuxContainerSecurityContext: bool
constexpr uint32_t kLogMaxBytes = 1001, kLogMaxFiles = 1002;  // ContainerConfig
constexpr std::string_view kPidsMax = "pids.max";             // the CRI knows this limit by its file only

void write_security(ProtobufWriter& out, const ContainerConfig& config) {
  const CriSecurityContext& security = config.security;
  out.message(1, [&](ProtobufWriter& capability) {
    put_texts(capability, 1, security.add_capabilities);
    put_texts(capability, 2, security.drop_capabilities);
  });
  put_flag(out, 2, security.privileged);
  out.message(3, [&](ProtobufWriter& inner) { write(inner, Namespaces{.pid = config.pid}); });
  if (security.run_as_user) put_value(out, 5, *security.run_as_user);
  put_text(out, 6, security.run_as_username);
  put_flag(out, 7, security.readonly_rootfs);
  write_groups(out, 8, security.supplemental_groups);
  put_flag(out, 11, security.no_new_privs);
  if (security.run_as_group) put_value(out, 12, *security.run_as_group);
  put_texts(out, 13, security.masked_paths);
  put_texts(out, 14, security.readonly_paths);
  write_seccomp(out, 15, security);
  put_flag(out, kUnmaskedProc, !security.default_proc_mount);
}

Result<void> read_capabilities(std::string_view bytes, CriSecurityContext& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) return add(out.add_capabilities, field);
    if (field.number == 2) return add(out.drop_capabilities, field);
    if (field.number == 3) return refuse("add_ambient_capabilities");
    return {};
  });
}

Result<void> read_security(std::string_view bytes, ContainerConfig& out) {
  CriSecurityContext& security = out.security;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: return read_capabilities(field.bytes, security);
      case 2: security.privileged = field.as_bool(); break;
      case 3: {
        Namespaces namespaces;
        KOBUK_CHECK(read(field.bytes, namespaces));
        out.pid = namespaces.pid;
        break;
      }
      case 5: {
        KOBUK_TRY(security.run_as_user, to_value(field.bytes));
        break;
      }
      case 6: security.run_as_username = field.bytes; break;
      case 7: security.readonly_rootfs = field.as_bool(); break;
      case 8: return add_integers(security.supplemental_groups, field);
      case 11: security.no_new_privs = field.as_bool(); break;
      case 12: {
        KOBUK_TRY(security.run_as_group, to_value(field.bytes));
        break;
      }
      case 13: return add(security.masked_paths, field);
      case 14: return add(security.readonly_paths, field);
      case 15: return read_seccomp(field.bytes, security);
      case 16: return check_apparmor(field.bytes);
      case 17: return field.value == 0 ? Result<void>() : refuse("supplemental_groups_policy Strict");
      case kUnmaskedProc: security.default_proc_mount = !field.as_bool(); break;
      default: break;
    }
    return {};
  }));
  // Lists take the place of the engine's own masks. proto3 can't tell an empty list from none: that keeps the masks.
  if (!security.masked_paths.empty() || !security.readonly_paths.empty()) security.default_proc_mount = false;
  return {};
}

Result<void> check_huge_pages(std::string_view bytes) {
  return each_field(bytes, [](const ProtobufField& field) -> Result<void> {
    return field.number == 2 && field.value != 0 ? refuse("hugepage_limits") : Result<void>();
  });
}

void write_mount(ProtobufWriter& out, const CriMount& mount) {
  put_text(out, 1, mount.container_path);
  put_text(out, 2, mount.host_path);
  put_flag(out, 3, mount.readonly);
  put_number(out, 5, mount.propagation == "host-to-container" ? 1 : mount.propagation == "bidirectional" ? 2 : 0);
  put_flag(out, 8, mount.recursive_readonly);
}

Result<CriMount> read_mount(std::string_view bytes) {
  CriMount out;
  out.propagation = "private";
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.container_path = field.bytes; break;
      case 2: out.host_path = field.bytes; break;
      case 3: out.readonly = field.as_bool(); break;
      case 5: out.propagation = field.value == 1 ? "host-to-container" : field.value == 2 ? "bidirectional" : "private"; break;
      case 6:
      case 7: return refuse("a mount with uidMappings or gidMappings");
      case 8: out.recursive_readonly = field.as_bool(); break;
      case 9: return refuse("an image as a mount");
      case 11: return refuse("mount_options");
      default: break;
    }
    return {};
  }));
  return out;
}

Result<std::pair<std::string, std::string>> read_env(std::string_view bytes) {
  std::pair<std::string, std::string> out;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.first = field.bytes;
    if (field.number == 2) out.second = field.bytes;
    return {};
  }));
  return out;
}

Result<CriDevice> read_device(std::string_view bytes) {
  CriDevice out;
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) out.container_path = field.bytes;
    if (field.number == 2) out.host_path = field.bytes;
    if (field.number == 3) out.permissions = field.bytes;
    return {};
  }));
  return out;
}

Result<void> read_linux(std::string_view bytes, ContainerConfig& out) {
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    if (field.number == 1) return read(field.bytes, out.resources);
    if (field.number == 2) return read_security(field.bytes, out);
    return {};
  });
}

Result<std::string> to_signal(uint64_t number) {
  if (number > kSignals.size()) return fail(Code::kInvalid, "cri: stop_signal ", number);
  return std::string(number == 0 ? std::string_view() : kSignals[number - 1]);
}

uint64_t from_signal(std::string_view name) {
  auto found = std::ranges::find(kSignals, name);
  return found == kSignals.end() ? 0 : static_cast<uint64_t>(found - kSignals.begin()) + 1;
}

}  // namespace

void write(ProtobufWriter& out, const CriResources& resources) {
  put_number(out, 1, resources.cpu_period);
  put_number(out, 2, resources.cpu_quota);
  put_number(out, 3, resources.cpu_shares);
  put_number(out, 4, resources.memory_limit);
  put_number(out, 5, resources.oom_score_adj);
  put_text(out, 6, resources.cpuset_cpus);
  put_text(out, 7, resources.cpuset_mems);
  StringMap unified = resources.unified;
  if (resources.pids_limit > 0) unified[std::string(kPidsMax)] = cat(resources.pids_limit);
  put_map(out, 9, unified);
  put_number(out, 10, resources.memory_swap_limit);
}

Result<void> read(std::string_view bytes, CriResources& out) {
  KOBUK_CHECK(each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: out.cpu_period = field.as_int64(); break;
      case 2: out.cpu_quota = field.as_int64(); break;
      case 3: out.cpu_shares = field.as_int64(); break;
      case 4: out.memory_limit = field.as_int64(); break;
      case 5: out.oom_score_adj = field.as_int64(); break;
      case 6: out.cpuset_cpus = field.bytes; break;
      case 7: out.cpuset_mems = field.bytes; break;
      case 8: return check_huge_pages(field.bytes);
      case 9: return add_pair(out.unified, field.bytes);
      case 10: out.memory_swap_limit = field.as_int64(); break;
      default: break;
    }
    return {};
  }));
  auto pids = out.unified.find(std::string(kPidsMax));
  auto limit = pids == out.unified.end() ? std::nullopt : parse_int(pids->second);
  if (!limit || *limit <= 0) return {};
  out.pids_limit = *limit;  // where there is no unified hierarchy too
  out.unified.erase(pids);
  return {};
}

void write(ProtobufWriter& out, const ContainerConfig& config) {
  write_name(out, 1, config.name, config.attempt);
  write_image(out, 2, config.image);
  put_texts(out, 3, config.command);
  put_texts(out, 4, config.args);
  put_text(out, 5, config.working_dir);
  for (const auto& [name, value] : config.envs) {
    out.message(6, [&](ProtobufWriter& env) {
      put_text(env, 1, name);
      put_text(env, 2, value);
    });
  }
  for (const CriMount& mount : config.mounts) out.message(7, [&](ProtobufWriter& inner) { write_mount(inner, mount); });
  for (const CriDevice& device : config.devices) {
    out.message(8, [&](ProtobufWriter& inner) {
      put_text(inner, 1, device.container_path);
      put_text(inner, 2, device.host_path);
      put_text(inner, 3, device.permissions);
    });
  }
  put_map(out, 9, config.labels);
  put_map(out, 10, config.annotations);
  put_text(out, 11, config.log_path);
  put_flag(out, 12, config.stdin_open);
  put_flag(out, 13, config.stdin_once);
  put_flag(out, 14, config.tty);
  out.message(15, [&](ProtobufWriter& on_linux) {
    on_linux.message(1, [&](ProtobufWriter& resources) { write(resources, config.resources); });
    on_linux.message(2, [&](ProtobufWriter& security) { write_security(security, config); });
  });
  put_number(out, 18, static_cast<int64_t>(from_signal(config.stop_signal)));
  put_number(out, kLogMaxBytes, static_cast<int64_t>(config.log_max_bytes));
  put_number(out, kLogMaxFiles, config.log_max_files);
}

Result<void> read(std::string_view bytes, ContainerConfig& out) {
  out.pid = NamespaceMode::kPod;
  return each_field(bytes, [&](const ProtobufField& field) -> Result<void> {
    switch (field.number) {
      case 1: return read_name(field.bytes, out.name, out.attempt);
      case 2: return read_image(field.bytes, out.image);
      case 3: return add(out.command, field);
      case 4: return add(out.args, field);
      case 5: out.working_dir = field.bytes; break;
      case 6: {
        KOBUK_TRY(auto env, read_env(field.bytes));
        return add(out.envs, std::move(env));
      }
      case 7: {
        KOBUK_TRY(CriMount mount, read_mount(field.bytes));
        return add(out.mounts, std::move(mount));
      }
      case 8: {
        KOBUK_TRY(CriDevice device, read_device(field.bytes));
        return add(out.devices, std::move(device));
      }
      case 9: return add_pair(out.labels, field.bytes);
      case 10: return add_pair(out.annotations, field.bytes);
      case 11: out.log_path = field.bytes; break;
      case 12: out.stdin_open = field.as_bool(); break;
      case 13: out.stdin_once = field.as_bool(); break;
      case 14: out.tty = field.as_bool(); break;
      case 15: return read_linux(field.bytes, out);
      case 17: return refuse("CDI_devices");
      case 18: {
        KOBUK_TRY(out.stop_signal, to_signal(field.value));
        break;
      }
      case kLogMaxBytes:
        if (field.value != 0) out.log_max_bytes = field.value;
        break;
      case kLogMaxFiles:
        if (static_cast<uint32_t>(field.value) != 0) out.log_max_files = static_cast<uint32_t>(field.value);
        break;
      default: break;
    }
    return {};
  });
}

}  // namespace kobuk::engine::wire
