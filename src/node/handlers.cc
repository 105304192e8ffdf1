// Rules and texts: Kubernetes' "Configure Liveness, Readiness and Startup Probes" and "Container Lifecycle Hooks".
#include "node/handlers.h"

#include <algorithm>
#include <cerrno>
#include <chrono>

#include "base/strings.h"
#include "io/http.h"

namespace kobuk::node {
namespace {

constexpr size_t kMaxOutput = 10 << 10;
constexpr int kMaxRedirects = 10;

Outcome outcome(Verdict verdict, std::string text) { return {verdict, std::move(text)}; }

std::string host_port(const std::string& host, uint16_t port) {
  return host.find(':') != std::string::npos ? cat("[", host, "]:", port) : cat(host, ":", port);
}

std::string seconds_text(Duration duration) {
  return cat(std::chrono::duration_cast<std::chrono::seconds>(duration).count(), "s");
}

std::string dial_text(const std::string& address, const Error& error) {
  std::string_view why = error.code() == Code::kTimeout          ? "i/o timeout"
                         : error.system_errno() == ECONNREFUSED  ? "connect: connection refused"
                         : error.system_errno() == EHOSTUNREACH  ? "connect: no route to host"
                         : error.system_errno() == ENETUNREACH   ? "connect: network is unreachable"
                                                                 : std::string_view(error.message());
  return cat("dial tcp ", address, ": ", why);
}

struct Page {
  std::string scheme, host, path;
  uint16_t port = 0;
  std::string url() const { return cat(scheme, "://", host_port(host, port), path); }
};

// "http://host:80/x", "/x", "x": where a Location leads from `from`. Nothing for what is no http address.
std::optional<Page> follow(const Page& from, std::string_view location) {
  Page to = from;
  size_t scheme = location.find("://");
  if (scheme == std::string_view::npos) {
    to.path = location.starts_with("/") ? std::string(location) : cat(from.path.substr(0, from.path.rfind('/') + 1), location);
    return to;
  }
  to.scheme = location.substr(0, scheme);
  if (to.scheme != "http" && to.scheme != "https") return std::nullopt;
  std::string_view rest = location.substr(scheme + 3);
  size_t slash = rest.find('/');
  std::string_view authority = rest.substr(0, slash);
  to.path = slash == std::string_view::npos ? "/" : std::string(rest.substr(slash));
  size_t colon = authority.rfind(':');
  to.port = to.scheme == "https" ? 443 : 80;
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    auto port = parse_uint(authority.substr(colon + 1));
    if (!port || *port == 0 || *port > 65535) return std::nullopt;
    to.port = static_cast<uint16_t>(*port);
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with("[") && authority.ends_with("]")) authority = authority.substr(1, authority.size() - 2);
  to.host = authority;
  return to;
}

io::Task<Result<io::http::Response>> fetch(io::Loop& loop, Page page, std::vector<core::HTTPHeader> headers, Duration timeout) {
  io::http::ClientOptions options;
  options.address = host_port(page.host, page.port);
  options.connect_timeout = timeout;
  if (page.scheme == "https") {
    KOBUK_CO_TRY(options.tls, io::make_tls_client_context({.insecure_skip_verify = true, .server_name = page.host}));
  }
  auto client = io::http::make_client(loop, options);
  io::http::Request request;
  request.target = page.path;
  request.host = options.address;
  request.headers.set("User-Agent", "kube-probe/1.36");
  request.headers.set("Accept", "*/*");
  request.headers.set("Connection", "close");
  for (const core::HTTPHeader& header : headers) {
    if (equals_ignore_case(header.name, "host")) {
      request.host = header.value;
    } else {
      request.headers.set(header.name, header.value);
    }
  }
  KOBUK_CO_TRY(io::http::Response response, co_await client->send(std::move(request)));
  std::string body;
  while (body.size() < kMaxOutput) {
    KOBUK_CO_TRY(std::string piece, co_await response.body.next());
    if (piece.empty()) break;
    body += piece;
  }
  io::http::Response out;
  out.status = response.status;
  out.headers = response.headers;
  out.body = io::http::Body(body.substr(0, kMaxOutput));
  co_return std::move(out);
}

io::Task<Outcome> get_page(io::Loop& loop, Page page, std::vector<core::HTTPHeader> headers, Duration timeout) {
  std::string first_host = page.host;
  for (int hops = 0; hops <= kMaxRedirects; ++hops) {
    auto response = co_await fetch(loop, page, headers, timeout);
    if (!response) {
      bool timed_out = response.error().code() == Code::kTimeout;
      std::string address = host_port(page.host, page.port);
      std::string why = timed_out ? "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
                        : response.error().system_errno() != 0 ? dial_text(address, response.error())
                                                               : response.error().message();
      co_return outcome(Verdict::kFailure, cat("Get \"", page.url(), "\": ", why));
    }
    int status = response->status;
    bool redirect = status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    std::string location(response->headers.get("Location"));
    if (redirect && !location.empty()) {
      auto next = follow(page, location);
      if (!next || next->host != first_host) {
        co_return outcome(Verdict::kWarning, cat("Probe terminated redirects, Response body: ", location));
      }
      page = *next;
      continue;
    }
    if (status >= 200 && status < 400) co_return outcome(Verdict::kSuccess, "");
    co_return outcome(Verdict::kFailure, cat("HTTP probe failed with statuscode: ", status));
  }
  co_return outcome(Verdict::kFailure, cat("Get \"", page.url(), "\": stopped after 10 redirects"));
}

io::Task<void> store_outcome(io::Task<Outcome> task, std::shared_ptr<std::optional<Outcome>> to, std::shared_ptr<io::Event> done) {
  Outcome result = co_await std::move(task);
  to->emplace(std::move(result));
  done->set();
}

// The task's outcome, or `late` when it takes longer; it is destroyed then.
io::Task<Outcome> within(io::Loop& loop, Duration timeout, io::Task<Outcome> task, Outcome late) {
  auto result = std::make_shared<std::optional<Outcome>>();
  auto done = std::make_shared<io::Event>(loop);
  auto timer = loop.start_timer(timeout, [done] { done->set(); });
  {
    io::TaskGroup group(loop);
    group.spawn(store_outcome(std::move(task), result, done));
    co_await done->wait();
  }
  loop.cancel_timer(timer);
  co_return result->has_value() ? std::move(**result) : late;
}

io::Task<Outcome> connect_once(io::Loop& loop, std::string address, Duration timeout) {
  auto stream = co_await io::connect(loop, address, timeout);
  if (!stream) co_return outcome(Verdict::kFailure, dial_text(address, stream.error()));
  (*stream)->close();
  co_return outcome(Verdict::kSuccess, "");
}

}  // namespace

