// Look-ups below a root that an untrusted tree can not leave: openat2(2), and a walk that creates what is
// missing.
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "sys/file.h"

namespace kobuk::sys {
namespace {

constexpr int kMaxLinks = 40;      // as the kernel's own limit
constexpr size_t kMaxWalk = 4096;  // components, links expanded

// A path being walked: the folders from the root down to where it stands, and what is left to resolve (last
// first). Holding every folder makes ".." a pop, which no rename by another process can turn into a way out.
class Walk {
 public:
  explicit Walk(int root) : root_(root) {}

  Result<void> begin(std::string_view path) {
    if (path.size() >= PATH_MAX) return fail_errno(ENAMETOOLONG, path.substr(0, 100));
    push_components(path);
    return {};
  }
  int here() const { return folders_.empty() ? root_ : folders_.back().get(); }
  bool done() const { return left_.empty(); }

  // Takes the next component. Afterwards either the walk stands elsewhere (".", "..", a link, a folder) or
  // the component is the last one and is no folder or absent: then it is `rest`.
  Result<void> step(mode_t make_mode, bool last_is_folder) {
    std::string name = std::move(left_.back());
    left_.pop_back();
    if (++taken_ > kMaxWalk) return fail_errno(ELOOP, cat("walk to ", name));
    if (name == ".") return {};
    if (name == "..") {
      if (!folders_.empty()) folders_.pop_back();
      return {};
    }
    struct stat st {};
    bool absent = fstatat(here(), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0;
    if (absent && errno != ENOENT) return fail_errno(errno, cat("look up ", name));
    if (!absent && S_ISLNK(st.st_mode)) return follow(name);
    bool last = left_.empty();
    if (last && !last_is_folder && (absent || !S_ISDIR(st.st_mode))) {
      rest = std::move(name);
      return {};
    }
    if (absent && mkdirat(here(), name.c_str(), make_mode) != 0 && errno != EEXIST)
      return fail_errno(errno, cat("mkdir ", name));
    UniqueFd next(openat(here(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return fail_errno(errno, cat("open ", name));
    folders_.push_back(std::move(next));
    return {};
  }

  Result<UniqueFd> take_here() {
    UniqueFd fd(openat(here(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!fd) return fail_errno(errno, "open a folder");
    return fd;
  }

  std::string rest;

 private:
  Result<void> follow(const std::string& name) {
    if (++links_ > kMaxLinks) return fail_errno(ELOOP, cat("follow ", name));
    char target[PATH_MAX];
    ssize_t length = readlinkat(here(), name.c_str(), target, sizeof target);
    if (length < 0) return fail_errno(errno, cat("read link ", name));
    if (length == 0 || length == PATH_MAX) return fail_errno(ENAMETOOLONG, cat("read link ", name));
    if (target[0] == '/') folders_.clear();
    push_components(std::string_view(target, static_cast<size_t>(length)));
    return {};
  }
  void push_components(std::string_view path) {
    auto parts = split(path, '/');
    for (auto it = parts.rbegin(); it != parts.rend(); ++it)
      if (!it->empty()) left_.emplace_back(*it);
  }

  int root_;
  std::vector<UniqueFd> folders_;
  std::vector<std::string> left_;
  int links_ = 0;
  size_t taken_ = 0;
};

Result<void> walk_all(Walk& walk, std::string_view path, mode_t mode, bool last_is_folder) {
  KOBUK_CHECK(walk.begin(path));
  while (!walk.done()) {
    auto stepped = walk.step(mode, last_is_folder);
    if (!stepped) return fail(std::move(stepped).error().context("resolve ", path));
  }
  return {};
}

}  // namespace

Result<UniqueFd> open_in_root(int root, std::string_view path, int flags, mode_t mode) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.mode = mode;
  how.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
  std::string text(path.empty() ? "." : path);
  // EAGAIN: a rename elsewhere raced with "..": the kernel could not prove that the path stays inside; ask
  // again.
  for (int attempt = 0; attempt < 128; ++attempt) {
    long fd = syscall(SYS_openat2, root, text.c_str(), &how, sizeof how);
    if (fd >= 0) return UniqueFd(static_cast<int>(fd));
    if (errno != EAGAIN && errno != EINTR) break;
  }
  return fail_errno(errno, cat("open ", text, " below the root"));
}

Result<UniqueFd> make_directory_in_root(int root, std::string_view path, mode_t mode) {
  Walk walk(root);
  KOBUK_CHECK(walk_all(walk, path, mode, true));
  return walk.take_here();
}

Result<Place> make_parent_in_root(int root, std::string_view path, mode_t mode) {
  Walk walk(root);
  KOBUK_CHECK(walk_all(walk, path, mode, false));
  if (walk.rest.empty()) return fail_errno(EISDIR, cat("create ", path));
  KOBUK_TRY(UniqueFd parent, walk.take_here());
  return Place{std::move(parent), std::move(walk.rest)};
}

Result<UniqueFd> make_file_in_root(int root, std::string_view path, mode_t mode) {
  KOBUK_TRY(Place place, make_parent_in_root(root, path));
  UniqueFd made(openat(place.parent.get(), place.name.c_str(),
                       O_CREAT | O_EXCL | O_NOFOLLOW | O_WRONLY | O_CLOEXEC, mode));
  if (!made && errno != EEXIST) return fail_errno(errno, cat("create ", path));
  UniqueFd fd(openat(place.parent.get(), place.name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return fail_errno(errno, cat("open ", path));
  return fd;
}

}  // namespace kobuk::sys
