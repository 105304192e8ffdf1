// Engine: containers, sandboxes, images and networks of one profile, with two front doors: the Docker Engine API (a
// Handler for a Unix socket) and the CRI. Both are thin; what a container's life is stands here once.
//
//   KOBUK_CO_TRY(auto engine, co_await Engine::open(loop, options));
//   http::Server docker(loop, engine->docker_api());
//   docker.listen("unix:/run/kobuk/default/docker.sock", nullptr);
//   node::Kubelet kubelet(loop, client, engine->cri(), …);
//
// What it knows of containers is written under `directory` before it is acted upon; after a crash open() adopts what
// lives and finishes what was half done. Containers outlive it: the destructor stops nothing.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "engine/cri.h"
#include "io/http.h"
#include "io/loop.h"

namespace kobuk::engine {

struct EngineOptions {
  std::string profile = "default";
  std::string directory;      // persistent: /var/lib/kobuk/<profile>/engine
  std::string run_directory;  // on a tmpfs: /run/kobuk/<profile>
  std::string cgroup_root;    // "/kobuk-<profile>"
  std::string pod_subnet;     // "10.100.0.0/24"; empty: no network for pods
  std::string docker_subnet;  // "172.30.0.0/16"
  std::map<std::string, std::vector<std::string>> mirrors;
  std::vector<std::string> insecure_registries;
  // Adopt what lives, but start nothing by itself: for `kobuk stop` and `kobuk delete`, when no daemon runs.
  bool maintenance = false;
  std::string version = "unknown";  // of the program, told to the CRI's clients
};

class Engine {
 public:
  static io::Task<Result<std::unique_ptr<Engine>>> open(io::Loop& loop, EngineOptions options);
  virtual ~Engine() = default;
  virtual io::http::Handler& docker_api() = 0;
  virtual Cri& cri() = 0;
  // The CRI as a gRPC service, for a Unix socket: http::Server(loop, engine->cri_api(), cri_server_limits()).
  virtual io::http::Handler& cri_api() = 0;
  // Stops every container and sandbox, all at once: their stop signal, SIGKILL after `grace`. What `kobuk stop` does;
  // records, images and networks stay, and the next open() acts by restart policies as after a reboot.
  virtual io::Task<Result<void>> stop_everything(Duration grace) = 0;
  // Kills and removes every container, sandbox, network and mount of the profile: `kobuk delete`.
  virtual io::Task<Result<void>> remove_everything() = 0;
};

// HTTP/2 without TLS, and streams that may be silent for as long as they like.
io::http::ServerLimits cri_server_limits();

}  // namespace kobuk::engine
