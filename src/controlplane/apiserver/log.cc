// pods/log: checks as k8s.io/kubernetes pkg/registry/core/pod LogLocation has them, then the kubelet's /containerLogs, passed
// on as it comes.
#include <array>

#include "base/strings.h"
#include "controlplane/apiserver/handlers.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Value;
using io::http::Response;

constexpr size_t kMaxRefusalBytes = 16 << 10;
constexpr std::string_view kDefaultContainer = "kubectl.kubernetes.io/default-container";

std::string names_of(const Value& containers) {
  std::string out;
  for (const Value& one : containers.items()) cat_to(out, out.empty() ? "" : " ", one["name"].as_string());
  return out;
}

bool has_container(const Value& pod, std::string_view name) {
  for (auto list : {"containers", "initContainers", "ephemeralContainers"})
    for (const Value& one : pod["spec"][list].items())
      if (one["name"].as_string() == name) return true;
  return false;
}

Answer<std::string> choose_container(const Value& pod, std::string_view wanted) {
  std::string_view name = pod["metadata"]["name"].as_string();
  if (!wanted.empty()) {
    if (has_container(pod, wanted)) return std::string(wanted);
    return refuse(bad_request(cat("container ", wanted, " is not valid for pod ", name)));
  }
  std::string_view preferred = pod["metadata"]["annotations"][kDefaultContainer].as_string();
  if (!preferred.empty() && has_container(pod, preferred)) return std::string(preferred);
  const Value& containers = pod["spec"]["containers"];
  if (containers.size() == 1) return std::string(containers.at(0)["name"].as_string());
  std::string text = cat("a container name must be specified for pod ", name, ", choose one of: [", names_of(containers), "]");
  if (!pod["spec"]["initContainers"].empty())
    cat_to(text, " or one of the init containers: [", names_of(pod["spec"]["initContainers"]), "]");
  return refuse(bad_request(std::move(text)));
}

// The options that the kubelet knows, checked, as a query.
Answer<std::string> log_query(const Call& call) {
  api::FieldErrors errors;
  std::string out;
  auto add = [&](std::string_view name, std::string_view value) {
    cat_to(out, out.empty() ? "?" : "&", name, "=", io::http::percent_encode(value));
  };
  for (auto [name, least] : {std::pair{"tailLines", 0}, {"limitBytes", 1}, {"sinceSeconds", 1}}) {
    if (!io::http::query_has(call.query, name)) continue;
    auto value = parse_int(call.option(name));
    if (!value) return refuse(bad_request(cat("strconv.ParseInt: parsing ", go_quote(call.option(name)), ": invalid syntax")));
    if (*value < least) errors.invalid(api::Path(name), *value, cat("must be greater than or equal to ", least));
    add(name, cat(*value));
  }
  for (auto name : {"follow", "previous", "timestamps"})
    if (query_flag(call.query, name)) add(name, "true");
  if (std::string_view since = call.option("sinceTime"); !since.empty()) {
    if (!parse_rfc3339(since)) return refuse(bad_request(cat("parsing time ", go_quote(since), " as RFC 3339 failed")));
    if (io::http::query_has(call.query, "sinceSeconds")) errors.forbidden(api::Path("sinceTime"), "at most one of `sinceTime` or `sinceSeconds` may be specified");
    add("sinceTime", since);
  }
  if (errors.empty()) return out;
  Status status(422, "Invalid", api::invalid_message("PodLogOptions", call.info.name, errors));
  status.kind = "PodLogOptions", status.name = call.info.name;
  return refuse(std::move(status));
}

Answer<std::string> kubelet_address(const Value& node) {
  int64_t port = node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"].as_int();
  for (auto type : {"InternalIP", "Hostname", "ExternalIP"})
    for (const Value& address : node["status"]["addresses"].items()) {
      if (address["type"].as_string() != type || port == 0) continue;
      std::string_view host = address["address"].as_string();
      return host.find(':') == host.npos ? cat(host, ":", port) : cat("[", host, "]:", port);
    }
  return refuse(internal_error(cat("no preferred addresses found; known addresses: []", port == 0 ? ", and no kubelet port" : "")));
}

Answer<io::http::Transport*> kubelet_client(Core& core, const std::string& address) {
  auto found = core.kubelets.find(address);
  if (found != core.kubelets.end()) return found->second.get();
  const KubeletAccess& access = core.options.kubelet;
  io::TlsClientOptions tls{.ca_pem = access.ca_pem, .certificate_chain_pem = access.certificate_pem, .private_key_pem = access.key_pem};
  API_TRY(auto context, io::make_tls_client_context(tls));
  io::http::ClientOptions options{.address = address, .tls = std::move(context), .max_connections = 1024};
  return core.kubelets.emplace(address, io::http::make_client(core.loop, std::move(options))).first->second.get();
}

