// The state file: one "key value" line a field, in any order; unknown keys are skipped, so that an older
// daemon reads a newer monitor's file. Texts are percent-encoded where they hold a line feed or a percent
// sign.
#include "runtime/state.h"

namespace kobuk::runtime {
namespace {

constexpr size_t kMaxState = 64 << 10;
constexpr std::string_view kPhases[] = {"creating", "created", "running", "paused", "stopped"};

std::string escape(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (c == '\n' || c == '%' || c == '\0') {
      cat_to(out, '%', hex(std::string_view(&c, 1)));
    } else {
      out += c;
    }
  }
  return out;
}

std::optional<std::string> unescape(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out += text[i];
      continue;
    }
    auto byte = unhex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1) return std::nullopt;
    out += *byte;
    i += 2;
  }
  return out;
}

// Puts the field of that key into `state`; false when its value is malformed.
bool set_field(ContainerState& state, std::string_view key, std::string_view value) {
  auto number = [&](auto& into) {
    using T = std::remove_reference_t<decltype(into)>;
    T parsed{};
    auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), parsed);
    if (error != std::errc{} || end != value.data() + value.size()) return false;
    into = parsed;
    return true;
  };
  auto time = [&](WallTime& into) {
    int64_t nanos = 0;
    if (!number(nanos)) return false;
    into = WallTime{Duration{nanos}};
    return true;
  };
  auto string = [&](std::string& into) {
    auto plain = unescape(value);
    if (plain) into = std::move(*plain);
    return plain.has_value();
  };
  if (key == "phase") {
    for (size_t i = 0; i < std::size(kPhases); ++i)
      if (value == kPhases[i]) return state.phase = static_cast<Phase>(i), true;
    return false;
  }
  if (key == "pid") return number(state.pid);
  if (key == "pid_start_time") return number(state.pid_start_time);
  if (key == "monitor_pid") return number(state.monitor_pid);
  if (key == "monitor_start_time") return number(state.monitor_start_time);
  if (key == "exit_code") return number(state.exit_code);
  if (key == "signal") return number(state.signal);
  if (key == "oom_killed") return state.oom_killed = value == "1", value == "0" || value == "1";
  if (key == "created") return time(state.created);
  if (key == "started") return time(state.started);
  if (key == "finished") return time(state.finished);
  if (key == "cgroup_path") return string(state.cgroup_path);
  if (key == "error") return string(state.error);
  return true;
}

}  // namespace

std::string_view phase_name(Phase phase) { return kPhases[static_cast<size_t>(phase)]; }

std::string encode_state(const ContainerState& s) {
  auto nanos = [](WallTime time) { return time.time_since_epoch().count(); };
  return cat("phase ", phase_name(s.phase), "\npid ", s.pid, "\npid_start_time ", s.pid_start_time,
             "\nmonitor_pid ", s.monitor_pid, "\nmonitor_start_time ", s.monitor_start_time, "\nexit_code ",
             s.exit_code, "\nsignal ", s.signal, "\noom_killed ", s.oom_killed ? 1 : 0, "\ncreated ",
             nanos(s.created), "\nstarted ", nanos(s.started), "\nfinished ", nanos(s.finished),
             "\ncgroup_path ", escape(s.cgroup_path), "\nerror ", escape(s.error), '\n');
}

Result<ContainerState> decode_state(std::string_view text) {
  if (text.size() > kMaxState) return fail(Code::kDataLoss, "a container state of ", text.size(), " bytes");
  ContainerState state;
  bool phase = false;
  while (!text.empty()) {
    size_t end = text.find('\n');
    if (end == text.npos) return fail(Code::kDataLoss, "a container state whose last line is cut off");
    std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    size_t space = line.find(' ');
    if (space == line.npos)
      return fail(Code::kDataLoss, "malformed line in a container state: ", go_quote(line.substr(0, 80)));
    phase = phase || line.substr(0, space) == "phase";
    if (!set_field(state, line.substr(0, space), line.substr(space + 1)))
      return fail(Code::kDataLoss, "malformed ", line.substr(0, space), " in a container state");
  }
  if (!phase) return fail(Code::kDataLoss, "a container state without a phase");
  return state;
}

}  // namespace kobuk::runtime
