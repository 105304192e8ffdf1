// /containers: lists, births, ends. Each function reads its parameters, calls the core, and writes the answer.
#include <pwd.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "codec/json.h"
#include "engine/container_spec.h"
#include "engine/docker.h"
#include "engine/docker_create.h"
#include "engine/names.h"
#include "sys/cgroup.h"
#include "sys/file.h"

namespace kobuk::engine::docker {
namespace {

std::vector<EntryPtr> docker_entries(Core& core) {
  std::vector<EntryPtr> out;
  for (const auto& [id, entry] : core.entries())
    if (entry->record.origin == Origin::kDocker) out.push_back(entry);
  // The newest first.
  std::sort(out.begin(), out.end(), [](const EntryPtr& a, const EntryPtr& b) {
    return std::pair(b->record.created, b->record.id) < std::pair(a->record.created, a->record.id);
  });
  return out;
}

bool fits_network(Core& core, const Entry& entry, const std::string& wanted) {
  auto network = core.find_network(wanted);
  std::string name = network ? network->name : wanted;
  if (entry.record.network_mode == name) return true;
  return std::any_of(entry.record.endpoints.begin(), entry.record.endpoints.end(), [&](const EndpointRecord& e) { return e.network == name; });
}

bool fits_ancestor(Core& core, const Entry& entry, const std::string& wanted) {
  if (entry.record.image == wanted) return true;
  auto image = core.images().find(wanted);
  return image && image->id == entry.record.image_id;
}

// Filters that a container must pass by itself; before and since look at others and are taken as times.
struct Selection {
  Filters filters;
  WallTime before = WallTime::max(), since = WallTime::min();
};

bool fits(Core& core, const Entry& entry, const Selection& selection) {
  const Filters& f = selection.filters;
  const ContainerRecord& record = entry.record;
  if (record.created >= selection.before || record.created <= selection.since) return false;
  auto name_fits = [&](const std::string& wanted) {
    std::string_view text = wanted;
    std::string full = cat("/", record.name);
    bool from_start = text.starts_with('^'), to_end = text.ends_with('$');
    if (from_start) text.remove_prefix(1);
    if (to_end && !text.empty()) text.remove_suffix(1);
    std::string_view in = from_start && !text.starts_with('/') ? std::string_view(record.name) : std::string_view(full);
    if (from_start && to_end) return in == text;
    if (from_start) return in.starts_with(text);
    return to_end ? in.ends_with(text) : in.find(text) != std::string_view::npos;
  };
  auto port_fits = [&](const std::string& wanted, bool published) {
    std::string key = wanted.find('/') == std::string::npos ? cat(wanted, "/tcp") : wanted;
    if (!published && std::find(record.exposed_ports.begin(), record.exposed_ports.end(), key) != record.exposed_ports.end()) return true;
    return std::any_of(entry.status.ports.begin(), entry.status.ports.end(), [&](const auto& m) {
      return cat(published ? m.host_port : m.container_port, m.protocol == network::Protocol::kUdp ? "/udp" : "/tcp") == key;
    });
  };
  return f.any("id", [&](const std::string& id) { return record.id.starts_with(id); }) && f.any("name", name_fits) &&
         f.exact("status", status_name(entry.status.status)) && f.labels(record.labels) &&
         f.any("exited", [&](const std::string& code) { return entry.status.status == Status::kExited && cat(entry.status.exit_code) == code; }) &&
         f.any("ancestor", [&](const std::string& image) { return fits_ancestor(core, entry, image); }) &&
         f.any("network", [&](const std::string& network) { return fits_network(core, entry, network); }) &&
         f.any("volume", [&](const std::string& volume) {
           return std::any_of(record.mounts.begin(), record.mounts.end(), [&](const MountRecord& m) { return m.source == volume || m.destination == volume; });
         }) &&
         f.any("health", [&](const std::string& health) { return (entry.health.status.empty() ? "none" : entry.health.status) == health; }) &&
         f.any("publish", [&](const std::string& port) { return port_fits(port, true); }) &&
         f.any("expose", [&](const std::string& port) { return port_fits(port, false); }) && f.any("is-task", [](const std::string& is) { return is == "false"; });
}

Result<Selection> selection_of(const Call& call) {
  Selection out;
  KOBUK_TRY(out.filters, call.filters());
  KOBUK_CHECK(out.filters.check({"id", "name", "status", "label", "exited", "ancestor", "network", "volume", "health", "publish", "expose", "before", "since", "is-task"}));
  for (const std::string& status : out.filters.values("status")) {
    bool known = false;
    for (int s = 0; s <= static_cast<int>(Status::kDead); ++s) known = known || status_name(static_cast<Status>(s)) == status;
    if (!known) return fail(Code::kInvalid, "invalid filter 'status=", status, "'");
  }
  for (const std::string& reference : out.filters.values("before")) {
    KOBUK_TRY(EntryPtr entry, call.core->find(reference));
    out.before = std::min(out.before, entry->record.created);
  }
  for (const std::string& reference : out.filters.values("since")) {
    KOBUK_TRY(EntryPtr entry, call.core->find(reference));
    out.since = std::max(out.since, entry->record.created);
  }
  return out;
}

io::Task<Response> list(Call call) {
  auto selection = selection_of(call);
  if (!selection) co_return error_response(selection.error());
  auto limit = parse_int(call.parameter("limit")).value_or(-1);
  const Filters& filters = selection->filters;
  // Asking for an end, a status or a number means all of them.
  bool all = call.flag("all") || limit > 0 || filters.has("status") || filters.has("exited") || filters.has("before") || filters.has("since");
  std::vector<EntryPtr> shown;
  for (const EntryPtr& entry : docker_entries(*call.core)) {
    if ((!all && !entry->running() && entry->status.status != Status::kRestarting) || !fits(*call.core, *entry, *selection)) continue;
    if (limit == 0) break;
    shown.push_back(entry);
    if (limit > 0 && --limit == 0) break;
  }
  std::vector<int64_t> sizes;
  if (call.flag("size")) sizes = co_await own_sizes(*call.core, shown);
  JsonText out;
  out.open_array();
  for (size_t i = 0; i < shown.size(); ++i) {
    auto size = sizes.empty() ? std::nullopt : std::optional(sizes[i]);
    out.raw(container_summary_json(*call.core, *shown[i], size));
  }
  out.close_array();
  co_return json(200, std::move(out));
}

io::Task<Response> create(Call call) {
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  Core& core = *call.core;
  std::string reference(body->root["Image"].as_string());
  if (reference.empty()) co_return message_response(400, "no image was named: set Image");
  auto image = core.images().find(reference);
  if (!image && image.error().code() == Code::kNotFound) {
    auto parsed = image::parse_reference(reference);
    co_return message_response(404, cat("No such image: ", parsed ? image::familiar(*parsed) : reference));
  }
  if (!image) co_return error_response(image.error());
  auto record = decode_create(body->root, *image);
  if (!record) co_return error_response(record.error());
  record->name = call.parameter("name");
  if (record->name.starts_with('/')) record->name.erase(0, 1);
  auto platform = call.parameter("platform");
  if (!platform.empty() && platform.find(image->config.architecture) == std::string::npos)
    co_return message_response(404, cat("image with reference ", reference, " was found but its platform (linux/", image->config.architecture, ") does not match the specified platform (", platform, ")"));
  // Networks may be named by their ids; one that is not there is an error of the start, as for dockerd.
  for (EndpointRecord& endpoint : record->endpoints) {
    auto network = core.find_network(endpoint.network);
    if (!network) continue;
    if (record->network_mode == endpoint.network) record->network_mode = network->name;
    endpoint.network = network->name;
  }
  auto checked = capabilities_of(*record, core.runtime().facts());
  if (!checked) co_return error_response(checked.error());
  for (const UlimitRecord& limit : record->ulimits)
    if (auto made = make_rlimit(limit); !made) co_return error_response(made.error());
  if (record->network_mode.starts_with("container:")) {
    auto other = core.find(std::string_view(record->network_mode).substr(10));
    // Not 404: the client would take that for a missing image.
    if (!other) co_return message_response(409, other.error().message());
    record->network_mode = cat("container:", (*other)->record.id);
    if (record->hostname.empty()) record->hostname = (*other)->record.hostname;
  }
  auto made = co_await core.create(std::move(*record));
  if (!made) co_return error_response(made.error());
  JsonText out;
  out.open_object().field("Id", (*made)->record.id).key("Warnings").open_array().close_array().close_object();
  co_return json(201, std::move(out));
}

io::Task<Response> inspect(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  std::optional<int64_t> size;
  if (call.flag("size")) {
    auto sizes = co_await own_sizes(*call.core, {*entry});
    size = sizes.front();
  }
  co_return io::http::json_response(200, container_inspect_json(*call.core, **entry, size) + "\n");
}

Result<std::optional<Duration>> timeout_of(const Call& call) {
  std::string text = call.parameter("t");
  if (text.empty()) return std::optional<Duration>();
  auto seconds = parse_int(text);
  if (!seconds || *seconds > 1'000'000'000) return fail(Code::kInvalid, "invalid timeout: ", go_quote(text));
  return std::optional<Duration>(std::chrono::seconds(*seconds));
}
Result<std::optional<int>> signal_of(const Call& call) {
  std::string text = call.parameter("signal");
  if (text.empty()) return std::optional<int>();
  KOBUK_TRY(int signal, parse_signal(text));
  return std::optional<int>(signal);
}

io::Task<Response> start(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  if ((*entry)->status.status == Status::kRunning && (*entry)->unadopted.empty()) co_return done({}, 304);
  auto started = co_await call.core->start(*entry);
  co_return done(started);
}

io::Task<Response> stop(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto timeout = timeout_of(call);
  if (!timeout) co_return error_response(timeout.error());
  auto signal = signal_of(call);
  if (!signal) co_return error_response(signal.error());
  bool ran = (*entry)->running() || (*entry)->status.status == Status::kRestarting;
  auto stopped = co_await call.core->stop(*entry, *signal, *timeout);
  co_return done(stopped, ran ? 204 : 304);
}

io::Task<Response> restart(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto timeout = timeout_of(call);
  if (!timeout) co_return error_response(timeout.error());
  auto signal = signal_of(call);
  if (!signal) co_return error_response(signal.error());
  auto restarted = co_await call.core->restart(*entry, *signal, *timeout);
  co_return done(restarted);
}

io::Task<Response> kill(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto signal = signal_of(call);
  if (!signal) co_return error_response(signal.error());
  auto killed = co_await call.core->kill(*entry, signal->value_or(SIGKILL));
  co_return done(killed);
}

io::Task<Response> remove(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  if (call.flag("link")) co_return message_response(501, "links are not supported, so there is none to remove: leave --link out");
  RemoveOptions options{.force = call.flag("force"), .volumes = call.flag("v")};
  auto removed = co_await call.core->remove(*entry, options);
  co_return done(removed);
}

io::Task<Response> pause(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto result = co_await call.core->pause(*entry);
  co_return done(result);
}
io::Task<Response> unpause(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto result = co_await call.core->resume(*entry);
  co_return done(result);
}

io::Task<Response> rename(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto result = co_await call.core->rename(*entry, call.parameter("name"));
  co_return done(result);
}

io::Task<Response> update(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  Core::Update change;
  auto limits = decode_limits(body->root);
  if (!limits) co_return error_response(limits.error());
  change.limits = std::move(*limits);
  const codec::Value& policy = body->root["RestartPolicy"];
  if (!policy["Name"].as_string().empty()) {
    RestartMode mode = RestartMode::kNo;
    auto decoded = decode_restart_policy(policy, mode, change.restart_tries);
    if (!decoded) co_return error_response(decoded.error());
    change.restart = mode;
  }
  auto updated = co_await call.core->update(*entry, std::move(change));
  if (!updated) co_return error_response(updated.error());
  co_return io::http::json_response(200, "{\"Warnings\":null}\n");
}

io::Task<Response> resize(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto height = parse_uint(call.parameter("h")), width = parse_uint(call.parameter("w"));
  if (!height || !width || *height > 65535 || *width > 65535) co_return message_response(400, "invalid size: h and w must be numbers up to 65535");
  auto live = call.core->running(*entry);
  if (!live) co_return error_response(live.error());
  runtime::ConsoleSize size{static_cast<uint16_t>(*width), static_cast<uint16_t>(*height)};
  auto resized = co_await (*live)->resize(size);
  co_return done(resized, 200);
}

io::Task<Response> prune(Call call) {
  auto filters = call.filters();
  if (!filters) co_return error_response(filters.error());
  if (auto known = filters->check({"label", "label!", "until"}); !known) co_return error_response(known.error());
  auto until = filters->until(call.core->loop().now());
  if (!until) co_return error_response(until.error());
  JsonText out;
  out.open_object().key("ContainersDeleted").open_array();
  int64_t reclaimed = 0;
  for (const EntryPtr& entry : docker_entries(*call.core)) {
    bool ended = entry->status.status == Status::kExited || entry->status.status == Status::kCreated || entry->status.status == Status::kDead;
    if (!ended || (*until && entry->record.created > **until) || !filters->labels(entry->record.labels)) continue;
    auto size = co_await own_sizes(*call.core, {entry});
    RemoveOptions options;
    auto removed = co_await call.core->remove(entry, options);
    if (!removed) continue;
    reclaimed += size.front();
    out.value(entry->record.id);
  }
  out.close_array().field("SpaceReclaimed", reclaimed).close_object();
  co_return json(200, std::move(out));
}

// A process as `ps -ef` shows it, from /proc/<pid>.
std::optional<std::vector<std::string>> process_row(pid_t pid) {
  auto stat = sys::read_file(cat("/proc/", pid, "/stat"), 1 << 14);
  auto status = sys::read_file(cat("/proc/", pid, "/status"), 1 << 16);
  if (!stat || !status) return std::nullopt;
  size_t close = stat->rfind(')');
  if (close == std::string::npos) return std::nullopt;
  std::string name = stat->substr(stat->find('(') + 1, close - stat->find('(') - 1);
  auto fields = split(std::string_view(*stat).substr(close + 2), ' ');  // from field 3, the state
  if (fields.size() < 20) return std::nullopt;
  std::string user = "root";
  for (std::string_view line : split(*status, '\n')) {
    if (!line.starts_with("Uid:")) continue;
    auto parts = split(line, '\t');
    auto uid = parts.size() > 2 ? parse_uint(parts[2]) : std::nullopt;
    passwd entry{};
    passwd* found = nullptr;
    char buffer[1024];
    if (uid && getpwuid_r(static_cast<uid_t>(*uid), &entry, buffer, sizeof buffer, &found) == 0 && found != nullptr) user = found->pw_name;
    if (uid && found == nullptr) user = cat(*uid);
  }
  std::string command = sys::read_file(cat("/proc/", pid, "/cmdline"), 1 << 16).value_or("");
  std::replace(command.begin(), command.end(), '\0', ' ');
  command = trim(command);
  if (command.empty()) command = cat("[", name, "]");
  int64_t ticks = sysconf(_SC_CLK_TCK);
  int64_t cpu = static_cast<int64_t>(parse_uint(fields[11]).value_or(0) + parse_uint(fields[12]).value_or(0)) / ticks;
  auto two = [](int64_t n) { return n < 10 ? cat("0", n) : cat(n); };
  int64_t started = static_cast<int64_t>(parse_uint(fields[19]).value_or(0)) / ticks;
  auto uptime = sys::read_file("/proc/uptime", 100).value_or("0");
  int64_t up = parse_int(std::string_view(uptime).substr(0, uptime.find('.'))).value_or(0);
  time_t birth = time(nullptr) - (up - started);
  tm local{};
  localtime_r(&birth, &local);
  return std::vector<std::string>{user, cat(pid), std::string(fields[1]), "0", cat(two(local.tm_hour), ":", two(local.tm_min)), "?",
                                  cat(two(cpu / 3600), ":", two(cpu / 60 % 60), ":", two(cpu % 60)), command};
}

io::Task<Response> top(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto live = call.core->running(*entry);
  if (!live) co_return error_response(live.error());
  std::string args = call.parameter("ps_args");
  if (!args.empty() && args != "-ef") co_return message_response(501, "ps options other than -ef are not supported");
  sys::Cgroup group(call.core->runtime().facts().cgroups, cgroup_path_of((*entry)->record, call.core->options().cgroup_root));
  auto pids = group.processes();
  if (!pids) co_return error_response(pids.error());
  JsonText out;
  out.open_object().field("Titles", std::vector<std::string>{"UID", "PID", "PPID", "C", "STIME", "TTY", "TIME", "CMD"}).key("Processes").open_array();
  for (pid_t pid : *pids)
    if (auto row = process_row(pid)) out.value(*row);
  out.close_array().close_object();
  co_return json(200, std::move(out));
}

io::Task<Response> refuse_commit(Call) {
  co_return message_response(501, "committing a container to an image is not supported yet: docker export it and docker import the result");
}

}  // namespace

std::vector<Route> container_routes() {
  return {{"GET", "/containers/json", list},          {"POST", "/containers/create", create},     {"POST", "/containers/prune", prune},
          {"GET", "/containers/*/json", inspect},     {"POST", "/containers/*/start", start},     {"POST", "/containers/*/stop", stop},
          {"POST", "/containers/*/restart", restart}, {"POST", "/containers/*/kill", kill},       {"DELETE", "/containers/*", remove},
          {"POST", "/containers/*/pause", pause},     {"POST", "/containers/*/unpause", unpause}, {"POST", "/containers/*/rename", rename},
          {"POST", "/containers/*/update", update},   {"POST", "/containers/*/resize", resize},   {"GET", "/containers/*/top", top},
          {"POST", "/commit", refuse_commit}};
}

}  // namespace kobuk::engine::docker
