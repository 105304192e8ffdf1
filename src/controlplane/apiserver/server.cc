// The chain of a request, and the life of the server.
#include "controlplane/apiserver/server.h"

#include <algorithm>
#include <array>

#include "base/log.h"
#include "base/random.h"
#include "base/strings.h"
#include "controlplane/apiserver/bootstrap.h"
#include "controlplane/apiserver/handlers.h"
#include "controlplane/apiserver/node_restriction.h"

namespace kobuk::controlplane {

using namespace apiserver;
using io::http::Request;
using io::http::Response;

namespace {

constexpr size_t kMaxWarningBytes = 4096;

// RFC 9110 quoted-string, as Kubernetes' Warning headers are: 299 - "text".
std::string warning_header(std::string_view text) {
  std::string out = "299 - \"";
  for (char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += static_cast<unsigned char>(c) < 32 || c == 127 ? ' ' : c;
  }
  return out + "\"";
}

Response finish(const Call& call, Answer<Response> answer) {
  Response out;
  if (answer) {
    out = *std::move(answer);
  } else {
    const Status& status = answer.error();
    out = object_response(call, status.code, status.to_json(), WallTime{});
    if (status.retry_after > 0) out.headers.set("Retry-After", cat(status.retry_after));
  }
  if (!out.headers.has("Cache-Control")) out.headers.set("Cache-Control", "no-cache, private");
  std::string_view id = call.request.headers.get("Audit-Id");
  out.headers.set("Audit-Id", id.empty() ? random_uuid() : std::string(id));
  size_t bytes = 0;
  std::vector<std::string> sent;
  for (const std::string& warning : call.warnings) {
    if (std::ranges::find(sent, warning) != sent.end()) continue;
    bytes += warning.size();
    if (bytes > kMaxWarningBytes) break;
    out.headers.add("Warning", warning_header(warning));
    sent.push_back(warning);
  }
  return out;
}

using Handle = io::Task<Answer<Response>> (*)(Core&, Call&);
struct Route {
  std::string_view verb;
  Handle handle;
};
constexpr Route kRoutes[] = {
    {"get", handle_get},       {"list", handle_list},     {"watch", handle_watch},   {"create", handle_create},
    {"update", handle_update}, {"patch", handle_patch},   {"delete", handle_delete}, {"deletecollection", handle_delete_collection},
};

// From here on the caller is whom it asks to be, if it may.
Answer<void> act_as_asked(const Core& core, Call& call) {
  API_TRY(auto asked, impersonation(call.request));
  if (!asked) return {};
  for (const RequestInfo& need : asked->needs)
    if (!core.authorizer->allows(call.user, need)) return refuse(authorization_refusal(call.user, need));
  call.user = std::move(asked->user);
  return {};
}

bool has(std::span<const std::string_view> list, std::string_view word) { return std::ranges::find(list, word) != list.end(); }

Status not_allowed(const Call& call) {
  return method_not_supported(call.info.group, call.info.resource, to_lower(call.request.method));
}

// Which handler serves the call; Kubernetes' refusal when there is none.
Answer<Handle> route(Core& core, Call& call) {
  const RequestInfo& info = call.info;
  call.resource = core.find(info.group, info.version, info.resource);
  if (call.resource == nullptr && info.group == "apiextensions.k8s.io" && info.version == "v1" && info.resource == "customresourcedefinitions" &&
      info.verb == "list")
    return Handle{list_custom_kinds};
  if (call.resource == nullptr) return refuse(path_not_found());
  const api::KindInfo& kind = call.kind();
  if (!kind.namespaced && !info.space.empty() && info.resource != "namespaces") return refuse(path_not_found());
  bool needs_space = kind.namespaced && info.space.empty() && info.verb != "list" && info.verb != "watch";
  if (needs_space) return refuse(not_allowed(call));
  if (!info.subresource.empty()) {
    const api::Subresource* sub = kind.find_subresource(info.subresource);
    if (sub == nullptr || !is_served(kind, info.subresource)) return refuse(path_not_found());
    if (!has(sub->verbs, info.verb)) return refuse(not_allowed(call));
    if (info.subresource == "scale" && info.verb != "patch") return Handle{handle_scale};
    if (info.subresource == "binding") return Handle{handle_binding};
    if (info.subresource == "log") return Handle{handle_log};
  } else if (!has(kind.verbs, info.verb) || (info.verb == "create" && !info.name.empty() && kind.kind != "Binding")) {
    return refuse(not_allowed(call));
  }
  if (kind.kind == "Binding") return Handle{handle_binding};
  for (const Route& one : kRoutes)
    if (one.verb == info.verb) return Handle{one.handle};
  return refuse(not_allowed(call));
}

}  // namespace

struct ApiServer::Impl {
  Impl(io::Loop& loop, store::Store& store, ApiServerOptions options) : core(loop, store, std::move(options)), background(loop) {}
  io::Task<Answer<Response>> serve(Call& call);
  Core core;
  Compaction compaction{core};
  io::TaskGroup background;  // last
};

io::Task<Answer<Response>> ApiServer::Impl::serve(Call& call) {
  auto query = io::http::parse_query(call.request.query());
  if (!query) co_return refuse(bad_request(query.error().message()));
  call.query = *std::move(query);
  auto info = parse_request_info(call.request.method, call.request.path(), call.query);
  if (!info) co_return refuse(bad_request("the path of the request can't be read"));
  call.info = *std::move(info);
  auto user = authenticate(call.request);
  if (!user || (user->anonymous && !open_to_anonymous(call.info))) co_return refuse(unauthorized());
  call.user = *std::move(user);
  API_CO_CHECK(act_as_asked(core, call));
  if (!core.authorizer->allows(call.user, call.info)) co_return refuse(authorization_refusal(call.user, call.info));
  if (is_node(call.user) && call.info.is_resource) {
    auto readable = co_await check_node_read(core, call);
    API_CO_CHECK(readable);
  }

  auto accepted = negotiate(call.request.headers.get("Accept"));
  bool any_type = !call.info.is_resource || call.info.subresource == "log";
  if (accepted) call.accepted = *std::move(accepted);
  else if (!any_type) co_return refuse(accepted.error());
  if (!call.info.is_resource) {
    bool reads = call.info.verb == "get" || call.info.verb == "head";
    if (!reads) co_return refuse(path_not_found());
    auto response = co_await handle_health(core, call);
    if (!response) response = handle_path(core, call);
    if (!response) co_return refuse(path_not_found());
    co_return *std::move(response);
  }
  API_CO_TRY(Handle handle, route(core, call));
  bool changes = call.info.verb != "get" && call.info.verb != "list" && call.info.verb != "watch";
  auto answer = co_await handle(core, call);
  if (changes && answer) compaction.changed();
  co_return answer;
}

ApiServer::ApiServer(io::Loop& loop, store::Store& store, ApiServerOptions options)
    : impl_(std::make_unique<Impl>(loop, store, std::move(options))) {}
ApiServer::~ApiServer() = default;

io::Task<Response> ApiServer::handle(Request request) {
  Call call{.request = std::move(request)};
  auto answer = co_await impl_->serve(call);
  co_return finish(call, std::move(answer));
}

io::Task<Result<void>> ApiServer::start() {
  auto done = co_await create_system_objects(impl_->core, *this);
  KOBUK_CO_CHECK(done);
  impl_->core.ready = true;
  co_return Result<void>();
}

io::Task<void> ApiServer::shutdown() {
  impl_->core.stopping = true;
  impl_->compaction.stop();
  for (auto& [resource, cache] : impl_->core.caches) cache->close();
  co_await impl_->background.join();
}

}  // namespace kobuk::controlplane
