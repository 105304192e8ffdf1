#include "app/control.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <set>

#include "codec/json.h"
#include "io/http.h"
#include "sys/file.h"

namespace kobuk::app {
namespace {

constexpr int kReadyFd = 3;
constexpr char kReadyVariable[] = "KOBUK_READY_FD";
constexpr auto kStartTimeout = std::chrono::seconds(60);

int milliseconds(Duration d) { return static_cast<int>(std::chrono::duration_cast<std::chrono::milliseconds>(d).count()); }

io::Task<Result<std::string>> ask(io::Loop& loop, std::string socket) {
  auto client = io::http::make_client(loop, {.address = cat("unix:", socket), .connect_timeout = std::chrono::seconds(2)});
  io::http::Request request;
  request.target = "/status";
  request.host = "kobuk";
  KOBUK_CO_TRY(io::http::Response response, co_await client->send(std::move(request)));
  co_return co_await response.body.read_all(1 << 16);
}

// Adds what the process behind `socket` says; nothing when none is there.
Result<void> collect(const std::string& socket, std::vector<RoleStatus>& out) {
  if (!sys::exists(socket)) return {};
  io::Loop loop;
  auto text = loop.run_until_done(ask(loop, socket));
  if (!text) return {};  // a socket that a killed process left
  KOBUK_TRY(codec::Document document, codec::parse_json(*text));
  for (const codec::Value& role : document.root["roles"].items()) {
    auto same = [&](const RoleStatus& s) { return s.name == role["name"].as_string(); };
    auto found = std::find_if(out.begin(), out.end(), same);
    if (found == out.end()) continue;
    found->state = role["state"].as_string();
    found->pid = static_cast<int>(role["pid"].as_int());
  }
  return {};
}

std::vector<std::string> environment() {
  std::vector<std::string> out = {cat(kReadyVariable, "=", kReadyFd)};
  for (char** entry = environ; *entry != nullptr; ++entry) {
    if (!std::string_view(*entry).starts_with(cat(kReadyVariable, "="))) out.emplace_back(*entry);
  }
  return out;
}

// The child's one report; empty when it ended without.
Result<std::string> read_report(int fd) {
  std::string out;
  pollfd wait{fd, POLLIN, 0};
  for (;;) {
    int ready = poll(&wait, 1, milliseconds(kStartTimeout));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return fail_errno(errno, "poll");
    if (ready == 0) return fail(Code::kTimeout, "it did not start within ", milliseconds(kStartTimeout) / 1000, " seconds");
    char buffer[4096];
    ssize_t got = read(fd, buffer, sizeof buffer);
    if (got < 0) return fail_errno(errno, "read");
    if (got == 0) return out;
    out.append(buffer, static_cast<size_t>(got));
  }
}

Result<void> wait_for_end(const std::vector<sys::UniqueFd>& processes, Duration grace) {
  for (const sys::UniqueFd& process : processes) {
    pollfd wait{process.get(), POLLIN, 0};
    int ended = poll(&wait, 1, milliseconds(grace));
    if (ended > 0) continue;
    KOBUK_CHECK(sys::send_signal(process.get(), SIGKILL));
    wait.revents = 0;
    if (poll(&wait, 1, 5000) <= 0) return fail(Code::kTimeout, "a process of the profile does not end, even when killed");
  }
  return {};
}

}  // namespace

Result<std::vector<RoleStatus>> role_statuses(const Profile& profile) {
  std::vector<RoleStatus> out;
  for (Role role : kRoles) out.push_back({std::string(role_name(role)), "Stopped", 0});
  KOBUK_CHECK(collect(profile.control_socket(kServe), out));
  for (Role role : kRoles) KOBUK_CHECK(collect(profile.control_socket(role_name(role)), out));
  return out;
}

bool any_running(const std::vector<RoleStatus>& statuses) {
  return std::any_of(statuses.begin(), statuses.end(), [](const RoleStatus& s) { return s.pid != 0; });
}

Result<void> start_process(const Profile& profile, std::string_view name) {
  std::string log = profile.log_path(name);
  KOBUK_CHECK(sys::make_directories(cat(profile.root, "/logs"), 0755));
  KOBUK_TRY(sys::UniqueFd output, sys::open_file(log, O_WRONLY | O_CREAT | O_APPEND, 0640));
  KOBUK_TRY(auto pipe, sys::make_pipe());
  KOBUK_TRY(sys::Spawned child, sys::spawn({.path = "/proc/self/exe",
                                           .args = {"kobuk", std::string(name), "--profile", profile.name},
                                           .env = environment(),
                                           .fds = {{output.get(), 1}, {output.get(), 2}, {pipe.second.get(), kReadyFd}},
                                           .new_session = true}));
  pipe.second.reset();
  auto report = read_report(pipe.first.get());
  if (!report) {
    KOBUK_CHECK(sys::send_signal(child.pidfd.get(), SIGKILL));
    return fail(std::move(report).error().context(name));
  }
  if (*report == "ok") return {};
  if (report->empty()) return fail(Code::kInternal, name, " ended while starting; see ", log);
  return fail(Code::kFailedPrecondition, *report);
}

void report_started(const Result<void>& result) {
  const char* variable = std::getenv(kReadyVariable);
  auto fd = parse_int(variable == nullptr ? "" : variable);
  if (!fd) return;
  unsetenv(kReadyVariable);
  std::string text = result ? "ok" : result.error().message();
  auto sent = sys::write_all(static_cast<int>(*fd), text, "report that we started");
  if (!sent) std::fprintf(stderr, "kobuk: %s\n", sent.error().message().c_str());
  close(static_cast<int>(*fd));
}

Result<void> end_processes(const Profile& profile, Duration grace) {
  KOBUK_TRY(auto statuses, role_statuses(profile));
  std::set<int> pids;
  for (const RoleStatus& status : statuses) {
    if (status.pid != 0) pids.insert(status.pid);
  }
  std::vector<sys::UniqueFd> processes;
  for (int pid : pids) {
    auto process = sys::open_pidfd(pid);
    if (!process) continue;  // it has just ended
    auto sent = sys::send_signal(process->get(), SIGTERM);
    if (sent) processes.push_back(*std::move(process));
  }
  return wait_for_end(processes, grace);
}

}  // namespace kobuk::app
