#include "io/testing/certificates.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "base/strings.h"

namespace kobuk::io {
namespace {

struct Pair {
  std::string certificate, key;
};

Pair make_pair() {
  Pair out;
  char name[] = "/tmp/io_certificates.XXXXXX";
  if (access("/usr/bin/openssl", X_OK) != 0 || mkdtemp(name) == nullptr) return out;
  std::string command = cat("cd ", name, " && openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key -out cert -days 2",
                            " -subj /CN=test -addext subjectAltName=IP:127.0.0.1,DNS:localhost >log 2>&1");
  auto read = [&](const char* file) {
    std::ifstream in(cat(name, "/", file));
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  if (std::system(command.c_str()) == 0) out = {read("cert"), read("key")};
  std::filesystem::remove_all(name);
  return out;
}

}  // namespace

TestTls make_test_tls(std::vector<std::string> alpn, std::vector<std::string> client_alpn) {
  static const Pair pair = make_pair();
  TestTls out;
  if (pair.certificate.empty()) return out;
  auto server = make_tls_server_context({.certificate_chain_pem = pair.certificate, .private_key_pem = pair.key, .alpn = std::move(alpn)});
  auto client = make_tls_client_context({.ca_pem = pair.certificate, .alpn = std::move(client_alpn)});
  if (server) out.server = *server;
  if (client) out.client = *client;
  return out;
}

}  // namespace kobuk::io
