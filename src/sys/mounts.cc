// proc_pid_mountinfo(5): the fifth field is the mount point, with \040 for a blank, \011, \012 and \134.
#include "sys/mounts.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <thread>

#include "sys/file.h"

namespace kobuk::sys {
namespace {

std::string unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    bool octal = text[i] == '\\' && i + 3 < text.size() && std::all_of(&text[i + 1], &text[i + 4], [](char c) { return c >= '0' && c <= '7'; });
    if (!octal) {
      out.push_back(text[i]);
      continue;
    }
    out.push_back(static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + (text[i + 3] - '0')));
    i += 3;
  }
  return out;
}

struct Root {
  uint64_t mount = 0, inode = 0;
  bool operator==(const Root&) const = default;
};
Result<Root> root_here() {
  struct statx found {};
  if (statx(AT_FDCWD, "/", 0, STATX_INO | STATX_MNT_ID, &found) != 0) return fail_errno(errno, "statx /");
  return Root{found.stx_mnt_id, found.stx_ino};
}

}  // namespace

std::vector<std::string> mounts_below(std::string_view mountinfo, std::string_view directory) {
  std::vector<std::string> out;
  std::string below = cat(directory, "/");
  for (std::string_view line : split(mountinfo, '\n')) {
    auto fields = split(line, ' ');
    if (fields.size() < 5) continue;
    std::string point = unescape(fields[4]);
    if (point == directory || point.starts_with(below)) out.push_back(std::move(point));
  }
  std::reverse(out.begin(), out.end());  // later lines stand on earlier ones
  return out;
}

Result<void> unmount_below(const std::string& directory) {
  KOBUK_TRY(std::string mountinfo, read_file("/proc/self/mountinfo"));
  for (const std::string& point : mounts_below(mountinfo, directory)) {
    bool gone = umount2(point.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0 || errno == EINVAL || errno == ENOENT;
    if (!gone) return fail_errno(errno, cat("unmount ", point));
  }
  return {};
}

Result<bool> in_chroot() {
  KOBUK_TRY(Root mine, root_here());
  KOBUK_TRY(UniqueFd space, open_file("/proc/self/ns/mnt", O_RDONLY));
  // Joining a mount namespace, and be it one's own, leads to its root. A thread can do that alone once it shares no root.
  auto join = [&]() -> Result<Root> {
    if (unshare(CLONE_FS) != 0) return fail_errno(errno, "unshare the root directory");
    if (setns(space.get(), CLONE_NEWNS) != 0) return fail_errno(errno, "join the own mount namespace");
    return root_here();
  };
  Result<Root> theirs = fail(Code::kInternal, "no thread ran");
  std::thread visitor([&] { theirs = join(); });
  visitor.join();
  if (!theirs) return fail(std::move(theirs).error());
  return !(mine == *theirs);
}

}  // namespace kobuk::sys
