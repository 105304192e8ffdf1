#include "sys/cgroup.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "sys/file.h"

namespace kobuk::sys {

std::string_view cgroup_mode_name(CgroupMode mode) {
  switch (mode) {
    case CgroupMode::kNone:
      return "none";
    case CgroupMode::kV1:
      return "v1";
    case CgroupMode::kHybrid:
      return "hybrid";
    case CgroupMode::kV2:
      return "v2";
  }
  return "?";
}

bool CgroupHierarchy::has(std::string_view controller) const {
  return std::find(controllers.begin(), controllers.end(), controller) != controllers.end();
}
const CgroupHierarchy* CgroupFacts::find(std::string_view controller) const {
  const CgroupHierarchy* found = nullptr;
  for (const auto& h : hierarchies)
    if (h.has(controller) && (found == nullptr || found->v2)) found = &h;  // a controller bound to v1 is v1's
  return found;
}
const CgroupHierarchy* CgroupFacts::v2() const {
  for (const auto& h : hierarchies)
    if (h.v2) return &h;
  return nullptr;
}

CgroupFacts parse_cgroup_facts(std::string_view mountinfo, std::string_view self_cgroup) {
  CgroupFacts facts;
  bool any_v1 = false;
  for (std::string_view line : split(mountinfo, '\n')) {
    // "36 35 98:0 /root /mount/point options [tags…] - type source super-options" (proc(5))
    size_t dash = line.find(" - ");
    if (dash == line.npos) continue;
    auto before = split(line.substr(0, dash), ' ');
    auto after = split(line.substr(dash + 3), ' ');
    if (before.size() < 6 || after.size() < 3) continue;
    bool v2 = after[0] == "cgroup2";
    if (!v2 && after[0] != "cgroup") continue;
    CgroupHierarchy h{std::string(before[4]), {}, "/", v2};
    if (v2) {
      if (facts.v2() != nullptr) continue;
    } else {
      for (std::string_view option : split(after[2], ',')) {
        static constexpr std::string_view kNot[] = {
            "rw",           "ro",           "noprefix",       "clone_children",
            "xattr",        "favordynmods", "nofavordynmods", "cpuset_v2_mode",
            "release_agent"};
        std::string_view key = option.substr(0, option.starts_with("name=") ? option.npos : option.find('='));
        if (std::find(std::begin(kNot), std::end(kNot), key) == std::end(kNot))
          h.controllers.emplace_back(key);
      }
      bool known =
          h.controllers.empty() || std::any_of(facts.hierarchies.begin(), facts.hierarchies.end(),
                                               [&](const auto& o) { return o.controllers == h.controllers; });
      if (known) continue;  // the same hierarchy mounted twice
      any_v1 = any_v1 || !h.controllers[0].starts_with("name=");
    }
    for (std::string_view own : split(self_cgroup, '\n')) {
      // "4:memory:/path", "0::/path"
      size_t first = own.find(':');
      size_t second = first == own.npos ? own.npos : own.find(':', first + 1);
      if (second == own.npos) continue;
      auto names = split(own.substr(first + 1, second - first - 1), ',');
      bool mine = v2 ? names.empty() : !names.empty() && h.has(names[0]);
      if (mine) h.own = own.substr(second + 1);
    }
    facts.hierarchies.push_back(std::move(h));
  }
  if (facts.hierarchies.empty()) {
    facts.mode = CgroupMode::kNone;
  } else if (!any_v1 && facts.v2() != nullptr) {
    facts.mode = CgroupMode::kV2;
  } else {
    facts.mode = facts.v2() != nullptr ? CgroupMode::kHybrid : CgroupMode::kV1;
  }
  return facts;
}

Result<CgroupFacts> read_cgroup_facts() {
  KOBUK_TRY(std::string mounts, read_file("/proc/self/mountinfo"));
  KOBUK_TRY(std::string own, read_file("/proc/self/cgroup"));
  CgroupFacts facts = parse_cgroup_facts(mounts, own);
  for (auto& h : facts.hierarchies) {
    if (!h.v2) continue;
    auto text = read_file(h.mount_point + "/cgroup.controllers", 4096);
    if (!text) continue;
    for (std::string_view c : split(trim(*text), ' ')) h.controllers.emplace_back(c);
  }
  return facts;
}

Result<void> apply_writes(const std::vector<CgroupWrite>& writes) {
  for (const CgroupWrite& write : writes) {
    auto written = write_existing(write.file, write.value);
    if (!written && write.optional && written.error().code() == Code::kNotFound) continue;
    KOBUK_CHECK(written);
  }
  return {};
}

namespace {

bool has_all(std::string_view enabled, std::string_view wanted) {
  auto have = split(trim(enabled), ' ');
  for (std::string_view w : split(wanted, ' '))
    if (std::find(have.begin(), have.end(), w.substr(1)) == have.end()) return false;
  return true;
}

Result<void> fill_cpuset(const std::string& directory) {
  std::string parent = directory.substr(0, directory.rfind('/'));
  for (std::string_view file : {"/cpuset.cpus", "/cpuset.mems"}) {
    KOBUK_TRY(std::string own, read_file(cat(directory, file), 65536));
    if (!trim(own).empty()) continue;
    KOBUK_TRY(std::string above, read_file(cat(parent, file), 65536));
    KOBUK_CHECK(write_existing(cat(directory, file), trim(above)));
  }
  return {};
}

Result<void> restrict_devices(const CgroupPlan& plan) {
  if (plan.devices_in.empty()) return {};
  if (plan.devices_in != plan.born_in) return apply_writes(device_writes(plan.devices_in, plan.devices));
  KOBUK_TRY(UniqueFd group, open_cgroup(plan.born_in));
  return attach_device_filter(group.get(), plan.devices);
}

Result<void> make_all(const CgroupPlan& plan, std::vector<std::string>& made) {
  for (const std::string& directory : plan.directories) {
    if (mkdir(directory.c_str(), 0755) == 0) {
      made.push_back(directory);
    } else if (errno != EEXIST) {
      return fail_errno(errno, cat("create the cgroup ", directory));
    }
  }
  for (const CgroupWrite& delegation : plan.delegations) {
    auto enabled = read_file(delegation.file, 4096);
    if (enabled && has_all(*enabled, delegation.value)) continue;
    KOBUK_CHECK(write_existing(delegation.file, delegation.value));
  }
  for (const std::string& directory : plan.cpusets) KOBUK_CHECK(fill_cpuset(directory));
  KOBUK_CHECK(apply_writes(plan.limits));
  return restrict_devices(plan);
}

}  // namespace

Result<void> make_cgroup(const CgroupPlan& plan) {
  std::vector<std::string> made;
  auto result = make_all(plan, made);
  if (!result)
    for (auto it = made.rbegin(); it != made.rend(); ++it) rmdir(it->c_str());
  return result;
}

Result<void> join_cgroup(const CgroupPlan& plan, pid_t pid) {
  for (const std::string& directory : plan.join)
    KOBUK_CHECK(write_existing(directory + "/cgroup.procs", cat(pid)));
  return {};
}

Result<UniqueFd> open_cgroup(const std::string& directory) {
  return open_file(directory, O_RDONLY | O_DIRECTORY);
}

std::string Cgroup::directory(std::string_view controller) const {
  const CgroupHierarchy* h = facts_.find(controller);
  return h == nullptr ? "" : h->mount_point + path_;
}

std::vector<std::string> Cgroup::directories() const {
  std::vector<std::string> out;
  for (const auto& h : facts_.hierarchies) {
    std::string directory = h.mount_point + path_;
    if (sys::exists(directory)) out.push_back(std::move(directory));
  }
  return out;
}

bool Cgroup::exists() const { return !directories().empty(); }

Result<void> Cgroup::create(const CgroupLimits& limits) {
  KOBUK_TRY(CgroupPlan plan, plan_cgroup(facts_, path_, limits));
  return make_cgroup(plan);
}

Result<void> Cgroup::update(const CgroupLimits& limits) {
  KOBUK_TRY(auto writes, plan_limits(facts_, path_, limits));
  return apply_writes(writes);
}

namespace {

// Calls visit(directory) for the group and every group below it, children first.
template <class F>
void visit_groups(const std::string& directory, F&& visit, int depth = 0) {
  if (depth > 64) return;
  if (UniqueFd fd{::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)}) {
    struct stat st {};
    // A group's link count is 2 + its children: most have none, and are not read.
    if (fstat(fd.get(), &st) == 0 && st.st_nlink != 2) {
      auto names = list_directory(directory);
      if (names)
        for (const std::string& name : *names)
          if (stat(cat(directory, '/', name).c_str(), &st) == 0 && S_ISDIR(st.st_mode))
            visit_groups(cat(directory, '/', name), visit, depth + 1);
    }
    visit(directory);
  }
}

void collect_pids(const std::string& directory, std::vector<pid_t>& out) {
  auto text = read_file(directory + "/cgroup.procs");
  if (!text) return;
  for (std::string_view line : split(*text, '\n'))
    if (auto pid = parse_int(line); pid && *pid > 0) out.push_back(static_cast<pid_t>(*pid));
}

int64_t now_ms() {
  timespec t{};
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000 + t.tv_nsec / 1'000'000;
}

}  // namespace

