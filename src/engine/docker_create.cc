// ContainerConfig, HostConfig and NetworkingConfig of the Docker Engine API 1.50. What is not honoured is refused.
#include "engine/docker_create.h"

#include <algorithm>

#include "base/strings.h"
#include "codec/json.h"
#include "engine/names.h"
#include "sys/device_filter.h"

namespace kobuk::engine::docker {
namespace {

using codec::Value;

std::vector<std::string> texts(const Value& list) {
  std::vector<std::string> out;
  if (list.is_string()) out.emplace_back(list.as_string());  // Cmd and Entrypoint may be one text
  for (const Value& item : list.items()) out.emplace_back(item.as_string());
  return out;
}

std::map<std::string, std::string> text_map(const Value& object) {
  std::map<std::string, std::string> out;
  for (const codec::Member& member : object.members()) out[std::string(member.key)] = member.value.as_string();
  return out;
}

bool is_set(const Value& value) {
  if (value.is_null()) return false;
  if (value.is_bool()) return value.as_bool();
  if (value.is_number()) return value.as_double() != 0;
  if (value.is_string()) return !value.as_string().empty();
  return value.size() > 0;
}

struct Refusal {
  const char* field;
  const char* reason;
};
constexpr Refusal kRefused[] = {
    {"VolumesFrom", "--volumes-from is not supported: name the volumes with -v"},
    {"Links", "--link is not supported: use a network of your own (docker network create)"},
    {"BlkioWeight", "--blkio-weight is not supported"},
    {"BlkioWeightDevice", "--blkio-weight-device is not supported"},
    {"BlkioDeviceReadBps", "--device-read-bps is not supported"},
    {"BlkioDeviceWriteBps", "--device-write-bps is not supported"},
    {"BlkioDeviceReadIOps", "--device-read-iops is not supported"},
    {"BlkioDeviceWriteIOps", "--device-write-iops is not supported"},
    {"CpuRealtimePeriod", "--cpu-rt-period is not supported"},
    {"CpuRealtimeRuntime", "--cpu-rt-runtime is not supported"},
    {"DeviceRequests", "--gpus is not supported: name devices with --device"},
    {"StorageOpt", "--storage-opt is not supported"},
    {"OomKillDisable", "--oom-kill-disable is not supported"},
    {"Init", "--init is not supported: use an image with an init (tini) as its entry point"},
    {"KernelMemory", "--kernel-memory is not supported"},
    {"KernelMemoryTCP", "--kernel-memory-tcp is not supported"},
    {"CpuCount", "--cpu-count is for Windows only"},
    {"CpuPercent", "--cpu-percent is for Windows only"},
    {"IOMaximumIOps", "--io-maxiops is for Windows only"},
    {"IOMaximumBandwidth", "--io-maxbandwidth is for Windows only"},
};

Result<void> refuse_limits(const Value& host) {
  for (const Refusal& refusal : kRefused)
    if (is_set(host[refusal.field])) return fail(Code::kUnsupported, refusal.reason);
  if (host["MemorySwappiness"].as_int(-1) != -1) return fail(Code::kUnsupported, "--memory-swappiness is not supported");
  return {};
}

Result<void> refuse_unsupported(const Value& host, const Value& config) {
  auto among = [](std::string_view value, std::initializer_list<std::string_view> allowed) {
    return std::find(allowed.begin(), allowed.end(), value) != allowed.end();
  };
  if (!among(host["VolumeDriver"].as_string(), {"", "local"}))
    return fail(Code::kUnsupported, "volume driver \"", host["VolumeDriver"].as_string(), "\" is not supported: use local");
  if (!among(host["Isolation"].as_string(), {"", "default"})) return fail(Code::kUnsupported, "--isolation is for Windows only");
  if (!among(host["UsernsMode"].as_string(), {"", "host"})) return fail(Code::kUnsupported, "--userns ", host["UsernsMode"].as_string(), " is not supported");
  if (!among(host["Runtime"].as_string(), {"", "runc", "kobuk"}))
    return fail(Code::kInvalid, "unknown or invalid runtime name: ", host["Runtime"].as_string());
  if (is_set(config["MacAddress"])) return fail(Code::kUnsupported, "--mac-address is not supported");
  return {};
}

// Later values replace earlier ones of the same name, at their place.
std::vector<std::string> merge_env(const std::vector<std::string>& base, const std::vector<std::string>& over) {
  std::vector<std::string> out = base;
  for (const std::string& item : over) {
    std::string name = item.substr(0, item.find('='));
    auto same = [&](const std::string& other) { return other.substr(0, other.find('=')) == name; };
    auto old = std::find_if(out.begin(), out.end(), same);
    bool has_value = item.find('=') != std::string::npos;
    if (old != out.end() && has_value) *old = item;
    if (old != out.end() && !has_value) out.erase(old);  // "NAME" alone takes it away
    if (old == out.end() && has_value) out.push_back(item);
  }
  return out;
}

Result<void> set_command(const Value& config, const image::ImageConfig& image, ContainerRecord& out) {
  std::vector<std::string> entrypoint = texts(config["Entrypoint"]), command = texts(config["Cmd"]);
  if (entrypoint.empty()) {
    if (command.empty()) command = image.cmd;
    entrypoint = image.entrypoint;
  } else if (entrypoint.size() == 1 && entrypoint.front().empty()) {
    entrypoint.clear();  // --entrypoint "": none, not even the image's
  }
  out.args = entrypoint;
  out.entrypoint_size = entrypoint.size();
  out.args.insert(out.args.end(), command.begin(), command.end());
  if (out.args.empty()) return fail(Code::kInvalid, "no command specified");
  return {};
}

Result<network::PortMapping> parse_port(std::string_view key) {
  size_t slash = key.find('/');
  std::string_view protocol = slash == std::string_view::npos ? "tcp" : key.substr(slash + 1);
  auto port = parse_uint(key.substr(0, slash));
  network::PortMapping out;
  if (!port || *port == 0 || *port > 65535) return fail(Code::kInvalid, "invalid port specification: ", go_quote(key));
  if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") return fail(Code::kInvalid, "invalid proto: ", protocol);
  out.container_port = static_cast<uint16_t>(*port);
  out.protocol = protocol == "udp" ? network::Protocol::kUdp : protocol == "sctp" ? network::Protocol::kSctp : network::Protocol::kTcp;
  return out;
}

Result<void> set_ports(const Value& config, const Value& host, const image::ImageConfig& image, ContainerRecord& out) {
  out.exposed_ports = image.exposed_ports;
  auto expose = [&](std::string_view port) {
    std::string text = port.find('/') == std::string_view::npos ? cat(port, "/tcp") : std::string(port);
    if (std::find(out.exposed_ports.begin(), out.exposed_ports.end(), text) == out.exposed_ports.end()) out.exposed_ports.push_back(text);
  };
  for (const codec::Member& member : config["ExposedPorts"].members()) {
    KOBUK_TRY(auto checked, parse_port(member.key));
    expose(member.key);
  }
  for (const codec::Member& member : host["PortBindings"].members()) {
    KOBUK_TRY(network::PortMapping mapping, parse_port(member.key));
    expose(member.key);
    for (const Value& binding : member.value.items()) {
      std::string_view port = binding["HostPort"].as_string();
      auto number = port.empty() ? std::optional<uint64_t>(0) : parse_uint(port);
      if (!number || *number > 65535)
        return fail(Code::kInvalid, "invalid port specification: ", go_quote(port), port.find('-') != std::string_view::npos ? ": ranges of host ports are not supported, name one port" : "");
      mapping.host_port = static_cast<uint16_t>(*number);
      mapping.host_ip = binding["HostIp"].as_string();
      if (mapping.host_ip == "0.0.0.0" || mapping.host_ip == "::") mapping.host_ip.clear();
      out.ports.push_back(mapping);
    }
  }
  if (!host["PublishAllPorts"].as_bool()) return {};
  for (const std::string& port : out.exposed_ports) {
    KOBUK_TRY(network::PortMapping mapping, parse_port(port));
    auto same = [&](const network::PortMapping& other) { return other.container_port == mapping.container_port && other.protocol == mapping.protocol; };
    if (std::none_of(out.ports.begin(), out.ports.end(), same)) out.ports.push_back(mapping);
  }
  return {};
}

Result<MountRecord> decode_mount(const Value& value) {
  std::string_view type = value["Type"].as_string();
  MountRecord out;
  out.source = value["Source"].as_string();
  out.destination = value["Target"].as_string();
  out.readonly = value["ReadOnly"].as_bool();
  if (!out.destination.starts_with('/')) return fail(Code::kInvalid, "invalid mount config for type ", go_quote(type), ": invalid mount path: '", out.destination, "' mount path must be absolute");
  if (type == "bind") {
    const Value& options = value["BindOptions"];
    out.propagation = options["Propagation"].as_string();
    out.create_source = options["CreateMountpoint"].as_bool();
    if (options["NonRecursive"].as_bool()) return fail(Code::kUnsupported, "bind-recursive=disabled is not supported");
    out.recursive_readonly = options["ReadOnlyForceRecursive"].as_bool();
    if (!out.source.starts_with('/')) return fail(Code::kInvalid, "invalid mount config for type \"bind\": invalid mount path: '", out.source, "' mount path must be absolute");
  } else if (type == "volume") {
    const Value& options = value["VolumeOptions"];
    out.type = MountType::kVolume;
    out.copy = !options["NoCopy"].as_bool();
    if (is_set(options["Subpath"])) return fail(Code::kUnsupported, "volume-subpath is not supported");
    std::string_view driver = options["DriverConfig"]["Name"].as_string();
    if ((!driver.empty() && driver != "local") || is_set(options["DriverConfig"]["Options"]))
      return fail(Code::kUnsupported, "volume drivers and their options are not supported: leave volume-driver and volume-opt out");
    if (out.source.empty()) out.source = new_id(), out.anonymous = true;
  } else if (type == "tmpfs") {
    const Value& options = value["TmpfsOptions"];
    out.type = MountType::kTmpfs;
    if (!out.source.empty()) return fail(Code::kInvalid, "invalid mount config for type \"tmpfs\": field Source must not be specified");
    std::vector<std::string> parts;
    if (int64_t size = options["SizeBytes"].as_int(); size > 0) parts.push_back(cat("size=", size));
    if (int64_t mode = options["Mode"].as_int(); mode > 0) {
      std::string octal;
      for (; mode > 0; mode /= 8) octal.insert(octal.begin(), static_cast<char>('0' + mode % 8));
      parts.push_back(cat("mode=", octal));
    }
    out.options = join(parts, ",");
  } else {
    return fail(Code::kUnsupported, "mount type ", go_quote(type), " is not supported: use bind, volume or tmpfs");
  }
  return out;
}

Result<void> add_mount(std::vector<MountRecord>& mounts, MountRecord mount) {
  if (mount.destination == "/") return fail(Code::kInvalid, "invalid specification: destination can't be '/'");
  while (mount.destination.size() > 1 && mount.destination.ends_with('/')) mount.destination.pop_back();
  auto same = [&](const MountRecord& other) { return other.destination == mount.destination; };
  if (std::any_of(mounts.begin(), mounts.end(), same)) return fail(Code::kInvalid, "Duplicate mount point: ", mount.destination);
  if (mount.type == MountType::kVolume) KOBUK_CHECK(check_name(mount.source, "volume"));
  mounts.push_back(std::move(mount));
  return {};
}

Result<void> set_mounts(const Value& config, const Value& host, const image::ImageConfig& image, ContainerRecord& out) {
  for (const Value& bind : host["Binds"].items()) {
    KOBUK_TRY(MountRecord mount, parse_bind(bind.as_string()));
    KOBUK_CHECK(add_mount(out.mounts, std::move(mount)));
  }
  for (const Value& value : host["Mounts"].items()) {
    KOBUK_TRY(MountRecord mount, decode_mount(value));
    KOBUK_CHECK(add_mount(out.mounts, std::move(mount)));
  }
  for (const codec::Member& member : host["Tmpfs"].members()) {
    MountRecord mount{.type = MountType::kTmpfs, .destination = std::string(member.key), .options = std::string(member.value.as_string())};
    if (!mount.destination.starts_with('/')) return fail(Code::kInvalid, "invalid mount path: '", mount.destination, "' mount path must be absolute");
    KOBUK_CHECK(add_mount(out.mounts, std::move(mount)));
  }
  std::vector<std::string> anonymous = image.volumes;
  for (const codec::Member& member : config["Volumes"].members()) {
    if (member.key.find(':') == std::string_view::npos) {
      anonymous.emplace_back(member.key);
      continue;
    }
    KOBUK_TRY(MountRecord mount, parse_bind(member.key));
    KOBUK_CHECK(add_mount(out.mounts, std::move(mount)));
  }
  for (const std::string& path : anonymous) {
    auto same = [&](const MountRecord& other) { return other.destination == path; };
    if (std::any_of(out.mounts.begin(), out.mounts.end(), same)) continue;
    if (!path.starts_with('/')) return fail(Code::kInvalid, "invalid volume specification: '", path, "'");
    KOBUK_CHECK(add_mount(out.mounts, {.type = MountType::kVolume, .source = new_id(), .destination = path, .anonymous = true}));
  }
  return {};
}

Result<void> set_security_options(const Value& host, ContainerRecord& out) {
  for (const Value& item : host["SecurityOpt"].items()) {
    std::string_view option = item.as_string();
    size_t mark = option.find_first_of("=:");
    std::string_view name = option.substr(0, mark);
    std::string_view value = mark == std::string_view::npos ? std::string_view() : option.substr(mark + 1);
    if (name == "no-new-privileges" && (value.empty() || value == "true" || value == "false")) {
      out.no_new_privileges = value != "false";
    } else if (name == "seccomp") {
      out.seccomp = value == "builtin" ? "" : value;
    } else if ((name == "apparmor" && value == "unconfined") || (name == "label" && value == "disable")) {
      // There is neither AppArmor nor SELinux to be confined by.
    } else if (name == "systempaths" && value == "unconfined") {
      out.masked_paths.emplace(), out.readonly_paths.emplace();
    } else {
      return fail(Code::kInvalid, "invalid --security-opt: ", go_quote(option), ": seccomp, no-new-privileges, apparmor=unconfined, label=disable and systempaths=unconfined are supported");
    }
  }
  if (host["MaskedPaths"].is_array()) out.masked_paths = texts(host["MaskedPaths"]);
  if (host["ReadonlyPaths"].is_array()) out.readonly_paths = texts(host["ReadonlyPaths"]);
  return {};
}

Result<void> set_log(const Value& log, ContainerRecord& out) {
  constexpr uint64_t kDefaultBytes = 20 << 20;  // five files of 20 MiB: a chatty container fills no disk
  constexpr uint32_t kDefaultFiles = 5;
  std::string_view type = log["Type"].as_string();
  if (!type.empty() && type != "json-file" && type != "none")
    return fail(Code::kUnsupported, "logger: no log driver named '", type, "' is registered: use json-file or none");
  out.log.type = type.empty() ? "json-file" : type;
  out.log.max_bytes = kDefaultBytes;
  out.log.max_files = kDefaultFiles;
  for (const codec::Member& member : log["Config"].members()) {
    std::string_view value = member.value.as_string();
    if (out.log.type == "none") return fail(Code::kInvalid, "log driver none takes no options, not even '", member.key, "'");
    if (member.key == "max-size") {
      KOBUK_TRY(int64_t bytes, parse_size(value));
      if (bytes < 0) return fail(Code::kInvalid, "max-size must be a positive number");
      out.log.max_bytes = static_cast<uint64_t>(bytes);
    } else if (member.key == "max-file") {
      auto files = parse_uint(value);
      if (!files || *files < 1 || *files > 1000) return fail(Code::kInvalid, "max-file must be a number from 1 to 1000");
      out.log.max_files = static_cast<uint32_t>(*files);
    } else {
      return fail(Code::kInvalid, "unknown log opt '", member.key, "' for json-file log driver");
    }
  }
  return {};
}

Result<void> set_namespaces(const Value& host, ContainerRecord& out) {
  auto mode = [&](const char* field, std::initializer_list<std::string_view> plain, std::string& to) -> Result<void> {
    std::string_view value = host[field].as_string();
    bool known = std::find(plain.begin(), plain.end(), value) != plain.end();
    if (!known && !(value.starts_with("container:") && value.size() > 10 && std::string_view(field) != "UTSMode" && std::string_view(field) != "CgroupnsMode"))
      return fail(Code::kInvalid, "invalid ", field, ": ", go_quote(value));
    to = value == "private" || value == "shareable" ? "" : value;
    return {};
  };
  KOBUK_CHECK(mode("PidMode", {"", "host"}, out.pid_mode));
  KOBUK_CHECK(mode("IpcMode", {"", "private", "shareable", "host"}, out.ipc_mode));
  KOBUK_CHECK(mode("UTSMode", {"", "host"}, out.uts_mode));
  KOBUK_CHECK(mode("CgroupnsMode", {"", "private", "host"}, out.cgroupns_mode));
  if (host["CgroupnsMode"].as_string() == "private") out.cgroupns_mode = "private";
  return {};
}

Result<void> set_networks(const Value& config, const Value& host, const Value& networking, ContainerRecord& out) {
  std::string mode(host["NetworkMode"].as_string());
  if (mode.empty() || mode == "default") mode = "bridge";
  if (config["NetworkDisabled"].as_bool()) mode = "none";
  out.network_mode = mode;
  bool shared = mode == "host" || mode == "none" || mode.starts_with("container:");
  if (shared) {
    if (mode.starts_with("container:") && !out.ports.empty()) return fail(Code::kInvalid, "conflicting options: port publishing and the container type network mode");
    return {};
  }
  for (const codec::Member& member : networking["EndpointsConfig"].members()) {
    KOBUK_TRY(EndpointRecord endpoint, decode_endpoint(member.key == "default" ? std::string_view("bridge") : member.key, member.value));
    // The one of NetworkMode is the first: it gets eth0 and the ports.
    if (endpoint.network == mode) {
      out.endpoints.insert(out.endpoints.begin(), std::move(endpoint));
    } else {
      out.endpoints.push_back(std::move(endpoint));
    }
  }
  if (out.endpoints.empty() || out.endpoints.front().network != mode) out.endpoints.insert(out.endpoints.begin(), EndpointRecord{.network = mode});
  for (size_t i = 0; i < out.endpoints.size(); ++i) out.endpoints[i].interface = cat("eth", i);
  return {};
}

HealthRecord decode_health(const Value& value) {
  HealthRecord out;
  out.test = texts(value["Test"]);
  if (!out.test.empty() && (out.test.front() == "NONE" || out.test.size() < 2)) out.test.clear();
  out.interval_ns = value["Interval"].as_int();
  out.timeout_ns = value["Timeout"].as_int();
  out.start_period_ns = value["StartPeriod"].as_int();
  out.start_interval_ns = value["StartInterval"].as_int();
  out.retries = value["Retries"].as_int();
  return out;
}

void set_health(const Value& config, const image::ImageConfig& image, ContainerRecord& out) {
  const Value& asked = config["Healthcheck"];
  bool replaces = asked["Test"].size() > 0;
  if (replaces) {
    out.health = decode_health(asked);
    return;
  }
  auto document = codec::parse_json(image.json);
  if (document) out.health = decode_health(document->root["config"]["Healthcheck"]);
  // Single values of the command line go over the image's.
  HealthRecord over = decode_health(asked);
  if (over.interval_ns != 0) out.health.interval_ns = over.interval_ns;
  if (over.timeout_ns != 0) out.health.timeout_ns = over.timeout_ns;
  if (over.start_period_ns != 0) out.health.start_period_ns = over.start_period_ns;
  if (over.start_interval_ns != 0) out.health.start_interval_ns = over.start_interval_ns;
  if (over.retries != 0) out.health.retries = over.retries;
}

Result<void> set_devices_and_limits(const Value& host, ContainerRecord& out) {
  for (const Value& device : host["Devices"].items()) {
    out.devices.push_back({std::string(device["PathOnHost"].as_string()), std::string(device["PathInContainer"].as_string()),
                           std::string(device["CgroupPermissions"].as_string())});
  }
  for (const Value& rule : host["DeviceCgroupRules"].items()) {
    out.device_rules.emplace_back(rule.as_string());
    KOBUK_CHECK(sys::parse_device_rule(out.device_rules.back()));
  }
  for (const Value& limit : host["Ulimits"].items())
    out.ulimits.push_back({std::string(limit["Name"].as_string()), limit["Soft"].as_int(), limit["Hard"].as_int()});
  if (int64_t score = host["OomScoreAdj"].as_int(); score != 0) {
    if (score < -1000 || score > 1000) return fail(Code::kInvalid, "Invalid value ", score, ", range for oom score adj is [-1000, 1000]");
    out.oom_score_adj = score;
  }
  out.shm_size = host["ShmSize"].as_int();
  if (out.shm_size < 0) return fail(Code::kInvalid, "SHM size can not be less than 0");
  KOBUK_TRY(out.limits, decode_limits(host));
  return {};
}

Result<void> set_process(const Value& config, const image::ImageInfo& image, ContainerRecord& out) {
  KOBUK_CHECK(set_command(config, image.config, out));
  std::vector<std::string> base = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  out.tty = config["Tty"].as_bool();
  if (out.tty) base.emplace_back("TERM=xterm");
  out.env = merge_env(merge_env(base, image.config.env), texts(config["Env"]));
  out.cwd = config["WorkingDir"].as_string().empty() ? image.config.working_dir : std::string(config["WorkingDir"].as_string());
  if (!out.cwd.empty() && !out.cwd.starts_with('/'))
    return fail(Code::kInvalid, "the working directory '", out.cwd, "' is invalid, it needs to be an absolute path");
  out.user = config["User"].as_string().empty() ? image.config.user : std::string(config["User"].as_string());
  out.stdin_open = config["OpenStdin"].as_bool();
  out.stdin_once = config["StdinOnce"].as_bool();
  out.hostname = config["Hostname"].as_string();
  out.domainname = config["Domainname"].as_string();
  if (out.hostname.size() > 64) return fail(Code::kInvalid, "invalid hostname: it is longer than 64 characters");
  out.labels = image.config.labels;
  for (auto& [key, value] : text_map(config["Labels"])) out.labels[key] = value;
  out.stop_signal = config["StopSignal"].as_string();
  if (!out.stop_signal.empty()) KOBUK_CHECK(parse_signal(out.stop_signal));
  if (out.stop_signal.empty()) out.stop_signal = image.config.stop_signal;
  if (config["StopTimeout"].is_int()) out.stop_timeout = config["StopTimeout"].as_int();
  set_health(config, image.config, out);
  return {};
}

}  // namespace

Result<int64_t> parse_size(std::string_view text) {
  std::string lower = to_lower(text);
  std::string_view number = lower;
  while (number.ends_with('b') || number.ends_with('i')) number.remove_suffix(1);
  int shift = 0;
  if (!number.empty()) {
    constexpr std::string_view kUnits = "kmgtp";
    size_t unit = kUnits.find(number.back());
    if (unit != std::string_view::npos) shift = 10 * (static_cast<int>(unit) + 1), number.remove_suffix(1);
  }
  auto value = parse_int(trim(number));
  if (!value || *value > (INT64_MAX >> shift) || *value < (INT64_MIN >> shift)) return fail(Code::kInvalid, "invalid size: '", text, "'");
  return *value * (int64_t{1} << shift);
}

Result<MountRecord> parse_bind(std::string_view text) {
  auto parts = split(text, ':');
  if (parts.size() < 2 || parts.size() > 3 || parts[0].empty() || !parts[1].starts_with('/'))
    return fail(Code::kInvalid, "invalid volume specification: '", text, "'");
  MountRecord out;
  out.source = parts[0];
  out.destination = parts[1];
  out.type = out.source.starts_with('/') ? MountType::kBind : MountType::kVolume;
  out.create_source = out.type == MountType::kBind;
  if (parts.size() < 3) return out;
  for (std::string_view option : split(parts[2], ',')) {
    if (option == "ro") {
      out.readonly = true;
    } else if (option == "nocopy" && out.type == MountType::kVolume) {
      out.copy = false;
    } else if (option == "rshared" || option == "rslave" || option == "rprivate" || option == "shared" || option == "slave" || option == "private") {
      out.propagation = option;
    } else if (option != "rw" && option != "z" && option != "Z" && option != "cached" && option != "delegated" && option != "consistent") {
      // z and Z label for SELinux, which is not there; the last three are hints for other systems.
      return fail(Code::kInvalid, "invalid mode: ", option);
    }
  }
  return out;
}

Result<sys::CgroupLimits> decode_limits(const Value& host) {
  constexpr int64_t kLeastMemory = 6 << 20;
  KOBUK_CHECK(refuse_limits(host));
  sys::CgroupLimits out;
  int64_t memory = host["Memory"].as_int();
  if (memory != 0) {
    if (memory < kLeastMemory) return fail(Code::kInvalid, "Minimum memory limit allowed is 6MB");
    out.memory_max = memory;
  }
  if (int64_t low = host["MemoryReservation"].as_int(); low != 0) {
    if (memory != 0 && low > memory) return fail(Code::kInvalid, "Minimum memory limit can not be less than memory reservation limit, see usage");
    out.memory_low = low;
  }
  if (int64_t swap = host["MemorySwap"].as_int(); swap != 0) {
    if (swap > 0 && memory == 0) return fail(Code::kInvalid, "You should always set the Memory limit when using Memoryswap limit, see usage");
    if (swap > 0 && swap < memory) return fail(Code::kInvalid, "Minimum memoryswap limit should be larger than memory limit, see usage");
    out.memory_swap_max = swap < 0 ? -1 : swap - memory;
  }
  int64_t nano = host["NanoCpus"].as_int(), period = host["CpuPeriod"].as_int(), quota = host["CpuQuota"].as_int();
  if (nano != 0 && (period != 0 || quota != 0)) return fail(Code::kInvalid, "Conflicting options: Nano CPUs and CPU Period cannot both be set.");
  if (nano < 0) return fail(Code::kInvalid, "NanoCPUs can not be less than 0");
  if (nano != 0) {
    constexpr int64_t kPeriod = 100'000, kNanosPerQuota = 10'000;
    out.cpu_period_us = kPeriod, out.cpu_quota_us = std::max<int64_t>(1000, nano / kNanosPerQuota);
  }
  if (period != 0) {
    if (period < 1000 || period > 1'000'000) return fail(Code::kInvalid, "CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)");
    out.cpu_period_us = static_cast<uint64_t>(period);
  }
  if (quota != 0) {
    if (quota > 0 && quota < 1000) return fail(Code::kInvalid, "CPU cfs quota can not be less than 1ms (i.e. 1000)");
    out.cpu_quota_us = quota;
  }
  if (int64_t shares = host["CpuShares"].as_int(); shares != 0) {
    if (shares < 2 || shares > 262'144) return fail(Code::kInvalid, "The CPU shares must be from 2 to 262144");
    out.cpu_shares = static_cast<uint64_t>(shares);
  }
  if (std::string_view cpus = host["CpusetCpus"].as_string(); !cpus.empty()) out.cpuset_cpus = cpus;
  if (std::string_view mems = host["CpusetMems"].as_string(); !mems.empty()) out.cpuset_mems = mems;
  if (int64_t pids = host["PidsLimit"].as_int(); pids != 0) out.pids_max = pids < 0 ? -1 : pids;
  return out;
}

Result<void> decode_restart_policy(const Value& policy, RestartMode& mode, int64_t& tries) {
  std::string_view name = policy["Name"].as_string();
  tries = policy["MaximumRetryCount"].as_int();
  if (name.empty() || name == "no") {
    mode = RestartMode::kNo;
  } else if (name == "always") {
    mode = RestartMode::kAlways;
  } else if (name == "unless-stopped") {
    mode = RestartMode::kUnlessStopped;
  } else if (name == "on-failure") {
    mode = RestartMode::kOnFailure;
  } else {
    return fail(Code::kInvalid, "invalid restart policy: unknown policy '", name, "'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'");
  }
  if (tries != 0 && mode != RestartMode::kOnFailure)
    return fail(Code::kInvalid, "invalid restart policy: maximum retry count can only be used with 'on-failure'");
  if (tries < 0) return fail(Code::kInvalid, "invalid restart policy: maximum retry count cannot be negative");
  return {};
}

Result<EndpointRecord> decode_endpoint(std::string_view network, const Value& value) {
  EndpointRecord out;
  out.network = network;
  out.aliases = texts(value["Aliases"]);
  out.wanted_address = value["IPAMConfig"]["IPv4Address"].as_string();
  if (is_set(value["IPAMConfig"]["IPv6Address"]) || is_set(value["IPAMConfig"]["LinkLocalIPs"])) return fail(Code::kUnsupported, "IPv6 and link-local addresses are not supported");
  if (is_set(value["MacAddress"])) return fail(Code::kUnsupported, "--mac-address is not supported");
  if (is_set(value["Links"])) return fail(Code::kUnsupported, "--link is not supported: use --network-alias");
  if (is_set(value["DriverOpts"])) return fail(Code::kUnsupported, "driver options of an endpoint are not supported");
  if (is_set(value["GwPriority"])) return fail(Code::kUnsupported, "gw-priority is not supported: the first network has the default route");
  return out;
}

Result<ContainerRecord> decode_create(const Value& body, const image::ImageInfo& image) {
  if (!body.is_object()) return fail(Code::kInvalid, "config cannot be empty in order to create a container");
  const Value& host = body["HostConfig"];
  ContainerRecord out;
  KOBUK_CHECK(refuse_unsupported(host, body));
  out.image = body["Image"].as_string();
  out.image_id = image.id;
  KOBUK_CHECK(set_process(body, image, out));
  KOBUK_CHECK(set_ports(body, host, image.config, out));
  KOBUK_CHECK(set_mounts(body, host, image.config, out));
  KOBUK_CHECK(set_security_options(host, out));
  KOBUK_CHECK(set_log(host["LogConfig"], out));
  KOBUK_CHECK(set_namespaces(host, out));
  KOBUK_CHECK(set_networks(body, host, body["NetworkingConfig"], out));
  KOBUK_CHECK(set_devices_and_limits(host, out));
  KOBUK_CHECK(decode_restart_policy(host["RestartPolicy"], out.restart, out.restart_tries));
  out.auto_remove = host["AutoRemove"].as_bool();
  if (out.auto_remove && out.restart != RestartMode::kNo) return fail(Code::kInvalid, "can't create 'AutoRemove' container with restart policy");
  out.privileged = host["Privileged"].as_bool();
  out.readonly_rootfs = host["ReadonlyRootfs"].as_bool();
  out.cap_add = texts(host["CapAdd"]), out.cap_drop = texts(host["CapDrop"]);
  out.groups = texts(host["GroupAdd"]);
  out.sysctls = text_map(host["Sysctls"]);
  out.annotations = text_map(host["Annotations"]);
  out.cgroup_parent = host["CgroupParent"].as_string();
  out.dns = texts(host["Dns"]), out.dns_search = texts(host["DnsSearch"]), out.dns_options = texts(host["DnsOptions"]);
  out.extra_hosts = texts(host["ExtraHosts"]);
  out.rows = static_cast<uint16_t>(host["ConsoleSize"].at(0).as_int());
  out.columns = static_cast<uint16_t>(host["ConsoleSize"].at(1).as_int());
  out.docker_host_config = host.is_object() ? codec::to_json(host) : "{}";
  codec::Arena arena;
  Value config = Value::object();
  for (const char* name : {"AttachStdin", "AttachStdout", "AttachStderr", "Volumes", "Entrypoint", "Cmd", "Healthcheck"})
    if (const Value* found = body.find(name)) config.set(arena, name, *found);
  out.docker_config = codec::to_json(config);
  return out;
}

}  // namespace kobuk::engine::docker
