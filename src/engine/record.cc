// Records as JSON objects: one visit() a struct names each field once, for reading and writing alike.
#include "engine/record.h"

#include <type_traits>

#include "codec/json.h"

namespace kobuk::engine {
namespace {

template <class V>
void visit(V& v, MountRecord& r) {
  v("type", r.type), v("source", r.source), v("destination", r.destination), v("readonly", r.readonly);
  v("recursiveReadonly", r.recursive_readonly), v("propagation", r.propagation), v("createSource", r.create_source);
  v("copy", r.copy), v("anonymous", r.anonymous), v("options", r.options);
}
template <class V>
void visit(V& v, DeviceRecord& r) {
  v("host", r.host), v("container", r.container), v("permissions", r.permissions);
}
template <class V>
void visit(V& v, UlimitRecord& r) {
  v("name", r.name), v("soft", r.soft), v("hard", r.hard);
}
template <class V>
void visit(V& v, EndpointRecord& r) {
  v("network", r.network), v("interface", r.interface), v("aliases", r.aliases), v("wantedAddress", r.wanted_address);
  v("id", r.id), v("address", r.address), v("gateway", r.gateway), v("mac", r.mac), v("prefix", r.prefix);
}
template <class V>
void visit(V& v, HealthRecord& r) {
  v("test", r.test), v("interval", r.interval_ns), v("timeout", r.timeout_ns), v("startPeriod", r.start_period_ns);
  v("startInterval", r.start_interval_ns), v("retries", r.retries);
}
template <class V>
void visit(V& v, LogRecord& r) {
  v("type", r.type), v("path", r.path), v("maxBytes", r.max_bytes), v("maxFiles", r.max_files);
}
template <class V>
void visit(V& v, network::PortMapping& r) {
  v("hostIp", r.host_ip), v("hostPort", r.host_port), v("containerPort", r.container_port), v("protocol", r.protocol);
}
template <class V>
void visit(V& v, sys::CgroupLimits& r) {
  v("memoryMax", r.memory_max), v("memoryLow", r.memory_low), v("memorySwapMax", r.memory_swap_max);
  v("pidsMax", r.pids_max), v("cpuShares", r.cpu_shares), v("cpuQuota", r.cpu_quota_us), v("cpuPeriod", r.cpu_period_us);
  v("cpusetCpus", r.cpuset_cpus), v("cpusetMems", r.cpuset_mems), v("unified", r.unified);
}
template <class V>
void visit(V& v, ContainerRecord& r) {
  v("origin", r.origin), v("id", r.id), v("name", r.name), v("created", r.created), v("image", r.image);
  v("imageId", r.image_id), v("args", r.args), v("env", r.env), v("entrypointSize", r.entrypoint_size), v("cwd", r.cwd);
  v("user", r.user), v("groups", r.groups), v("tty", r.tty), v("stdinOpen", r.stdin_open), v("stdinOnce", r.stdin_once);
  v("columns", r.columns), v("rows", r.rows), v("privileged", r.privileged), v("noNewPrivileges", r.no_new_privileges);
  v("readonlyRootfs", r.readonly_rootfs), v("capAdd", r.cap_add), v("capDrop", r.cap_drop), v("seccomp", r.seccomp);
  v("maskedPaths", r.masked_paths), v("readonlyPaths", r.readonly_paths), v("mounts", r.mounts), v("devices", r.devices), v("deviceRules", r.device_rules);
  v("ulimits", r.ulimits), v("oomScoreAdj", r.oom_score_adj), v("sysctls", r.sysctls), v("shmSize", r.shm_size);
  v("hostname", r.hostname), v("domainname", r.domainname), v("networkMode", r.network_mode), v("pidMode", r.pid_mode);
  v("ipcMode", r.ipc_mode), v("utsMode", r.uts_mode), v("cgroupnsMode", r.cgroupns_mode);
  v("cgroupParent", r.cgroup_parent), v("limits", r.limits), v("log", r.log), v("stopSignal", r.stop_signal);
  v("stopTimeout", r.stop_timeout), v("restart", r.restart), v("restartTries", r.restart_tries);
  v("autoRemove", r.auto_remove), v("labels", r.labels), v("annotations", r.annotations), v("endpoints", r.endpoints);
  v("ports", r.ports), v("exposedPorts", r.exposed_ports), v("dns", r.dns), v("dnsSearch", r.dns_search);
  v("dnsOptions", r.dns_options), v("extraHosts", r.extra_hosts), v("health", r.health);
  v("dockerConfig", r.docker_config), v("dockerHostConfig", r.docker_host_config), v("sandboxId", r.sandbox_id);
  v("attempt", r.attempt), v("podName", r.pod_name), v("podUid", r.pod_uid), v("podNamespace", r.pod_namespace);
  v("logDirectory", r.log_directory);
}
template <class V>
void visit(V& v, StatusRecord& r) {
  v("status", r.status), v("exitCode", r.exit_code), v("oomKilled", r.oom_killed), v("stoppedByUser", r.stopped_by_user);
  v("starting", r.starting), v("error", r.error), v("started", r.started), v("finished", r.finished);
  v("restartCount", r.restart_count), v("endpoints", r.endpoints), v("ports", r.ports);
}
template <class V>
void visit(V& v, NetworkRecord& r) {
  v("id", r.id), v("name", r.name), v("driver", r.driver), v("created", r.created), v("subnet", r.subnet);
  v("gateway", r.gateway), v("internal", r.internal), v("mtu", r.mtu), v("labels", r.labels), v("options", r.options);
}
template <class V>
void visit(V& v, VolumeRecord& r) {
  v("name", r.name), v("created", r.created), v("anonymous", r.anonymous), v("labels", r.labels), v("options", r.options);
}

using codec::Arena;
using codec::Value;
using StringMap = std::map<std::string, std::string>;

class Writer {
 public:
  explicit Writer(Arena& arena) : arena_(arena), object_(Value::object()) {}
  template <class T>
  void operator()(const char* key, T& field) {
    if (field == T{}) {
      // bool and enum fields whose default in the struct is not zero are always written
      if constexpr (!std::is_same_v<T, bool> && !std::is_enum_v<T>) return;
    }
    object_.set(arena_, key, value(field));
  }
  Value take() { return object_; }