// What the kubelet sends, until it ends or the client is gone.
class LogBody final : public io::http::BodySource {
 public:
  LogBody(io::Loop& loop, io::http::Body body, io::CancelToken cancel) : body_(std::move(body)), ready_(loop), room_(loop), reading_(loop) {
    cancelled_ = cancel.on_cancel([this] {
      ended_ = true;
      ready_.set();
    });
    reading_.spawn(read());
  }
  io::Task<Result<std::string>> next() override {
    while (!piece_ && !ended_) {
      ready_.reset();
      co_await ready_.wait();
    }
    if (!piece_ || ended_) co_return std::string();
    Result<std::string> out = *std::move(piece_);
    piece_.reset();
    room_.set();
    co_return out;
  }

 private:
  io::Task<void> read() {
    while (true) {
      auto piece = co_await body_.next();
      bool last = !piece || piece->empty();
      piece_ = std::move(piece);
      ready_.set();
      if (last) co_return;
      while (piece_) {
        room_.reset();
        co_await room_.wait();
      }
    }
  }
  io::http::Body body_;
  std::optional<Result<std::string>> piece_;
  bool ended_ = false;
  io::Event ready_, room_;
  io::CancelToken::Registration cancelled_;
  io::TaskGroup reading_;  // last
};

Status kubelet_refusal(const Call& call, int code, std::string text) {
  while (text.ends_with('\n')) text.pop_back();
  if (code == 400) return bad_request(std::move(text));
  if (code == 500) return internal_error(text);
  Status out(code, code == 404 ? "NotFound" : code == 403 ? "Forbidden" : code == 401 ? "Unauthorized" : "", "");
  if (code == 404) out.message = cat("the server could not find the requested resource ( pods/log ", call.info.name, ")");
  else out.message = text.empty() ? cat("the kubelet answered with HTTP status ", code) : std::move(text);
  out.name = call.info.name, out.kind = "pods/log";
  out.causes.push_back({"UnexpectedServerResponse", std::move(text), ""});
  return out;
}

io::Task<Answer<Stored>> read_object(Core& core, const Resource& resource, std::string space, std::string name) {
  auto found = co_await core.store.range({.range = store::one_key(resource.key(space, name))});
  API_CO_CHECK(found);
  if (found->kvs.empty()) co_return refuse(not_found(*resource.kind, name));
  API_CO_TRY(Stored out, read_stored(found->kvs[0]));
  co_return out;
}

}  // namespace

io::Task<Answer<Response>> handle_log(Core& core, Call& call) {
  auto pod = co_await read_object(core, *call.resource, call.info.space, call.info.name);
  API_CO_CHECK(pod);
  API_CO_TRY(std::string query, log_query(call));
  API_CO_TRY(std::string container, choose_container(pod->value(), call.option("container")));
  std::string node_name(pod->value()["spec"]["nodeName"].as_string());
  Response out = io::http::text_response(204, "", "text/plain");
  if (node_name.empty()) co_return out;  // it runs nowhere yet: nothing to say
  auto node = co_await read_object(core, core.core_v1("nodes"), "", node_name);
  API_CO_CHECK(node);
  API_CO_TRY(std::string address, kubelet_address(node->value()));
  API_CO_TRY(io::http::Transport* kubelet, kubelet_client(core, address));

  io::http::Request request;
  request.target = cat("/containerLogs/", io::http::percent_encode(call.info.space), "/", io::http::percent_encode(call.info.name), "/",
                       io::http::percent_encode(container), query);
  request.host = address;
  auto sent = co_await kubelet->send(std::move(request));
  if (!sent) co_return refuse(internal_error(cat("Get \"https://", address, "/containerLogs/", call.info.space, "/", call.info.name, "/", container, "\": ", sent.error().message())));
  if (sent->status < 200 || sent->status > 206) {
    auto text = co_await sent->body.read_all(kMaxRefusalBytes);
    co_return refuse(kubelet_refusal(call, sent->status, text ? *text : text.error().message()));
  }
  out.status = 200;
  out.body = io::http::Body(std::make_unique<LogBody>(core.loop, std::move(sent->body), call.request.cancel));
  if (query_flag(call.query, "follow")) out.body.set_followed();
  co_return out;
}

}  // namespace kobuk::controlplane::apiserver
