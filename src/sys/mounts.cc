// proc_pid_mountinfo(5): the fifth field is the mount point, with \040 for a blank, \011, \012 and \134.
#include "sys/mounts.h"

#include <sys/mount.h>

#include <algorithm>
#include <cerrno>

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

}  // namespace kobuk::sys
