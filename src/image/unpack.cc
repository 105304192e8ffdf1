// OCI image-spec 1.1, layer.md ("Applying Changesets", "Whiteouts"), into the form of the kernel's overlayfs
// (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").
#include "image/unpack.h"

#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <map>

#include "codec/tar.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

using codec::TarEntry;
using codec::TarType;

constexpr std::string_view kWhiteout = ".wh.", kOpaque = ".wh..wh..opq", kWhiteoutMetadata = ".wh..wh.";
constexpr const char* kOpaqueXattr = "trusted.overlay.opaque";
constexpr uint64_t kEntryCost = 4096;            // a folder's block, or an inode and a name
constexpr uint64_t kFreeCheck = 64ull << 20;     // the free space is looked at once for so much

// overlayfs gives meaning to these; an image that sets them would redirect look-ups in other layers.
bool is_forbidden_xattr(std::string_view name) {
  return name.starts_with("trusted.overlay.") || name.starts_with("user.overlay.") || name == "security.ima" || name == "security.evm";
}

struct Parts {
  std::string parent, name;
};
Parts divide(std::string_view path) {
  size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", std::string(path)};
  return {std::string(path.substr(0, slash)), std::string(path.substr(slash + 1))};
}

timespec time_of(const TarEntry& entry) { return {.tv_sec = entry.mtime, .tv_nsec = static_cast<long>(entry.mtime_nanos)}; }

class DirectoryUnpacker final : public Unpacker, codec::TarHandler {
 public:
  DirectoryUnpacker(sys::UniqueFd root, const UnpackLimits& limits)
      : root_(std::move(root)), limits_(limits), reader_(*this, {.max_entries = limits.max_entries, .max_content = limits.max_bytes}) {}

  Result<void> feed(std::string_view bytes) override { return reader_.feed(bytes); }
  Result<int64_t> finish() override;

 private:
  Result<void> begin_entry(const TarEntry& entry) override;
  Result<void> content(uint64_t offset, std::string_view bytes) override;
  Result<void> end_entry() override;

  Result<void> charge(uint64_t bytes);
  Result<int> open_parent(const std::string& parent);
  Result<void> whiteout(int parent, std::string_view name);
  Result<void> make(int parent, const std::string& path, const std::string& name, const TarEntry& entry);
  Result<void> make_file(int parent, const std::string& name);
  Result<void> make_directory(int parent, const std::string& path, const std::string& name, const TarEntry& entry);
  Result<void> make_link(int parent, const std::string& name, const TarEntry& entry);
  Result<void> make_special(int parent, const std::string& name, const TarEntry& entry);
  Result<void> make_room(int parent, const std::string& name);
  Result<void> set_metadata(int fd, const TarEntry& entry);
  Result<void> set_xattrs(int fd, const TarEntry& entry);
  std::unexpected<Error> failed(std::string_view what) const { return fail_errno(errno, cat(what, " \"", entry_.name, '"')); }

  sys::UniqueFd root_;
  UnpackLimits limits_;
  codec::TarReader reader_;
  TarEntry entry_;
  sys::UniqueFd file_;        // of the regular file whose content comes
  std::string parent_path_;   // what parent_ was opened as
  sys::UniqueFd parent_;
  uint64_t charged_ = 0, next_free_check_ = 0;
  int64_t size_ = 0;
  bool made_opaque_ = false;  // make_room() took a whiteout away
  std::map<std::string, timespec> directory_times_;  // set last: what is made inside changes them
};

Result<void> DirectoryUnpacker::charge(uint64_t bytes) {
  if (bytes > limits_.max_bytes - charged_) return fail(Code::kTooLarge, "the layer unpacks to more than ", limits_.max_bytes, " bytes");
  charged_ += bytes;
  if (charged_ < next_free_check_) return {};
  next_free_check_ = charged_ + kFreeCheck;
  struct statvfs fs{};
  if (fstatvfs(root_.get(), &fs) != 0) return fail_errno(errno, "statvfs");
  uint64_t free = static_cast<uint64_t>(fs.f_bavail) * fs.f_frsize;
  if (free < limits_.min_free + kFreeCheck) return fail(Code::kResourceExhausted, "no space left on device: ", free, " bytes are free, and ", limits_.min_free, " are kept so");
  return {};
}

// Most entries stand beside the one before. The cached folder is dropped whenever something was removed.
Result<int> DirectoryUnpacker::open_parent(const std::string& parent) {
  if (parent_ && parent_path_ == parent) return parent_.get();
  auto found = sys::open_in_root(root_.get(), parent, O_RDONLY | O_DIRECTORY);
  if (!found && found.error().code() == Code::kNotFound) {
    // Each component that is missing, or that a dangling link names, is made: charged as entries.
    KOBUK_CHECK(charge(kEntryCost * (1 + split(parent, '/').size())));
    KOBUK_TRY(sys::UniqueFd made, sys::make_directory_in_root(root_.get(), parent, 0755));
    found = sys::open_in_root(made.get(), ".", O_RDONLY | O_DIRECTORY);
  }
  if (!found) return fail(std::move(found).error().context("the folder of \"", entry_.name, '"'));
  parent_ = *std::move(found);
  parent_path_ = parent;
  return parent_.get();
}

