// Which folders and writes make a control group: Documentation/admin-guide/cgroup-v2.rst and cgroup-v1/ of
// Linux.
#include <algorithm>

#include "sys/cgroup.h"
#include "sys/file.h"

namespace kobuk::sys {
namespace {

constexpr std::string_view kLimitControllers[] = {"cpuset", "cpu", "io", "memory", "pids"};

std::string text_of(int64_t value, bool v2) { return value < 0 ? (v2 ? "max" : "-1") : cat(value); }

// cpu.shares 2…262144 (default 1024) to cpu.weight 1…10000 (default 100): the mapping that runc and crun
// settled on, which keeps both defaults on each other.
uint64_t weight_of_shares(uint64_t shares) {
  if (shares <= 2) return 1;
  if (shares >= 262144) return 10000;
  // 10^((log2(s)^2 + 125·log2(s)) / 612 − 7/34), by integer steps of the table would be coarse; doubles are
  // exact enough here, and libm is not worth linking for it.
  auto log2_of = [](double x) {
    double whole = 0;
    while (x >= 2) x /= 2, whole += 1;
    double part = 0, bit = 0.5;
    for (int i = 0; i < 40; ++i, bit /= 2) {
      x *= x;
      if (x >= 2) x /= 2, part += bit;
    }
    return whole + part;
  };
  auto pow10_of = [](double e) {
    constexpr double kLn10 = 2.302585092994046;
    double x = e * kLn10 / 1024, term = 1, sum = 1;
    for (int i = 1; i < 12; ++i) term *= x / i, sum += term;
    for (int i = 0; i < 10; ++i) sum *= sum;
    return sum;
  };
  double l = log2_of(static_cast<double>(shares));
  double weight = pow10_of((l * l + 125 * l) / 612.0 - 7.0 / 34.0);
  auto rounded = static_cast<uint64_t>(weight + 0.999999);  // upwards, as the others do
  return std::clamp<uint64_t>(rounded, 1, 10000);
}

// Collects the writes for one host.
class LimitWriter {
 public:
  LimitWriter(const CgroupFacts& facts, const std::string& path) : facts_(facts), path_(path) {}

  void set(std::string_view controller, std::string_view v1_file, std::string v1_value,
           std::string_view v2_file, std::string v2_value, bool optional = false) {
    const CgroupHierarchy* h = facts_.find(controller);
    if (h == nullptr) {
      if (!optional && missing_.empty()) missing_ = controller;
      return;
    }
    std::string_view file = h->v2 ? v2_file : v1_file;
    if (!file.empty())
      writes_.push_back({cat(h->mount_point, path_, '/', file), h->v2 ? v2_value : v1_value, optional});
  }

  Result<std::vector<CgroupWrite>> take() && {
    if (!missing_.empty())
      return fail(Code::kUnsupported, "a limit needs the cgroup controller ", missing_,
                  ", which this host does not offer; ",
                  "enable it on the kernel command line or drop the limit");
    return std::move(writes_);
  }

