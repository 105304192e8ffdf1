// The API server with its store, on loopback and on the node's address.
#include "app/role.h"
#include "controlplane/apiserver/server.h"
#include "io/tls.h"
#include "store/store.h"

namespace kobuk::app {
namespace {

class ApiServerRole final : public RunningRole {
 public:
  explicit ApiServerRole(Shared& shared) : shared_(shared) {}

  io::Task<Result<void>> start() override {
    const Profile& profile = shared_.profile;
    KOBUK_CO_CHECK(open_store());
    AddressPlan addresses = profile.addresses();
    server_.emplace(shared_.loop, *store_, controlplane::ApiServerOptions{
        .service_cidr = addresses.service_cidr,
        .advertise_address = addresses.node_ip,
        .secure_port = profile.port,
        .kubelet = {shared_.pki.ca, shared_.pki.apiserver_kubelet.certificate, shared_.pki.apiserver_kubelet.key}});
    KOBUK_CO_CHECK(listen());
    KOBUK_CO_CHECK(co_await server_->start());
    shared_.apiserver = &*server_;
    co_return Result<void>();
  }

  io::Task<void> stop() override {
    shared_.apiserver = nullptr;
    if (server_) co_await server_->shutdown();
    if (https_) co_await https_->shutdown(std::chrono::milliseconds(500));
    https_.reset();
    server_.reset();
    store_.reset();
  }

 private:
  Result<void> open_store() {
    if (shared_.profile.store == "embedded") {
      KOBUK_TRY(store_, store::open_embedded_store(shared_.loop, shared_.profile.store_directory()));
      return {};
    }
    std::vector<std::string> endpoints;
    for (std::string_view server : shared_.profile.etcd_servers) {
      if (server.starts_with("https://")) return fail(Code::kUnsupported, "etcd over TLS needs certificates, which no option names yet; give http://HOST:PORT");
      endpoints.emplace_back(server.starts_with("http://") ? server.substr(7) : server);
    }
    KOBUK_TRY(store_, store::make_etcd_store(shared_.loop, {.endpoints = std::move(endpoints)}));
    return {};
  }

  Result<void> listen() {
    KOBUK_TRY(auto tls, io::make_tls_server_context({.certificate_chain_pem = shared_.pki.apiserver.certificate,
                                                     .private_key_pem = shared_.pki.apiserver.key,
                                                     .client_ca_pem = shared_.pki.ca,
                                                     .alpn = {"h2", "http/1.1"}}));
    https_.emplace(shared_.loop, *server_);
    for (const std::string& host : {std::string("127.0.0.1"), shared_.profile.addresses().node_ip}) {
      auto done = https_->listen(cat(host, ":", shared_.profile.port), tls);
      if (!done) return fail(std::move(done).error().context("the API server's port ", shared_.profile.port,
                                                             " (choose another: kobuk start --port N)"));
    }
    return {};
  }

  Shared& shared_;
  std::unique_ptr<store::Store> store_;
  std::optional<controlplane::ApiServer> server_;
  std::optional<io::http::Server> https_;
};

}  // namespace

std::unique_ptr<RunningRole> make_apiserver_role(Shared& shared) { return std::make_unique<ApiServerRole>(shared); }

}  // namespace kobuk::app