Result<void> DirectoryUnpacker::begin_entry(const TarEntry& entry) {
  entry_ = entry;
  KOBUK_CHECK(charge(kEntryCost));
  KOBUK_TRY(std::string path, clean_entry_path(entry.name));
  if (path.empty()) {
    if (entry.type != TarType::kDirectory) return fail(Code::kInvalid, "the layer replaces its root by something that is no directory");
    directory_times_[path] = time_of(entry);
    return set_metadata(root_.get(), entry);
  }
  auto [parent_path, name] = divide(path);
  bool whited = name.starts_with(kWhiteout);
  if (whited && name.starts_with(kWhiteoutMetadata) && name != kOpaque) return {};  // AUFS's own
  for (std::string_view folder : split(parent_path, '/')) {
    if (folder.starts_with(kWhiteoutMetadata)) return {};
    if (folder.starts_with(kWhiteout)) return fail(Code::kInvalid, "\"", entry.name, "\" lies within a whiteout");
  }
  KOBUK_TRY(int parent, open_parent(parent_path));
  if (name == kOpaque) {
    if (fsetxattr(parent, kOpaqueXattr, "y", 1, 0) != 0) return failed("set trusted.overlay.opaque for");
    return {};
  }
  if (whited) return whiteout(parent, std::string_view(name).substr(kWhiteout.size()));
  return make(parent, path, name, entry);
}

