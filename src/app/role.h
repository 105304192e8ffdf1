// One role, started and stopped. Internal to app: roles.cc runs them, role_*.cc make them.
#pragma once

#include <memory>
#include <string>

#include "api/cache.h"
#include "api/client.h"
#include "app/pki.h"
#include "app/profile.h"
#include "engine/cri.h"
#include "io/http.h"
#include "io/loop.h"

namespace kobuk::app {

// What roles of one process share. Null: that role runs elsewhere.
struct Shared {
  io::Loop& loop;
  const Profile& profile;
  const Pki& pki;
  io::http::Handler* apiserver = nullptr;
  engine::Cri* cri = nullptr;
  api::Caches* caches = nullptr;  // of the controllers: one watch and one decode a resource, for the scheduler too

  // A client of the API server as `user`: straight into its handler, or over TLS with the certificate.
  Result<std::unique_ptr<io::http::Transport>> connect(const std::string& user, const std::vector<std::string>& groups,
                                                       const KeyPair& certificate) const;
};

class RunningRole {
 public:
  virtual ~RunningRole() = default;
  virtual io::Task<Result<void>> start() = 0;
  virtual io::Task<void> stop() = 0;
};

std::unique_ptr<RunningRole> make_engine_role(Shared& shared);
std::unique_ptr<RunningRole> make_registry_role(Shared& shared);
std::unique_ptr<RunningRole> make_apiserver_role(Shared& shared);
std::unique_ptr<RunningRole> make_controllers_role(Shared& shared);
std::unique_ptr<RunningRole> make_scheduler_role(Shared& shared);
std::unique_ptr<RunningRole> make_node_role(Shared& shared);

}  // namespace kobuk::app
