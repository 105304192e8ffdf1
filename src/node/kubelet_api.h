// The kubelet's HTTPS API: /healthz, /pods, /containerLogs/<namespace>/<pod>/<container>. Only the API server may call it
// (its client certificate is kube-apiserver-kubelet-client or of the group system:masters): 401 without a certificate,
// 403 with another one.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "io/http.h"
#include "node/logs.h"
#include "node/pod.h"
#include "node/runtime_cache.h"

namespace kobuk::node {

// What the API shows; the kubelet owns it.
struct KubeletView {
  io::Loop& loop;
  std::function<std::vector<PodPtr>()> pods;
  std::function<PodPtr(const std::string& key)> find;
  std::function<const PodRuntime&(const std::string& uid)> runtime;
  // An event that is set whenever something of that pod has changed, as long as somebody holds it.
  std::function<std::shared_ptr<io::Event>(const std::string& uid)> changes;
};

std::unique_ptr<io::http::Handler> make_kubelet_api(KubeletView view);

}  // namespace kobuk::node