// Only lower layers are hidden: what this layer itself holds under the name stays, and hides a lower folder whole.
Result<void> DirectoryUnpacker::whiteout(int parent, std::string_view view) {
  std::string name(view);
  if (name.empty() || name == "." || name == "..") return fail(Code::kInvalid, "invalid whiteout \"", entry_.name, '"');
  if (mknodat(parent, name.c_str(), S_IFCHR, makedev(0, 0)) == 0) return {};
  if (errno != EEXIST) return failed("make whiteout");
  sys::UniqueFd folder(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (folder && fsetxattr(folder.get(), kOpaqueXattr, "y", 1, 0) != 0) return failed("set trusted.overlay.opaque for");
  return {};
}

// Removes what has the name, unless that is what the entry needs.
Result<void> DirectoryUnpacker::make_room(int parent, const std::string& name) {
  made_opaque_ = false;
  struct stat st{};
  if (fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return failed("look up");
  }
  if (S_ISDIR(st.st_mode) && entry_.type == TarType::kDirectory) return {};
  made_opaque_ = S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
  KOBUK_CHECK(sys::remove_tree(cat(sys::fd_path(parent), '/', name)));
  // parent_ itself stays: it is open, and what was removed is below it. Any other folder is looked up anew anyway.
  return {};
}

Result<void> DirectoryUnpacker::make(int parent, const std::string& path, const std::string& name, const TarEntry& entry) {
  if (entry.type == TarType::kHardLink) return make_link(parent, name, entry);
  KOBUK_CHECK(make_room(parent, name));
  switch (entry.type) {
    case TarType::kFile: return make_file(parent, name);
    case TarType::kDirectory: return make_directory(parent, path, name, entry);
    default: return make_special(parent, name, entry);
  }
}

Result<void> DirectoryUnpacker::make_file(int parent, const std::string& name) {
  file_ = sys::UniqueFd(openat(parent, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file_) return failed("create");
  return {};
}

Result<void> DirectoryUnpacker::make_directory(int parent, const std::string& path, const std::string& name, const TarEntry& entry) {
  if (mkdirat(parent, name.c_str(), 0700) != 0 && errno != EEXIST) return failed("mkdir");
  sys::UniqueFd folder(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!folder) return failed("open");
  if (made_opaque_ && fsetxattr(folder.get(), kOpaqueXattr, "y", 1, 0) != 0) return failed("set trusted.overlay.opaque for");
  directory_times_[path] = time_of(entry);
  return set_metadata(folder.get(), entry);
}

// Links name what stands in this layer, from its root; the last component is never followed.
Result<void> DirectoryUnpacker::make_link(int parent, const std::string& name, const TarEntry& entry) {
  KOBUK_TRY(std::string target, clean_entry_path(entry.linkname));
  auto [target_parent, target_name] = divide(target);
  if (target_name.empty()) return fail(Code::kInvalid, "\"", entry.name, "\" is a hard link to the root");
  auto from = sys::open_in_root(root_.get(), target_parent, O_PATH | O_DIRECTORY);
  if (!from) return fail(std::move(from).error().context("hard link \"", entry.name, "\" to \"", entry.linkname, '"'));
  struct stat source{}, here{};
  if (fstatat(from->get(), target_name.c_str(), &source, AT_SYMLINK_NOFOLLOW) != 0) return failed(cat("find \"", entry.linkname, "\" for the hard link"));
  bool present = fstatat(parent, name.c_str(), &here, AT_SYMLINK_NOFOLLOW) == 0;
  if (present && here.st_ino == source.st_ino && here.st_dev == source.st_dev) return {};
  KOBUK_CHECK(make_room(parent, name));
  if (linkat(from->get(), target_name.c_str(), parent, name.c_str(), 0) != 0) return failed(cat("link to \"", entry.linkname, "\" the entry"));
  return {};
}

Result<void> DirectoryUnpacker::make_special(int parent, const std::string& name, const TarEntry& entry) {
  if (entry.type == TarType::kSymlink) {
    if (symlinkat(entry.linkname.c_str(), parent, name.c_str()) != 0) return failed("symlink");
  } else {
    mode_t type = entry.type == TarType::kCharDevice ? S_IFCHR : entry.type == TarType::kBlockDevice ? S_IFBLK : S_IFIFO;
    dev_t device = entry.type == TarType::kFifo ? 0 : makedev(entry.devmajor, entry.devminor);
    if (mknodat(parent, name.c_str(), type | 0600, device) != 0) return failed("mknod");
  }
  if (fchownat(parent, name.c_str(), entry.uid, entry.gid, AT_SYMLINK_NOFOLLOW) != 0) return failed("chown");
  if (entry.type != TarType::kSymlink && fchmodat(parent, name.c_str(), entry.mode, 0) != 0) return failed("chmod");
  for (const auto& [key, value] : entry.xattrs) {
    if (is_forbidden_xattr(key)) continue;
    std::string path = cat(sys::fd_path(parent), '/', name);
    bool set = lsetxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) == 0;
    if (!set && errno != ENOTSUP && errno != EPERM) return failed(cat("set xattr ", key, " of"));
  }
  timespec times[2] = {time_of(entry), time_of(entry)};
  if (utimensat(parent, name.c_str(), times, AT_SYMLINK_NOFOLLOW) != 0) return failed("set the time of");
  return {};
}

Result<void> DirectoryUnpacker::content(uint64_t offset, std::string_view bytes) {
  if (!file_) return {};  // the content of AUFS's own files
  KOBUK_CHECK(charge(bytes.size()));
  while (!bytes.empty()) {
    ssize_t wrote = pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return failed("write");
    bytes.remove_prefix(static_cast<size_t>(wrote));
    offset += static_cast<uint64_t>(wrote);
  }
  return {};
}

Result<void> DirectoryUnpacker::end_entry() {
  if (!file_) return {};
  // A hole at the end is in the size only.
  if (ftruncate(file_.get(), static_cast<off_t>(entry_.size)) != 0) return failed("set the size of");
  KOBUK_CHECK(set_metadata(file_.get(), entry_));
  timespec times[2] = {time_of(entry_), time_of(entry_)};
  if (futimens(file_.get(), times) != 0) return failed("set the time of");
  size_ += static_cast<int64_t>(std::min<uint64_t>(entry_.size, INT64_MAX - static_cast<uint64_t>(size_)));
  file_.reset();
  return {};
}

// In this order: chown takes setuid bits and capabilities away.
Result<void> DirectoryUnpacker::set_metadata(int fd, const TarEntry& entry) {
  if (fchown(fd, entry.uid, entry.gid) != 0) return failed("chown");
  if (fchmod(fd, entry.mode) != 0) return failed("chmod");
  return set_xattrs(fd, entry);
}

Result<void> DirectoryUnpacker::set_xattrs(int fd, const TarEntry& entry) {
  for (const auto& [key, value] : entry.xattrs) {
    if (is_forbidden_xattr(key)) continue;
    bool set = fsetxattr(fd, key.c_str(), value.data(), value.size(), 0) == 0;
    // A file system that has no such attributes, or a label that this host's policy does not know.
    if (!set && errno != ENOTSUP && errno != EPERM && errno != EINVAL) return failed(cat("set xattr ", key, " of"));
  }
  return {};
}

Result<int64_t> DirectoryUnpacker::finish() {
  KOBUK_CHECK(reader_.finish());
  for (const auto& [path, time] : directory_times_) {
    auto folder = sys::open_in_root(root_.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!folder) continue;  // replaced by a later entry
    timespec times[2] = {time, time};
    if (futimens(folder->get(), times) != 0) return fail_errno(errno, cat("set the time of ", path));
  }
  return size_;
}

}  // namespace

Result<std::string> clean_entry_path(std::string_view name) {
  std::vector<std::string_view> parts;
  for (std::string_view part : split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
      continue;
    }
    if (parts.empty()) return fail(Code::kInvalid, "invalid path \"", name, "\": it leads outside of the layer");
    parts.pop_back();
  }
  std::string out;
  for (std::string_view part : parts) cat_to(out, out.empty() ? "" : "/", part);
  return out;
}

Result<std::unique_ptr<Unpacker>> Unpacker::create(const std::string& directory, const UnpackLimits& limits) {
  if (mkdir(directory.c_str(), 0755) != 0) return fail_errno(errno, cat("mkdir ", directory));
  if (chmod(directory.c_str(), 0755) != 0) return fail_errno(errno, cat("chmod ", directory));
  KOBUK_TRY(sys::UniqueFd root, sys::open_file(directory, O_RDONLY | O_DIRECTORY));
  return std::make_unique<DirectoryUnpacker>(std::move(root), limits);
}

}  // namespace kobuk::image
