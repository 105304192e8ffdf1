// Rules and texts: Kubernetes' "Node Status"; proc(5) for what is read.
#include "node/node_status.h"

#include <sys/statvfs.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "api/decode.h"
#include "api/quantity.h"
#include "api/version.h"
#include "base/strings.h"
#include "codec/json.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {

constexpr int64_t kMiB = 1 << 20;
constexpr int64_t kMemoryReserve = 100 * kMiB;     // below this much free memory the node is under pressure
constexpr int64_t kDiskReserve = 1024 * kMiB;      // below this much free disk as well

std::string read_line(const std::string& path) {
  auto text = sys::read_file(path, 64 << 10);
  return text ? std::string(trim(*text)) : std::string();
}

// "MemAvailable:   123 kB" of /proc/meminfo, in bytes.
int64_t meminfo(std::string_view text, std::string_view name) {
  for (std::string_view line : split(text, '\n')) {
    if (!line.starts_with(name) || line.size() <= name.size() || line[name.size()] != ':') continue;
    std::string_view number = trim(line.substr(name.size() + 1));
    return parse_int(number.substr(0, number.find(' '))).value_or(0) * 1024;
  }
  return 0;
}

std::string os_image() {
  auto text = sys::read_file("/etc/os-release", 64 << 10);
  if (!text) return "Linux";
  for (std::string_view line : split(*text, '\n')) {
    if (!line.starts_with("PRETTY_NAME=")) continue;
    line.remove_prefix(12);
    if (line.size() >= 2 && line.front() == '"') line = line.substr(1, line.size() - 2);
    return std::string(line);
  }
  return "Linux";
}

std::string bytes_text(int64_t bytes) { return cat(bytes / 1024, "Ki"); }

core::NodeCondition condition(std::string type, bool status, std::string reason, std::string message) {
  core::NodeCondition out;
  out.type = std::move(type), out.status = status ? "True" : "False";
  out.reason = std::move(reason), out.message = std::move(message);
  return out;
}

bool same(const core::NodeCondition& a, const core::NodeCondition& b) {
  return a.status == b.status && a.reason == b.reason && a.message == b.message;
}

// Of the file system that the directory lies on, or will lie on.
std::optional<struct statvfs> disk_of(std::string directory) {
  struct statvfs disk{};
  while (::statvfs(directory.c_str(), &disk) != 0) {
    size_t slash = directory.rfind('/');
    if (errno != ENOENT || slash == std::string::npos || directory == "/") return std::nullopt;
    directory.resize(std::max<size_t>(slash, 1));
  }
  return disk;
}

}  // namespace

NodeFacts read_node_facts(const std::string& directory) {
  NodeFacts out;
  utsname name{};
  ::uname(&name);
  out.kernel_version = name.release;
  std::string_view machine = name.machine;
  out.architecture = machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : std::string(machine);
  out.machine_id = read_line("/etc/machine-id");
  out.system_uuid = read_line("/sys/class/dmi/id/product_uuid");
  if (out.system_uuid.empty()) out.system_uuid = out.machine_id;
  out.boot_id = read_line("/proc/sys/kernel/random/boot_id");
  out.os_image = os_image();
  out.cpu_millicores = std::max<int64_t>(::sysconf(_SC_NPROCESSORS_ONLN), 1) * 1000;
  auto memory = sys::read_file("/proc/meminfo", 64 << 10);
  if (memory) out.memory_bytes = meminfo(*memory, "MemTotal");
  if (auto disk = disk_of(directory)) out.disk_bytes = static_cast<int64_t>(disk->f_blocks * disk->f_frsize);
  return out;
}

NodePressure read_node_pressure(const std::string& directory) {
  NodePressure out;
  auto memory = sys::read_file("/proc/meminfo", 64 << 10);
  out.memory_available = memory ? meminfo(*memory, "MemAvailable") : kMemoryReserve;
  auto disk = disk_of(directory);
  out.disk_available = disk ? static_cast<int64_t>(disk->f_bavail * disk->f_frsize) : kDiskReserve;
  out.max_pids = parse_int(read_line("/proc/sys/kernel/pid_max")).value_or(0);
  std::string load = read_line("/proc/loadavg");  // "0.1 0.2 0.3 running/all last"
  size_t slash = load.find('/');
  if (slash != std::string::npos) out.pids = parse_int(load.substr(slash + 1, load.find(' ', slash) - slash - 1)).value_or(0);
  return out;
}

