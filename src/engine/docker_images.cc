// Images over the Docker Engine API: pull and import (images/create), list, inspect, history, tag, push, remove, load, save.
#include <algorithm>
#include <set>

#include "codec/json.h"
#include "engine/docker.h"
#include "engine/docker_config.h"
#include "engine/names.h"
#include "sys/file.h"

namespace kobuk::engine::docker {
namespace {

// A file in the engine's folder of uploads that goes when this does; Core::open() empties the folder after a crash.
class TemporaryFile {
 public:
  explicit TemporaryFile(Core& core) : path_(cat(core.uploads_directory(), "/", new_id())) {}
  TemporaryFile(TemporaryFile&& other) noexcept : path_(std::exchange(other.path_, {})) {}
  ~TemporaryFile() {
    if (!path_.empty()) (void)sys::remove_tree(path_);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The request's body as a file, bounded by the disk alone: archives of images are large.
io::Task<Result<TemporaryFile>> receive(Core& core, io::http::Body& body) {
  TemporaryFile out(core);
  KOBUK_CO_TRY(sys::UniqueFd opened, sys::open_file(out.path(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
  auto file = std::make_shared<sys::UniqueFd>(std::move(opened));
  for (;;) {
    KOBUK_CO_TRY(std::string piece, co_await body.next());
    if (piece.empty()) break;
    auto write = [file, piece = std::move(piece), path = out.path()] { return sys::write_all(file->get(), piece, path); };
    KOBUK_CO_CHECK(co_await core.loop().offload("upload", std::move(write)));
  }
  co_return out;
}

Result<std::optional<image::Credentials>> credentials_of(const Request& request) {
  std::string_view header = request.headers.get("X-Registry-Auth");
  if (header.empty()) return std::nullopt;
  auto json = unbase64(header);
  if (!json) return fail(Code::kInvalid, "invalid X-Registry-Auth header");
  KOBUK_TRY(codec::Document document, codec::parse_json(*json, {.max_bytes = 1 << 16, .max_depth = 8}));
  const codec::Value& root = document.root;
  image::Credentials out{std::string(root["username"].as_string()), std::string(root["password"].as_string()),
                         std::string(root["identitytoken"].as_string())};
  if (out.username.empty() && out.identity_token.empty()) return std::nullopt;
  return out;
}

std::string progress_line(const image::PullProgress& progress) {
  JsonText out;
  out.open_object().field("status", progress.status);
  if (!progress.id.empty()) out.field("id", progress.id);
  out.key("progressDetail").open_object();
  if (progress.total > 0) out.field("current", progress.current).field("total", progress.total);
  out.close_object().close_object();
  return std::move(out).take() + "\r\n";
}

std::string status_line(std::string_view status) {
  JsonText out;
  out.open_object().field("status", status).close_object();
  return std::move(out).take() + "\r\n";
}

std::string error_line(const Error& error) {
  JsonText out;
  out.open_object().key("errorDetail").open_object().field("message", error.message()).close_object();
  out.field("error", error.message()).close_object();
  return std::move(out).take() + "\r\n";
}

Response stream_of(std::shared_ptr<Lines> lines) {
  Response out;
  out.headers.set("Content-Type", "application/json");
  out.body = io::http::Body(body_of(std::move(lines)));
  return out;
}

void publish(Core& core, std::string action, const std::string& id, const std::string& name) {
  core.events().publish({.type = "image", .action = std::move(action), .id = id, .attributes = {{"name", name}}, .time = {}, .sandbox_id = {}});
}

io::Task<void> pull_into(Core& core, image::PullRequest request, std::string shown, std::shared_ptr<Lines> lines) {
  request.progress = [lines](const image::PullProgress& progress) { lines->add(progress_line(progress)); };
  auto pulled = co_await core.images().pull(std::move(request));
  if (pulled) {
    publish(core, "pull", shown, shown);
  } else {
    lines->add(error_line(pulled.error()));
  }
  lines->end();
}

io::Task<Response> import_image(Call call) {
  Core& core = *call.core;
  if (call.parameter("fromSrc") != "-") co_return message_response(501, "importing from a URL is not supported: download the archive and give it on standard input");
  std::vector<std::string> changes;
  for (const auto& [name, value] : call.query)
    if (name == "changes") changes.push_back(value);
  auto config = config_of_changes(changes);
  if (!config) co_return error_response(config.error());
  auto file = co_await receive(core, call.request.body);
  if (!file) co_return error_response(file.error());
  std::string reference = call.parameter("repo"), tag = call.parameter("tag");
  if (!reference.empty() && !tag.empty()) cat_to(reference, ":", tag);
  auto imported = co_await core.images().import(file->path(), reference, *config);
  if (!imported) co_return error_response(imported.error());
  publish(core, "import", imported->id, reference);
  Response out;
  out.headers.set("Content-Type", "application/json");
  out.body = io::http::Body(status_line(imported->id));
  co_return out;
}

io::Task<Response> create_image(Call call) {
  std::string name = call.parameter("fromImage"), tag = call.parameter("tag");
  if (name.empty()) {
    auto imported = co_await import_image(std::move(call));
    co_return imported;
  }
  if (!tag.empty()) cat_to(name, tag.find(':') != std::string::npos ? "@" : ":", tag);
  image::PullRequest request{.reference = name, .platform = call.parameter("platform")};
  auto reference = image::parse_reference(name);
  if (!reference) co_return error_response(reference.error());
  auto credentials = credentials_of(call.request);
  if (!credentials) co_return error_response(credentials.error());
  request.credentials = std::move(*credentials);
  auto lines = std::make_shared<Lines>(call.core->loop());
  call.core->spawn(pull_into(*call.core, std::move(request), image::familiar(*reference), lines));
  co_return stream_of(lines);
}

io::Task<void> push_into(Core& core, image::PushRequest request, std::shared_ptr<Lines> lines) {
  std::string reference = request.reference;
  request.progress = [lines](const image::PullProgress& progress) { lines->add(progress_line(progress)); };
  auto pushed = co_await core.images().push(std::move(request));
  if (pushed) publish(core, "push", reference, reference);
  else lines->add(error_line(pushed.error()));
  lines->end();
}

io::Task<Response> push_image(Call call) {
  std::string name = call.args[0], tag = call.parameter("tag");
  if (!tag.empty()) cat_to(name, ":", tag);
  auto reference = image::parse_reference(name);
  if (!reference) co_return error_response(reference.error());
  auto found = call.core->images().find(name);
  if (!found) co_return message_response(404, cat("An image does not exist locally with the tag: ", image::familiar_name(*reference)));
  auto credentials = credentials_of(call.request);
  if (!credentials) co_return error_response(credentials.error());
  auto lines = std::make_shared<Lines>(call.core->loop());
  call.core->spawn(push_into(*call.core, {.reference = name, .credentials = std::move(*credentials), .progress = {}}, lines));
  co_return stream_of(lines);
}

int64_t containers_on(Core& core, const std::string& id) {
  return std::count_if(core.entries().begin(), core.entries().end(), [&](const auto& item) { return item.second->record.image_id == id; });
}

Response no_such_image(const std::string& name, const Error& error) {
  return error.code() == Code::kNotFound ? message_response(404, cat("No such image: ", name)) : error_response(error);
}

io::Task<Response> list_images(Call call) {
  auto filters = call.filters();
  if (!filters) co_return error_response(filters.error());
  auto known = filters->check({"reference", "dangling", "label", "label!", "before", "since", "until"});
  if (!known) co_return error_response(known.error());
  auto dangling = filters->boolean("dangling", false);
  if (!dangling) co_return error_response(dangling.error());
  auto until = filters->until(call.core->loop().now());
  if (!until) co_return error_response(until.error());
  WallTime before = until->value_or(WallTime::max()), since = WallTime::min();
  for (const std::string& name : filters->values("before")) {
    auto image = call.core->images().find(name);
    if (!image) co_return no_such_image(name, image.error());
    before = std::min(before, image->created);
  }
  for (const std::string& name : filters->values("since")) {
    auto image = call.core->images().find(name);
    if (!image) co_return no_such_image(name, image.error());
    since = std::max(since, image->created);
  }
  JsonText out;
  out.open_array();
  for (const image::ImageInfo& image : call.core->images().list()) {
    if (image.created >= before || image.created <= since) continue;
    if (filters->has("dangling") && image.tags.empty() != *dangling) continue;
    if (!filters->labels(image.config.labels)) continue;
    bool named = filters->any("reference", [&](const std::string& wanted) {
      return std::any_of(image.tags.begin(), image.tags.end(), [&](const std::string& tag) {
        return tag == wanted || tag.substr(0, tag.rfind(':')) == wanted;
      });
    });
    if (named) out.raw(image_summary_json(*call.core, image));
  }
  out.close_array();
  co_return json(200, std::move(out));
}

io::Task<Response> inspect_image(Call call) {
  auto image = call.core->images().find(call.args[0]);
  if (!image) co_return no_such_image(call.args[0], image.error());
  auto config = codec::parse_json(image->config.json);
  JsonText out;
  out.open_object().field("Id", image->id).field("RepoTags", image->tags).field("RepoDigests", image->repo_digests);
  out.field("Parent", "").field("Comment", "").field("Created", time_text(image->created)).field("DockerVersion", "").field("Author", "");
  out.key("Config");
  if (config && config->root["config"].is_object()) out.value(config->root["config"]);
  else out.open_object().close_object();
  out.field("Architecture", image->config.architecture).field("Os", image->config.os).field("Size", image->size);
  out.key("GraphDriver").open_object().null_field("Data").field("Name", "overlay2").close_object();
  out.key("RootFS").open_object().field("Type", "layers").field("Layers", image->diff_ids).close_object();
  out.key("Metadata").open_object().field("LastTagTime", time_text({})).close_object().close_object();
  co_return json(200, std::move(out));
}

io::Task<Response> image_history(Call call) {
  auto image = call.core->images().find(call.args[0]);
  if (!image) co_return no_such_image(call.args[0], image.error());
  auto config = codec::parse_json(image->config.json);
  std::vector<const codec::Value*> entries;
  if (config) {
    for (const codec::Value& entry : config->root["history"].items()) entries.push_back(&entry);
  }
  JsonText out;
  out.open_array();
  for (auto at = entries.rbegin(); at != entries.rend(); ++at) {
    const codec::Value& entry = **at;
    auto created = parse_rfc3339(entry["created"].as_string());
    bool top = at == entries.rbegin();
    out.open_object().field("Id", top ? image->id : std::string("<missing>"));
    out.field("Created", created ? std::chrono::duration_cast<std::chrono::seconds>(created->time_since_epoch()).count() : 0);
    out.field("CreatedBy", entry["created_by"].as_string());
    if (top) out.field("Tags", image->tags);
    else out.null_field("Tags");
    out.field("Size", 0).field("Comment", entry["comment"].as_string()).close_object();
  }
  out.close_array();
  co_return json(200, std::move(out));
}

io::Task<Response> tag_image(Call call) {
  std::string target = call.parameter("repo"), tag = call.parameter("tag");
  if (!tag.empty()) cat_to(target, ":", tag);
  auto source = call.core->images().find(call.args[0]);
  if (!source) co_return no_such_image(call.args[0], source.error());
  auto tagged = call.core->images().tag(call.args[0], target);
  if (tagged) publish(*call.core, "tag", source->id, target);
  co_return done(tagged, 201);
}

io::Task<Response> remove_image(Call call) {
  auto removed = co_await call.core->images().remove(call.args[0], call.flag("force"));
  if (!removed) co_return no_such_image(call.args[0], removed.error());
  JsonText out;
  out.open_array();
  for (const std::string& name : removed->untagged) {
    publish(*call.core, "untag", name, name);
    out.open_object().field("Untagged", name).close_object();
  }
  for (const std::string& id : removed->deleted) {
    publish(*call.core, "delete", id, id);
    out.open_object().field("Deleted", id).close_object();
  }
  out.close_array();
  co_return json(200, std::move(out));
}

io::Task<Response> load_images(Call call) {
  auto file = co_await receive(*call.core, call.request.body);
  if (!file) co_return error_response(file.error());
  auto names = co_await call.core->images().load(file->path());
  if (!names) co_return error_response(names.error());
  std::string text;
  for (const std::string& name : *names) {
    bool id = name.starts_with("sha256:");
    JsonText line;
    line.open_object().field("stream", cat(id ? "Loaded image ID: " : "Loaded image: ", name, "\n")).close_object();
    text += std::move(line).take() + "\r\n";
    publish(*call.core, "load", name, name);
  }
  Response out;
  out.headers.set("Content-Type", "application/json");
  out.body = io::http::Body(std::move(text));
  co_return out;
}

// A file that is gone once it has been sent.
class SentFile final : public io::http::BodySource {
 public:
  SentFile(io::Loop& loop, TemporaryFile file, sys::UniqueFd fd) : loop_(loop), file_(std::move(file)), fd_(std::make_shared<sys::UniqueFd>(std::move(fd))) {}
  io::Task<Result<std::string>> next() override {
    // The pool's thread may outlive this: it holds what it reads.
    auto read = [fd = fd_]() -> Result<std::string> {
      std::string piece(256 << 10, '\0');
      ssize_t got = ::read(fd->get(), piece.data(), piece.size());
      if (got < 0) return fail_errno(errno, "read the archive");
      piece.resize(static_cast<size_t>(got));
      return piece;
    };
    co_return co_await loop_.offload("download", read);
  }

 private:
  io::Loop& loop_;
  TemporaryFile file_;
  std::shared_ptr<sys::UniqueFd> fd_;
};

io::Task<Response> save(Core& core, std::vector<std::string> names) {
  for (const std::string& name : names) {
    auto found = core.images().find(name);
    if (!found) co_return no_such_image(name, found.error());
  }
  TemporaryFile file(core);
  auto saved = co_await core.images().save(std::move(names), file.path());
  if (!saved) co_return error_response(saved.error());
  auto fd = sys::open_file(file.path(), O_RDONLY);
  if (!fd) co_return error_response(fd.error());
  Response out;
  out.headers.set("Content-Type", "application/x-tar");
  out.body = io::http::Body(std::make_unique<SentFile>(core.loop(), std::move(file), std::move(*fd)));
  co_return out;
}

io::Task<Response> save_one(Call call) {
  auto out = co_await save(*call.core, {call.args[0]});
  co_return out;
}
io::Task<Response> save_several(Call call) {
  std::vector<std::string> names;
  for (const auto& [name, value] : call.query)
    if (name == "names") names.push_back(value);
  if (names.empty()) co_return message_response(400, "name the images to save: ?names=a&names=b");
  auto out = co_await save(*call.core, std::move(names));
  co_return out;
}

io::Task<Response> prune_images(Call call) {
  auto filters = call.filters();
  if (!filters) co_return error_response(filters.error());
  auto known = filters->check({"dangling", "label", "label!", "until"});
  if (!known) co_return error_response(known.error());
  auto until = filters->until(call.core->loop().now());
  if (!until) co_return error_response(until.error());
  auto dangling = filters->boolean("dangling", true);
  if (!dangling) co_return error_response(dangling.error());
  int64_t freed = 0;
  JsonText out;
  out.open_object().key("ImagesDeleted").open_array();
  for (const image::ImageInfo& image : call.core->images().list()) {
    bool doomed = containers_on(*call.core, image.id) == 0 && (!*dangling || image.tags.empty()) && filters->labels(image.config.labels) &&
                  (!*until || image.created < **until);
    if (!doomed) continue;
    auto removed = co_await call.core->images().remove(image.id, true);
    if (!removed) continue;  // a container has come meanwhile
    freed += image.size;
    for (const std::string& name : removed->untagged) out.open_object().field("Untagged", name).close_object();
    for (const std::string& id : removed->deleted) out.open_object().field("Deleted", id).close_object();
  }
  out.close_array().field("SpaceReclaimed", freed).close_object();
  co_return json(200, std::move(out));
}

io::Task<Response> search(Call) { co_return message_response(501, "searching a registry is not supported: look on the registry's own pages"); }

}  // namespace

std::string image_summary_json(Core& core, const image::ImageInfo& image) {
  JsonText out;
  out.open_object().field("Id", image.id).field("ParentId", "").field("RepoTags", image.tags).field("RepoDigests", image.repo_digests);
  out.field("Created", std::chrono::duration_cast<std::chrono::seconds>(image.created.time_since_epoch()).count());
  out.field("Size", image.size).field("SharedSize", -1).field("Labels", image.config.labels);
  out.field("Containers", containers_on(core, image.id)).close_object();
  return std::move(out).take();
}

std::vector<Route> image_routes() {
  return {{"POST", "/images/create", create_image}, {"GET", "/images/json", list_images}, {"GET", "/images/search", search},
          {"POST", "/images/load", load_images}, {"GET", "/images/get", save_several}, {"POST", "/images/prune", prune_images},
          {"GET", "/images/**/json", inspect_image}, {"GET", "/images/**/history", image_history}, {"GET", "/images/**/get", save_one},
          {"POST", "/images/**/tag", tag_image}, {"POST", "/images/**/push", push_image}, {"DELETE", "/images/**", remove_image}};
}

}  // namespace kobuk::engine::docker
