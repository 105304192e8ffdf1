// ApiServer: the Kubernetes API over a Store, as a Handler. Chain: request info, authentication (client certificate of
// our CA, or a caller within the process), authorization, routing; then decode, merge, default, prune, validate,
// strategy, store transaction.
//
//   ApiServer server(loop, *store, options);
//   KOBUK_CO_CHECK(co_await server.start());              // default and kube-* namespaces, the kubernetes Service
//   http::Server https(loop, server);  https.listen("127.0.0.1:6443", tls);
//   api::Client client(http::make_in_process_transport(loop, server, "system:kube-scheduler", {"system:masters"}));
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/http.h"
#include "io/loop.h"
#include "store/store.h"

namespace kobuk::controlplane {

// How the API server reaches the kubelet of a node: logs, exec, port-forward.
struct KubeletAccess {
  std::string ca_pem, certificate_pem, key_pem;  // of the client that the kubelets know
};

struct ApiServerOptions {
  std::string service_cidr = "10.96.0.0/16";
  uint16_t node_port_first = 30000, node_port_last = 32767;
  std::string advertise_address;       // "10.100.0.1": the endpoint of the Service "kubernetes"
  uint16_t secure_port = 6443;
  KubeletAccess kubelet;
};

class ApiServer final : public io::http::Handler {
 public:
  ApiServer(io::Loop& loop, store::Store& store, ApiServerOptions options);
  ~ApiServer() override;
  // Until it is done, /readyz says no.
  io::Task<Result<void>> start();
  io::Task<io::http::Response> handle(io::http::Request request) override;
  // Ends watches and background work; before destruction.
  io::Task<void> shutdown();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace kobuk::controlplane
