#include "sys/file_watch.h"

#include <sys/inotify.h>
#include <unistd.h>

#include <cerrno>

#include "base/strings.h"

namespace kobuk::sys {

Result<UniqueFd> watch_directory(const std::string& directory) {
  UniqueFd fd(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
  if (!fd) return fail_errno(errno, "inotify_init1");
  uint32_t wanted = IN_MODIFY | IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_ONLYDIR;
  if (::inotify_add_watch(fd.get(), directory.c_str(), wanted) < 0) return fail_errno(errno, cat("watch ", directory));
  return fd;
}

void drain_watch(int fd) {
  char buffer[4096];
  while (::read(fd, buffer, sizeof buffer) > 0) {
  }
}

}  // namespace kobuk::sys
