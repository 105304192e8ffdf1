// kobuk start: decides a new profile once (slot, ports, name of the node), writes its keys and kubeconfig, and starts
// the daemon.
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

#include "api/version.h"
#include "app/cluster_commands.h"
#include "app/command_end.h"
#include "app/control.h"
#include "app/free_port.h"
#include "app/memory_size.h"
#include "app/pki.h"
#include "app/profile.h"
#include "app/version.h"
#include "sys/file.h"

namespace kobuk::app {
namespace {

struct Wanted {
  std::string profile = "default", memory, root, store, processes;
  int64_t cpus = 0, port = 0;
  std::vector<std::string> mirrors, insecure, etcd_servers;
};

void declare(Options& options, Wanted& wanted) {
  options.text("profile", 'p', "NAME", "which cluster (default \"default\")", &wanted.profile);
  options.number("cpus", 0, "N", "cores that pods may use (default all)", &wanted.cpus);
  options.text("memory", 0, "SIZE", "memory that pods may use: 4096 (MiB), 4g (default all)", &wanted.memory);
  options.text("root", 0, "DIR", "where the cluster's data goes (default /var/lib/kobuk/NAME)", &wanted.root);
  options.number("port", 0, "N", "port of the API server (default 6443, or a free one)", &wanted.port);
  options.list("registry-mirror", 0, "[HOST=]URL", "ask this registry first for images of HOST (default docker.io); self: the profile's own", &wanted.mirrors);
  options.list("insecure-registry", 0, "HOST", "registry to be reached without TLS", &wanted.insecure);
  options.text("processes", 0, "KIND", "one (default) for all roles, or roles: each in a process of its own", &wanted.processes);
  options.text("store", 0, "KIND", "embedded (default) or etcd", &wanted.store);
  options.list("etcd-servers", 0, "URL", "the etcd cluster, with --store etcd", &wanted.etcd_servers);
  options.example("kobuk start --cpus=2 --memory=4096");
  options.example("kobuk start -p edge --port 7443 --registry-mirror https://mirror.example");
}

// One `kobuk start` at a time chooses slots and ports.
Result<sys::UniqueFd> lock_profiles() {
  KOBUK_CHECK(sys::make_directories(std::string(kRunDirectory), 0755));
  KOBUK_TRY(sys::UniqueFd fd, sys::open_file(cat(kRunDirectory, "/lock"), O_RDWR | O_CREAT, 0600));
  if (flock(fd.get(), LOCK_EX) != 0) return fail_errno(errno, "lock the profiles");
  return fd;
}

std::string own_host_name() {
  char name[256] = {};
  gethostname(name, sizeof name - 1);
  return to_lower(name[0] == '\0' ? "localhost" : name);
}

Result<void> apply_mirrors(const std::vector<std::string>& mirrors, Profile& profile) {
  if (mirrors.empty()) return {};
  profile.mirrors.clear();
  for (const std::string& mirror : mirrors) {
    size_t equals = mirror.find('=');
    bool named = equals != std::string::npos && mirror.find("://") > equals;  // a URL may hold a = of its own
    std::string host = named ? mirror.substr(0, equals) : "docker.io", url = named ? mirror.substr(equals + 1) : mirror;
    if (url == "self") url = cat("http://127.0.0.1:", profile.registry_port);
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
      return fail(Code::kInvalid, "--registry-mirror ", go_quote(mirror), ": the mirror has to be a URL, as https://mirror.example, or self");
    }
    profile.mirrors[host].push_back(std::move(url));
  }
  return {};
}

// Options given with a later start change the record too.
Result<void> apply_options(const Wanted& wanted, Profile& profile) {
  if (wanted.cpus < 0 || wanted.cpus > 100'000) return fail(Code::kInvalid, "--cpus has to be a number of cores");
  if (wanted.cpus > 0) profile.cpus = wanted.cpus;
  if (!wanted.memory.empty()) {
    KOBUK_TRY(profile.memory_bytes, parse_memory_size(wanted.memory));
  }
  if (!wanted.store.empty() && wanted.store != "embedded" && wanted.store != "etcd") {
    return fail(Code::kInvalid, "--store takes embedded or etcd, not ", go_quote(wanted.store));
  }
  if (!wanted.store.empty()) profile.store = wanted.store;
  if (!wanted.processes.empty() && wanted.processes != "one" && wanted.processes != "roles") {
    return fail(Code::kInvalid, "--processes takes one or roles, not ", go_quote(wanted.processes));
  }
  if (!wanted.processes.empty()) profile.process_per_role = wanted.processes == "roles";
  if (!wanted.etcd_servers.empty()) profile.etcd_servers = wanted.etcd_servers;
  if (profile.store == "etcd" && profile.etcd_servers.empty()) {
    return fail(Code::kInvalid, "--store etcd needs --etcd-servers, as http://127.0.0.1:2379");
  }
  if (!wanted.insecure.empty()) profile.insecure_registries = wanted.insecure;
  return apply_mirrors(wanted.mirrors, profile);
}

Result<uint16_t> choose_port(int64_t wanted, uint16_t usual, const std::vector<uint16_t>& taken) {
  if (wanted < 0 || wanted > 65535) return fail(Code::kInvalid, "--port ", wanted, " is no port");
  if (wanted != 0) {
    KOBUK_CHECK(check_port_free(static_cast<uint16_t>(wanted)));
    return static_cast<uint16_t>(wanted);
  }
  return free_port(usual, taken);
}

Result<Profile> make_profile(const Wanted& wanted) {
  KOBUK_TRY(auto others, list_profiles());
  std::vector<int> slots;
  std::vector<uint16_t> ports;
  for (const Profile& other : others) {
    slots.push_back(other.slot);
    ports.insert(ports.end(), {other.port, other.registry_port});
  }
  Profile profile;
  profile.name = wanted.profile;
  profile.root = wanted.root.empty() ? cat(kDataDirectory, "/", wanted.profile) : wanted.root;
  KOBUK_CHECK(check_new_root(profile.root));
  profile.node_name = wanted.profile == "default" ? own_host_name() : wanted.profile;
  KOBUK_TRY(std::string routes, sys::read_file("/proc/net/route", 1 << 20));
  KOBUK_TRY(profile.slot, choose_slot(slots, routes));
  KOBUK_TRY(profile.port, choose_port(wanted.port, 6443, ports));
  KOBUK_TRY(profile.registry_port, free_port(5000, ports));
  return profile;
}

struct Prepared {
  Profile profile;
  bool changed = false;  // settings of a profile that was there
};

Result<Prepared> prepare(const Wanted& wanted) {
  KOBUK_CHECK(check_profile_name(wanted.profile));
  KOBUK_TRY(sys::UniqueFd lock, lock_profiles());
  auto known = find_profile(wanted.profile);
  if (!known && known.error().code() != Code::kNotFound) return fail(std::move(known).error());
  Profile profile;
  std::string before;
  if (known) {
    profile = *std::move(known);
    before = encode_profile(profile);
    if (!wanted.root.empty() && wanted.root != profile.root) {
      return fail(Code::kFailedPrecondition, "profile ", go_quote(profile.name), " lives in ", profile.root,
                  "; to move it, delete it first: kobuk delete -p ", profile.name);
    }
    if (wanted.port != 0) profile.port = static_cast<uint16_t>(wanted.port);
  } else {
    KOBUK_TRY(profile, make_profile(wanted));
  }
  KOBUK_CHECK(apply_options(wanted, profile));
  bool changed = !before.empty() && encode_profile(profile) != before;
  if (before.empty() || changed) KOBUK_CHECK(save_profile(profile));
  return Prepared{std::move(profile), changed};
}

std::string next_steps(const Profile& profile) {
  bool usual = profile.name == "default";
  std::string option = usual ? "" : cat(" -p ", profile.name), long_option = usual ? "" : cat(" --profile ", profile.name);
  return cat("\n  eval \"$(kobuk env", option, ")\"   points kubectl and docker of this shell to it\n",
             "  kobuk kubectl", long_option, " get nodes\n  kobuk docker", long_option, " ps\n",
             "  kobuk status", option, " | stop", option, " | delete", option, "\n");
}

bool runs_whole(const Profile& profile, const std::vector<RoleStatus>& statuses) {
  if (!profile.process_per_role) return any_running(statuses);
  return std::ranges::all_of(statuses, [](const RoleStatus& status) { return status.pid != 0; });
}

// What does not run yet, in the order in which one role needs another.
Result<void> start_processes(const Profile& profile, const std::vector<RoleStatus>& statuses) {
  if (!profile.process_per_role) return start_process(profile, kServe);
  for (const RoleStatus& status : statuses) {
    if (status.pid == 0) KOBUK_CHECK(start_process(profile, status.name));
  }
  return {};
}

Result<std::string> start(const Wanted& wanted) {
  auto begin = std::chrono::steady_clock::now();
  KOBUK_TRY(Prepared prepared, prepare(wanted));
  const Profile& profile = prepared.profile;
  KOBUK_TRY(auto statuses, role_statuses(profile));
  if (runs_whole(profile, statuses)) {
    std::string_view later = prepared.changed ? " The changed settings are kept and take effect after kobuk stop and kobuk start." : "";
    return cat("Cluster \"", profile.name, "\" already runs.", later, "\n", next_steps(profile));
  }
  KOBUK_TRY(Pki pki, ensure_pki(profile, system_clock().wall()));
  KOBUK_CHECK(sys::write_file_atomic(profile.kubeconfig_path(), make_kubeconfig(profile, pki.ca, pki.admin), 0600));
  auto started = start_processes(profile, statuses);
  if (!started) {
    if (!any_running(statuses)) KOBUK_CHECK(end_processes(profile, std::chrono::seconds(5)));  // what ran before goes on
    return fail(std::move(started).error());
  }
  auto took = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin).count();
  return cat("Cluster \"", profile.name, "\" runs Kubernetes ", api::kKubernetesVersion, " at https://127.0.0.1:", profile.port,
             " (", took, " ms).\n", next_steps(profile));
}

}  // namespace

int run_start(const std::vector<std::string>& arguments) {
  constexpr std::string_view kCommand = "kobuk start";
  Wanted wanted;
  Options options{std::string(kCommand), "Start a cluster on this host, and make it first where there is none"};
  declare(options, wanted);
  return run_plain(kCommand, options, arguments, [&]() -> Result<std::string> {
    KOBUK_CHECK(check_root(kCommand));
    return start(wanted);
  });
}

}  // namespace kobuk::app
