#include "engine/names.h"

#include <array>
#include <csignal>

#include "base/random.h"
#include "base/strings.h"

namespace kobuk::engine {
namespace {

constexpr std::string_view kAdjectives[] = {
    "agile",  "amber",  "brave",  "bright", "calm",    "candid", "clever", "cosmic", "crisp",  "curious", "daring", "eager",
    "early",  "fair",   "fluent", "fond",   "gentle",  "glad",   "golden", "honest", "humble", "jolly",   "keen",   "kind",
    "lively", "loyal",  "lucid",  "mellow", "merry",   "modest", "neat",   "nimble", "noble",  "patient", "placid", "polite",
    "proud",  "quick",  "quiet",  "rapid",  "serene",  "sharp",  "silent", "sincere", "smooth", "solid",   "steady", "sunny",
    "swift",  "tidy",   "tender", "vivid",  "warm",    "wise",   "witty",  "zesty"};
constexpr std::string_view kNouns[] = {
    "archimedes", "babbage", "banach",  "bohr",    "boole",   "cantor", "cauchy", "church",  "curie",   "darwin", "diesel", "dijkstra",
    "einstein",   "engel",   "euclid",  "euler",   "faraday", "fermat", "fermi",  "feynman", "fourier", "galileo", "gauss", "goedel",
    "hamilton",   "hertz",   "hilbert", "hopper",  "hypatia", "joule",  "kepler", "knuth",   "lagrange", "lamarr", "leibniz", "linnaeus",
    "lovelace",   "maxwell", "meitner", "mendel",  "newton",  "noether", "pascal", "pasteur", "planck", "ritchie", "shannon", "tesla",
    "thompson",   "turing",  "volta",   "watt",    "wiles",   "wirth",  "wozniak", "yonath"};

struct SignalName {
  std::string_view name;
  int number;
};
constexpr SignalName kSignals[] = {
    {"HUP", SIGHUP},   {"INT", SIGINT},       {"QUIT", SIGQUIT}, {"ILL", SIGILL},   {"TRAP", SIGTRAP}, {"ABRT", SIGABRT}, {"IOT", SIGIOT},
    {"BUS", SIGBUS},   {"FPE", SIGFPE},       {"KILL", SIGKILL}, {"USR1", SIGUSR1}, {"SEGV", SIGSEGV}, {"USR2", SIGUSR2},
    {"PIPE", SIGPIPE}, {"ALRM", SIGALRM},     {"TERM", SIGTERM}, {"STKFLT", SIGSTKFLT}, {"CHLD", SIGCHLD}, {"CLD", SIGCHLD},
    {"CONT", SIGCONT}, {"STOP", SIGSTOP},
    {"TSTP", SIGTSTP}, {"TTIN", SIGTTIN},     {"TTOU", SIGTTOU}, {"URG", SIGURG},   {"XCPU", SIGXCPU}, {"XFSZ", SIGXFSZ},
    {"VTALRM", SIGVTALRM}, {"PROF", SIGPROF}, {"WINCH", SIGWINCH}, {"IO", SIGIO}, {"POLL", SIGPOLL},
    {"PWR", SIGPWR},   {"SYS", SIGSYS},       {"UNUSED", SIGSYS}, {"RTMIN", 34},    {"RTMAX", 64}};
constexpr int kFirstRealTime = 34, kLastSignal = 64;  // libc keeps 32 and 33 for itself

bool word_character(char c, bool first) {
  bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return letter || (!first && (c == '_' || c == '.' || c == '-'));
}

}  // namespace

std::string new_id() {
  while (true) {
    std::string id = random_hex(64);
    // A short id that is a number could be taken for one, by hostname(1) for instance.
    if (!parse_uint(std::string_view(id).substr(0, 12))) return id;
  }
}

std::string new_name() {
  uint64_t dice = random_u64();
  return cat(kAdjectives[dice % std::size(kAdjectives)], '_', kNouns[(dice >> 32) % std::size(kNouns)]);
}

std::string short_id(std::string_view id) {
  if (id.starts_with("sha256:")) id.remove_prefix(7);
  return std::string(id.substr(0, 12));
}

Result<void> check_name(std::string_view name, std::string_view what) {
  bool good = name.size() >= 2 && name.size() <= 255;
  for (size_t i = 0; good && i < name.size(); ++i) good = word_character(name[i], i == 0);
  if (good) return {};
  return fail(Code::kInvalid, "Invalid ", what, " name (", name, "), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed");
}

Result<int> parse_signal(std::string_view text) {
  if (auto number = parse_uint(text); number && *number >= 1 && *number <= kLastSignal) return static_cast<int>(*number);
  std::string_view name = text;
  if (name.size() > 3 && equals_ignore_case(name.substr(0, 3), "SIG")) name.remove_prefix(3);
  for (const SignalName& signal : kSignals)
    if (equals_ignore_case(name, signal.name)) return signal.number;
  for (std::string_view base : {"RTMIN+", "RTMAX-"}) {
    if (name.size() <= base.size() || !equals_ignore_case(name.substr(0, base.size()), base)) continue;
    auto offset = parse_uint(name.substr(base.size()));
    if (offset && *offset <= 30) return base == "RTMIN+" ? kFirstRealTime + static_cast<int>(*offset) : kLastSignal - static_cast<int>(*offset);
  }
  return fail(Code::kInvalid, "invalid signal: ", text);
}

int stop_signal(std::string_view text) { return parse_signal(text).value_or(SIGTERM); }

}  // namespace kobuk::engine
