// Control groups: v2 (unified), v1 as found (controllers mounted one by one), and both at once (hybrid).
//
//   Cgroup group(facts.cgroups, "/kobuk-default/docker/4f2a");
//   KOBUK_CHECK(group.create({.memory_max = 256 << 20, .pids_max = 100}));
//   KOBUK_TRY(CgroupStats stats, group.stats());
//   KOBUK_CHECK(group.kill()); KOBUK_CHECK(group.remove());
//
// A path is absolute and means the same folder below every hierarchy. In hybrid mode the v2 tree, though it
// has no controllers, is where processes are born, counted and killed. Absent groups are not an error for
// remove() and kill(). Blocking (a move between groups waits for the kernel, up to some milliseconds). Any
// thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/device_filter.h"
#include "sys/fd.h"

namespace kobuk::sys {

enum class CgroupMode : uint8_t { kNone, kV1, kHybrid, kV2 };
std::string_view cgroup_mode_name(CgroupMode mode);  // "none", "v1", "hybrid", "v2"

struct CgroupHierarchy {
  std::string mount_point;               // "/sys/fs/cgroup/memory"
  std::vector<std::string> controllers;  // "memory", or "name=systemd"; of v2: those available at its root
  std::string own;  // our process' group in it, relative to the mount: "/" or "/user.slice"
  bool v2 = false;
  bool has(std::string_view controller) const;
  bool operator==(const CgroupHierarchy&) const = default;
};

struct CgroupFacts {
  CgroupMode mode = CgroupMode::kNone;
  std::vector<CgroupHierarchy> hierarchies;
  const CgroupHierarchy* find(std::string_view controller) const;  // nullptr: the host does not offer it
  const CgroupHierarchy* v2() const;                               // nullptr: no v2 tree is mounted
  bool operator==(const CgroupFacts&) const = default;
};
// From the texts of /proc/self/mountinfo and /proc/self/cgroup. v2 controllers are added by
// read_cgroup_facts().
CgroupFacts parse_cgroup_facts(std::string_view mountinfo, std::string_view self_cgroup);
Result<CgroupFacts> read_cgroup_facts();

// Absent: no limit of its own. -1 means unlimited where a limit is to be taken away.
struct CgroupLimits {
  std::optional<int64_t> memory_max;       // bytes
  std::optional<int64_t> memory_low;       // bytes the kernel keeps back under pressure (v1: soft limit)
  std::optional<int64_t> memory_swap_max;  // bytes of swap alone (v1: written as memory + swap)
  std::optional<int64_t> pids_max;
  std::optional<uint64_t> cpu_shares;      // v1 units, 2…262144; v2 weights are computed
  std::optional<int64_t> cpu_quota_us;     // per period
  std::optional<uint64_t> cpu_period_us;   // default 100 000
  std::optional<std::string> cpuset_cpus;  // "0-3,7"
  std::optional<std::string> cpuset_mems;
  std::map<std::string, std::string> unified;  // file of the v2 group → text, after the rest
  bool operator==(const CgroupLimits&) const = default;
};

// One write into a control file, decided beforehand. `optional`: a host without that file is fine.
struct CgroupWrite {
  std::string file;
  std::string value;
  bool optional = false;
  bool operator==(const CgroupWrite&) const = default;
};

// What creating a group at `path` means on this host. Pure.
struct CgroupPlan {
  std::string path;
  std::vector<std::string> directories;  // to be made, parents first
  std::vector<CgroupWrite> delegations;  // v2: controllers switched on for children, where they are not yet
  std::vector<std::string>
      cpusets;  // v1 cpuset folders to be filled from their parent: they are born unusable
  std::vector<CgroupWrite> limits;
  std::string born_in;            // v2 directory for CLONE_INTO_CGROUP; empty without v2
  std::vector<std::string> join;  // v1 directories whose cgroup.procs takes the process after birth
  // The folder that holds its processes to `devices`; empty: they may use every one. v2: born_in, by a program; v1:
  // that of the devices controller.
  std::string devices_in;
  std::vector<DeviceRule> devices;
  bool operator==(const CgroupPlan&) const = default;
};
// kUnsupported names the controller when a limit needs one that the host lacks, and when nothing there can hold
// processes to these devices. kInvalid for a path with "..".
Result<CgroupPlan> plan_cgroup(const CgroupFacts& facts, const std::string& path, const CgroupLimits& limits,
                               const std::vector<DeviceRule>& devices = {kEveryDevice});
// The v1 form of a list of devices: everything is denied, then what the rules name allowed. Pure.
std::vector<CgroupWrite> device_writes(const std::string& directory, const std::vector<DeviceRule>& devices);
Result<std::vector<CgroupWrite>> plan_limits(const CgroupFacts& facts, const std::string& path,
                                             const CgroupLimits& limits);

Result<void> make_cgroup(const CgroupPlan& plan);             // leaves nothing behind when it fails
Result<void> join_cgroup(const CgroupPlan& plan, pid_t pid);  // the v1 part
Result<void> apply_writes(const std::vector<CgroupWrite>& writes);

struct CgroupStats {
  uint64_t cpu_usage_ns = 0;
  uint64_t cpu_user_ns = 0;
  uint64_t cpu_system_ns = 0;
  uint64_t throttled_periods = 0;
  uint64_t throttled_ns = 0;
  uint64_t memory_usage = 0;        // bytes, with page cache
  uint64_t memory_working_set = 0;  // usage without inactive file pages: what the kubelet reports
  uint64_t memory_rss = 0;
  uint64_t memory_limit = 0;  // 0: none
  uint64_t memory_page_faults = 0;
  uint64_t memory_major_page_faults = 0;
  uint64_t pids = 0;
  uint64_t pids_limit = 0;  // 0: none
  uint64_t io_read_bytes = 0;
  uint64_t io_write_bytes = 0;
};

class Cgroup {
 public:
  Cgroup(CgroupFacts facts, std::string path) : facts_(std::move(facts)), path_(std::move(path)) {}

  const std::string& path() const { return path_; }
  bool exists() const;
  Result<void> create(const CgroupLimits& limits);
  Result<void> update(const CgroupLimits& limits);
  Result<CgroupStats> stats() const;
  Result<std::vector<pid_t>> processes() const;  // of this group and those below it
  Result<uint64_t> oom_kills() const;
  Result<void> freeze(bool frozen) const;
  Result<CgroupWrite> freeze_write(bool frozen) const;  // what freeze() writes, for somebody else to do
  // Blocks until everything inside stands still. kTimeout.
  Result<void> wait_frozen(int timeout_ms) const;
  // SIGKILL to everything inside and below; returns when nothing is left or after `timeout_ms` with kTimeout.
  Result<void> kill(int timeout_ms = 5000) const;
  Result<void> signal_all(int signal) const;
  // Removes the group and those below it. kFailedPrecondition while a process is inside.
  Result<void> remove() const;

 private:
  std::string directory(std::string_view controller) const;  // "" when the host lacks it
  std::vector<std::string> directories() const;
  CgroupFacts facts_;
  std::string path_;
};

// Opens a v2 group's folder for clone_process().
Result<UniqueFd> open_cgroup(const std::string& directory);

}  // namespace kobuk::sys
