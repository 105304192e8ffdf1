// What goes on for a while: attach, wait, logs, stats, events.
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "engine/docker.h"
#include "engine/docker_hijack.h"
#include "engine/logs.h"
#include "sys/file.h"

namespace kobuk::engine::docker {
namespace {

using io::Stream;

// --- wait

io::Task<void> answer_wait(Core& core, EntryPtr entry, WaitFor condition, uint64_t exits, io::CancelToken cancel, std::shared_ptr<Lines> lines) {
  auto code = co_await core.wait(entry, condition, exits, cancel);
  if (code) {
    JsonText out;
    out.open_object().field("StatusCode", *code);
    if (!entry->status.error.empty()) out.key("Error").open_object().field("Message", entry->status.error).close_object();
    out.close_object();
    lines->add(std::move(out).take() + "\n");
  }
  lines->end();
}

io::Task<Response> wait(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  std::string condition = call.parameter("condition");
  WaitFor wanted = WaitFor::kNotRunning;
  if (condition == "next-exit") {
    wanted = WaitFor::kNextExit;
  } else if (condition == "removed") {
    wanted = WaitFor::kRemoved;
  } else if (!condition.empty() && condition != "not-running") {
    co_return message_response(400, cat("invalid condition: ", go_quote(condition)));
  }
  auto lines = std::make_shared<Lines>(call.core->loop());
  call.core->spawn(answer_wait(*call.core, *entry, wanted, (*entry)->exits, call.request.cancel, lines));
  Response out;
  out.headers.set("Content-Type", "application/json");
  out.body = io::http::Body(body_of(lines));
  co_return out;
}

// --- attach

struct Attached {
  std::shared_ptr<Stream> client;
  std::shared_ptr<runtime::Attachment> container;
  bool tty = false, in = false, close_stdin = false;
  DetachKeys keys;
};

io::Task<void> pump_in(Attached to) {
  while (true) {
    auto typed = co_await to.client->read(32 << 10);
    if (!typed) co_return;
    if (typed->empty()) {
      if (to.close_stdin) auto closed = to.container->close_stdin();
      co_return;
    }
    bool detached = false;
    std::string bytes = to.tty ? to.keys.pass(*typed, detached) : std::move(*typed);
    if (!bytes.empty()) {
      auto written = co_await to.container->write(std::move(bytes));
      if (!written) co_return;
    }
    if (!detached) continue;
    to.container->close();
    to.client->close();
    co_return;
  }
}

io::Task<void> pump_out(Attached from) {
  while (true) {
    auto chunk = co_await from.container->read();
    if (!chunk || !*chunk) co_return;
    std::string bytes = from.tty ? std::move((*chunk)->bytes) : frame((*chunk)->is_stderr ? StreamKind::kErr : StreamKind::kOut, (*chunk)->bytes);
    auto written = co_await from.client->write(bytes);
    if (!written) co_return;
  }
}

std::string log_bytes(const std::vector<LogLine>& lines, bool tty, bool timestamps) {
  std::string out;
  for (const LogLine& line : lines) {
    std::string text = timestamps ? cat(format_rfc3339_nano(line.time), " ", line.text) : line.text;
    out += tty ? text : frame(line.is_stderr ? StreamKind::kErr : StreamKind::kOut, text);
  }
  return out;
}

io::Task<Result<std::vector<LogLine>>> read_lines(io::Loop& loop, std::shared_ptr<LogReader> reader) {
  auto work = [reader] { return reader->read(); };
  auto lines = co_await loop.offload("container log", work);
  co_return lines;
}

io::Task<void> write_past(Core& core, EntryPtr entry, std::shared_ptr<Stream> client, LogOptions options) {
  auto reader = std::make_shared<LogReader>(entry->record.log.path, options);
  while (entry->record.log.type == "json-file") {
    auto lines = co_await read_lines(core.loop(), reader);
    if (!lines || lines->empty()) co_return;
    std::string bytes = log_bytes(*lines, entry->record.tty, false);
    auto written = co_await client->write(bytes);
    if (!written) co_return;
  }
}

struct AttachPlan {
  runtime::Container::AttachOptions options;
  bool stream = false, logs = false;
  DetachKeys keys;
};

io::Task<void> serve_attach(Core& core, EntryPtr entry, AttachPlan plan, std::shared_ptr<PendingAttach> pending, std::unique_ptr<Stream> stream) {
  std::shared_ptr<Stream> client = std::move(stream);
  if (plan.logs) {
    LogOptions past{.tail = {}, .since = {}, .until = {}, .out = plan.options.out, .err = plan.options.err};
    co_await write_past(core, entry, client, past);
  }
  if (!plan.stream) co_return;
  co_await pending->ready.wait();
  if (!pending->attachment) co_return;
  Attached both{client, std::move(pending->attachment), entry->record.tty, plan.options.in, entry->record.stdin_once && !entry->record.tty, plan.keys};
  io::TaskGroup input(core.loop());
  if (both.in) input.spawn(pump_in(both));
  co_await pump_out(both);
  client->close();
}

io::Task<Response> attach(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  auto keys = DetachKeys::parse(call.parameter("detachKeys"));
  if (!keys) co_return error_response(keys.error());
  AttachPlan plan{.options = {.in = call.flag("stdin"), .out = call.flag("stdout"), .err = call.flag("stderr")},
                  .stream = call.flag("stream"), .logs = call.flag("logs"), .keys = std::move(*keys)};
  bool tty = (*entry)->record.tty;
  plan.options.in = plan.options.in && (*entry)->record.stdin_open;
  auto response = upgrade_response(call, tty);
  if (!response) co_return message_response(400, "attaching needs a connection to take over: send \"Connection: Upgrade\" and \"Upgrade: tcp\", or read the logs with follow=1");
  if ((*entry)->status.status == Status::kPaused) co_return message_response(409, cat("container ", (*entry)->record.id, " is paused, unpause the container before attach"));
  // The place in line is taken before the client hears that it may start the container.
  Core& core = *call.core;
  std::shared_ptr<PendingAttach> pending;
  if (plan.stream && (*entry)->live && (*entry)->running()) {
    pending = std::make_shared<PendingAttach>(core.loop());
    auto attached = co_await (*entry)->live->attach(plan.options);
    if (!attached) co_return error_response(attached.error());
    pending->attachment = std::move(*attached);
    pending->ready.set();
  } else if (plan.stream) {
    pending = core.await_start(*entry, plan.options);
  }
  core.publish(**entry, "attach");
  response->upgrade = [&core, entry = *entry, plan, pending](std::unique_ptr<Stream> stream) {
    return serve_attach(core, entry, plan, pending, std::move(stream));
  };
  co_return std::move(*response);
}

// --- logs

// Wakes a follower when the container has ended: nothing more is written in this run then.
io::Task<void> wake_at_end(EntryPtr entry, uint64_t exits, std::weak_ptr<FolderWatch> watch) {
  while (entry->running() && entry->exits == exits && !watch.expired()) {
    entry->changed.reset();
    co_await entry->changed.wait();
  }
  if (auto alive = watch.lock()) alive->changed.set();
}

// Followed to the end of the present run, and not at all when it does not run: dockerd's rules.
class LogBody final : public io::http::BodySource {
 public:
  LogBody(Core& core, EntryPtr entry, LogOptions options, bool timestamps, std::shared_ptr<FolderWatch> watch, io::CancelToken cancel)
      : core_(core), entry_(std::move(entry)), exits_(entry_->exits), reader_(std::make_shared<LogReader>(entry_->record.log.path, options)),
        timestamps_(timestamps), watch_(std::move(watch)), cancel_(cancel) {
    if (!watch_) return;
    wake_ = cancel_.on_cancel([w = watch_] { w->changed.set(); });
    core_.spawn(wake_at_end(entry_, exits_, watch_));
  }
  io::Task<Result<std::string>> next() override {
    while (true) {
      bool ended = !watch_ || entry_->removed || !entry_->running() || entry_->exits != exits_;
      if (watch_) watch_->changed.reset();
      KOBUK_CO_TRY(auto lines, co_await read_lines(core_.loop(), reader_));
      if (!lines.empty()) co_return log_bytes(lines, entry_->record.tty, timestamps_);
      if (ended || reader_->past_until() || cancel_.cancelled()) co_return std::string();
      if (!watch_->changed.is_set()) co_await watch_->changed.wait();
    }
  }

