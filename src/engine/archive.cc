// Trees to tar and back. The archive is codec's business (POSIX.1-2017 pax); here stand the file system's rules: hard
// links by inode, attributes after content, and no step outside of the root.
#include "engine/archive.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "engine/json_text.h"
#include "sys/file.h"

namespace kobuk::engine {
namespace {

constexpr size_t kPiece = 256 << 10;

Result<std::string> read_link(int folder, const std::string& name) {
  std::array<char, 4096> target{};
  ssize_t length = readlinkat(folder, name.c_str(), target.data(), target.size());
  if (length < 0) return fail_errno(errno, cat("read link ", name));
  return std::string(target.data(), static_cast<size_t>(length));
}

std::vector<std::pair<std::string, std::string>> read_xattrs(int fd) {
  std::vector<std::pair<std::string, std::string>> out;
  std::string path = sys::fd_path(fd);
  std::string names(4096, '\0');
  ssize_t length = listxattr(path.c_str(), names.data(), names.size());
  if (length <= 0) return out;
  names.resize(static_cast<size_t>(length));
  for (std::string_view name : split(names, '\0')) {
    // What else there is (trusted.overlay.*, system.posix_acl_*) belongs to the host's file system.
    if (name != "security.capability" && !name.starts_with("user.")) continue;
    std::string value(4096, '\0');
    ssize_t size = getxattr(path.c_str(), std::string(name).c_str(), value.data(), value.size());
    if (size < 0) continue;
    value.resize(static_cast<size_t>(size));
    out.emplace_back(name, std::move(value));
  }
  return out;
}

codec::TarEntry entry_of(const struct stat& st, std::string name) {
  codec::TarEntry entry;
  entry.name = std::move(name);
  entry.mode = st.st_mode & 07777;
  entry.uid = st.st_uid, entry.gid = st.st_gid;
  entry.mtime = st.st_mtim.tv_sec;
  entry.mtime_nanos = static_cast<uint32_t>(st.st_mtim.tv_nsec);
  entry.devmajor = major(st.st_rdev), entry.devminor = minor(st.st_rdev);
  return entry;
}

}  // namespace

struct TarOfTree::Folder {
  sys::UniqueFd fd;
  std::string path;
  std::vector<std::string> names;  // still to come, last first
};

TarOfTree::TarOfTree() : writer_([this](std::string_view bytes) -> Result<void> {
    out_ += bytes;
    return {};
  }) {}
TarOfTree::~TarOfTree() = default;

static Result<std::vector<std::string>> names_in(int folder) {
  std::vector<std::string> names;
  int copy = openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = copy < 0 ? nullptr : fdopendir(copy);
  if (dir == nullptr) {
    int error = errno;
    if (copy >= 0) close(copy);
    return fail_errno(error, "read a folder");
  }
  while (const dirent* item = readdir(dir)) {
    std::string_view name = item->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  std::sort(names.begin(), names.end(), std::greater<>());
  return names;
}

Result<std::unique_ptr<TarOfTree>> TarOfTree::open(int root, const std::string& path, std::string name) {
  std::unique_ptr<TarOfTree> tar(new TarOfTree);
  auto parts = split(path, '/');
  std::erase_if(parts, [](std::string_view part) { return part.empty() || part == "."; });
  if (parts.empty()) {
    KOBUK_TRY(sys::UniqueFd fd, sys::open_in_root(root, ".", O_RDONLY | O_DIRECTORY));
    KOBUK_TRY(auto names, names_in(fd.get()));
    tar->folders_.push_back(std::make_unique<Folder>(std::move(fd), std::move(name), std::move(names)));
    return tar;
  }
  std::string last(parts.back());
  parts.pop_back();
  std::string parent;
  for (std::string_view part : parts) cat_to(parent, "/", part);
  KOBUK_TRY(sys::UniqueFd fd, sys::open_in_root(root, parent, O_RDONLY | O_DIRECTORY));
  KOBUK_CHECK(tar->add(fd.get(), last, name.empty() ? last : name));
  return tar;
}

Result<void> TarOfTree::add(int folder, const std::string& name, const std::string& as) {
  struct stat st {};
  if (fstatat(folder, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, name);
  codec::TarEntry entry = entry_of(st, as);
  if (st.st_nlink > 1 && !S_ISDIR(st.st_mode)) {
    auto [place, first] = links_.try_emplace({st.st_dev, st.st_ino}, as);
    if (!first) {
      entry.type = codec::TarType::kHardLink;
      entry.linkname = place->second;
      return writer_.add(entry, {});
    }
  }
  switch (st.st_mode & S_IFMT) {
    case S_IFLNK: {
      entry.type = codec::TarType::kSymlink;
      KOBUK_TRY(entry.linkname, read_link(folder, name));
      return writer_.add(entry, {});
    }
    case S_IFCHR: entry.type = codec::TarType::kCharDevice; return writer_.add(entry, {});
    case S_IFBLK: entry.type = codec::TarType::kBlockDevice; return writer_.add(entry, {});
    case S_IFIFO: entry.type = codec::TarType::kFifo; return writer_.add(entry, {});
    case S_IFSOCK: return {};  // means nothing without who listens
    default: break;
  }
  bool directory = S_ISDIR(st.st_mode);
  sys::UniqueFd fd(openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | (directory ? O_DIRECTORY : O_NONBLOCK)));
  if (!fd) return fail_errno(errno, cat("open ", as));
  entry.xattrs = read_xattrs(fd.get());
  if (directory) {
    entry.type = codec::TarType::kDirectory;
    entry.name += '/';
    KOBUK_CHECK(writer_.add(entry, {}));
    KOBUK_TRY(auto names, names_in(fd.get()));
    folders_.push_back(std::make_unique<Folder>(std::move(fd), as, std::move(names)));
    return {};
  }
  // It may have been swapped since it was looked at.
  if (fstat(fd.get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  entry.size = left_ = static_cast<uint64_t>(st.st_size);
  file_ = std::move(fd);
  return writer_.begin_entry(entry);
}

Result<void> TarOfTree::pour() {
  std::string buffer(std::min<uint64_t>(left_, kPiece), '\0');
  if (!buffer.empty()) {
    ssize_t got = ::read(file_.get(), buffer.data(), buffer.size());
    if (got < 0) return fail_errno(errno, "read a file for an archive");
    // A file that shrank meanwhile: its size is already in the archive.
    size_t usable = got == 0 ? buffer.size() : static_cast<size_t>(got);
    KOBUK_CHECK(writer_.content(std::string_view(buffer).substr(0, usable)));
    left_ -= usable;
  }
  if (left_ > 0) return {};
  file_.reset();
  return writer_.end_entry();
}

Result<void> TarOfTree::step() {
  if (file_) return pour();
  if (folders_.empty()) {
    ended_ = true;
    return writer_.finish();
  }
  Folder& folder = *folders_.back();
  if (folder.names.empty()) {
    folders_.pop_back();
    return {};
  }
  std::string name = std::move(folder.names.back());
  folder.names.pop_back();
  auto added = add(folder.fd.get(), name, folder.path.empty() ? name : cat(folder.path, "/", name));
  if (!added && added.error().code() == Code::kNotFound) return {};  // removed meanwhile
  return added;
}

Result<std::string> TarOfTree::next() {
  while (!ended_ && out_.size() < kPiece) KOBUK_CHECK(step());
  return std::exchange(out_, {});
}

TreeOfTar::TreeOfTar(int folder, ExtractOptions options)
    : root_(folder), options_(options), decompressor_(codec::make_decompressor(codec::Compression::kDetect)), reader_(*this) {}

Result<void> TreeOfTar::feed(std::string_view bytes) {
  return decompressor_->feed(bytes, [this](std::string_view piece) { return reader_.feed(piece); });
}
Result<void> TreeOfTar::finish() {
  KOBUK_CHECK(decompressor_->finish([this](std::string_view piece) { return reader_.feed(piece); }));
  return reader_.finish();
}

// Takes away what stands where something of another kind is to be.
Result<void> TreeOfTar::make_room(int parent, const std::string& name, bool folder) {
  struct stat st {};
  if (fstatat(parent, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) return {};
  if (folder && S_ISDIR(st.st_mode)) return {};
  if (S_ISDIR(st.st_mode) != folder && options_.no_overwrite_dir_non_dir)
    return fail(Code::kInvalid, folder ? "cannot overwrite non-directory \"" : "cannot overwrite directory \"", entry_.name,
                folder ? "\" with directory" : "\" with non-directory");
  if (S_ISDIR(st.st_mode)) return sys::remove_tree(cat(sys::fd_path(parent), "/", name));
  if (unlinkat(parent, name.c_str(), 0) != 0) return fail_errno(errno, cat("replace ", name));
  return {};
}

Result<void> TreeOfTar::make(const codec::TarEntry& entry) {
  int parent = parent_.get();
  const char* name = name_.c_str();
  dev_t device = makedev(entry.devmajor, entry.devminor);
  auto check = [&](int result) -> Result<void> {
    if (result != 0) return fail_errno(errno, cat("create ", entry.name));
    return {};
  };
  switch (entry.type) {
    case codec::TarType::kDirectory: return check(mkdirat(parent, name, 0700) != 0 && errno != EEXIST ? -1 : 0);
    case codec::TarType::kSymlink: return check(symlinkat(entry.linkname.c_str(), parent, name));
    case codec::TarType::kCharDevice: return check(mknodat(parent, name, S_IFCHR | 0600, device));
    case codec::TarType::kBlockDevice: return check(mknodat(parent, name, S_IFBLK | 0600, device));
    case codec::TarType::kFifo: return check(mkfifoat(parent, name, 0600));
    case codec::TarType::kHardLink: {
      KOBUK_TRY(sys::Place from, sys::make_parent_in_root(root_, entry.linkname));
      return check(linkat(from.parent.get(), from.name.c_str(), parent, name, 0));
    }
    case codec::TarType::kFile: break;
  }
  file_ = sys::UniqueFd(openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
  if (!file_) return fail_errno(errno, cat("create ", entry.name));
  if (ftruncate(file_.get(), static_cast<off_t>(entry.size)) != 0) return fail_errno(errno, cat("write ", entry.name));
  return {};
}

Result<void> TreeOfTar::begin_entry(const codec::TarEntry& entry) {
  entry_ = entry;
  name_.clear();
  auto parts = split(entry.name, '/');
  std::erase_if(parts, [](std::string_view part) { return part.empty() || part == "."; });
  if (parts.empty()) return {};  // the folder itself
  if (parts.back() == "..") return fail(Code::kInvalid, "the archive's entry ", go_quote(entry.name), " leaves its folder");
  std::string parent;
  for (size_t i = 0; i + 1 < parts.size(); ++i) cat_to(parent, "/", parts[i]);
  KOBUK_TRY(parent_, sys::make_directory_in_root(root_, parent.empty() ? "." : parent));
  name_ = parts.back();
  KOBUK_CHECK(make_room(parent_.get(), name_, entry.type == codec::TarType::kDirectory));
  return make(entry);
}

Result<void> TreeOfTar::content(uint64_t offset, std::string_view bytes) {
  while (file_ && !bytes.empty()) {
    ssize_t wrote = pwrite(file_.get(), bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (wrote < 0) return fail_errno(errno, cat("write ", entry_.name));
    bytes.remove_prefix(static_cast<size_t>(wrote));
    offset += static_cast<uint64_t>(wrote);
  }
  return {};
}

Result<void> TreeOfTar::set_attributes(int parent, const std::string& name, const codec::TarEntry& entry) {
  uid_t uid = options_.owner ? options_.owner->first : entry.uid;
  gid_t gid = options_.owner ? options_.owner->second : entry.gid;
  if (fchownat(parent, name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW) != 0) return fail_errno(errno, cat("chown ", entry.name));
  if (entry.type == codec::TarType::kSymlink) return {};
  sys::UniqueFd fd(openat(parent, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail_errno(errno, cat("open ", entry.name));
  std::string path = sys::fd_path(fd.get());
  for (const auto& [key, value] : entry.xattrs) {
    if (setxattr(path.c_str(), key.c_str(), value.data(), value.size(), 0) != 0 && errno != ENOTSUP && errno != EPERM)
      return fail_errno(errno, cat("set ", key, " of ", entry.name));
  }
  if (chmod(path.c_str(), entry.mode) != 0) return fail_errno(errno, cat("chmod ", entry.name));
  timespec times[2] = {{.tv_sec = 0, .tv_nsec = UTIME_OMIT}, {.tv_sec = entry.mtime, .tv_nsec = entry.mtime_nanos}};
  if (utimensat(AT_FDCWD, path.c_str(), times, 0) != 0) return fail_errno(errno, cat("set the time of ", entry.name));
  return {};
}

Result<void> TreeOfTar::end_entry() {
  file_.reset();
  if (name_.empty() || entry_.type == codec::TarType::kHardLink) return {};
  return set_attributes(parent_.get(), name_, entry_);
}

Result<void> copy_tree(int from, int to) {
  KOBUK_TRY(auto tar, TarOfTree::open(from, ""));
  TreeOfTar sink(to, {});
  while (true) {
    KOBUK_TRY(std::string piece, tar->next());
    if (piece.empty()) break;
    KOBUK_CHECK(sink.feed(piece));
  }
  KOBUK_CHECK(sink.finish());
  struct stat st {};
  if (fstat(from, &st) != 0) return fail_errno(errno, "look at a folder");
  if (fchown(to, st.st_uid, st.st_gid) != 0 || fchmod(to, st.st_mode & 07777) != 0) return fail_errno(errno, "set a folder's owner");
  return {};
}

Result<PathStat> stat_below(int root, const std::string& path) {
  auto parts = split(path, '/');
  std::erase_if(parts, [](std::string_view part) { return part.empty() || part == "."; });
  PathStat out;
  out.name = parts.empty() ? "/" : std::string(parts.back());
  KOBUK_TRY(sys::UniqueFd fd, sys::open_in_root(root, path.empty() ? "." : path, O_PATH | O_NOFOLLOW));
  struct stat st {};
  if (fstat(fd.get(), &st) != 0) return fail_errno(errno, path);
  out.size = st.st_size;
  out.mtime = WallTime{std::chrono::seconds(st.st_mtim.tv_sec) + Duration(st.st_mtim.tv_nsec)};
  // os.FileMode: permissions below, kind above, setuid, setgid and sticky in between.
  out.mode = st.st_mode & 0777;
  out.directory = S_ISDIR(st.st_mode);
  if (out.directory) out.mode |= 1u << 31;
  if (S_ISLNK(st.st_mode)) out.mode |= 1u << 27;
  if (S_ISBLK(st.st_mode)) out.mode |= 1u << 26;
  if (S_ISCHR(st.st_mode)) out.mode |= 1u << 26 | 1u << 21;
  if (S_ISFIFO(st.st_mode)) out.mode |= 1u << 25;
  if (S_ISSOCK(st.st_mode)) out.mode |= 1u << 24;
  if ((st.st_mode & S_ISUID) != 0) out.mode |= 1u << 23;
  if ((st.st_mode & S_ISGID) != 0) out.mode |= 1u << 22;
  if ((st.st_mode & S_ISVTX) != 0) out.mode |= 1u << 20;
  if (S_ISLNK(st.st_mode)) {
    KOBUK_TRY(out.link_target, read_link(fd.get(), ""));
  }
  return out;
}

std::string path_stat_json(const PathStat& stat) {
  JsonText out;
  out.open_object().field("name", stat.name).field("size", stat.size).field("mode", stat.mode);
  out.field("mtime", format_rfc3339_nano(stat.mtime)).field("linkTarget", stat.link_target).close_object();
  return std::move(out).take();
}

}  // namespace kobuk::engine