 private:
  Value value(std::string& text) { return Value::string(arena_, text); }
  Value value(WallTime& time) { return Value::integer(time.time_since_epoch().count()); }
  Value value(StringMap& map) {
    Value out = Value::object();
    for (auto& [key, text] : map) out.set(arena_, key, value(text));
    return out;
  }
  template <class T>
  Value value(std::optional<T>& field) {
    return value(*field);
  }
  template <class T>
  Value value(std::vector<T>& items) {
    Value out = Value::array();
    for (T& item : items) out.push(arena_, value(item));
    return out;
  }
  template <class T>
  Value value(T& field) {
    if constexpr (std::is_same_v<T, bool>) {
      return Value::boolean(field);
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      return Value::integer(static_cast<int64_t>(field));
    } else {
      Writer inner(arena_);
      visit(inner, field);
      return inner.take();
    }
  }
  Arena& arena_;
  Value object_;
};

class Reader {
 public:
  explicit Reader(const Value& object) : object_(object) {}
  template <class T>
  void operator()(const char* key, T& field) {
    if (const Value* found = object_.find(key)) read(*found, field);
  }

 private:
  static void read(const Value& value, std::string& text) { text = value.as_string(); }
  static void read(const Value& value, WallTime& time) { time = WallTime{Duration{value.as_int()}}; }
  static void read(const Value& value, StringMap& map) {
    for (const codec::Member& member : value.members()) map[std::string(member.key)] = member.value.as_string();
  }
  template <class T>
  static void read(const Value& value, std::optional<T>& field) {
    read(value, field.emplace());
  }
  template <class T>
  static void read(const Value& value, std::vector<T>& items) {
    items.clear();
    for (const Value& item : value.items()) read(item, items.emplace_back());
  }
  template <class T>
  static void read(const Value& value, T& field) {
    if constexpr (std::is_same_v<T, bool>) {
      field = value.as_bool();
    } else if constexpr (std::is_integral_v<T> || std::is_enum_v<T>) {
      field = static_cast<T>(value.as_int());
    } else {
      Reader inner(value);
      visit(inner, field);
    }
  }
  const Value& object_;
};

template <class T>
std::string encode_record(const T& record) {
  Arena arena;
  Writer writer(arena);
  visit(writer, const_cast<T&>(record));  // a writer changes nothing
  return codec::to_json(writer.take());
}

template <class T>
Result<T> decode_record(std::string_view json, const char* what) {
  auto document = codec::parse_json(json);
  if (!document || !document->root.is_object()) return fail(Code::kDataLoss, "a stored ", what, " record is damaged");
  T out;
  Reader reader(document->root);
  visit(reader, out);
  return out;
}

}  // namespace

std::string_view status_name(Status status) {
  constexpr std::string_view kNames[] = {"created", "running", "paused", "restarting", "removing", "exited", "dead"};
  auto index = static_cast<size_t>(status);
  return index < std::size(kNames) ? kNames[index] : "dead";
}

std::string encode(const ContainerRecord& record) { return encode_record(record); }
std::string encode(const StatusRecord& record) { return encode_record(record); }
std::string encode(const NetworkRecord& record) { return encode_record(record); }
std::string encode(const VolumeRecord& record) { return encode_record(record); }

Result<ContainerRecord> decode_container(std::string_view json) {
  KOBUK_TRY(ContainerRecord out, decode_record<ContainerRecord>(json, "container"));
  if (out.id.empty()) return fail(Code::kDataLoss, "a stored container record has no id");
  return out;
}
Result<StatusRecord> decode_status(std::string_view json) {
  KOBUK_TRY(StatusRecord out, decode_record<StatusRecord>(json, "status"));
  if (out.status > Status::kDead) return fail(Code::kDataLoss, "a stored status record has an unknown status");
  return out;
}
Result<NetworkRecord> decode_network(std::string_view json) { return decode_record<NetworkRecord>(json, "network"); }
Result<VolumeRecord> decode_volume(std::string_view json) { return decode_record<VolumeRecord>(json, "volume"); }

}  // namespace kobuk::engine
