#include "node/kubelet_api.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include "base/strings.h"
#include "codec/x509.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {

using namespace std::chrono_literals;

class KubeletApi : public ::testing::Test {
 protected:
  KubeletApi() {
    char name[] = "/tmp/kobuk-kubelet-XXXXXX";
    root = mkdtemp(name);
    auto pod = std::make_shared<core::Pod>();
    pod->metadata.name = "web", pod->metadata.namespace_ = "default", pod->metadata.uid = "u1";
    pod->spec.containers.emplace_back().name = "app";
    pod->spec.containers.emplace_back().name = "late";
    engine::ContainerStatus status;
    status.id = "c1", status.name = "app", status.phase = engine::ContainerPhase::kExited, status.log_path = root + "/0.log";
    runtime.containers = {status};
    EXPECT_TRUE(sys::write_file(status.log_path, "2026-01-02T03:04:05Z stdout F one\n2026-01-02T03:04:06Z stderr F two\n"));
    KubeletView view{.loop = loop};
    view.pods = [pod] { return std::vector<PodPtr>{pod}; };
    view.find = [pod](const std::string& key) { return key == "default/web" ? PodPtr(pod) : nullptr; };
    view.runtime = [this](const std::string&) -> const PodRuntime& { return runtime; };
    view.changes = [this](const std::string&) { return std::make_shared<io::Event>(loop); };
    api = make_kubelet_api(std::move(view));
  }
  ~KubeletApi() override { EXPECT_TRUE(sys::remove_tree(root)); }

  static io::Task<std::pair<int, std::string>> ask(io::http::Handler& api, io::http::Request request) {
    io::http::Response response = co_await api.handle(std::move(request));
    int status = response.status;
    auto body = co_await response.body.read_all(1 << 20);
    co_return std::pair(status, body.value_or("error"));
  }
  std::pair<int, std::string> get(std::string target, io::http::Peer peer) {
    io::http::Request request;
    request.target = std::move(target);
    request.peer = std::move(peer);
    return loop.run_until_done(ask(*api, std::move(request)));
  }
  std::pair<int, std::string> get(std::string target) { return get(std::move(target), {.trusted_user = "kube-apiserver-kubelet-client"}); }
  static io::http::Peer with_certificate(const std::string& name, std::vector<std::string> groups) {
    auto key = codec::PrivateKey::generate();
    WallTime now = system_clock().wall();
    auto ca = codec::self_signed_ca("ca", *key, now, now + 1h);
    auto leaf = codec::issue_certificate({.common_name = name, .organizations = std::move(groups), .client_auth = true, .not_before = now, .not_after = now + 1h}, *key, *ca, *key);
    return {.certificate_der = *leaf, .tls = true};
  }

  io::Loop loop;
  std::string root;
  PodRuntime runtime;
  std::unique_ptr<io::http::Handler> api;
};

TEST_F(KubeletApi, AnswersTheApiServerAlone) {
  EXPECT_EQ(get("/healthz", {}).first, 401);
  EXPECT_EQ(get("/pods", with_certificate("system:node:n1", {"system:nodes"})).first, 403);
  EXPECT_EQ(get("/healthz", with_certificate("kube-apiserver-kubelet-client", {})).first, 200);
  EXPECT_EQ(get("/healthz", with_certificate("kubernetes-admin", {"system:masters"})).first, 200);
  EXPECT_EQ(get("/healthz", {.certificate_der = "rubbish", .tls = true}).first, 401);
}

TEST_F(KubeletApi, ShowsPodsAndLogs) {
  EXPECT_EQ(get("/healthz").second, "ok");
  EXPECT_NE(get("/pods").second.find("\"name\":\"web\""), std::string::npos);
  EXPECT_EQ(get("/containerLogs/default/web/app").second, "one\ntwo\n");
  EXPECT_EQ(get("/containerLogs/default/web/app?tailLines=1&timestamps=true").second, "2026-01-02T03:04:06Z two\n");
  EXPECT_EQ(get("/containerLogs/default/web/app?follow=true").second, "one\ntwo\n");  // it has ended
}

TEST_F(KubeletApi, SaysWhatIsNotThere) {
  EXPECT_EQ(get("/containerLogs/default/none/app").first, 404);
  EXPECT_EQ(get("/containerLogs/default/web/none").first, 404);
  EXPECT_EQ(get("/containerLogs/default/web").first, 404);
  EXPECT_EQ(get("/nothing").first, 404);
  EXPECT_EQ(get("/containerLogs/default/web/app?tailLines=x").first, 422);
  EXPECT_EQ(get("/containerLogs/default/web/late").second, "container \"late\" in pod \"web\" is waiting to start: ContainerCreating");
  EXPECT_EQ(get("/containerLogs/default/web/app?previous=true"),
            (std::pair<int, std::string>{400, "previous terminated container \"app\" in pod \"web\" not found"}));
}

}  // namespace
}  // namespace kobuk::node
