#include "node/atomic_writer.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <set>

#include "base/random.h"
#include "base/strings.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {

std::string read_link(const std::string& path) {
  char buffer[4096];
  ssize_t length = ::readlink(path.c_str(), buffer, sizeof buffer);
  return length <= 0 ? std::string() : std::string(buffer, static_cast<size_t>(length));
}

int32_t mode_for(const VolumeFile& file, std::optional<int64_t> gid) { return gid ? file.mode | 0440 : file.mode; }

std::string first_component(std::string_view path) { return std::string(path.substr(0, path.find('/'))); }

// Relative paths of all files below `directory`.
void collect(const std::string& directory, const std::string& prefix, std::set<std::string>& out) {
  auto names = sys::list_directory(directory);
  if (!names) return;
  for (const std::string& name : *names) {
    std::string path = cat(directory, "/", name);
    struct stat info{};
    if (::lstat(path.c_str(), &info) != 0) continue;
    if (S_ISDIR(info.st_mode)) {
      collect(path, cat(prefix, name, "/"), out);
    } else {
      out.insert(prefix + name);
    }
  }
}

bool is_current(const std::string& data, const VolumePayload& payload, std::optional<int64_t> gid) {
  if (!sys::exists(data)) return false;
  std::set<std::string> there;
  collect(data, "", there);
  if (there.size() != payload.size()) return false;
  for (const auto& [path, file] : payload) {
    std::string full = cat(data, "/", path);
    struct stat info{};
    if (!there.contains(path) || ::stat(full.c_str(), &info) != 0) return false;
    if ((info.st_mode & 07777) != static_cast<mode_t>(mode_for(file, gid))) return false;
    if (gid && info.st_gid != static_cast<gid_t>(*gid)) return false;
    auto bytes = sys::read_file(full);
    if (!bytes || *bytes != file.bytes) return false;
  }
  return true;
}

Result<void> own(const std::string& path, std::optional<int64_t> gid) {
  if (!gid || ::lchown(path.c_str(), static_cast<uid_t>(-1), static_cast<gid_t>(*gid)) == 0) return {};
  return fail_errno(errno, cat("chown ", path));
}

Result<void> set_mode(const std::string& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) == 0) return {};
  return fail_errno(errno, cat("chmod ", path));
}

Result<void> own_directory(const std::string& path, std::optional<int64_t> gid) {
  KOBUK_CHECK(own(path, gid));
  return set_mode(path, gid ? 02775 : 0755);
}

Result<void> write_files(const std::string& directory, const VolumePayload& payload, std::optional<int64_t> gid) {
  KOBUK_CHECK(sys::make_directories(directory));
  KOBUK_CHECK(own_directory(directory, gid));
  for (const auto& [path, file] : payload) {
    std::string full = cat(directory, "/", path);
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
      std::string parent = cat(directory, "/", path.substr(0, slash));
      KOBUK_CHECK(sys::make_directories(parent));
      KOBUK_CHECK(own_directory(parent, gid));
    }
    KOBUK_CHECK(sys::write_file(full, file.bytes));
    KOBUK_CHECK(own(full, gid));
    KOBUK_CHECK(set_mode(full, static_cast<mode_t>(mode_for(file, gid))));
  }
  return {};
}

Result<void> replace_link(const std::string& target, const std::string& path) {
  std::string fresh = path + "_tmp";
  ::unlink(fresh.c_str());
  if (::symlink(target.c_str(), fresh.c_str()) != 0) return fail_errno(errno, cat("symlink ", fresh));
  if (::rename(fresh.c_str(), path.c_str()) != 0) return fail_errno(errno, cat("rename ", path));
  return {};
}

// The visible names: those that are new appear after the data, those that are gone vanish.
Result<void> link_names(const std::string& directory, const VolumePayload& payload) {
  std::set<std::string> wanted;
  for (const auto& [path, file] : payload) wanted.insert(first_component(path));
  for (const std::string& name : wanted) {
    std::string path = cat(directory, "/", name), target = cat("..data/", name);
    if (read_link(path) != target) KOBUK_CHECK(replace_link(target, path));
  }
  KOBUK_TRY(auto there, sys::list_directory(directory));
  for (const std::string& name : there) {
    if (!name.starts_with("..") && !wanted.contains(name)) KOBUK_CHECK(sys::remove_tree(cat(directory, "/", name)));
  }
  return {};
}

// "..2026_01_02_03_04_05.123456789"
std::string folder_name(WallTime now) {
  std::string name = cat("..", format_rfc3339(now));
  for (char& c : name) {
    if (c == '-' || c == 'T' || c == ':') c = '_';
  }
  name.pop_back();  // Z
  return cat(name, ".", random_u64() % 1'000'000'000);
}

}  // namespace

Result<void> check_payload_path(std::string_view path) {
  auto bad = [&] { return fail(Code::kInvalid, "invalid path in a volume: ", go_quote(path)); };
  if (path.empty() || path.size() > 4095 || path.front() == '/' || path.find('\0') != std::string_view::npos) return bad();
  if (path.starts_with("..")) return bad();
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".." || part == "." || part.size() > 255) return bad();
  }
  return {};
}

Result<bool> write_payload(const std::string& directory, const VolumePayload& payload, std::optional<int64_t> gid,
                           WallTime now) {
  for (const auto& [path, file] : payload) KOBUK_CHECK(check_payload_path(path));
  KOBUK_CHECK(sys::make_directories(directory));
  KOBUK_CHECK(own_directory(directory, gid));
  std::string data = directory + "/..data", old = read_link(data);
  bool current = !old.empty() && is_current(data, payload, gid);
  if (!current) {
    std::string name = folder_name(now);
    KOBUK_CHECK(write_files(cat(directory, "/", name), payload, gid));
    KOBUK_CHECK(replace_link(name, data));
  }
  KOBUK_CHECK(link_names(directory, payload));
  std::string kept = read_link(data);
  KOBUK_TRY(auto there, sys::list_directory(directory));
  for (const std::string& name : there) {  // older folders, also those that a crash has left
    if (name.starts_with("..") && name != "..data" && name != kept) KOBUK_CHECK(sys::remove_tree(cat(directory, "/", name)));
  }
  return !current;
}

}  // namespace kobuk::node
