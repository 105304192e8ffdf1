// Certificates for tests, made once a process by the openssl program.
#pragma once

#include <memory>

#include "io/tls.h"

namespace kobuk::io {

struct TestTls {
  std::shared_ptr<TlsContext> server, client;  // null when openssl is not installed
};
// The server offers `alpn`; the client trusts it, and offers `client_alpn`.
TestTls make_test_tls(std::vector<std::string> alpn, std::vector<std::string> client_alpn);

}  // namespace kobuk::io
