#include "app/roles.h"

#include <unistd.h>

#include <algorithm>

#include "app/role.h"
#include "base/log.h"
#include "codec/json.h"
#include "io/tls.h"

namespace kobuk::app {
namespace {

struct Named {
  Role role;
  std::unique_ptr<RunningRole> running;
  std::string state = "Starting";
};

std::unique_ptr<RunningRole> make_role(Role role, Shared& shared) {
  switch (role) {
    case Role::kEngine: return make_engine_role(shared);
    case Role::kRegistry: return make_registry_role(shared);
    case Role::kApiServer: return make_apiserver_role(shared);
    case Role::kControllers: return make_controllers_role(shared);
    case Role::kScheduler: return make_scheduler_role(shared);
    case Role::kNode: return make_node_role(shared);
  }
  std::abort();
}

}  // namespace

std::string_view role_name(Role role) {
  switch (role) {
    case Role::kEngine: return "engine";
    case Role::kRegistry: return "registry";
    case Role::kApiServer: return "apiserver";
    case Role::kControllers: return "controllers";
    case Role::kScheduler: return "scheduler";
    case Role::kNode: return "node";
  }
  std::abort();
}

Result<std::unique_ptr<io::http::Transport>> Shared::connect(const std::string& user, const std::vector<std::string>& groups,
                                                             const KeyPair& certificate) const {
  if (apiserver != nullptr) return io::http::make_in_process_transport(loop, *apiserver, user, groups);
  KOBUK_TRY(auto tls, io::make_tls_client_context({.ca_pem = pki.ca, .certificate_chain_pem = certificate.certificate,
                                                   .private_key_pem = certificate.key,
                                                   .alpn = {"h2", "http/1.1"}}));
  return io::http::make_client(loop, {.address = cat("127.0.0.1:", profile.port), .tls = std::move(tls)});
}

// GET /status on the control socket: which roles this process runs, and how they are.
struct Process::Impl final : io::http::Handler {
  Impl(io::Loop& l, Profile p, Pki k, std::vector<Role> wanted)
      : loop(l), profile(std::move(p)), pki(std::move(k)), shared{l, profile, pki}, control(l, *this) {
    std::sort(wanted.begin(), wanted.end());
    for (Role role : wanted) roles.push_back({role, make_role(role, shared)});
  }

  std::string control_name() const {
    return std::string(roles.size() == 1 ? role_name(roles[0].role) : kServe);
  }

  io::Task<io::http::Response> handle(io::http::Request request) override {
    if (request.method != "GET" || request.path() != "/status") co_return io::http::text_response(404, "there is /status\n");
    codec::Arena arena;
    codec::Value list = codec::Value::array();
    for (const Named& named : roles) {
      codec::Value role = codec::Value::object();
      role.set(arena, "name", codec::Value::string_view(role_name(named.role)));
      role.set(arena, "state", codec::Value::string_view(named.state));
      role.set(arena, "pid", codec::Value::integer(getpid()));
      list.push(arena, role);
    }
    codec::Value out = codec::Value::object();
    out.set(arena, "roles", list);
    co_return io::http::json_response(200, codec::to_json(out));
  }

  io::Loop& loop;
  Profile profile;
  Pki pki;
  Shared shared;
  std::vector<Named> roles;
  io::http::Server control;
};

Process::Process(io::Loop& loop, Profile profile, Pki pki, std::vector<Role> roles)
    : impl_(std::make_unique<Impl>(loop, std::move(profile), std::move(pki), std::move(roles))) {}
Process::~Process() = default;

io::Task<Result<void>> Process::start() {
  // Taken first: it is what keeps a second process of the same name away.
  auto mine = impl_->control.listen(cat("unix:", impl_->profile.control_socket(impl_->control_name())), nullptr);
  if (!mine && mine.error().code() == Code::kAlreadyExists) {
    co_return fail(Code::kAlreadyExists, "profile ", go_quote(impl_->profile.name), " already runs ", impl_->control_name(),
                   "; see kobuk status, or end it with kobuk stop");
  }
  if (!mine) co_return mine;
  for (Named& named : impl_->roles) {
    auto started = co_await named.running->start();
    if (!started) {
      named.state = "Failed";
      co_return fail(std::move(started).error().context(role_name(named.role)));
    }
    named.state = "Running";
    log::info("role started", {{"role", std::string(role_name(named.role))}, {"profile", impl_->profile.name}});
  }
  co_return Result<void>();
}

io::Task<void> Process::stop() {
  for (auto named = impl_->roles.rbegin(); named != impl_->roles.rend(); ++named) {
    named->state = "Stopping";
    co_await named->running->stop();
  }
  co_await impl_->control.shutdown(std::chrono::milliseconds(100));
}

}  // namespace kobuk::app
