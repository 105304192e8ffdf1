// The roles of a cluster, and a process that runs some of them.
//
//   io::Loop loop;
//   Process process(loop, profile, pki, {Role::kApiServer});
//   KOBUK_CO_CHECK(co_await process.start());       // each role serves
//   co_await process.stop();                        // containers go on
//
// Roles meet only through clients: of the API server and of the engine's CRI. Where both are in one process, the client
// calls the same handler without socket, TLS and text. Loop thread only.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "app/pki.h"
#include "app/profile.h"
#include "base/result.h"
#include "io/loop.h"

namespace kobuk::app {

// In the order in which they are started.
enum class Role : uint8_t { kEngine, kRegistry, kApiServer, kControllers, kScheduler, kNode };
inline constexpr Role kRoles[] = {Role::kEngine, Role::kRegistry, Role::kApiServer, Role::kControllers, Role::kScheduler, Role::kNode};
std::string_view role_name(Role role);  // "engine" "registry" "apiserver" "controllers" "scheduler" "node"

// All of them, in one process: what `kobuk serve` runs and the name of its control socket.
inline constexpr std::string_view kServe = "serve";

class Process {
 public:
  Process(io::Loop& loop, Profile profile, Pki pki, std::vector<Role> roles);
  ~Process();
  io::Task<Result<void>> start();
  io::Task<void> stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kobuk::app
