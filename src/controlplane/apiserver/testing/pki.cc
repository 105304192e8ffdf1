#include "controlplane/apiserver/testing/pki.h"

#include "codec/pem.h"

namespace kobuk::controlplane::apiserver::testing {

Pki::Pki() : key_(*codec::PrivateKey::generate()) {
  auto now = system_clock().wall();
  ca_ = *codec::self_signed_ca("test", key_, now - std::chrono::hours(1), now + std::chrono::hours(24));
  ca_pem_ = codec::encode_pem("CERTIFICATE", ca_);
}

std::string Pki::issue(codec::CertificateSpec spec, const codec::PrivateKey& key) const {
  spec.not_before = system_clock().wall() - std::chrono::hours(1);
  spec.not_after = system_clock().wall() + std::chrono::hours(24);
  return codec::encode_pem("CERTIFICATE", *codec::issue_certificate(spec, key, ca_, key_));
}

std::shared_ptr<io::TlsContext> Pki::server_context() const {
  codec::PrivateKey key = *codec::PrivateKey::generate();
  io::TlsServerOptions tls{.client_ca_pem = ca_pem_};
  tls.certificate_chain_pem = issue({.common_name = "server", .ip_addresses = {"127.0.0.1"}, .server_auth = true}, key);
  tls.private_key_pem = key.to_pem();
  return *io::make_tls_server_context(tls);
}

std::pair<std::string, std::string> Pki::client(std::string_view name, std::vector<std::string> organizations) const {
  codec::PrivateKey key = *codec::PrivateKey::generate();
  codec::CertificateSpec spec{.common_name = std::string(name), .organizations = std::move(organizations), .client_auth = true};
  return {issue(std::move(spec), key), key.to_pem()};
}

}  // namespace kobuk::controlplane::apiserver::testing