Result<uint16_t> resolve_port(const api::IntOrString& port, const core::Container& container) {
  int64_t number = port.number;
  if (port.is_string) {
    number = 0;
    for (const core::ContainerPort& own : container.ports) {
      if (own.name == port.string) number = own.container_port;
    }
    if (number == 0) number = parse_int(port.string).value_or(0);
    if (number == 0) return fail(Code::kInvalid, "couldn't find port: ", port.string, " in container ", container.name);
  }
  if (number < 1 || number > 65535) return fail(Code::kInvalid, "invalid port number: ", number);
  return static_cast<uint16_t>(number);
}

io::Task<Outcome> run_exec(engine::Cri& cri, std::string container_id, std::vector<std::string> command, Duration timeout) {
  std::string title = join(command, " ");
  auto result = co_await cri.exec_sync(container_id, command, timeout);
  if (!result && result.error().code() == Code::kTimeout) {
    co_return outcome(Verdict::kFailure, cat("command timed out: ", go_quote(title), " timed out after ", seconds_text(timeout)));
  }
  if (!result) co_return outcome(Verdict::kUnknown, result.error().message());
  std::string text = (result->out + result->err).substr(0, kMaxOutput);
  co_return outcome(result->exit_code == 0 ? Verdict::kSuccess : Verdict::kFailure, std::move(text));
}

io::Task<Outcome> run_http(io::Loop& loop, core::HTTPGetAction action, Target target, Duration timeout) {
  auto port = resolve_port(action.port, target.container);
  if (!port) co_return outcome(Verdict::kUnknown, port.error().message());
  Page page;
  page.scheme = action.scheme.empty() ? "http" : to_lower(action.scheme);
  page.host = action.host.empty() ? target.ip : action.host;
  page.port = *port;
  page.path = action.path.starts_with("/") ? action.path : cat("/", action.path);
  Outcome late = outcome(Verdict::kFailure, cat("Get \"", page.url(),
                                                "\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"));
  co_return co_await within(loop, timeout, get_page(loop, page, action.http_headers, timeout), late);
}

io::Task<Outcome> run_tcp(io::Loop& loop, core::TCPSocketAction action, Target target, Duration timeout) {
  auto port = resolve_port(action.port, target.container);
  if (!port) co_return outcome(Verdict::kUnknown, port.error().message());
  std::string address = host_port(action.host.empty() ? target.ip : action.host, *port);
  Outcome late = outcome(Verdict::kFailure, cat("dial tcp ", address, ": i/o timeout"));
  co_return co_await within(loop, timeout, connect_once(loop, address, timeout), late);
}

io::Task<Outcome> run_probe(io::Loop& loop, engine::Cri& cri, core::Probe probe, Target target) {
  Duration timeout = std::chrono::seconds(std::max(probe.timeout_seconds, 1));
  if (probe.exec) co_return co_await run_exec(cri, target.container_id, probe.exec->command, timeout);
  if (probe.http_get) co_return co_await run_http(loop, *probe.http_get, target, timeout);
  if (probe.tcp_socket) co_return co_await run_tcp(loop, *probe.tcp_socket, target, timeout);
  co_return outcome(Verdict::kUnknown, "this node runs exec, httpGet and tcpSocket probes: use one of these");
}

io::Task<Outcome> run_hook(io::Loop& loop, engine::Cri& cri, core::LifecycleHandler hook, Target target, Duration timeout) {
  if (hook.exec) {
    Outcome result = co_await run_exec(cri, target.container_id, hook.exec->command, timeout);
    if (result.verdict == Verdict::kUnknown) result.verdict = Verdict::kFailure;
    co_return result;
  }
  if (hook.http_get) {
    Outcome result = co_await run_http(loop, *hook.http_get, target, timeout);
    if (result.verdict == Verdict::kUnknown) result.verdict = Verdict::kFailure;
    co_return result;
  }
  if (hook.sleep) co_await loop.sleep(std::min<Duration>(std::chrono::seconds(hook.sleep->seconds), timeout));
  co_return outcome(Verdict::kSuccess, "");
}

}  // namespace kobuk::node
