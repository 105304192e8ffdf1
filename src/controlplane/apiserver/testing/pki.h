// A certificate authority for tests, and certificates of it for 127.0.0.1.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "codec/x509.h"
#include "io/tls.h"

namespace kobuk::controlplane::apiserver::testing {

class Pki {
 public:
  Pki();
  const std::string& ca_pem() const { return ca_pem_; }
  // Asks clients for certificates of the same authority.
  std::shared_ptr<io::TlsContext> server_context() const;
  // {certificate, key} in PEM.
  std::pair<std::string, std::string> client(std::string_view name, std::vector<std::string> organizations) const;

 private:
  std::string issue(codec::CertificateSpec spec, const codec::PrivateKey& key) const;
  codec::PrivateKey key_;
  std::string ca_, ca_pem_;
};

}  // namespace kobuk::controlplane::apiserver::testing
