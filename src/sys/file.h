// Files: whole-file reads and writes, directories, and look-ups that can not leave a root.
//
//   KOBUK_TRY(std::string text, sys::read_file("/proc/self/cgroup"));
//   KOBUK_CHECK(sys::write_file_atomic(cat(dir, "/state"), text));
//   KOBUK_TRY(UniqueFd passwd, sys::open_in_root(root.get(), "etc/passwd", O_RDONLY));
//
// Errors carry the errno and the path. Every descriptor is close-on-exec. Blocking: off the loop where it may
// wait for a disk. Any thread.
#pragma once

#include <fcntl.h>
#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

inline constexpr size_t kMaxFile = 64u << 20;

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode = 0644);
// kTooLarge past `max` bytes.
Result<std::string> read_file(const std::string& path, size_t max = kMaxFile);
Result<std::string> read_all(int fd, std::string_view what, size_t max = kMaxFile);
Result<void> write_all(int fd, std::string_view bytes, std::string_view what);
// Truncates and writes; for files of /proc and cgroups too (one write(2), nothing is created there).
Result<void> write_file(const std::string& path, std::string_view bytes, mode_t mode = 0644);
Result<void> write_existing(const std::string& path, std::string_view bytes);
// Whoever reads the path sees the old or the new bytes, after a crash too: a new file, fsync, rename, fsync
// of the folder.
Result<void> write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode = 0644);
// The same without fsync: atomic for readers, but after a power cut the old bytes or none may be there. For
// what means nothing after a reboot.
Result<void> replace_file(const std::string& path, std::string_view bytes, mode_t mode = 0644);

bool exists(const std::string& path);
// Every missing folder of the path; existing ones keep their mode.
Result<void> make_directories(const std::string& path, mode_t mode = 0755);
Result<std::vector<std::string>> list_directory(const std::string& path);  // names, sorted, without . and ..
// Removes a file or a whole folder. An absent path is fine. Follows no symlink and stops with
// kFailedPrecondition (EXDEV) at a mount point below, bind mounts too, so that it never empties what is mounted there.
Result<void> remove_tree(const std::string& path);

// `root` is a directory descriptor. The path is resolved as if root were "/": absolute symlinks and ".." stay
// inside; magic links (/proc/*/fd) are refused.
Result<UniqueFd> open_in_root(int root, std::string_view path, int flags, mode_t mode = 0);
// The same walk, creating what is missing (dangling symlinks are followed to what they name, inside the
// root). The result is O_PATH. make_file_in_root leaves an existing object of any type but a directory as it
// is.
Result<UniqueFd> make_directory_in_root(int root, std::string_view path, mode_t mode = 0755);
Result<UniqueFd> make_file_in_root(int root, std::string_view path, mode_t mode = 0644);
// The folder that would hold the last component, and that component's name.
struct Place {
  UniqueFd parent;
  std::string name;
};
Result<Place> make_parent_in_root(int root, std::string_view path, mode_t mode = 0755);

// "/proc/self/fd/N": the way to hand a descriptor to a call that takes a path.
std::string fd_path(int fd);

}  // namespace kobuk::sys
