#include "node/kubelet_api.h"

#include <algorithm>

#include "api/decode.h"
#include "base/strings.h"
#include "codec/x509.h"

namespace kobuk::node {
namespace {

using io::http::Request;
using io::http::Response;
using io::http::text_response;

enum class Access : uint8_t { kAllowed, kUnknown, kForbidden };

Access access_of(const io::http::Peer& peer, std::string& user) {
  std::vector<std::string> groups = peer.trusted_groups;
  user = peer.trusted_user;
  if (user.empty() && !peer.certificate_der.empty()) {
    auto certificate = codec::parse_certificate(peer.certificate_der);
    if (!certificate) return Access::kUnknown;
    user = certificate->common_name;
    groups = certificate->organizations;
  }
  if (user.empty()) return Access::kUnknown;
  bool allowed = user == "kube-apiserver-kubelet-client" || std::ranges::find(groups, "system:masters") != groups.end();
  return allowed ? Access::kAllowed : Access::kForbidden;
}

class KubeletApi final : public io::http::Handler {
 public:
  explicit KubeletApi(KubeletView view) : view_(std::move(view)) {}

  io::Task<Response> handle(Request request) override {
    std::string user;
    Access access = access_of(request.peer, user);
    if (access == Access::kUnknown) co_return text_response(401, "Unauthorized");
    if (access == Access::kForbidden) {
      co_return text_response(403, cat("Forbidden (user=", user, ", verb=get, resource=nodes, subresource(s)=[proxy])"));
    }
    if (request.method != "GET" && request.method != "HEAD") co_return text_response(405, "Method Not Allowed");
    std::string path(request.path());
    if (path == "/healthz" || path.starts_with("/healthz/")) co_return text_response(200, "ok");
    if (path == "/pods" || path == "/pods/") co_return io::http::json_response(200, list_pods());
    if (path.starts_with("/containerLogs/")) co_return container_logs(path, request.query());
    co_return text_response(404, "404 page not found\n");
  }

 private:
  std::string list_pods() const {
    std::string out = R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[)";
    bool first = true;
    for (const PodPtr& pod : view_.pods()) {
      cat_to(out, first ? "" : ",", api::to_json(*pod));
      first = false;
    }
    return out + "]}";
  }

  Response container_logs(const std::string& path, std::string_view raw_query) const {
    std::vector<std::string> parts;
    for (std::string_view part : split(std::string_view(path).substr(15), '/')) {
      auto decoded = io::http::percent_decode(part);
      if (!decoded) return text_response(400, "invalid path");
      parts.push_back(*std::move(decoded));
    }
    if (parts.size() != 3) return text_response(404, "404 page not found\n");
    auto query = io::http::parse_query(raw_query);
    if (!query) return text_response(400, query.error().message());
    auto options = parse_log_options(*query, view_.loop.now());
    if (!options) return text_response(422, options.error().message());
    PodPtr pod = view_.find(cat(parts[0], "/", parts[1]));
    if (!pod) return text_response(404, cat("pod \"", parts[1], "\" does not exist\n"));
    if (!find_container(pod->spec, parts[2])) {
      return text_response(404, cat("container \"", parts[2], "\" not found in pod \"", parts[1], "\"\n"));
    }
    return open(*pod, parts[2], *std::move(options));
  }

  Response open(const core::Pod& pod, const std::string& name, LogOptions options) const {
    const PodRuntime& runtime = view_.runtime(pod.metadata.uid);
    const engine::ContainerStatus* status = runtime.latest(name);
    if (options.previous || (status && status->phase == engine::ContainerPhase::kCreated)) {
      const engine::ContainerStatus* before = runtime.previous(name);
      if (options.previous && !before) {
        return text_response(400, cat("previous terminated container \"", name, "\" in pod \"", pod.metadata.name, "\" not found"));
      }
      status = before;
    }
    if (!status) {
      return text_response(400, cat("container \"", name, "\" in pod \"", pod.metadata.name, "\" is waiting to start: ", waiting_reason(pod, name)));
    }
    FollowedContainer followed;
    std::string uid = pod.metadata.uid, id = status->id;
    auto view = view_.runtime;
    followed.running = [view, uid, id] {
      const engine::ContainerStatus* now = view(uid).by_id(id);
      return now && now->phase == engine::ContainerPhase::kRunning;
    };
    followed.changed = options.follow ? view_.changes(uid) : std::make_shared<io::Event>(view_.loop);
    bool follow = options.follow;
    auto body = open_log(view_.loop, status->log_path, std::move(options), std::move(followed));
    if (!body && body.error().code() == Code::kNotFound) return text_response(200, "");  // it has not written yet
    if (!body) return text_response(500, body.error().message());
    Response response;
    response.headers.set("Content-Type", "text/plain");
    response.body = io::http::Body(*std::move(body));
    if (follow) response.body.set_followed();
    return response;
  }

  static std::string waiting_reason(const core::Pod& pod, const std::string& name) {
    for (const auto* list : {&pod.status.container_statuses, &pod.status.init_container_statuses}) {
      for (const core::ContainerStatus& status : *list) {
        if (status.name == name && status.state.waiting) return status.state.waiting->reason;
      }
    }
    return "ContainerCreating";
  }

  KubeletView view_;
};

}  // namespace

std::unique_ptr<io::http::Handler> make_kubelet_api(KubeletView view) { return std::make_unique<KubeletApi>(std::move(view)); }

}  // namespace kobuk::node