  const CgroupFacts& facts_;
  const std::string& path_;
  std::vector<CgroupWrite> writes_;
  std::string missing_;
};

bool valid_path(std::string_view path) {
  if (path.size() < 2 || path.size() > 2048 || path[0] != '/') return false;
  auto parts = split(path.substr(1), '/');
  return std::none_of(parts.begin(), parts.end(), [](std::string_view p) {
    return p.empty() || p == "." || p == ".." || p.size() > 255 || p.find('\0') != p.npos ||
           p.find('\n') != p.npos;
  });
}

}  // namespace

Result<std::vector<CgroupWrite>> plan_limits(const CgroupFacts& facts, const std::string& path,
                                             const CgroupLimits& l) {
  LimitWriter w(facts, path);
  if (l.cpuset_cpus) w.set("cpuset", "cpuset.cpus", *l.cpuset_cpus, "cpuset.cpus", *l.cpuset_cpus);
  if (l.cpuset_mems) w.set("cpuset", "cpuset.mems", *l.cpuset_mems, "cpuset.mems", *l.cpuset_mems);
  if (l.cpu_shares) {
    uint64_t shares = std::clamp<uint64_t>(*l.cpu_shares, 2, 262144);
    w.set("cpu", "cpu.shares", cat(shares), "cpu.weight", cat(weight_of_shares(shares)));
  }
  if (l.cpu_quota_us || l.cpu_period_us) {
    uint64_t period = l.cpu_period_us.value_or(100000);
    int64_t quota = l.cpu_quota_us.value_or(-1);
    w.set("cpu", "cpu.cfs_period_us", cat(period), "", "");
    w.set("cpu", "cpu.cfs_quota_us", cat(quota <= 0 ? -1 : quota), "cpu.max",
          cat(quota <= 0 ? "max" : cat(quota), ' ', period));
  }
  if (l.memory_low)
    w.set("memory", "memory.soft_limit_in_bytes", cat(*l.memory_low), "memory.low",
          text_of(*l.memory_low, true));
  if (l.memory_max)
    w.set("memory", "memory.limit_in_bytes", text_of(*l.memory_max, false), "memory.max",
          text_of(*l.memory_max, true));
  if (l.memory_swap_max) {
    bool bounded = *l.memory_swap_max >= 0 && l.memory_max && *l.memory_max >= 0;
    // Optional: kernels without swap accounting have no such file, and no swap to limit.
    w.set("memory", "memory.memsw.limit_in_bytes", bounded ? cat(*l.memory_max + *l.memory_swap_max) : "-1",
          "memory.swap.max", text_of(*l.memory_swap_max, true), true);
  }
  if (l.pids_max)
    w.set("pids", "pids.max", *l.pids_max <= 0 ? "max" : cat(*l.pids_max), "pids.max",
          *l.pids_max <= 0 ? "max" : cat(*l.pids_max));
  const CgroupHierarchy* v2 = facts.v2();
  for (const auto& [file, value] : l.unified) {
    if (file.find('/') != file.npos || file.empty() || file[0] == '.')
      return fail(Code::kInvalid, "cgroup file ", go_quote(file));
    if (v2 == nullptr) return fail(Code::kUnsupported, "unified cgroup settings need cgroup v2");
    w.writes_.push_back({cat(v2->mount_point, path, '/', file), value, false});
  }
  return std::move(w).take();
}

std::vector<CgroupWrite> device_writes(const std::string& directory, const std::vector<DeviceRule>& devices) {
  std::vector<CgroupWrite> writes = {{directory + "/devices.deny", "a", false}};
  for (DeviceRule rule : devices) {
    // There "a" stands for everything, whatever follows it.
    bool both = rule.type == 'a' && rule != kEveryDevice;
    if (both) rule.type = 'b';
    writes.push_back({directory + "/devices.allow", device_rule_text(rule), false});
    if (both) rule.type = 'c', writes.push_back({directory + "/devices.allow", device_rule_text(rule), false});
  }
  return writes;
}

namespace {

Result<void> plan_devices(const CgroupFacts& facts, const std::vector<DeviceRule>& devices, CgroupPlan& plan) {
  if (allows_every_device(devices)) return {};
  const CgroupHierarchy* v1 = facts.find("devices");
  if (!plan.born_in.empty()) {
    plan.devices_in = plan.born_in;
  } else if (v1 != nullptr) {
    plan.devices_in = v1->mount_point + plan.path;
  } else {
    return fail(Code::kUnsupported, "this host has no cgroup that could restrict a container's devices; mount cgroup2 at ",
                "/sys/fs/cgroup, or start the container privileged: it may use every device then");
  }
  plan.devices = devices;
  return {};
}

}  // namespace

Result<CgroupPlan> plan_cgroup(const CgroupFacts& facts, const std::string& path, const CgroupLimits& limits,
                               const std::vector<DeviceRule>& devices) {
  if (!valid_path(path)) return fail(Code::kInvalid, "invalid cgroup path ", go_quote(path));
  bool restricted = !allows_every_device(devices);
  CgroupPlan plan;
  plan.path = path;
  std::vector<std::string> levels;  // "/a", "/a/b", …
  for (size_t at = path.find('/', 1); at != path.npos; at = path.find('/', at + 1))
    levels.push_back(path.substr(0, at));
  levels.push_back(path);
  // Each v1 hierarchy costs folders and a move: only those that are counted or limited. The v2 tree, where
  // there is one, kills and freezes; else the freezer does.
  auto wanted = [&](const CgroupHierarchy& h) {
    if (h.v2 || h.has("memory") || h.has("cpu") || h.has("cpuacct") || h.has("pids")) return true;
    if (h.has("cpuset")) return limits.cpuset_cpus.has_value() || limits.cpuset_mems.has_value();
    if (h.has("devices") && restricted && facts.v2() == nullptr) return true;
    return h.has("freezer") && facts.v2() == nullptr;
  };
  for (const CgroupHierarchy& h : facts.hierarchies) {
    if (!wanted(h)) continue;
    for (const std::string& level : levels) {
      plan.directories.push_back(h.mount_point + level);
      if (!h.v2 && h.has("cpuset")) plan.cpusets.push_back(h.mount_point + level);
    }
    if (!h.v2) {
      plan.join.push_back(h.mount_point + path);
      continue;
    }
    plan.born_in = h.mount_point + path;
    std::string enable;
    for (std::string_view c : kLimitControllers)
      if (h.has(c)) cat_to(enable, enable.empty() ? "+" : " +", c);
    if (enable.empty()) continue;
    plan.delegations.push_back({cat(h.mount_point, "/cgroup.subtree_control"), enable, false});
    for (size_t i = 0; i + 1 < levels.size(); ++i)
      plan.delegations.push_back({cat(h.mount_point, levels[i], "/cgroup.subtree_control"), enable, false});
  }
  KOBUK_TRY(plan.limits, plan_limits(facts, path, limits));
  KOBUK_CHECK(plan_devices(facts, devices, plan));
  return plan;
}

}  // namespace kobuk::sys
