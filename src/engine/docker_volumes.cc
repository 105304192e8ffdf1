// /volumes: the driver local, without options.
#include "codec/json.h"
#include "engine/docker.h"

namespace kobuk::engine::docker {
namespace {

io::Task<Response> list(Call call) {
  auto filters = call.filters();
  if (!filters) co_return error_response(filters.error());
  auto known = filters->check({"name", "driver", "label", "label!", "dangling"});
  if (!known) co_return error_response(known.error());
  auto dangling = filters->boolean("dangling", false);
  if (!dangling) co_return error_response(dangling.error());
  JsonText out;
  out.open_object().key("Volumes").open_array();
  for (const auto& [name, record] : call.core->volumes()) {
    const std::string& n = name;
    if (!filters->any("name", [&](const std::string& wanted) { return n.find(wanted) != std::string::npos; })) continue;
    if (!filters->exact("driver", "local") || !filters->labels(record.labels)) continue;
    if (filters->has("dangling") && call.core->volume_users(name).empty() != *dangling) continue;
    out.raw(volume_json(*call.core, record));
  }
  out.close_array().null_field("Warnings").close_object();
  co_return json(200, std::move(out));
}

io::Task<Response> create(Call call) {
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  const codec::Value& config = body->root;
  std::string_view driver = config["Driver"].as_string();
  if (!driver.empty() && driver != "local") co_return message_response(404, cat("create ", config["Name"].as_string(), ": error looking up volume plugin ", driver, ": plugin \"", driver, "\" not found"));
  if (!config["DriverOpts"].empty()) co_return message_response(501, "options of volumes are not supported: leave --opt out, or bind a folder of the host");
  VolumeRecord record;
  record.name = config["Name"].as_string();
  for (const codec::Member& member : config["Labels"].members()) record.labels[std::string(member.key)] = member.value.as_string();
  auto made = co_await call.core->create_volume(std::move(record));
  if (!made) co_return error_response(made.error());
  co_return io::http::json_response(201, volume_json(*call.core, *made) + "\n");
}

io::Task<Response> inspect(Call call) {
  auto found = call.core->volumes().find(call.args[0]);
  if (found == call.core->volumes().end()) co_return message_response(404, cat("get ", call.args[0], ": no such volume"));
  co_return io::http::json_response(200, volume_json(*call.core, found->second) + "\n");
}

io::Task<Response> remove(Call call) {
  auto removed = co_await call.core->remove_volume(call.args[0], call.flag("force"));
  co_return done(removed);
}

io::Task<Response> prune(Call call) {
  auto filters = call.filters();
  if (!filters) co_return error_response(filters.error());
  auto known = filters->check({"label", "label!", "all"});
  if (!known) co_return error_response(known.error());
  auto all = filters->boolean("all", call.minor < 42);  // named ones too; until 1.41 that was the rule
  if (!all) co_return error_response(all.error());
  std::vector<std::string> unused;
  for (const auto& [name, record] : call.core->volumes())
    if (call.core->volume_users(name).empty() && (*all || record.anonymous) && filters->labels(record.labels)) unused.push_back(name);
  JsonText out;
  out.open_object().key("VolumesDeleted").open_array();
  int64_t reclaimed = 0;
  for (const std::string& name : unused) {
    auto size = co_await directory_sizes(call.core->loop(), {call.core->volume_path(name)});
    auto removed = co_await call.core->remove_volume(name, true);
    if (!removed) continue;
    reclaimed += size.front();
    out.value(name);
  }
  out.close_array().field("SpaceReclaimed", reclaimed).close_object();
  co_return json(200, std::move(out));
}

}  // namespace

std::string volume_json(Core& core, const VolumeRecord& record, std::optional<int64_t> size) {
  JsonText out;
  out.open_object().field("CreatedAt", format_rfc3339(record.created)).field("Driver", "local").field("Labels", record.labels);
  out.field("Mountpoint", core.volume_path(record.name)).field("Name", record.name).null_field("Options").field("Scope", "local");
  if (size) out.key("UsageData").open_object().field("Size", *size).field("RefCount", core.volume_users(record.name).size()).close_object();
  out.close_object();
  return std::move(out).take();
}

std::vector<Route> volume_routes() {
  return {{"GET", "/volumes", list},        {"POST", "/volumes/create", create}, {"POST", "/volumes/prune", prune},
          {"GET", "/volumes/*", inspect},   {"DELETE", "/volumes/*", remove}};
}

}  // namespace kobuk::engine::docker
