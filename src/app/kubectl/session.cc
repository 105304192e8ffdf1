#include "app/kubectl/session.h"

#include <algorithm>
#include <cstdlib>

#include "app/profile.h"
#include "codec/json.h"
#include "io/tls.h"
#include "sys/file.h"

namespace kobuk::app::kubectl {
namespace {

constexpr size_t kMaxAnswer = 256u << 20;

// --profile, then --kubeconfig, then $KUBECONFIG, then the default profile.
Result<std::string> choose_kubeconfig(const Choice& choice) {
  if (!choice.kubeconfig.empty()) return choice.kubeconfig;
  const char* environment = std::getenv("KUBECONFIG");
  bool use_environment = choice.profile.empty() && environment != nullptr && *environment != '\0';
  if (use_environment) return std::string(split(environment, ':').front());
  KOBUK_TRY(Profile profile, find_profile(choice.profile.empty() ? "default" : choice.profile));
  return profile.kubeconfig_path();
}

std::vector<std::string> read_warnings(const io::http::Headers& headers) {
  std::vector<std::string> out;
  for (std::string_view warning : headers.get_all("Warning")) {
    size_t begin = warning.find('"'), end = warning.rfind('"');
    if (begin < end) out.emplace_back(warning.substr(begin + 1, end - begin - 1));
  }
  return out;
}

}  // namespace

Result<std::unique_ptr<io::http::Transport>> connect(io::Loop& loop, const Cluster& cluster) {
  bool tls = cluster.server.starts_with("https://");
  std::string address = cluster.server.substr(tls ? 8 : 7);
  address = address.substr(0, address.find('/'));
  if (address.find(':') == std::string::npos) address += tls ? ":443" : ":80";
  io::http::ClientOptions options{.address = address};
  if (tls) {
    KOBUK_TRY(options.tls, io::make_tls_client_context({.ca_pem = cluster.ca_pem, .certificate_chain_pem = cluster.certificate_pem,
                                                        .private_key_pem = cluster.key_pem,
                                                        .insecure_skip_verify = cluster.insecure}));
  }
  return io::http::make_client(loop, std::move(options));
}

// "Deployment.apps \"web\" is invalid: <causes>" as kubectl words it: the bare kind in front.
static std::string invalid_text(const codec::Value& status) {
  std::string_view message = status["message"].as_string();
  constexpr std::string_view kMark = "is invalid: ";
  size_t mark = message.find(kMark);
  const codec::Value& details = status["details"];
  return cat("The ", details["kind"].as_string(), " ", go_quote(details["name"].as_string()), " ", kMark,
             mark == message.npos ? message : message.substr(mark + kMark.size()));
}

Error server_error(int status, std::string_view body) {
  auto document = codec::parse_json(body);
  if (!document || document->root["kind"].as_string() != "Status") {
    std::string_view text = trim(body);
    return Error(Code::kInternal, cat("Error from server: ", text.empty() ? "no reason given" : text, " (HTTP status ", status, ")"));
  }
  const codec::Value& answer = document->root;
  std::string_view reason = answer["reason"].as_string();
  Code code = status == 404 ? Code::kNotFound : reason == "AlreadyExists" ? Code::kAlreadyExists
              : status == 409 ? Code::kConflict : Code::kInternal;
  if (reason == "Invalid") return Error(code, invalid_text(answer));
  std::string shown = reason.empty() ? "" : cat(" (", reason, ")");
  return Error(code, cat("Error from server", shown, ": ", answer["message"].as_string()));
}

Session::Session(std::unique_ptr<io::Loop> loop, std::unique_ptr<io::http::Transport> transport, Cluster cluster, bool all_spaces)
    : loop_(std::move(loop)), transport_(std::move(transport)), cluster_(std::move(cluster)), all_spaces_(all_spaces) {}

Result<Session> Session::open(const Choice& choice) {
  KOBUK_TRY(std::string path, choose_kubeconfig(choice));
  KOBUK_TRY(std::string text, sys::read_file(path, 4 << 20));
  std::string directory = path.find('/') == std::string::npos ? "." : path.substr(0, path.rfind('/'));
  auto cluster = read_kubeconfig(text, choice.context, directory);
  if (!cluster) return fail(std::move(cluster).error().context(path));
  if (!choice.space.empty()) cluster->space = choice.space;
  auto loop = std::make_unique<io::Loop>();
  KOBUK_TRY(auto transport, connect(*loop, *cluster));
  return Session(std::move(loop), std::move(transport), *std::move(cluster), choice.all_spaces);
}

std::string_view Session::space_for(const Resource& resource) const {
  return resource.namespaced && !all_spaces_ ? std::string_view(cluster_.space) : std::string_view();
}

Error Session::unreachable(Error error) const {
  if (error.system_errno() == ECONNREFUSED) {
    std::string address = cluster_.server.substr(cluster_.server.find("//") + 2);
    return Error(Code::kUnavailable, cat("The connection to the server ", address, " was refused - did you specify the right host or port? (kobuk status tells whether it runs)"));
  }
  return std::move(error).context("Unable to connect to the server");
}

io::Task<Result<io::http::Response>> Session::exchange(Call call) {
  io::http::Request request;
  request.method = std::move(call.method);
  request.target = std::move(call.target);
  request.host = cluster_.server.substr(cluster_.server.find("//") + 2);
  request.headers.set("Accept", call.accept);
  request.headers.set("User-Agent", "kobuk-kubectl");
  if (!cluster_.token.empty()) request.headers.set("Authorization", cat("Bearer ", cluster_.token));
  if (!call.body.empty()) {
    request.headers.set("Content-Type", call.content_type);
    request.body = io::http::Body(std::move(call.body));
  }
  co_return co_await transport_->send(std::move(request));
}

Result<Answer> Session::send(Call call) {
  auto response = loop_->run_until_done(exchange(std::move(call)));
  if (!response) return fail(unreachable(std::move(response).error()));
  Answer out{.status = response->status, .body = {}, .warnings = read_warnings(response->headers)};
  auto body = loop_->run_until_done(response->body.read_all(kMaxAnswer));
  if (!body) return fail(unreachable(std::move(body).error()));
  out.body = *std::move(body);
  if (out.status >= 400) return fail(server_error(out.status, out.body));
  return out;
}

Result<codec::Document> Session::get_json(std::string target) {
  KOBUK_TRY(Answer answer, send({.target = std::move(target)}));
  return codec::parse_json(answer.body, {.max_bytes = kMaxAnswer});
}

Result<void> Session::stream(Call call, const std::function<bool(std::string_view)>& piece) {
  auto response = loop_->run_until_done(exchange(std::move(call)));
  if (!response) return fail(unreachable(std::move(response).error()));
  if (response->status >= 400) {
    auto body = loop_->run_until_done(response->body.read_all(1 << 20));
    return fail(server_error(response->status, body ? *body : std::string()));
  }
  for (;;) {
    auto next = loop_->run_until_done(response->body.next());
    if (!next) return fail(unreachable(std::move(next).error()));
    if (next->empty() || !piece(*next)) return {};
  }
}

}  // namespace kobuk::app::kubectl
