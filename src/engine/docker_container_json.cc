// Containers as the Docker Engine API shows them: ContainerInspectResponse and ContainerSummary of v1.50.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "codec/json.h"
#include "engine/docker.h"

namespace kobuk::engine::docker {
namespace {

using codec::Value;

std::string port_key(const network::PortMapping& mapping) {
  const char* protocol = mapping.protocol == network::Protocol::kUdp ? "/udp" : mapping.protocol == network::Protocol::kSctp ? "/sctp" : "/tcp";
  return cat(mapping.container_port, protocol);
}

std::vector<std::string> part(const std::vector<std::string>& all, size_t from, size_t to) {
  return {all.begin() + static_cast<std::ptrdiff_t>(std::min(from, all.size())), all.begin() + static_cast<std::ptrdiff_t>(std::min(to, all.size()))};
}

void write_texts_or_null(JsonText& out, std::string_view name, const std::vector<std::string>& list) {
  if (list.empty()) {
    out.null_field(name);
  } else {
    out.field(name, list);
  }
}

void write_state(JsonText& out, const Entry& entry) {
  const StatusRecord& status = entry.status;
  Status s = status.status;
  out.key("State").open_object().field("Status", status_name(s)).field("Running", s == Status::kRunning || s == Status::kPaused);
  out.field("Paused", s == Status::kPaused).field("Restarting", s == Status::kRestarting).field("OOMKilled", status.oom_killed);
  out.field("Dead", s == Status::kDead).field("Pid", entry.live && entry.running() ? entry.live->state().pid : 0).field("ExitCode", status.exit_code);
  out.field("Error", status.error).field("StartedAt", time_text(status.started)).field("FinishedAt", time_text(status.finished));
  if (!entry.health.status.empty()) {
    out.key("Health").open_object().field("Status", entry.health.status).field("FailingStreak", entry.health.failing_streak).key("Log").open_array();
    for (const HealthState::Probe& probe : entry.health.log)
      out.open_object().field("Start", time_text(probe.start)).field("End", time_text(probe.end)).field("ExitCode", probe.exit_code).field("Output", probe.output).close_object();
    out.close_array().close_object();
  }
  out.close_object();
}

void write_config(JsonText& out, const ContainerRecord& record) {
  auto given = codec::parse_json(record.docker_config.empty() ? "{}" : record.docker_config);
  const Value null{};
  const Value& asked = given ? given->root : null;
  out.key("Config").open_object().field("Hostname", record.hostname).field("Domainname", record.domainname).field("User", record.user);
  for (const char* name : {"AttachStdin", "AttachStdout", "AttachStderr"}) out.field(name, asked[name].as_bool());
  if (!record.exposed_ports.empty()) {
    out.key("ExposedPorts").open_object();
    for (const std::string& port : record.exposed_ports) out.key(port).open_object().close_object();
    out.close_object();
  }
  out.field("Tty", record.tty).field("OpenStdin", record.stdin_open).field("StdinOnce", record.stdin_once).field("Env", record.env);
  write_texts_or_null(out, "Cmd", part(record.args, record.entrypoint_size, record.args.size()));
  if (asked["Healthcheck"].is_object()) out.field("Healthcheck", asked["Healthcheck"]);
  out.field("Image", record.image);
  if (asked["Volumes"].is_object()) {
    out.field("Volumes", asked["Volumes"]);
  } else {
    out.null_field("Volumes");
  }
  out.field("WorkingDir", record.cwd);
  write_texts_or_null(out, "Entrypoint", part(record.args, 0, record.entrypoint_size));
  out.null_field("OnBuild").field("Labels", record.labels);
  if (!record.stop_signal.empty()) out.field("StopSignal", record.stop_signal);
  if (record.stop_timeout) out.field("StopTimeout", *record.stop_timeout);
  out.close_object();
}

// As given, with what the engine made of it.
void write_host_config(JsonText& out, const ContainerRecord& record) {
  auto given = codec::parse_json(record.docker_host_config.empty() ? "{}" : record.docker_host_config);
  codec::Document fallback;
  fallback.root = Value::object();
  codec::Document& document = given ? *given : fallback;
  codec::Arena& arena = document.arena;
  Value& host = document.root;
  host.set(arena, "NetworkMode", Value::string(arena, record.network_mode));
  Value log = Value::object();
  log.set(arena, "Type", Value::string(arena, record.log.type));
  Value log_config = Value::object();
  if (record.log.type == "json-file") {
    log_config.set(arena, "max-size", Value::string(arena, cat(record.log.max_bytes)));
    log_config.set(arena, "max-file", Value::string(arena, cat(record.log.max_files)));
  }
  log.set(arena, "Config", log_config);
  host.set(arena, "LogConfig", log);
  Value restart = Value::object();
  constexpr const char* kModes[] = {"no", "always", "unless-stopped", "on-failure"};
  restart.set(arena, "Name", Value::string(arena, kModes[static_cast<size_t>(record.restart)]));
  restart.set(arena, "MaximumRetryCount", Value::integer(record.restart_tries));
  host.set(arena, "RestartPolicy", restart);
  host.set(arena, "AutoRemove", Value::boolean(record.auto_remove));
  host.set(arena, "IpcMode", Value::string(arena, record.ipc_mode.empty() ? "private" : record.ipc_mode));
  host.set(arena, "ShmSize", Value::integer(record.shm_size > 0 ? record.shm_size : 64 << 20));
  host.set(arena, "Runtime", Value::string(arena, "kobuk"));
  const sys::CgroupLimits& limits = record.limits;
  if (limits.memory_max) host.set(arena, "Memory", Value::integer(*limits.memory_max));
  if (limits.pids_max) host.set(arena, "PidsLimit", Value::integer(*limits.pids_max));
  if (limits.cpu_shares) host.set(arena, "CpuShares", Value::integer(static_cast<int64_t>(*limits.cpu_shares)));
  for (const char* name : {"Binds", "PortBindings", "VolumesFrom", "CapAdd", "CapDrop", "ExtraHosts", "GroupAdd", "Links", "SecurityOpt", "Devices", "Ulimits"})
    host.get_or_add(arena, name);
  if (host["PortBindings"].is_null()) host.set(arena, "PortBindings", Value::object());
  out.field("HostConfig", host);
}

void write_ports(JsonText& out, const Entry& entry) {
  out.key("Ports").open_object();
  std::vector<std::string> keys = entry.record.exposed_ports;
  for (const auto& mapping : entry.status.ports)
    if (std::find(keys.begin(), keys.end(), port_key(mapping)) == keys.end()) keys.push_back(port_key(mapping));
  for (const std::string& key : keys) {
    if (!entry.running()) break;
    out.key(key);
    bool any = false;
    for (const auto& mapping : entry.status.ports) {
      if (port_key(mapping) != key) continue;
      if (!std::exchange(any, true)) out.open_array();
      out.open_object().field("HostIp", mapping.host_ip.empty() ? "0.0.0.0" : mapping.host_ip).field("HostPort", cat(mapping.host_port)).close_object();
    }
    if (any) {
      out.close_array();
    } else {
      out.null();
    }
  }
  out.close_object();
}

void write_endpoint(JsonText& out, Core& core, const EndpointRecord& endpoint, const ContainerRecord& record) {
  auto network = core.find_network(endpoint.network);
  out.key(endpoint.network).open_object();
  if (endpoint.wanted_address.empty()) {
    out.null_field("IPAMConfig");
  } else {
    out.key("IPAMConfig").open_object().field("IPv4Address", endpoint.wanted_address).close_object();
  }
  out.null_field("Links");
  write_texts_or_null(out, "Aliases", endpoint.aliases);
  out.field("MacAddress", endpoint.mac).null_field("DriverOpts").field("GwPriority", 0).field("NetworkID", network ? network->id : "");
  out.field("EndpointID", endpoint.id).field("Gateway", endpoint.gateway).field("IPAddress", endpoint.address).field("IPPrefixLen", endpoint.prefix);
  out.field("IPv6Gateway", "").field("GlobalIPv6Address", "").field("GlobalIPv6PrefixLen", 0);
  if (endpoint.network == "bridge") {
    out.null_field("DNSNames");
  } else {
    std::vector<std::string> names = {record.name};
    names.insert(names.end(), endpoint.aliases.begin(), endpoint.aliases.end());
    names.push_back(record.id.substr(0, 12));
    out.field("DNSNames", names);
  }
  out.close_object();
}

// With addresses while it runs, else as configured.
std::vector<EndpointRecord> endpoints_of(const Entry& entry) {
  if (entry.running()) return entry.status.endpoints;
  std::vector<EndpointRecord> out = entry.record.endpoints;
  if (entry.record.network_mode == "host" || entry.record.network_mode == "none") out.push_back({.network = entry.record.network_mode});
  return out;
}

void write_networks(JsonText& out, Core& core, const Entry& entry) {
  std::vector<EndpointRecord> endpoints = endpoints_of(entry);
  if (endpoints.empty() && (entry.record.network_mode == "host" || entry.record.network_mode == "none")) endpoints.push_back({.network = entry.record.network_mode});
  out.key("Networks").open_object();
  for (const EndpointRecord& endpoint : endpoints) write_endpoint(out, core, endpoint, entry.record);
  out.close_object();
}

void write_network_settings(JsonText& out, Core& core, const Entry& entry) {
  EndpointRecord bridge;
  for (const EndpointRecord& endpoint : entry.status.endpoints)
    if (endpoint.network == "bridge") bridge = endpoint;
  out.key("NetworkSettings").open_object().field("Bridge", "").field("SandboxID", entry.running() ? entry.record.id : "");
  out.field("SandboxKey", entry.live && entry.running() ? entry.live->namespace_path(runtime::NamespaceKind::kNetwork) : "");
  write_ports(out, entry);
  out.field("HairpinMode", false).field("LinkLocalIPv6Address", "").field("LinkLocalIPv6PrefixLen", 0).null_field("SecondaryIPAddresses").null_field("SecondaryIPv6Addresses");
  out.field("EndpointID", bridge.id).field("Gateway", bridge.gateway).field("GlobalIPv6Address", "").field("GlobalIPv6PrefixLen", 0);
  out.field("IPAddress", bridge.address).field("IPPrefixLen", bridge.prefix).field("IPv6Gateway", "").field("MacAddress", bridge.mac);
  write_networks(out, core, entry);
  out.close_object();
}

void write_mounts(JsonText& out, Core& core, const ContainerRecord& record) {
  out.key("Mounts").open_array();
  for (const MountRecord& mount : record.mounts) {
    constexpr const char* kTypes[] = {"bind", "volume", "tmpfs"};
    out.open_object().field("Type", kTypes[static_cast<size_t>(mount.type)]);
    if (mount.type == MountType::kVolume) out.field("Name", mount.source);
    out.field("Source", mount.type == MountType::kVolume ? core.volume_path(mount.source) : mount.source).field("Destination", mount.destination);
    if (mount.type == MountType::kVolume) out.field("Driver", "local");
    out.field("Mode", mount.readonly ? "ro" : "").field("RW", !mount.readonly);
    out.field("Propagation", mount.type == MountType::kBind && mount.propagation.empty() ? "rprivate" : mount.propagation).close_object();
  }
  out.close_array();
}

std::string command_text(const ContainerRecord& record) {
  std::string out;
  for (const std::string& arg : record.args) {
    if (!out.empty()) out += ' ';
    bool quoted = arg.empty() || arg.find_first_of(" \t\n'\"") != std::string::npos;
    if (!quoted) {
      out += arg;
      continue;
    }
    out += '\'';
    for (char c : arg) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
    out += '\'';
  }
  return out;
}

std::string ago(Duration duration) {
  int64_t seconds = duration / std::chrono::seconds(1);
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return cat(seconds, " seconds");
  int64_t minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return cat(minutes, " minutes");
  int64_t hours = (seconds + 1800) / 3600;
  if (hours == 1) return "About an hour";
  if (hours < 48) return cat(hours, " hours");
  if (hours < 24 * 7 * 2) return cat(hours / 24, " days");
  if (hours < 24 * 30 * 2) return cat(hours / 24 / 7, " weeks");
  if (hours < 24 * 365 * 2) return cat(hours / 24 / 30, " months");
  return cat(hours / 24 / 365, " years");
}

int64_t size_below(int folder, int depth) {
  constexpr int kDeepest = 200;
  int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = copy < 0 ? nullptr : fdopendir(copy);
  if (dir == nullptr) {
    if (copy >= 0) close(copy);
    return 0;
  }
  int64_t total = 0;
  while (const dirent* item = readdir(dir)) {
    std::string_view name = item->d_name;
    struct stat st {};
    if (name == "." || name == ".." || fstatat(dirfd(dir), item->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    if (!S_ISDIR(st.st_mode)) total += st.st_size;
    if (!S_ISDIR(st.st_mode) || depth >= kDeepest) continue;
    int inner = openat(dirfd(dir), item->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) continue;
    total += size_below(inner, depth + 1);
    close(inner);
  }
  closedir(dir);
  return total;
}

void write_sizes(JsonText& out, Core& core, const ContainerRecord& record, int64_t own) {
  auto image = core.images().find(record.image_id);
  out.field("SizeRw", own).field("SizeRootFs", own + (image ? image->size : 0));
}

}  // namespace

io::Task<std::vector<int64_t>> directory_sizes(io::Loop& loop, std::vector<std::string> paths) {
  auto work = [paths = std::move(paths)] {
    std::vector<int64_t> out;
    for (const std::string& path : paths) {
      int fd = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
      out.push_back(fd < 0 ? 0 : size_below(fd, 0));
      if (fd >= 0) close(fd);
    }
    return out;
  };
  auto sizes = co_await loop.offload("sizes", std::move(work));
  co_return sizes;
}

io::Task<std::vector<int64_t>> own_sizes(Core& core, std::vector<EntryPtr> entries) {
  std::vector<std::string> paths;
  for (const EntryPtr& entry : entries) paths.push_back(cat(core.files_directory(entry->record.id), "/upper"));
  auto sizes = co_await directory_sizes(core.loop(), std::move(paths));
  co_return sizes;
}

std::string status_text(const Entry& entry, WallTime now) {
  const StatusRecord& status = entry.status;
  switch (status.status) {
    case Status::kCreated: return "Created";
    case Status::kRemoving: return "Removal In Progress";
    case Status::kDead: return "Dead";
    case Status::kRestarting: return cat("Restarting (", status.exit_code, ") ", ago(now - status.finished), " ago");
    case Status::kExited: return cat("Exited (", status.exit_code, ") ", ago(now - status.finished), " ago");
    case Status::kPaused: return cat("Up ", ago(now - status.started), " (Paused)");
    case Status::kRunning: break;
  }
  std::string health = entry.health.status.empty() ? "" : entry.health.status == "starting" ? " (health: starting)" : cat(" (", entry.health.status, ")");
  return cat("Up ", ago(now - status.started), health);
}

std::string container_inspect_json(Core& core, const Entry& entry, std::optional<int64_t> size) {
  const ContainerRecord& record = entry.record;
  std::string files = cat(core.files_directory(record.id), "/files");
  JsonText out;
  out.open_object().field("Id", record.id).field("Created", time_text(record.created)).field("Path", record.args.empty() ? "" : record.args.front());
  out.field("Args", part(record.args, 1, record.args.size()));
  write_state(out, entry);
  out.field("Image", record.image_id).field("ResolvConfPath", cat(files, "/resolv.conf")).field("HostnamePath", cat(files, "/hostname"));
  out.field("HostsPath", cat(files, "/hosts")).field("LogPath", record.log.path).field("Name", cat("/", record.name));
  out.field("RestartCount", entry.status.restart_count).field("Driver", "overlay2").field("Platform", "linux").field("MountLabel", "").field("ProcessLabel", "").field("AppArmorProfile", "");
  std::vector<std::string> execs;
  for (const auto& [id, exec] : entry.execs)
    if (exec->running) execs.push_back(id);
  write_texts_or_null(out, "ExecIDs", execs);
  write_host_config(out, record);
  out.key("GraphDriver").open_object().field("Name", "overlay2").key("Data").open_object();
  out.field("UpperDir", cat(core.files_directory(record.id), "/upper")).field("WorkDir", cat(core.files_directory(record.id), "/work")).close_object().close_object();
  if (size) write_sizes(out, core, record, *size);
  write_mounts(out, core, record);
  write_config(out, record);
  write_network_settings(out, core, entry);
  out.close_object();
  return std::move(out).take();
}

std::string container_summary_json(Core& core, const Entry& entry, std::optional<int64_t> size) {
  const ContainerRecord& record = entry.record;
  JsonText out;
  out.open_object().field("Id", record.id).key("Names").open_array().value(cat("/", record.name)).close_array();
  out.field("Image", record.image).field("ImageID", record.image_id).field("Command", command_text(record));
  out.field("Created", record.created.time_since_epoch() / std::chrono::seconds(1)).key("Ports").open_array();
  std::vector<std::string> published;
  for (const auto& mapping : entry.status.ports) {
    if (!entry.running()) break;
    std::string key = port_key(mapping);
    published.push_back(key);
    out.open_object().field("IP", mapping.host_ip.empty() ? "0.0.0.0" : mapping.host_ip).field("PrivatePort", mapping.container_port);
    out.field("PublicPort", mapping.host_port).field("Type", std::string_view(key).substr(key.find('/') + 1)).close_object();
  }
  for (const std::string& key : record.exposed_ports) {
    if (!entry.running() || record.network_mode == "host" || std::find(published.begin(), published.end(), key) != published.end()) continue;
    out.open_object().field("PrivatePort", parse_uint(key.substr(0, key.find('/'))).value_or(0)).field("Type", key.substr(key.find('/') + 1)).close_object();
  }
  out.close_array();
  if (size) write_sizes(out, core, record, *size);
  out.field("Labels", record.labels).field("State", status_name(entry.status.status)).field("Status", status_text(entry, core.loop().now()));
  out.key("HostConfig").open_object().field("NetworkMode", record.network_mode).close_object();
  out.key("NetworkSettings").open_object();
  write_networks(out, core, entry);
  out.close_object();
  write_mounts(out, core, record);
  out.close_object();
  return std::move(out).take();
}

}  // namespace kobuk::engine::docker
