// Health checks (Dockerfile HEALTHCHECK): a command in the container, every interval; `retries` failures in a row make
// it unhealthy, one success healthy. Failures within the start period do not count.
#include <algorithm>
#include <csignal>

#include "engine/core.h"
#include "engine/exec_output.h"

namespace kobuk::engine {
namespace {

constexpr Duration kInterval = std::chrono::seconds(30), kStartInterval = std::chrono::seconds(5);
constexpr size_t kMaxOutput = 4096;
constexpr size_t kKeptProbes = 5;

Duration duration_or(int64_t nanos, Duration fallback) { return nanos > 0 ? Duration(nanos) : fallback; }

// More often while it starts: until it is healthy, or the start period is over.
Duration until_next(const Entry& entry, WallTime now) {
  const HealthRecord& health = entry.record.health;
  bool starts = entry.health.status == "starting" && now - entry.status.started < Duration(health.start_period_ns);
  return starts ? duration_or(health.start_interval_ns, kStartInterval) : duration_or(health.interval_ns, kInterval);
}

std::vector<std::string> command_of(const HealthRecord& health) {
  std::vector<std::string> args(health.test.begin() + 1, health.test.end());
  if (health.test.front() == "CMD-SHELL") args.insert(args.begin(), {"/bin/sh", "-c"});
  return args;
}

// What the command says, as much of it as `docker inspect` shows.
class ProbeOutput final : public OutputSink {
 public:
  io::Task<bool> take(bool, std::string bytes) override {
    text.append(bytes, 0, kMaxOutput - std::min(kMaxOutput, text.size()));
    co_return true;
  }
  std::string text;
};

}  // namespace

io::Task<void> Core::check_health(EntryPtr entry, uint64_t run) {
  entry->health = {.status = "starting", .failing_streak = 0, .log = {}};
  while (true) {
    Deadline deadline(loop_, until_next(*entry, loop_.now()), entry->changed);
    while (!deadline.passed()) {
      if (entry->run != run || !entry->running()) co_return;
      entry->changed.reset();
      co_await entry->changed.wait();
    }
    if (entry->status.status == Status::kRunning) co_await probe(entry, run);
  }
}

io::Task<void> Core::probe(EntryPtr entry, uint64_t run) {
  const HealthRecord& health = entry->record.health;
  HealthState::Probe result{.start = loop_.now()};
  Duration timeout = duration_or(health.timeout_ns, kInterval);
  auto spec = exec_spec(*entry, command_of(health));
  Result<std::unique_ptr<runtime::Exec>> exec = nullptr;
  if (!spec) exec = fail(spec.error());
  if (spec) exec = co_await entry->live->exec(std::move(*spec));
  if (exec) {
    std::shared_ptr<runtime::Exec> process = std::move(*exec);
    auto timed_out = std::make_shared<bool>(false);
    auto timer = loop_.start_timer(timeout, [process, timed_out] {
      *timed_out = true;
      auto killed = process->signal(SIGKILL);
    });
    auto output = std::make_shared<ProbeOutput>();
    auto end = co_await read_outputs(loop_, process, output);
    result.output = std::move(output->text);
    loop_.cancel_timer(timer);
    result.exit_code = *timed_out ? -1 : end ? end->code : -1;
    if (*timed_out) result.output = cat("Health check exceeded timeout (", timeout / std::chrono::milliseconds(1), "ms)");
  } else {
    result.exit_code = -1;
    result.output = exec.error().message();
  }
  result.end = loop_.now();
  if (entry->run != run || !entry->running()) co_return;
  HealthState& state = entry->health;
  std::string before = state.status;
  if (result.exit_code == 0) {
    state.failing_streak = 0;
    state.status = "healthy";
  } else if (state.status != "starting" || result.end - entry->status.started > Duration(health.start_period_ns)) {
    if (++state.failing_streak >= (health.retries > 0 ? health.retries : 3)) state.status = "unhealthy";
  }
  state.log.push_back(std::move(result));
  if (state.log.size() > kKeptProbes) state.log.erase(state.log.begin());
  if (state.status != before) publish(*entry, cat("health_status: ", state.status));
}

}  // namespace kobuk::engine
