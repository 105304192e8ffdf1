// TLS by OpenSSL: 1.2 and newer, modern suites. A context is immutable once made and shared by connections.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "io/stream.h"

namespace kobuk::io {

struct TlsServerOptions {
  std::string certificate_chain_pem, private_key_pem;
  std::string client_ca_pem;  // when set, client certificates are asked for (not demanded) and verified against it
  std::vector<std::string> alpn = {"h2", "http/1.1"};
};
struct TlsClientOptions {
  std::string ca_pem;                                  // empty: the system's store
  std::string certificate_chain_pem, private_key_pem;  // empty: no client certificate
  bool insecure_skip_verify = false;
  std::string server_name;  // empty: the host of the address
  std::vector<std::string> alpn = {"h2", "http/1.1"};
};
class TlsContext;  // opaque, shared

Result<std::shared_ptr<TlsContext>> make_tls_server_context(const TlsServerOptions& options);
Result<std::shared_ptr<TlsContext>> make_tls_client_context(const TlsClientOptions& options);

struct TlsInfo {
  std::string alpn;             // "h2", "http/1.1" or empty
  std::string peer_certificate_der;  // verified; empty when the peer showed none
};

}  // namespace kobuk::io