Result<std::vector<pid_t>> Cgroup::processes() const {
  std::vector<pid_t> out;
  for (const std::string& directory : directories())
    visit_groups(directory, [&](const std::string& d) { collect_pids(d, out); });
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Result<CgroupWrite> Cgroup::freeze_write(bool frozen) const {
  if (const CgroupHierarchy* v2 = facts_.v2()) {
    std::string group = v2->mount_point + path_;
    if (sys::exists(group)) return CgroupWrite{group + "/cgroup.freeze", frozen ? "1" : "0", false};
  }
  std::string group = directory("freezer");
  if (group.empty()) return fail(Code::kUnsupported, "pausing needs cgroup v2 or the freezer controller");
  return CgroupWrite{group + "/freezer.state", frozen ? "FROZEN" : "THAWED", false};
}

Result<void> Cgroup::freeze(bool frozen) const {
  KOBUK_TRY(CgroupWrite write, freeze_write(frozen));
  return write_existing(write.file, write.value);
}

Result<void> Cgroup::wait_frozen(int timeout_ms) const {
  KOBUK_TRY(CgroupWrite write, freeze_write(true));
  bool v2 = write.file.ends_with("/cgroup.freeze");
  std::string file = v2 ? write.file.substr(0, write.file.rfind('/')) + "/cgroup.events" : write.file;
  int64_t deadline = now_ms() + timeout_ms;
  KOBUK_TRY(UniqueFd events, open_file(file, O_RDONLY));
  for (int wait = 1;; wait = std::min(wait * 2, 50)) {
    if (lseek(events.get(), 0, SEEK_SET) != 0) return fail_errno(errno, cat("read ", file));
    KOBUK_TRY(std::string text, read_all(events.get(), file, 4096));
    if (v2 ? text.find("frozen 1") != text.npos : trim(text) == "FROZEN") return {};
    int64_t left = deadline - now_ms();
    if (left <= 0) return fail(Code::kTimeout, "the cgroup ", path_, " does not come to rest");
    if (v2) {
      pollfd p{events.get(), POLLPRI, 0};
      poll(&p, 1, static_cast<int>(left));
    } else {
      // v1 tells nobody, and a process that was in the way is only tried again on the next write.
      timespec pause{0, wait * 1'000'000L};
      nanosleep(&pause, nullptr);
      KOBUK_CHECK(write_existing(write.file, write.value));
    }
  }
}

Result<void> Cgroup::signal_all(int signal) const {
  KOBUK_TRY(auto pids, processes());
  for (pid_t pid : pids) ::kill(pid, signal);
  return {};
}

Result<void> Cgroup::kill(int timeout_ms) const {
  int64_t deadline = now_ms() + timeout_ms;
  const CgroupHierarchy* v2 = facts_.v2();
  for (int wait = 1;; wait = std::min(wait * 2, 50)) {
    KOBUK_TRY(auto pids, processes());
    if (pids.empty()) return {};
    if (v2 != nullptr) (void)write_existing(cat(v2->mount_point, path_, "/cgroup.kill"), "1");
    for (pid_t pid : pids) ::kill(pid, SIGKILL);
    (void)freeze(false);  // a frozen process dies only when thawed, on v1
    if (now_ms() > deadline)
      return fail(Code::kTimeout, pids.size(), " processes of the cgroup ", path_,
                  " do not end, the first is ", pids[0]);
    timespec pause{0,
                   wait * 1'000'000L};  // the kernel offers no event for "the group is empty" that v1 has too
    nanosleep(&pause, nullptr);
  }
}

Result<void> Cgroup::remove() const {
  Result<void> result;
  for (const std::string& directory : directories()) {
    visit_groups(directory, [&](const std::string& d) {
      // EBUSY for a moment after the last process was reaped: the kernel takes it out of the group a little
      // later.
      for (int attempt = 0; rmdir(d.c_str()) != 0; ++attempt) {
        if (errno == ENOENT) return;
        if (errno != EBUSY || attempt == 100) {
          if (result) result = fail_errno(errno, cat("remove the cgroup ", d));
          return;
        }
        timespec pause{0, 2'000'000};
        nanosleep(&pause, nullptr);
      }
    });
  }
  return result;
}

}  // namespace kobuk::sys
