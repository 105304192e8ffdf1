#include "controlplane/apiserver/testing/kubectl_fixture.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "codec/pem.h"
#include "codec/x509.h"

namespace kobuk::controlplane::apiserver::testing {
namespace {

void write_text(const std::string& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

std::string certificate(codec::CertificateSpec spec, const codec::PrivateKey& key, std::string_view ca, const codec::PrivateKey& ca_key) {
  spec.not_before = system_clock().wall() - std::chrono::hours(1);
  spec.not_after = system_clock().wall() + std::chrono::hours(24);
  return codec::encode_pem("CERTIFICATE", *codec::issue_certificate(spec, key, ca, ca_key));
}

std::pair<int, std::string> run_blocking(const std::string& command) {
  std::pair<int, std::string> out;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return {-1, "popen failed"};
  char buffer[4096];
  for (size_t n; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) out.second.append(buffer, n);
  int status = pclose(pipe);
  out.first = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return out;
}

// The server answers on the loop meanwhile.
io::Task<std::pair<int, std::string>> run(io::Loop& loop, std::string command) {
  auto work = [command] { return run_blocking(command); };
  auto done = co_await loop.offload("kubectl", work);
  co_return done;
}

}  // namespace

void KubectlTest::SetUp() {
  if (std::system("command -v kubectl >/dev/null 2>&1") != 0) GTEST_SKIP() << "kubectl is not installed";
  char name[] = "/tmp/kubectl_test.XXXXXX";
  folder_ = mkdtemp(name);
  serve();
}

void KubectlTest::TearDown() {
  if (https_) loop_.run_until_done(https_->shutdown(std::chrono::seconds(0)));
  https_ = nullptr;
  if (!folder_.empty()) std::filesystem::remove_all(folder_);
}

void KubectlTest::serve() {
  auto now = system_clock().wall();
  codec::PrivateKey ca_key = *codec::PrivateKey::generate(), server_key = *codec::PrivateKey::generate(),
                    client_key = *codec::PrivateKey::generate();
  std::string ca = *codec::self_signed_ca("test", ca_key, now - std::chrono::hours(1), now + std::chrono::hours(24));
  std::string ca_pem = codec::encode_pem("CERTIFICATE", ca);
  io::TlsServerOptions tls{.client_ca_pem = ca_pem};
  tls.certificate_chain_pem = certificate({.common_name = "kube-apiserver", .ip_addresses = {"127.0.0.1"}, .server_auth = true}, server_key, ca, ca_key);
  tls.private_key_pem = server_key.to_pem();
  https_ = std::make_unique<io::http::Server>(loop_, *server_);
  auto listening = https_->listen("127.0.0.1:0", *io::make_tls_server_context(tls));
  ASSERT_TRUE(listening) << listening.error().message();
  codec::CertificateSpec admin{.common_name = "kubernetes-admin", .organizations = {"system:masters"}, .client_auth = true};
  std::string client = certificate(admin, client_key, ca, ca_key);
  write_text(cat(folder_, "/config"),
             cat("apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{name: t, cluster: {server: 'https://127.0.0.1:", https_->port(),
                 "', certificate-authority-data: ", base64(ca_pem), "}}]\ncontexts: [{name: t, context: {cluster: t, user: t}}]\n",
                 "users: [{name: t, user: {client-certificate-data: ", base64(client), ", client-key-data: ", base64(client_key.to_pem()), "}}]\n"));
}

KubectlTest::Output KubectlTest::kubectl(std::string_view arguments, std::string_view input) {
  write_text(cat(folder_, "/input"), input);
  std::string command = cat("HOME=", folder_, " KUBECONFIG=", folder_, "/config timeout 30 kubectl ", arguments, " <", folder_, "/input 2>&1");
  auto [exit_code, text] = loop_.run_until_done(run(loop_, std::move(command)));
  return {exit_code, text};
}

}  // namespace kobuk::controlplane::apiserver::testing
