#include "sys/volume_mount.h"

#include <sys/mount.h>

#include <cerrno>

#include "base/strings.h"
#include "sys/file.h"
#include "sys/kernel.h"

namespace kobuk::sys {

Result<void> mount_tmpfs(const std::string& directory, uint64_t size, mode_t mode) {
  std::string digits;
  for (mode_t rest = mode & 07777; rest != 0 || digits.empty(); rest >>= 3) {
    digits.insert(digits.begin(), static_cast<char>('0' + (rest & 7)));
  }
  std::string options = cat("mode=", digits);
  if (size > 0) cat_to(options, ",size=", size);
  if (::mount("tmpfs", directory.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, options.c_str()) == 0) return {};
  return fail_errno(errno, cat("mount tmpfs at ", directory));
}

Result<void> bind_mount(int fd, const std::string& target) {
  KOBUK_TRY(UniqueFd mount, real_kernel().clone_mount(fd, true));
  KOBUK_TRY(UniqueFd place, open_file(target, O_PATH | O_NOFOLLOW));
  return real_kernel().attach_mount(mount.get(), place.get());
}

Result<void> unmount(const std::string& path) {
  while (::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) == 0) {
  }
  if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR) return {};
  return fail_errno(errno, cat("umount ", path));
}

}  // namespace kobuk::sys
