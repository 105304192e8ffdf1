#include "controlplane/apiserver/testing/kubectl_fixture.h"

#include <sys/wait.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "base/strings.h"
#include "controlplane/apiserver/testing/pki.h"

namespace kobuk::controlplane::apiserver::testing {
namespace {

void write_text(const std::string& path, std::string_view text) { std::ofstream(path, std::ios::binary) << text; }

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
  Pki pki;
  https_ = std::make_unique<io::http::Server>(loop_, *server_);
  auto listening = https_->listen("127.0.0.1:0", pki.server_context());
  ASSERT_TRUE(listening) << listening.error().message();
  auto [certificate, key] = pki.client("kubernetes-admin", {"system:masters"});
  write_text(cat(folder_, "/config"),
             cat("apiVersion: v1\nkind: Config\ncurrent-context: t\nclusters: [{name: t, cluster: {server: 'https://127.0.0.1:", https_->port(),
                 "', certificate-authority-data: ", base64(pki.ca_pem()), "}}]\ncontexts: [{name: t, context: {cluster: t, user: t}}]\n",
                 "users: [{name: t, user: {client-certificate-data: ", base64(certificate), ", client-key-data: ", base64(key), "}}]\n"));
}

KubectlTest::Output KubectlTest::kubectl(std::string_view arguments, std::string_view input) {
  write_text(cat(folder_, "/input"), input);
  std::string command = cat("HOME=", folder_, " KUBECONFIG=", folder_, "/config timeout 30 kubectl ", arguments, " <", folder_, "/input 2>&1");
  auto [exit_code, text] = loop_.run_until_done(run(loop_, std::move(command)));
  return {exit_code, text};
}

}  // namespace kobuk::controlplane::apiserver::testing
