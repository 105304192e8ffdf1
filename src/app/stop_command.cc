// kobuk stop and kobuk delete: both work whether or not the daemon runs.
#include <unistd.h>

#include <chrono>

#include "app/cluster_commands.h"
#include "app/command_end.h"
#include "app/control.h"
#include "app/engine_options.h"
#include "app/profile.h"
#include "engine/engine.h"
#include "network/services.h"
#include "sys/cgroup.h"
#include "sys/file.h"
#include "sys/mounts.h"

namespace kobuk::app {
namespace {

using std::chrono::seconds;

struct Wanted {
  std::string profile = "default";
  int64_t grace = 10;
  bool all = false;
};

engine::EngineOptions maintenance_options(const Profile& profile) {
  engine::EngineOptions options = engine_options(profile);
  options.maintenance = true;
  return options;
}

io::Task<Result<void>> stop_containers(io::Loop& loop, engine::EngineOptions options, Duration grace) {
  KOBUK_CO_TRY(auto engine, co_await engine::Engine::open(loop, std::move(options)));
  co_return co_await engine->stop_everything(grace);
}

io::Task<Result<void>> remove_containers(io::Loop& loop, engine::EngineOptions options) {
  KOBUK_CO_TRY(auto engine, co_await engine::Engine::open(loop, std::move(options)));
  co_return co_await engine->remove_everything();
}

Result<void> stop(const Profile& profile, Duration grace) {
  KOBUK_CHECK(end_processes(profile, seconds(10)));
  KOBUK_CHECK(sys::make_directories(profile.run_directory(), 0711));
  io::Loop loop;
  return loop.run_until_done(stop_containers(loop, maintenance_options(profile), grace));
}

// Everything that carries the profile's name, in the order in which one thing stands on the other.
Result<void> remove(const Profile& profile) {
  KOBUK_CHECK(end_processes(profile, seconds(2)));
  KOBUK_CHECK(sys::make_directories(profile.run_directory(), 0711));
  io::Loop loop;
  KOBUK_CHECK(loop.run_until_done(remove_containers(loop, maintenance_options(profile))));
  network::Services services({.profile = profile.name});
  KOBUK_CHECK(services.clean_up());
  KOBUK_TRY(sys::CgroupFacts facts, sys::read_cgroup_facts());
  sys::Cgroup cgroup(facts, profile.cgroup_root());
  KOBUK_CHECK(cgroup.kill());
  KOBUK_CHECK(cgroup.remove());
  KOBUK_CHECK(sys::unmount_below(profile.root));
  KOBUK_CHECK(sys::unmount_below(profile.run_directory()));
  KOBUK_CHECK(sys::remove_tree(profile.run_directory()));
  KOBUK_CHECK(sys::remove_tree(profile.root));
  // The link by which a profile with a folder of its own was found; the record is gone, so nobody finds half a profile.
  std::string home = cat(kDataDirectory, "/", profile.name);
  if (home != profile.root) KOBUK_CHECK(sys::remove_tree(home));
  rmdir(std::string(kDataDirectory).c_str());  // stays while other profiles are there
  return {};
}

Result<std::vector<Profile>> chosen_profiles(const Wanted& wanted) {
  if (wanted.all) return list_profiles();
  KOBUK_TRY(Profile profile, find_profile(wanted.profile));
  return std::vector<Profile>{std::move(profile)};
}

Result<std::string> stop_chosen(const Wanted& wanted) {
  if (wanted.grace < 0) return fail(Code::kInvalid, "--timeout has to be a number of seconds");
  KOBUK_TRY(auto profiles, chosen_profiles(wanted));
  std::string out;
  for (const Profile& profile : profiles) {
    KOBUK_CHECK(stop(profile, seconds(wanted.grace)));
    cat_to(out, "Cluster \"", profile.name, "\" is stopped; its data is in ", profile.root, ".\n");
  }
  return out;
}

Result<std::string> delete_chosen(const Wanted& wanted) {
  KOBUK_TRY(auto profiles, chosen_profiles(wanted));
  std::string out;
  for (const Profile& profile : profiles) {
    KOBUK_CHECK(remove(profile));
    cat_to(out, "Cluster \"", profile.name, "\" is deleted.\n");
  }
  return out;
}

int run(std::string_view command, Options& options, Wanted& wanted, Result<std::string> (*act)(const Wanted&),
        const std::vector<std::string>& arguments) {
  options.text("profile", 'p', "NAME", "which cluster (default \"default\")", &wanted.profile);
  options.flag("all", 0, "every cluster of this host", &wanted.all);
  return run_plain(command, options, arguments, [&]() -> Result<std::string> {
    KOBUK_CHECK(check_root(command));
    return act(wanted);
  });
}

}  // namespace

int run_stop(const std::vector<std::string>& arguments) {
  Wanted wanted;
  Options options("kobuk stop", "Stop a cluster and its containers; data, images and settings stay");
  options.number("timeout", 't', "SECONDS", "how long containers get to end by themselves (default 10)", &wanted.grace);
  options.example("kobuk stop -p edge");
  return run("kobuk stop", options, wanted, stop_chosen, arguments);
}

int run_delete(const std::vector<std::string>& arguments) {
  Wanted wanted;
  Options options("kobuk delete", "Delete a cluster with its containers, images and data; nothing of it stays on the host");
  options.example("kobuk delete -p edge");
  return run("kobuk delete", options, wanted, delete_chosen, arguments);
}

}  // namespace kobuk::app
