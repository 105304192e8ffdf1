#include "app/serve_command.h"

#include <csignal>

#include "app/command_end.h"
#include "app/control.h"
#include "app/profile.h"
#include "app/roles.h"
#include "base/log.h"
#include "io/loop.h"
#include "sys/file.h"
#include "sys/signals.h"

namespace kobuk::app {
namespace {

struct Outcome {
  Result<void> result;
};

io::Task<void> serve(io::Loop& loop, Process& process, io::Event& asked_to_end, Outcome& outcome) {
  outcome.result = co_await process.start();
  report_started(outcome.result);
  if (outcome.result) co_await asked_to_end.wait();
  co_await process.stop();
  loop.stop();
}

Result<void> run_roles(const std::string& profile_name, std::vector<Role> roles) {
  KOBUK_TRY(Profile profile, find_profile(profile_name));
  KOBUK_CHECK(sys::make_directories(profile.run_directory(), 0711));
  KOBUK_TRY(Pki pki, ensure_pki(profile, system_clock().wall()));
  KOBUK_TRY(sys::UniqueFd signals, sys::watch_signals({SIGTERM, SIGINT}));
  io::Loop loop;
  io::Event asked_to_end(loop);
  KOBUK_CHECK(loop.watch_fd(signals.get(), io::Loop::kRead, [&](unsigned) {
    while (sys::next_signal(signals.get()) != 0) asked_to_end.set();
  }));
  Process process(loop, std::move(profile), std::move(pki), std::move(roles));
  Outcome outcome;
  loop.spawn(serve(loop, process, asked_to_end, outcome));
  loop.run();
  loop.unwatch_fd(signals.get());
  return outcome.result;
}

int run(std::string_view name, std::string_view summary, std::vector<Role> roles, const std::vector<std::string>& arguments) {
  std::string command = cat("kobuk ", name), profile = "default";
  Options options(command, std::string(summary));
  options.text("profile", 'p', "NAME", "the profile, made by kobuk start", &profile);
  options.example(cat(command, " --profile default"));
  auto rest = options.parse(arguments);
  if (rest && options.help_wanted()) return print_help(options);
  Result<void> done;
  if (!rest) {
    done = fail(std::move(rest).error());
  } else if (!rest->empty()) {
    done = fail(Code::kInvalid, "unexpected argument ", go_quote(rest->front()));
  } else if (done = check_root(command); done) {
    done = run_roles(profile, std::move(roles));
  }
  if (done) return 0;
  report_started(done);
  return end_with(command, done.error());
}

}  // namespace

int run_serve(const std::vector<std::string>& arguments) {
  return run(kServe, "Run every role of a profile in this process, in the foreground", {std::begin(kRoles), std::end(kRoles)}, arguments);
}
int run_engine(const std::vector<std::string>& arguments) {
  return run("engine", "Run the container engine alone: the Docker Engine API and the CRI", {Role::kEngine}, arguments);
}
int run_registry(const std::vector<std::string>& arguments) {
  return run("registry", "Run the profile's image registry alone", {Role::kRegistry}, arguments);
}
int run_apiserver(const std::vector<std::string>& arguments) {
  return run("apiserver", "Run the Kubernetes API server alone, with its store", {Role::kApiServer}, arguments);
}
int run_controllers(const std::vector<std::string>& arguments) {
  return run("controllers", "Run the controllers alone", {Role::kControllers}, arguments);
}
int run_scheduler(const std::vector<std::string>& arguments) {
  return run("scheduler", "Run the scheduler alone", {Role::kScheduler}, arguments);
}
int run_node(const std::vector<std::string>& arguments) {
  return run("node", "Run the node alone: kubelet and service proxy", {Role::kNode}, arguments);
}

}  // namespace kobuk::app
