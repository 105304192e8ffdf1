// kobuk status, kubeconfig and env: what a profile is and how to reach it.
#include <algorithm>

#include "app/cluster_commands.h"
#include "app/columns.h"
#include "app/command_end.h"
#include "app/control.h"
#include "app/profile.h"
#include "codec/json.h"
#include "sys/file.h"

namespace kobuk::app {
namespace {

struct Wanted {
  std::string profile = "default", output;
};

std::string overall(const std::vector<RoleStatus>& roles) {
  auto runs = [](const RoleStatus& role) { return role.state == "Running"; };
  if (std::all_of(roles.begin(), roles.end(), runs)) return "Running";
  return any_running(roles) ? "Degraded" : "Stopped";
}

std::string as_json(const Profile& profile, const std::vector<RoleStatus>& roles) {
  codec::Arena arena;
  codec::Value out = codec::Value::object(), list = codec::Value::array();
  auto text = [&](codec::Value& to, std::string_view key, const std::string& value) {
    to.set(arena, key, codec::Value::string(arena, value));
  };
  for (const RoleStatus& role : roles) {
    codec::Value item = codec::Value::object();
    text(item, "name", role.name);
    text(item, "state", role.state);
    item.set(arena, "pid", codec::Value::integer(role.pid));
    list.push(arena, item);
  }
  text(out, "profile", profile.name);
  text(out, "state", overall(roles));
  text(out, "root", profile.root);
  text(out, "apiServer", cat("https://127.0.0.1:", profile.port));
  text(out, "dockerSocket", profile.docker_socket());
  text(out, "criSocket", profile.cri_socket());
  text(out, "kubeconfig", profile.kubeconfig_path());
  text(out, "registry", cat("127.0.0.1:", profile.registry_port));
  text(out, "nodeName", profile.node_name);
  out.set(arena, "roles", list);
  return codec::to_json_pretty(out) + "\n";
}

std::string as_table(const Profile& profile, const std::vector<RoleStatus>& roles) {
  std::string out = cat("profile     ", profile.name, "\nstate       ", overall(roles), "\nroot        ", profile.root,
                        "\napi server  https://127.0.0.1:", profile.port, "\ndocker      unix://", profile.docker_socket(),
                        "\nregistry    127.0.0.1:", profile.registry_port, "\n\n");
  std::vector<std::vector<std::string>> rows = {{"ROLE", "STATE", "PID"}};
  for (const RoleStatus& role : roles) rows.push_back({role.name, role.state, role.pid == 0 ? std::string("-") : cat(role.pid)});
  out += align_columns(rows);
  return out;
}

Result<std::string> status(const Wanted& wanted) {
  if (!wanted.output.empty() && wanted.output != "json") return fail(Code::kInvalid, "--output takes json, not ", go_quote(wanted.output));
  KOBUK_TRY(Profile profile, find_profile(wanted.profile));
  KOBUK_TRY(auto roles, role_statuses(profile));
  return wanted.output == "json" ? as_json(profile, roles) : as_table(profile, roles);
}

Result<std::string> kubeconfig(const Wanted& wanted) {
  KOBUK_TRY(Profile profile, find_profile(wanted.profile));
  return sys::read_file(profile.kubeconfig_path(), 1 << 20);
}

Result<std::string> env(const Wanted& wanted) {
  KOBUK_TRY(Profile profile, find_profile(wanted.profile));
  return cat("export KUBECONFIG=", profile.kubeconfig_path(), "\nexport DOCKER_HOST=unix://", profile.docker_socket(), "\n");
}

void declare_profile(Options& options, Wanted& wanted) {
  options.text("profile", 'p', "NAME", "which cluster (default \"default\")", &wanted.profile);
}

}  // namespace

int run_status(const std::vector<std::string>& arguments) {
  Wanted wanted;
  Options options("kobuk status", "Show where a cluster's parts are and how they are");
  options.text("output", 'o', "FORMAT", "json for scripts", &wanted.output);
  options.example("kobuk status -o json");
  declare_profile(options, wanted);
  return run_plain("kobuk status", options, arguments, [&] { return status(wanted); });
}

int run_kubeconfig(const std::vector<std::string>& arguments) {
  Wanted wanted;
  Options options("kobuk kubeconfig", "Print a kubeconfig for kubectl and other clients");
  options.example("kobuk kubeconfig > ~/.kube/config");
  declare_profile(options, wanted);
  return run_plain("kobuk kubeconfig", options, arguments, [&] { return kubeconfig(wanted); });
}

int run_env(const std::vector<std::string>& arguments) {
  Wanted wanted;
  Options options("kobuk env", "Print what points kubectl and docker to the cluster, for the shell to evaluate");
  options.example("eval \"$(kobuk env)\"");
  declare_profile(options, wanted);
  return run_plain("kobuk env", options, arguments, [&] { return env(wanted); });
}

}  // namespace kobuk::app
