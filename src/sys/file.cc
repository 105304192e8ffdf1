#include "sys/file.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "base/random.h"

namespace kobuk::sys {

void UniqueFd::reset(int fd) {
  if (fd_ >= 0) {
    int saved = errno;
    ::close(fd_);
    errno = saved;
  }
  fd_ = fd;
}

Result<UniqueFd> open_file(const std::string& path, int flags, mode_t mode) {
  int fd = ::open(path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) return fail_errno(errno, cat("open ", path));
  return UniqueFd(fd);
}

Result<std::string> read_all(int fd, std::string_view what, size_t max) {
  std::string out;
  struct stat st {};
  // One more than the size, so that the end is seen without growing; files of /proc say 0.
  size_t step = fstat(fd, &st) == 0 && st.st_size > 0 ? static_cast<size_t>(st.st_size) + 1 : 4096;
  while (true) {
    if (out.size() > max) return fail(Code::kTooLarge, what, " is larger than ", max, " bytes");
    size_t have = out.size();
    out.resize(have + std::min(step, max + 1 - have));
    if (out.size() == have) return fail(Code::kTooLarge, what, " is larger than ", max, " bytes");
    ssize_t got = ::read(fd, out.data() + have, out.size() - have);
    int error = errno;
    out.resize(have + (got > 0 ? static_cast<size_t>(got) : 0));
    if (got == 0) return out;
    if (got < 0 && error != EINTR) return fail_errno(error, cat("read ", what));
    step = std::max<size_t>(4096, out.size());
  }
}

Result<std::string> read_file(const std::string& path, size_t max) {
  KOBUK_TRY(UniqueFd fd, open_file(path, O_RDONLY));
  return read_all(fd.get(), path, max);
}

Result<void> write_all(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    ssize_t wrote = ::write(fd, bytes.data(), bytes.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return fail_errno(errno, cat("write ", what));
    bytes.remove_prefix(static_cast<size_t>(wrote));
  }
  return {};
}

Result<void> write_file(const std::string& path, std::string_view bytes, mode_t mode) {
  KOBUK_TRY(UniqueFd fd, open_file(path, O_WRONLY | O_CREAT | O_TRUNC, mode));
  return write_all(fd.get(), bytes, path);
}

Result<void> write_existing(const std::string& path, std::string_view bytes) {
  KOBUK_TRY(UniqueFd fd, open_file(path, O_WRONLY));
  // Kernel interfaces take one write as one command: a short or split one would be another command.
  ssize_t wrote = 0;
  do {
    wrote = ::write(fd.get(), bytes.data(), bytes.size());
  } while (wrote < 0 && errno == EINTR);
  if (wrote < 0) return fail_errno(errno, cat("write \"", bytes.substr(0, 80), "\" to ", path));
  return {};
}

namespace {

Result<void> replace(const std::string& path, std::string_view bytes, mode_t mode, bool durable) {
  std::string temporary = cat(path, ".new-", random_hex(8));
  auto written = [&]() -> Result<void> {
    KOBUK_TRY(UniqueFd fd, open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
    KOBUK_CHECK(write_all(fd.get(), bytes, temporary));
    if (durable && fsync(fd.get()) != 0) return fail_errno(errno, cat("fsync ", temporary));
    if (rename(temporary.c_str(), path.c_str()) != 0) return fail_errno(errno, cat("rename to ", path));
    return {};
  }();
  if (!written) unlink(temporary.c_str());
  return written;
}

}  // namespace

Result<void> write_file_atomic(const std::string& path, std::string_view bytes, mode_t mode) {
  KOBUK_CHECK(replace(path, bytes, mode, true));
  size_t slash = path.rfind('/');
  KOBUK_TRY(UniqueFd folder,
            open_file(slash == std::string::npos ? "." : path.substr(0, slash + 1), O_RDONLY | O_DIRECTORY));
  if (fsync(folder.get()) != 0) return fail_errno(errno, cat("fsync the folder of ", path));
  return {};
}

Result<void> replace_file(const std::string& path, std::string_view bytes, mode_t mode) {
  return replace(path, bytes, mode, false);
}

bool exists(const std::string& path) {
  struct stat st {};
  return lstat(path.c_str(), &st) == 0;
}

Result<void> make_directories(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) == 0) return {};
  if (errno == ENOENT) {
    size_t slash = path.find_last_of('/');
    if (slash == std::string::npos || slash == 0) return fail_errno(errno, cat("mkdir ", path));
    KOBUK_CHECK(make_directories(path.substr(0, slash), mode));
    if (mkdir(path.c_str(), mode) == 0) return {};
  }
  int error = errno;
  struct stat st {};
  if (error == EEXIST && stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
  return fail_errno(error, cat("mkdir ", path));
}

namespace {

Result<std::vector<std::string>> list_directory_fd(UniqueFd fd, std::string_view what) {
  DIR* dir = fdopendir(fd.get());
  if (dir == nullptr) return fail_errno(errno, cat("read directory ", what));
  fd.release();
  std::vector<std::string> names;
  while (dirent* entry = readdir(dir)) {
    std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end());
  return names;
}

// A bind mount of the same file system has the same st_dev: only the kernel's own word tells.
bool is_mount_root(int fd) {
  struct statx info {};
  if (statx(fd, "", AT_EMPTY_PATH, STATX_TYPE, &info) != 0) return true;
  return (info.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

constexpr int kMaxRemoveDepth = 128;  // a descriptor is open for each

// What somebody else removes meanwhile is gone, which is all that is wanted.
Result<void> gone_or(std::string what) {
  if (errno == ENOENT) return {};
  return fail_errno(errno, std::move(what));
}

// top: the folder that the removal began with; what is nested too deeply is moved up into it, to be removed from there.
Result<void> remove_at(int parent, const std::string& name, const std::string& shown, dev_t device, int depth, int top) {
  if (unlinkat(parent, name.c_str(), 0) == 0 || errno == ENOENT) return {};
  if (errno != EISDIR && errno != EPERM) return fail_errno(errno, cat("remove ", shown));
  int unlink_error = errno;
  struct stat st{};
  if (fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return gone_or(cat("stat ", shown));
  if (!S_ISDIR(st.st_mode)) return fail_errno(unlink_error, cat("remove ", shown));
  if (device != 0 && st.st_dev != device) return fail_errno(EXDEV, cat("remove ", shown, ": something is mounted there"));
  if (depth > kMaxRemoveDepth) {
    if (renameat(parent, name.c_str(), top, cat(".deep-", random_hex(16)).c_str()) != 0) return fail_errno(errno, cat("move up ", shown));
    return {};
  }
  UniqueFd dir(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!dir) return gone_or(cat("open ", shown));
  if (depth > 0 && is_mount_root(dir.get())) return fail_errno(EXDEV, cat("remove ", shown, ": something is mounted there"));
  if (depth == 0) top = dir.get();
  while (true) {
    UniqueFd list(openat(dir.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!list) return gone_or(cat("open ", shown));
    KOBUK_TRY(auto names, list_directory_fd(std::move(list), shown));
    for (const std::string& child : names) KOBUK_CHECK(remove_at(dir.get(), child, cat(shown, '/', child), st.st_dev, depth + 1, top));
    if (unlinkat(parent, name.c_str(), AT_REMOVEDIR) == 0 || errno == ENOENT) return {};
    // The top is emptied again of what was moved up into it.
    bool again = errno == ENOTEMPTY && depth == 0 && !names.empty();
    if (!again) return fail_errno(errno, cat("rmdir ", shown));
  }
}

}  // namespace

Result<std::vector<std::string>> list_directory(const std::string& path) {
  KOBUK_TRY(UniqueFd fd, open_file(path, O_RDONLY | O_DIRECTORY));
  return list_directory_fd(std::move(fd), path);
}

Result<void> remove_tree(const std::string& path) { return remove_at(AT_FDCWD, path, path, 0, 0, -1); }

std::string fd_path(int fd) { return cat("/proc/self/fd/", fd); }

}  // namespace kobuk::sys
