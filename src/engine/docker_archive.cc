// docker cp and docker export: file trees of a container as tar, both ways.
#include "codec/json.h"
#include "engine/archive.h"
#include "engine/docker.h"
#include "sys/file.h"

namespace kobuk::engine::docker {
namespace {

// Hands the tree on as it is read; keeps its root open until then.
class TreeBody final : public io::http::BodySource {
 public:
  TreeBody(io::Loop& loop, sys::UniqueFd root, std::unique_ptr<TarOfTree> tar) : loop_(loop), root_(std::move(root)), tar_(std::move(tar)) {}
  io::Task<Result<std::string>> next() override {
    auto read = [tar = tar_.get()] { return tar->next(); };
    co_return co_await loop_.offload("archive", read);
  }

 private:
  io::Loop& loop_;
  sys::UniqueFd root_;
  std::unique_ptr<TarOfTree> tar_;
};

Response no_such_path(const Call& call, const Error& error) {
  if (error.code() != Code::kNotFound) return error_response(error);
  return message_response(404, cat("Could not find the file ", call.parameter("path"), " in container ", call.args[0]));
}

Result<void> check_path(const Call& call) {
  if (call.parameter("path").empty()) return fail(Code::kInvalid, "path cannot be empty");
  return {};
}

io::Task<Response> stat_path(Call call) {
  if (auto good = check_path(call); !good) co_return error_response(good.error());
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto view = co_await call.core->view(*entry, call.parameter("path"));
  if (!view) co_return no_such_path(call, view.error());
  auto stat = stat_below(view->root.get(), view->path);
  if (!stat) co_return no_such_path(call, stat.error());
  Response out;
  out.headers.set("X-Docker-Container-Path-Stat", base64(path_stat_json(*stat)));
  co_return out;
}

io::Task<Response> get_archive(Call call) {
  if (auto good = check_path(call); !good) co_return error_response(good.error());
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto view = co_await call.core->view(*entry, call.parameter("path"));
  if (!view) co_return no_such_path(call, view.error());
  auto stat = stat_below(view->root.get(), view->path);
  if (!stat) co_return no_such_path(call, stat.error());
  auto tar = TarOfTree::open(view->root.get(), view->path, stat->name);
  if (!tar) co_return no_such_path(call, tar.error());
  Response out;
  out.headers.set("Content-Type", "application/x-tar");
  out.headers.set("X-Docker-Container-Path-Stat", base64(path_stat_json(*stat)));
  out.body = io::http::Body(std::make_unique<TreeBody>(call.core->loop(), std::move(view->root), std::move(*tar)));
  co_return out;
}

io::Task<Result<void>> extract(io::Loop& loop, io::http::Body& body, int folder, ExtractOptions options) {
  auto sink = std::make_shared<TreeOfTar>(folder, options);
  for (;;) {
    KOBUK_CO_TRY(std::string piece, co_await body.next());
    if (piece.empty()) break;
    auto feed = [sink, piece = std::move(piece)] { return sink->feed(piece); };
    KOBUK_CO_CHECK(co_await loop.offload("archive", std::move(feed)));
  }
  co_return sink->finish();
}

io::Task<Response> put_archive(Call call) {
  if (auto good = check_path(call); !good) co_return error_response(good.error());
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto view = co_await call.core->view(*entry, call.parameter("path"));
  if (!view) co_return no_such_path(call, view.error());
  if (view->readonly) co_return message_response(403, "container rootfs is marked read-only");
  auto folder = sys::open_in_root(view->root.get(), view->path, O_RDONLY | O_DIRECTORY);
  if (!folder && folder.error().system_errno() == ENOTDIR) co_return message_response(400, "extraction point is not a directory");
  if (!folder) co_return no_such_path(call, folder.error());
  ExtractOptions options{.keep_owner = true, .no_overwrite_dir_non_dir = call.flag("noOverwriteDirNonDir")};
  auto extracted = co_await extract(call.core->loop(), call.request.body, folder->get(), options);
  co_return done(extracted, 200);
}

io::Task<Response> export_container(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto view = co_await call.core->view(*entry, "/");
  if (!view) co_return error_response(view.error());
  auto tar = TarOfTree::open(view->root.get(), "");
  if (!tar) co_return error_response(tar.error());
  Response out;
  out.headers.set("Content-Type", "application/octet-stream");
  out.body = io::http::Body(std::make_unique<TreeBody>(call.core->loop(), std::move(view->root), std::move(*tar)));
  co_return out;
}

}  // namespace

std::vector<Route> archive_routes() {
  return {{"HEAD", "/containers/*/archive", stat_path}, {"GET", "/containers/*/archive", get_archive},
          {"PUT", "/containers/*/archive", put_archive}, {"GET", "/containers/*/export", export_container}};
}

}  // namespace kobuk::engine::docker
