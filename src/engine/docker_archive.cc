// docker cp, docker export and docker diff: file trees of a container. Every path is looked up below the container's
// root, so no symlink of its own leads out of it.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>

#include "engine/archive.h"
#include "engine/docker.h"
#include "runtime/user.h"
#include "sys/file.h"

namespace kobuk::engine::docker {
namespace {

// Hands the tree on as it is read; keeps its root open until then.
class TreeBody final : public io::http::BodySource {
 public:
  TreeBody(io::Loop& loop, std::shared_ptr<sys::UniqueFd> root, std::unique_ptr<TarOfTree> tar) : loop_(loop), root_(std::move(root)), tar_(std::move(tar)) {}
  io::Task<Result<std::string>> next() override {
    // The pool's thread may outlive this: it holds what it works on.
    auto read = [tar = tar_, root = root_] { return tar->next(); };
    auto piece = co_await loop_.offload("archive", read);
    co_return piece;
  }

 private:
  io::Loop& loop_;
  std::shared_ptr<sys::UniqueFd> root_;
  std::shared_ptr<TarOfTree> tar_;
};

Response no_such_path(const Call& call, const Error& error) {
  if (error.code() != Code::kNotFound) return error_response(error);
  return message_response(404, cat("Could not find the file ", call.parameter("path"), " in container ", call.args[0]));
}

Result<void> check_path(const Call& call) {
  if (call.parameter("path").empty()) return fail(Code::kInvalid, "path cannot be empty");
  return {};
}

// A path in a view, looked at on the pool: what lies there is the container's to choose.
struct Looked {
  PathStat stat;
  std::unique_ptr<TarOfTree> tar;  // when asked for
};
io::Task<Result<Looked>> look(io::Loop& loop, std::shared_ptr<sys::UniqueFd> root, std::string path, bool with_tar) {
  auto work = [root, path, with_tar]() -> Result<Looked> {
    Looked out;
    KOBUK_TRY(out.stat, stat_below(root->get(), path));
    if (with_tar) {
      KOBUK_TRY(out.tar, TarOfTree::open(root->get(), path, out.stat.name));
    }
    return out;
  };
  auto looked = co_await loop.offload("archive", work);
  co_return looked;
}

io::Task<Response> read_path(Call call, bool with_tar) {
  if (auto good = check_path(call); !good) co_return error_response(good.error());
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto view = co_await call.core->view(*entry, call.parameter("path"));
  if (!view) co_return no_such_path(call, view.error());
  auto root = std::make_shared<sys::UniqueFd>(std::move(view->root));
  auto looked = co_await look(call.core->loop(), root, view->path, with_tar);
  if (!looked) co_return no_such_path(call, looked.error());
  Response out;
  out.headers.set("X-Docker-Container-Path-Stat", base64(path_stat_json(looked->stat)));
  if (!with_tar) co_return out;
  out.headers.set("Content-Type", "application/x-tar");
  out.body = io::http::Body(std::make_unique<TreeBody>(call.core->loop(), root, std::move(looked->tar)));
  co_return out;
}

io::Task<Response> stat_path(Call call) {
  auto out = co_await read_path(std::move(call), false);
  co_return out;
}
io::Task<Response> get_archive(Call call) {
  auto out = co_await read_path(std::move(call), true);
  co_return out;
}

io::Task<Result<void>> extract(io::Loop& loop, io::http::Body& body, std::shared_ptr<sys::UniqueFd> folder, ExtractOptions options) {
  auto sink = std::make_shared<TreeOfTar>(folder->get(), options);
  for (bool last = false; !last;) {
    KOBUK_CO_TRY(std::string piece, co_await body.next());
    last = piece.empty();
    auto feed = [sink, folder, last, piece = std::move(piece)] { return last ? sink->finish() : sink->feed(piece); };
    auto fed = co_await loop.offload("archive", std::move(feed));
    if (!fed) co_return fed;
  }
  co_return Result<void>();
}

// A file of the container's; nothing when it is none: a FIFO would be waited for, a device may do anything.
std::string read_plain_file(int root, const char* path) {
  auto found = sys::open_in_root(root, path, O_PATH);
  struct stat st {};
  if (!found || fstat(found->get(), &st) != 0 || !S_ISREG(st.st_mode)) return {};
  auto fd = sys::open_file(sys::fd_path(found->get()), O_RDONLY);
  return fd ? sys::read_all(fd->get(), path, 1 << 20).value_or("") : std::string();
}

// The container's user as its own /etc/passwd knows it; nothing when it runs as root.
Result<std::optional<std::pair<uint32_t, uint32_t>>> owner_in(int root, const std::string& user) {
  using Owner = std::optional<std::pair<uint32_t, uint32_t>>;
  if (user.empty()) return Owner();
  KOBUK_TRY(runtime::Identity identity, runtime::look_up_user(user, read_plain_file(root, "/etc/passwd"), read_plain_file(root, "/etc/group")));
  return Owner(std::pair(identity.uid, identity.gid));
}

// The folder that an archive goes to, and who gets what is in it.
struct Target {
  std::shared_ptr<sys::UniqueFd> folder;
  ExtractOptions options;
};
io::Task<Result<Target>> target_in(io::Loop& loop, Core::View view, std::optional<std::string> user) {
  auto root = std::make_shared<sys::UniqueFd>(std::move(view.root));
  auto work = [root, path = view.path, user]() -> Result<Target> {
    Target out;
    KOBUK_TRY(sys::UniqueFd folder, sys::open_in_root(root->get(), path, O_RDONLY | O_DIRECTORY));
    out.folder = std::make_shared<sys::UniqueFd>(std::move(folder));
    if (user) {
      auto owner = owner_in(root->get(), *user);
      if (!owner) return fail(std::move(owner).error().with_code(Code::kInvalid));  // not to be taken for a missing folder
      out.options.owner = *owner;
    }
    return out;
  };
  auto target = co_await loop.offload("archive", work);
  co_return target;
}

io::Task<Response> put_archive(Call call) {
  if (auto good = check_path(call); !good) co_return error_response(good.error());
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto view = co_await call.core->view(*entry, call.parameter("path"));
  if (!view) co_return no_such_path(call, view.error());
  if (view->readonly) co_return message_response(403, "container rootfs is marked read-only");
  std::optional<std::string> user;
  if (call.flag("copyUIDGID")) user = (*entry)->record.user;
  auto target = co_await target_in(call.core->loop(), *std::move(view), user);
  if (!target && target.error().system_errno() == ENOTDIR) co_return message_response(400, "extraction point is not a directory");
  if (!target) co_return no_such_path(call, target.error());
  target->options.no_overwrite_dir_non_dir = call.flag("noOverwriteDirNonDir");
  auto extracted = co_await extract(call.core->loop(), call.request.body, target->folder, target->options);
  co_return done(extracted, 200);
}

io::Task<Response> export_container(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto opened = co_await call.core->root_alone(*entry);
  if (!opened) co_return error_response(opened.error());
  auto root = std::make_shared<sys::UniqueFd>(*std::move(opened));
  auto looked = co_await look(call.core->loop(), root, "", true);
  if (!looked) co_return error_response(looked.error());
  Response out;
  out.headers.set("Content-Type", "application/octet-stream");
  out.body = io::http::Body(std::make_unique<TreeBody>(call.core->loop(), root, std::move(looked->tar)));
  co_return out;
}

enum class Change : uint8_t { kModified, kAdded, kDeleted };

// What the upper folder of an overlay says: whiteouts are devices 0/0, the rest is new or replaces what is below.
void list_changes(int upper, const std::vector<std::string>& layers, const std::string& path, JsonText& out) {
  int copy = openat(upper, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* dir = copy < 0 ? nullptr : fdopendir(copy);
  if (dir == nullptr) {
    if (copy >= 0) close(copy);
    return;
  }
  std::vector<std::string> names;
  while (const dirent* item = readdir(dir)) {
    std::string_view name = item->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    struct stat st {};
    if (fstatat(dirfd(dir), name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) continue;
    std::string full = cat(path, "/", name);
    struct stat below {};
    bool existed = std::any_of(layers.begin(), layers.end(), [&](const std::string& layer) { return lstat(cat(layer, full).c_str(), &below) == 0; });
    bool whiteout = S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0);
    Change change = whiteout ? Change::kDeleted : existed ? Change::kModified : Change::kAdded;
    out.open_object().field("Path", full).field("Kind", static_cast<int>(change)).close_object();
    int inner = S_ISDIR(st.st_mode) ? openat(dirfd(dir), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (inner < 0) continue;
    list_changes(inner, layers, full, out);
    close(inner);
  }
  closedir(dir);
}

io::Task<Response> changes(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto layers = co_await call.core->images().layers((*entry)->record.image_id);
  if (!layers) co_return error_response(layers.error());
  std::string upper = cat(call.core->files_directory((*entry)->record.id), "/upper");
  auto work = [layers = *layers, upper]() -> Result<std::string> {
    KOBUK_TRY(sys::UniqueFd fd, sys::open_file(upper, O_RDONLY | O_DIRECTORY));
    JsonText out;
    out.open_array();
    list_changes(fd.get(), layers, "", out);
    out.close_array();
    return std::move(out).take();
  };
  auto text = co_await call.core->loop().offload("container changes", work);
  if (!text) co_return error_response(text.error());
  co_return io::http::json_response(200, *text + "\n");
}

}  // namespace

std::vector<Route> archive_routes() {
  return {{"HEAD", "/containers/*/archive", stat_path}, {"GET", "/containers/*/archive", get_archive},
          {"PUT", "/containers/*/archive", put_archive}, {"GET", "/containers/*/export", export_container},
          {"GET", "/containers/*/changes", changes}};
}

}  // namespace kobuk::engine::docker