core::Node make_node(const KubeletOptions& options, const NodeFacts& facts) {
  core::Node out;
  out.metadata.name = options.node_name;
  out.metadata.labels = {{"kubernetes.io/hostname", options.node_name}, {"kubernetes.io/os", "linux"},
                         {"kubernetes.io/arch", facts.architecture},    {"beta.kubernetes.io/os", "linux"},
                         {"beta.kubernetes.io/arch", facts.architecture}};
  out.spec.pod_cidr = options.pod_cidr;
  if (!options.pod_cidr.empty()) out.spec.pod_cidrs = {options.pod_cidr};
  int64_t cpu = options.cpu_millicores > 0 ? options.cpu_millicores : facts.cpu_millicores;
  int64_t memory = options.memory_bytes > 0 ? options.memory_bytes : facts.memory_bytes;
  core::NodeStatus& status = out.status;
  status.capacity = {{"cpu", api::Quantity::of_milli(cpu).text()}, {"memory", bytes_text(memory)},
                     {"pods", cat(options.max_pods)},              {"ephemeral-storage", bytes_text(facts.disk_bytes)},
                     {"hugepages-1Gi", "0"},                       {"hugepages-2Mi", "0"}};
  status.allocatable = status.capacity;
  status.allocatable["memory"] = bytes_text(std::max<int64_t>(memory - kMemoryReserve, 0));
  status.allocatable["ephemeral-storage"] = bytes_text(std::max<int64_t>(facts.disk_bytes - kDiskReserve, 0));
  status.addresses = {{"InternalIP", options.node_ip}, {"Hostname", options.node_name}};
  status.daemon_endpoints.kubelet_endpoint.port = options.port;
  core::NodeSystemInfo& info = status.node_info;
  info.machine_id = facts.machine_id, info.system_uuid = facts.system_uuid, info.boot_id = facts.boot_id;
  info.kernel_version = facts.kernel_version, info.os_image = facts.os_image;
  info.container_runtime_version = cat("kobuk://", options.runtime_version);
  info.kubelet_version = api::kKubernetesVersion;
  info.operating_system = "linux", info.architecture = facts.architecture;
  return out;
}

std::vector<core::NodeCondition> make_node_conditions(const NodePressure& pressure, const std::string& not_ready,
                                                      const std::vector<core::NodeCondition>& old, WallTime now) {
  bool memory = pressure.memory_available < kMemoryReserve, disk = pressure.disk_available < kDiskReserve;
  bool pids = pressure.max_pids > 0 && pressure.pids > pressure.max_pids * 9 / 10;
  std::vector<core::NodeCondition> out;
  out.push_back(memory ? condition("MemoryPressure", true, "KubeletHasInsufficientMemory", "kubelet has insufficient memory available")
                       : condition("MemoryPressure", false, "KubeletHasSufficientMemory", "kubelet has sufficient memory available"));
  out.push_back(disk ? condition("DiskPressure", true, "KubeletHasDiskPressure", "kubelet has disk pressure")
                     : condition("DiskPressure", false, "KubeletHasNoDiskPressure", "kubelet has no disk pressure"));
  out.push_back(pids ? condition("PIDPressure", true, "KubeletHasInsufficientPID", "kubelet has insufficient PID available")
                     : condition("PIDPressure", false, "KubeletHasSufficientPID", "kubelet has sufficient PID available"));
  out.push_back(not_ready.empty() ? condition("Ready", true, "KubeletReady", "kubelet is posting ready status")
                                  : condition("Ready", false, "KubeletNotReady", not_ready));
  for (core::NodeCondition& wanted : out) {
    wanted.last_heartbeat_time = wanted.last_transition_time = format_rfc3339(now);
    auto before = std::ranges::find(old, wanted.type, &core::NodeCondition::type);
    if (before != old.end() && before->status == wanted.status) wanted.last_transition_time = before->last_transition_time;
  }
  return out;
}

std::string node_patch(const core::Node& known, const core::Node& wanted) {
  std::string labels;
  for (const auto& [key, value] : wanted.metadata.labels) {
    auto found = known.metadata.labels.find(key);
    if (found != known.metadata.labels.end() && found->second == value) continue;
    cat_to(labels, labels.empty() ? "" : ",", go_quote(key), ":", go_quote(value));
  }
  std::string spec;
  if (known.spec.pod_cidr.empty() && !wanted.spec.pod_cidr.empty()) {
    spec = cat("\"podCIDR\":", go_quote(wanted.spec.pod_cidr), ",\"podCIDRs\":[", go_quote(wanted.spec.pod_cidr), "]");
  }
  if (labels.empty() && spec.empty()) return {};
  std::string out = "{";
  if (!labels.empty()) cat_to(out, "\"metadata\":{\"labels\":{", labels, "}}");
  if (!spec.empty()) cat_to(out, labels.empty() ? "" : ",", "\"spec\":{", spec, "}");
  return out + "}";
}

std::string node_status_patch(const core::Node& known, const core::NodeStatus& wanted, bool heartbeat) {
  codec::Arena arena;
  codec::Value from = api::to_value(arena, known.status), to = api::to_value(arena, wanted), status = codec::Value::object();
  for (const char* key : {"capacity", "allocatable", "nodeInfo", "daemonEndpoints"}) {
    if (!(from[key] == to[key])) status.set(arena, key, to[key]);
  }
  if (!(from["addresses"] == to["addresses"])) {
    codec::Value list = to["addresses"].clone(arena), directive = codec::Value::object();
    directive.set(arena, "$patch", codec::Value::string_view("replace"));
    list.push(arena, directive);
    status.set(arena, "addresses", list);
  }
  codec::Value conditions = codec::Value::array();
  for (size_t i = 0; i < wanted.conditions.size(); ++i) {
    auto before = std::ranges::find(known.status.conditions, wanted.conditions[i].type, &core::NodeCondition::type);
    bool changed = before == known.status.conditions.end() || !same(*before, wanted.conditions[i]);
    if (changed || heartbeat) conditions.push(arena, to["conditions"].at(i));
  }
  if (!conditions.empty()) status.set(arena, "conditions", conditions);
  if (status.empty()) return {};
  codec::Value patch = codec::Value::object();
  patch.set(arena, "status", status);
  return codec::to_json(patch);
}

}  // namespace kobuk::node
