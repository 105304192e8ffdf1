#include "sys/host_facts.h"
#include <cerrno>

#include <sys/prctl.h>
#include <sys/utsname.h>

#include "sys/file.h"

namespace kobuk::sys {

Result<std::pair<int, int>> parse_kernel_release(std::string_view release) {
  size_t dot = release.find('.');
  size_t end = dot == release.npos ? dot : release.find_first_not_of("0123456789", dot + 1);
  auto major = parse_uint(release.substr(0, dot));
  auto minor = dot == release.npos
                   ? std::nullopt
                   : parse_uint(release.substr(dot + 1, end == release.npos ? end : end - dot - 1));
  if (!major || !minor || *major > 1000 || *minor > 1000)
    return fail(Code::kInvalid, "kernel release ", go_quote(release));
  return std::pair(static_cast<int>(*major), static_cast<int>(*minor));
}

Result<HostFacts> read_host_facts() {
  HostFacts facts;
  utsname names{};
  if (uname(&names) != 0) return fail_errno(errno, "uname");
  KOBUK_TRY(auto version, parse_kernel_release(names.release));
  facts.kernel_major = version.first;
  facts.kernel_minor = version.second;
  facts.machine = names.machine;
  if (!facts.kernel_at_least(5, 15))
    return fail(Code::kUnsupported, "Linux ", std::string_view(names.release),
                " is too old: containers need 5.15 or newer");
  KOBUK_TRY(facts.cgroups, read_cgroup_facts());
  if (facts.cgroups.mode == CgroupMode::kNone)
    return fail(Code::kUnsupported, "no control groups are mounted, so that containers could neither be limited nor ended as one; "
                                    "mount them: mount -t cgroup2 cgroup2 /sys/fs/cgroup");
  facts.seccomp = exists("/proc/sys/kernel/seccomp");
  auto apparmor = read_file("/sys/module/apparmor/parameters/enabled", 64);
  facts.apparmor = apparmor && trim(*apparmor) == "Y";
  for (int i = 0; i < 64; ++i) {
    int has = prctl(PR_CAPBSET_READ, i, 0, 0, 0);
    if (has < 0) break;
    facts.last_capability = i;
    if (has == 1) facts.own_capabilities |= uint64_t{1} << i;
  }
  return facts;
}

}  // namespace kobuk::sys
