// _ping, version, info, auth, system/df, and what is refused as a whole: builds, swarm, plugins.
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>

#include "codec/json.h"
#include "engine/docker.h"
#include "sys/file.h"

namespace kobuk::engine::docker {
namespace {

struct HostInfo {
  utsname names{};
  std::string os = "Linux", os_version;
  int64_t memory = 0;
};

HostInfo host_info() {
  HostInfo out;
  uname(&out.names);
  auto release = sys::read_file("/etc/os-release", 1 << 16).value_or("");
  for (std::string_view line : split(release, '\n')) {
    size_t equals = line.find('=');
    std::string value(equals == std::string_view::npos ? std::string_view() : line.substr(equals + 1));
    std::erase(value, '"');
    if (line.starts_with("PRETTY_NAME=")) out.os = value;
    if (line.starts_with("VERSION_ID=")) out.os_version = value;
  }
  out.memory = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  return out;
}

std::string docker_arch(std::string_view machine) { return machine == "x86_64" ? "amd64" : machine == "aarch64" ? "arm64" : std::string(machine); }

io::Task<Response> ping(Call call) {
  Response out = io::http::text_response(200, call.request.method == "HEAD" ? "" : "OK");
  out.headers.set("Builder-Version", "1");
  out.headers.set("Swarm", "inactive");
  out.headers.set("Cache-Control", "no-cache, no-store, must-revalidate");
  out.headers.set("Pragma", "no-cache");
  co_return out;
}

io::Task<Response> version(Call) {
  HostInfo host = host_info();
  std::string arch = docker_arch(host.names.machine), api = cat("1.", kApiMinor), oldest = cat("1.", kOldestMinor);
  JsonText out;
  out.open_object().key("Platform").open_object().field("Name", "kobuk").close_object();
  out.key("Components").open_array().open_object().field("Name", "Engine").field("Version", kEngineVersion);
  out.key("Details").open_object().field("ApiVersion", api).field("Arch", arch).field("BuildTime", "");
  out.field("Experimental", "false").field("GitCommit", "kobuk").field("GoVersion", "none (C++)").field("KernelVersion", host.names.release);
  out.field("MinAPIVersion", oldest).field("Os", "linux").close_object().close_object().close_array();
  out.field("Version", kEngineVersion).field("ApiVersion", api).field("MinAPIVersion", oldest).field("GitCommit", "kobuk");
  out.field("GoVersion", "none (C++)").field("Os", "linux").field("Arch", arch).field("KernelVersion", host.names.release);
  out.field("BuildTime", "").close_object();
  co_return json(200, std::move(out));
}

io::Task<Response> info(Call call) {
  Core& core = *call.core;
  HostInfo host = host_info();
  const sys::HostFacts& facts = core.runtime().facts();
  int64_t running = 0, paused = 0, stopped = 0;
  for (const auto& [id, entry] : core.entries()) {
    if (entry->record.origin != Origin::kDocker) continue;
    ++(entry->status.status == Status::kRunning ? running : entry->status.status == Status::kPaused ? paused : stopped);
  }
  JsonText out;
  out.open_object().field("ID", core.id()).field("Containers", running + paused + stopped).field("ContainersRunning", running);
  out.field("ContainersPaused", paused).field("ContainersStopped", stopped).field("Images", core.images().list().size());
  out.field("Driver", "overlay2").key("DriverStatus").open_array().close_array();
  out.key("Plugins").open_object().field("Volume", std::vector<std::string>{"local"});
  out.field("Network", std::vector<std::string>{"bridge", "host", "null"}).null_field("Authorization");
  out.field("Log", std::vector<std::string>{"json-file", "none"}).close_object();
  auto has = [&](std::string_view controller) { return facts.cgroups.find(controller) != nullptr; };
  out.field("MemoryLimit", has("memory")).field("SwapLimit", has("memory")).field("CpuCfsPeriod", has("cpu")).field("CpuCfsQuota", has("cpu"));
  out.field("CPUShares", has("cpu")).field("CPUSet", has("cpuset")).field("PidsLimit", has("pids")).field("OomKillDisable", false);
  out.field("IPv4Forwarding", true).field("Debug", false).field("NFd", 0).field("NGoroutines", 0).field("NEventsListener", 0);
  out.field("SystemTime", format_rfc3339_nano(core.loop().now())).field("LoggingDriver", "json-file").field("CgroupDriver", "cgroupfs");
  out.field("CgroupVersion", facts.cgroups.mode == sys::CgroupMode::kV2 ? "2" : "1");
  out.field("KernelVersion", host.names.release).field("OperatingSystem", host.os).field("OSVersion", host.os_version).field("OSType", "linux");
  out.field("Architecture", host.names.machine).field("NCPU", sysconf(_SC_NPROCESSORS_ONLN)).field("MemTotal", host.memory);
  out.field("IndexServerAddress", "https://index.docker.io/v1/");
  out.key("RegistryConfig").open_object().field("InsecureRegistryCIDRs", std::vector<std::string>{"127.0.0.0/8", "::1/128"});
  out.key("IndexConfigs").open_object().key("docker.io").open_object().field("Name", "docker.io");
  std::vector<std::string> mirrors;
  if (auto found = core.options().mirrors.find("docker.io"); found != core.options().mirrors.end()) mirrors = found->second;
  out.field("Mirrors", mirrors).field("Secure", true).field("Official", true).close_object().close_object();
  out.field("Mirrors", mirrors).close_object();
  out.null_field("GenericResources").field("DockerRootDir", core.options().directory).field("HttpProxy", "").field("HttpsProxy", "").field("NoProxy", "");
  out.field("Name", host.names.nodename).key("Labels").open_array().close_array().field("ExperimentalBuild", false).field("ServerVersion", kEngineVersion);
  out.key("Runtimes").open_object().key("kobuk").open_object().field("path", "kobuk").close_object().close_object().field("DefaultRuntime", "kobuk");
  out.key("Swarm").open_object().field("NodeID", "").field("NodeAddr", "").field("LocalNodeState", "inactive").field("ControlAvailable", false);
  out.field("Error", "").null_field("RemoteManagers").close_object().field("LiveRestoreEnabled", true).field("Isolation", "").field("InitBinary", "");
  for (const char* name : {"ContainerdCommit", "RuncCommit", "InitCommit"}) out.key(name).open_object().field("ID", "").close_object();
  std::vector<std::string> security;
  if (facts.seccomp) security.emplace_back("name=seccomp,profile=builtin");
  out.field("SecurityOptions", security).null_field("CDISpecDirs").key("Warnings").open_array().close_array().close_object();
  co_return json(200, std::move(out));
}

// Credentials are kept by the client and proved by the registry at the next pull.
io::Task<Response> auth(Call call) {
  auto body = co_await read_json(call.request);
  if (!body) co_return error_response(body.error());
  if (body->root["username"].as_string().empty() && body->root["identitytoken"].as_string().empty())
    co_return message_response(400, "no credentials were given");
  co_return message_response(501, "logging in is not supported here: put the credentials into ~/.docker/config.json (auths), pull and push send them to the registry");
}

io::Task<Response> disk_usage(Call call) {
  Core& core = *call.core;
  std::vector<EntryPtr> containers;
  for (const auto& [id, entry] : core.entries())
    if (entry->record.origin == Origin::kDocker) containers.push_back(entry);
  std::vector<VolumeRecord> volumes;
  std::vector<std::string> folders;
  for (const auto& [name, volume] : core.volumes()) {
    volumes.push_back(volume);
    folders.push_back(core.volume_path(name));
  }
  auto container_sizes = co_await own_sizes(core, containers);
  auto volume_sizes = co_await directory_sizes(core.loop(), folders);
  std::vector<image::ImageInfo> images = core.images().list();
  JsonText out;
  int64_t layers = 0;
  for (const image::ImageInfo& image : images) layers += image.size;
  out.open_object().field("LayersSize", layers).key("Images").open_array();
  for (const image::ImageInfo& image : images) out.raw(image_summary_json(core, image));
  out.close_array().key("Containers").open_array();
  for (size_t i = 0; i < containers.size(); ++i) out.raw(container_summary_json(core, *containers[i], container_sizes[i]));
  out.close_array().key("Volumes").open_array();
  for (size_t i = 0; i < volumes.size(); ++i) out.raw(volume_json(core, volumes[i], volume_sizes[i]));
  out.close_array().key("BuildCache").open_array().close_array().field("BuilderSize", 0).close_object();
  co_return json(200, std::move(out));
}

io::Task<Response> no_build(Call) {
  co_return message_response(501, "building images is not supported yet: build with another tool (docker buildx, podman, buildah) and load the result with docker load, or push it to a registry");
}
io::Task<Response> no_swarm(Call) {
  co_return message_response(503, "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this node to swarm and try again.");
}
io::Task<Response> swarm_refused(Call) { co_return message_response(501, "swarm mode is not supported: use Kubernetes objects (kobuk kubectl)"); }
io::Task<Response> no_plugins(Call) { co_return io::http::json_response(200, "[]\n"); }
io::Task<Response> empty_build_prune(Call) { co_return io::http::json_response(200, "{\"CachesDeleted\":[],\"SpaceReclaimed\":0}\n"); }

}  // namespace

std::vector<Route> system_routes() {
  std::vector<Route> out = {{"GET", "/_ping", ping},       {"GET", "/version", version},        {"GET", "/info", info},
                            {"POST", "/auth", auth},       {"GET", "/system/df", disk_usage},   {"POST", "/build", no_build},
                            {"POST", "/session", no_build}, {"POST", "/grpc", no_build},        {"GET", "/plugins", no_plugins},
                            {"POST", "/build/prune", empty_build_prune}, {"POST", "/swarm/init", swarm_refused}, {"POST", "/swarm/join", swarm_refused}};
  for (const char* path : {"/swarm", "/nodes", "/services", "/tasks", "/secrets", "/configs", "/nodes/*", "/services/*", "/tasks/*", "/secrets/*", "/configs/*"})
    out.push_back({"GET", path, no_swarm});
  return out;
}

}  // namespace kobuk::engine::docker