 private:
  Core& core_;
  EntryPtr entry_;
  uint64_t exits_;  // as they were: another number is the end of the run
  std::shared_ptr<LogReader> reader_;
  bool timestamps_;
  std::shared_ptr<FolderWatch> watch_;  // null: not followed
  io::CancelToken cancel_;
  io::CancelToken::Registration wake_;
};

// Seconds since 1970 with a fraction, or RFC 3339. Empty and "0": none.
Result<std::optional<WallTime>> time_of(std::string_view text) {
  if (text.empty() || text == "0") return std::optional<WallTime>();
  if (auto time = parse_rfc3339(text)) return std::optional<WallTime>(*time);
  size_t dot = text.find('.');
  auto seconds = parse_int(text.substr(0, dot));
  std::string fraction(dot == std::string_view::npos ? std::string_view("0") : text.substr(dot + 1));
  fraction.resize(9, '0');
  auto nanos = parse_uint(fraction);
  if (!seconds || !nanos) return fail(Code::kInvalid, "invalid value for time: ", go_quote(text));
  return std::optional<WallTime>(WallTime{std::chrono::seconds(*seconds) + Duration(static_cast<int64_t>(*nanos))});
}

io::Task<Response> logs(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  LogOptions options{.tail = {}, .since = {}, .until = {}, .out = call.flag("stdout"), .err = call.flag("stderr")};
  if (!options.out && !options.err) co_return message_response(400, "Bad parameters: you must choose at least one stream");
  if ((*entry)->record.log.type != "json-file") co_return message_response(501, "configured logging driver does not support reading");
  if (call.flag("details")) co_return message_response(501, "details of log lines are not supported: leave --details out");
  std::string tail = call.parameter("tail");
  if (auto number = parse_uint(tail)) options.tail = *number;
  auto since = time_of(call.parameter("since"));
  if (!since) co_return error_response(since.error());
  auto until = time_of(call.parameter("until"));
  if (!until) co_return error_response(until.error());
  options.since = *since, options.until = *until;
  Core& core = *call.core;
  std::shared_ptr<FolderWatch> watch;
  if (call.flag("follow") && (*entry)->running()) {
    auto opened = FolderWatch::open(core.loop(), (*entry)->record.log.path.substr(0, (*entry)->record.log.path.rfind('/')));
    if (!opened) co_return error_response(opened.error());
    watch = std::move(*opened);
  }
  Response out;
  constexpr int kMultiplexedType = 42;
  out.headers.set("Content-Type", (*entry)->record.tty || call.minor < kMultiplexedType ? "application/vnd.docker.raw-stream" : "application/vnd.docker.multiplexed-stream");
  out.body = io::http::Body(std::make_unique<LogBody>(core, *entry, options, call.flag("timestamps"), watch, call.request.cancel));
  if (watch) out.body.set_followed();
  co_return out;
}

// --- stats

uint64_t system_cpu_ns() {
  auto text = sys::read_file("/proc/stat", 1 << 20).value_or("");
  auto words = split(std::string_view(text).substr(0, text.find('\n')), ' ');
  uint64_t ticks = 0;
  size_t counted = 0;
  for (size_t i = 1; i < words.size() && counted < 8; ++i) {
    if (words[i].empty()) continue;
    ticks += parse_uint(words[i]).value_or(0);
    ++counted;
  }
  return ticks * (1'000'000'000 / static_cast<uint64_t>(sysconf(_SC_CLK_TCK)));
}

struct Sample {
  WallTime time{};
  sys::CgroupStats cgroup;
  uint64_t system_ns = 0;
};

void write_cpu(JsonText& out, const char* name, const Sample& sample) {
  out.key(name).open_object().key("cpu_usage").open_object().field("total_usage", sample.cgroup.cpu_usage_ns);
  out.field("usage_in_kernelmode", sample.cgroup.cpu_system_ns).field("usage_in_usermode", sample.cgroup.cpu_user_ns).close_object();
  if (sample.system_ns != 0) out.field("system_cpu_usage", sample.system_ns).field("online_cpus", sysconf(_SC_NPROCESSORS_ONLN));
  out.key("throttling_data").open_object().field("periods", 0).field("throttled_periods", sample.cgroup.throttled_periods);
  out.field("throttled_time", sample.cgroup.throttled_ns).close_object().close_object();
}

// /proc/<pid>/net/dev is that of the process' network namespace.
void write_interfaces(JsonText& out, int pid) {
  auto text = sys::read_file(cat("/proc/", pid, "/net/dev"), 1 << 20).value_or("");
  out.key("networks").open_object();
  for (std::string_view line : split(text, '\n')) {
    size_t colon = line.find(':');
    std::string_view name = trim(line.substr(0, colon));
    if (colon == std::string_view::npos || name == "lo") continue;
    auto numbers = split(line.substr(colon + 1), ' ');
    std::erase(numbers, "");
    if (numbers.size() < 12) continue;
    auto n = [&](size_t i) { return parse_uint(numbers[i]).value_or(0); };
    out.key(name).open_object().field("rx_bytes", n(0)).field("rx_packets", n(1)).field("rx_errors", n(2)).field("rx_dropped", n(3));
    out.field("tx_bytes", n(8)).field("tx_packets", n(9)).field("tx_errors", n(10)).field("tx_dropped", n(11)).close_object();
  }
  out.close_object();
}

std::string stats_json(const Entry& entry, const Sample& now, const Sample& before) {
  const sys::CgroupStats& s = now.cgroup;
  JsonText out;
  out.open_object().field("name", cat("/", entry.record.name)).field("id", entry.record.id).field("read", time_text(now.time)).field("preread", time_text(before.time));
  out.key("pids_stats").open_object();
  if (entry.running()) out.field("current", s.pids).field("limit", s.pids_limit == 0 ? UINT64_MAX : s.pids_limit);
  out.close_object().key("blkio_stats").open_object().key("io_service_bytes_recursive").open_array();
  for (auto [op, value] : {std::pair("read", s.io_read_bytes), std::pair("write", s.io_write_bytes)})
    out.open_object().field("major", 0).field("minor", 0).field("op", op).field("value", value).close_object();
  out.close_array().close_object().field("num_procs", 0).key("storage_stats").open_object().close_object();
  write_cpu(out, "cpu_stats", now);
  write_cpu(out, "precpu_stats", before);
  out.key("memory_stats").open_object();
  if (entry.running()) {
    uint64_t host = static_cast<uint64_t>(sysconf(_SC_PHYS_PAGES)) * static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
    uint64_t inactive = s.memory_usage > s.memory_working_set ? s.memory_usage - s.memory_working_set : 0;
    out.field("usage", s.memory_usage).key("stats").open_object().field("inactive_file", inactive).field("total_inactive_file", inactive);
    out.field("anon", s.memory_rss).field("pgfault", s.memory_page_faults).field("pgmajfault", s.memory_major_page_faults).close_object();
    out.field("limit", s.memory_limit == 0 || s.memory_limit > host ? host : s.memory_limit);
  }
  out.close_object();
  if (entry.live && entry.running()) write_interfaces(out, entry.live->state().pid);
  out.close_object();
  return std::move(out).take();
}

class StatsBody final : public io::http::BodySource {
 public:
  StatsBody(Core& core, EntryPtr entry, bool stream, bool one_shot, io::CancelToken cancel)
      : core_(core), entry_(std::move(entry)), stream_(stream), one_shot_(one_shot), cancel_(cancel) {}
  io::Task<Result<std::string>> next() override {
    if (ended_) co_return std::string();
    if (!one_shot_ || sent_) {
      if (!sent_) co_await sample();
      auto slept = co_await io::sleep_or_cancel(core_.loop(), std::chrono::seconds(1), cancel_);
      if (!slept || entry_->removed) co_return std::string();
    }
    co_await sample();
    ended_ = !stream_;
    sent_ = true;
    co_return stats_json(*entry_, now_, before_) + "\n";
  }

 private:
  io::Task<void> sample() {
    before_ = now_;
    now_ = {.time = core_.loop().now(), .cgroup = {}, .system_ns = system_cpu_ns()};
    if (!entry_->live || !entry_->running()) {
      now_ = {};
      co_return;
    }
    auto stats = co_await entry_->live->stats();
    if (stats) now_.cgroup = *stats;
  }
  Core& core_;
  EntryPtr entry_;
  bool stream_, one_shot_, sent_ = false, ended_ = false;
  io::CancelToken cancel_;
  Sample now_, before_;
};

io::Task<Response> stats(Call call) {
  auto entry = container(call);
  if (!entry) co_return error_response(entry.error());
  bool stream = call.parameter("stream").empty() || call.flag("stream");
  Response out;
  out.headers.set("Content-Type", "application/json");
  bool one_shot = call.flag("one-shot");
  if (stream && one_shot) co_return message_response(400, "cannot have stream=true and one-shot=true");
  out.body = io::http::Body(std::make_unique<StatsBody>(*call.core, *entry, stream, one_shot, call.request.cancel));
  co_return out;
}

// --- events

bool fits_event(const EngineEvent& event, const Filters& filters) {
  if (!event.sandbox_id.empty()) return false;  // pods are not Docker's to see
  auto actor = [&](std::string_view type, const std::string& wanted) {
    auto name = event.attributes.find("name");
    return event.type == type && (event.id == wanted || event.id.starts_with(wanted) || (name != event.attributes.end() && name->second == wanted));
  };
  auto image = [&](const std::string& wanted) {
    auto name = event.attributes.find(event.type == "image" ? "name" : "image");
    return (event.type == "image" && event.id == wanted) || (name != event.attributes.end() && (name->second == wanted || name->second.starts_with(wanted + ":")));
  };
  auto action = [&](const std::string& wanted) { return event.action == wanted || event.action.starts_with(wanted + ":"); };
  return filters.exact("type", event.type) && filters.any("event", action) && filters.any("action", action) && filters.labels(event.attributes) &&
         filters.any("container", [&](const std::string& w) { return actor("container", w); }) &&
         filters.any("network", [&](const std::string& w) { return actor("network", w); }) &&
         filters.any("volume", [&](const std::string& w) { return actor("volume", w); }) && filters.any("image", image) &&
         filters.any("scope", [](const std::string& w) { return w == "local"; });
}

class EventsBody final : public io::http::BodySource {
 public:
  EventsBody(Core& core, Filters filters, std::optional<WallTime> since, std::optional<WallTime> until, io::CancelToken cancel)
      : core_(core), filters_(std::move(filters)), until_(until), cancel_(cancel), live_(core.events().subscribe()) {
    if (since) past_ = core.events().since(*since);
    if (!since && until && *until <= core.loop().now()) ended_ = true;
    if (until_) {
      Duration left = *until_ - core_.loop().now();
      if (left <= Duration{}) ended_ = true;
      if (!ended_) timer_ = core_.loop().start_timer(left, [this] { live_->end(); });
    }
  }
  ~EventsBody() override {
    if (timer_ != 0) core_.loop().cancel_timer(timer_);
  }
  io::Task<Result<std::string>> next() override {
    std::string out;
    for (const EngineEvent& event : std::exchange(past_, {}))
      if (fits_event(event, filters_) && (!until_ || event.time <= *until_)) cat_to(out, event_json(event), "\n");
    if (!out.empty()) co_return out;
    while (!ended_) {
      auto event = co_await live_->next(cancel_);
      if (!event) break;
      if (fits_event(*event, filters_)) co_return event_json(*event) + "\n";
    }
    co_return std::string();
  }

 private:
  Core& core_;
  Filters filters_;
  std::optional<WallTime> until_;
  io::CancelToken cancel_;
  std::unique_ptr<EventHub::Subscription> live_;
  std::vector<EngineEvent> past_;
  bool ended_ = false;
  io::Loop::TimerId timer_ = 0;
};

io::Task<Response> events(Call call) {
  auto filters = call.filters();
  if (!filters) co_return error_response(filters.error());
  auto known = filters->check({"type", "event", "action", "label", "label!", "container", "network", "volume", "image", "scope", "daemon"});
  if (!known) co_return error_response(known.error());
  auto since = time_of(call.parameter("since"));
  if (!since) co_return error_response(since.error());
  auto until = time_of(call.parameter("until"));
  if (!until) co_return error_response(until.error());
  Response out;
  out.headers.set("Content-Type", "application/json");
  out.body = io::http::Body(std::make_unique<EventsBody>(*call.core, std::move(*filters), *since, *until, call.request.cancel));
  out.body.set_followed();
  co_return out;
}

}  // namespace

std::vector<Route> stream_routes() {
  return {{"POST", "/containers/*/attach", attach}, {"POST", "/containers/*/wait", wait}, {"GET", "/containers/*/logs", logs},
          {"GET", "/containers/*/stats", stats}, {"GET", "/events", events}};
}

}  // namespace kobuk::engine::docker
