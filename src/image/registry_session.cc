// Token authentication: distribution's "Token Authentication Specification" and "OAuth2 Token Authentication";
// certificates: Docker's certs.d; RFC 9110 §15.4 (redirects).
#include "image/registry_session.h"

#include <arpa/inet.h>

#include <algorithm>

#include "codec/json.h"
#include "image/until_stalled.h"
#include "sys/file.h"

namespace kobuk::image {
namespace {

constexpr int kMaxRedirects = 5;
constexpr size_t kMaxErrorBody = 64 << 10, kMaxTokenBody = 1 << 20;
constexpr auto kMaxRetryAfter = std::chrono::seconds(20);
constexpr int kMaxRetryAfters = 3;

std::string_view host_of(std::string_view authority) {
  size_t bracket = authority.starts_with('[') ? authority.find(']') : std::string_view::npos;
  size_t end = bracket == std::string_view::npos ? authority.find(':') : bracket + 1;
  return end >= authority.size() || authority[end] == ':' ? authority.substr(0, end) : authority;
}

// An address, or the one name that always is one: "127.example.com" is whatever its owner says.
bool is_loopback(const std::string& host) {
  if (host == "localhost" || host == "[::1]") return true;
  in_addr address{};
  return inet_pton(AF_INET, host.c_str(), &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

bool is_redirect(int status) { return status == 301 || status == 302 || status == 303 || status == 307 || status == 308; }

// `Get "https://…"`, as Go's client begins its errors, without the query: it may hold a signature.
std::string describe(const std::string& method, const Url& url) {
  std::string verb = to_lower(method);
  verb[0] = method[0];
  return cat(verb, " \"", url.scheme, "://", url.authority, url.target.substr(0, url.target.find('?')), '"');
}

// Whoever sits on the way would read them.
Error refusal_in_clear(const Url& url) {
  return Error(Code::kPermissionDenied, cat("credentials are not sent in clear to ", url.scheme, "://", url.authority,
                                            ": give it a certificate, or list it as an insecure registry if you trust the network to it"));
}

}  // namespace

bool Hosts::insecure(const std::string& authority) const {
  const auto& listed = options_.insecure_registries;
  std::string host(host_of(authority));
  return is_loopback(host) || std::find(listed.begin(), listed.end(), authority) != listed.end() ||
         std::find(listed.begin(), listed.end(), host) != listed.end();
}

std::vector<std::string> Hosts::schemes(const std::string& authority) const {
  if (!insecure(authority)) return {"https"};
  auto known = known_schemes_.find(authority);
  if (known != known_schemes_.end() && known->second == "http") return {"http", "https"};
  return {"https", "http"};
}

Result<std::shared_ptr<io::TlsContext>> Hosts::tls_context(const std::string& authority) {
  io::TlsClientOptions options;
  options.insecure_skip_verify = insecure(authority);
  std::string folder = cat(options_.certificates_directory, '/', authority);
  if (!options_.certificates_directory.empty() && sys::exists(folder)) {
    for (auto [name, to] : {std::pair("ca.crt", &options.ca_pem), {"client.cert", &options.certificate_chain_pem}, {"client.key", &options.private_key_pem}}) {
      std::string path = cat(folder, '/', name);
      if (!sys::exists(path)) continue;
      KOBUK_TRY(*to, sys::read_file(path, 1 << 20));
    }
    if (!options.ca_pem.empty()) options.insecure_skip_verify = false;
  }
  return io::make_tls_client_context(options);
}

Result<std::shared_ptr<io::http::Transport>> Hosts::transport(const Url& url) {
  auto& transport = transports_[cat(url.scheme, "://", url.authority)];
  if (transport) return transport;
  io::http::ClientOptions options{.address = url.address()};
  if (url.scheme == "https") {
    KOBUK_TRY(options.tls, tls_context(url.authority));
  }
  transport = io::http::make_client(loop_, std::move(options));
  return transport;
}

void Session::add_scope(std::string scope) {
  if (scopes_.insert(std::move(scope)).second) authorization_.clear();
}

bool Session::may_hear_secrets(const Url& url) const {
  return url.scheme == "https" || hosts_->insecure(url.authority) || (clear_by_choice_ && url.authority == authority_);
}

io::Task<Result<io::http::Response>> Session::exchange(Url url, Ask ask, std::string authorization) {
  if (!authorization.empty() && !may_hear_secrets(url)) co_return fail(refusal_in_clear(url));
  KOBUK_CO_TRY(auto transport, hosts_->transport(url));
  io::http::Request request;
  request.method = ask.method;
  request.target = url.target;
  request.host = url.authority;
  request.headers = std::move(ask.headers);
  request.headers.set("User-Agent", "kobuk");
  if (!authorization.empty()) request.headers.set("Authorization", authorization);
  if (ask.body) {
    KOBUK_CO_TRY(request.body, ask.body());
  }
  std::string what = describe(ask.method, url);
  auto sent = co_await until_stalled(loop(), transport->send(std::move(request)), options().patience, ask.moved, what);
  if (!sent) {
    // A name without an address, a certificate that is not trusted: the registry can't be reached, whatever it holds.
    bool unreachable = sent.error().code() == Code::kNotFound || sent.error().code() == Code::kUnauthenticated;
    Error error = std::move(sent).error().context(what);
    co_return fail(unreachable ? std::move(error).with_code(Code::kUnavailable) : std::move(error));
  }
  co_return sent;
}

io::Task<Result<io::http::Response>> Session::follow(Url url, Ask ask) {
  Url first = url;
  for (int hop = 0;; ++hop) {
    bool same_host = url.authority == first.authority && url.scheme == first.scheme;
    KOBUK_CO_TRY(auto response, co_await exchange(url, ask, same_host ? authorization_ : std::string()));
    bool follows = is_redirect(response.status) && (ask.method == "GET" || ask.method == "HEAD");
    if (!follows) co_return response;
    auto next = resolve_url(url, response.headers.get("Location"));
    if (!next || hop >= kMaxRedirects) co_return fail(Code::kUnavailable, describe(ask.method, url), ": a redirect that can't be followed");
    if (first.scheme == "https" && next->scheme == "http" && !hosts_->insecure(first.authority)) {
      co_return fail(Code::kPermissionDenied, describe(ask.method, url), ": a redirect from https to http");
    }
    url = *std::move(next);
  }
}

io::Task<Result<io::http::Response>> Session::send_any_scheme(Ask ask) {
  if (ask.url) {
    // A Location on another host is asked without credentials.
    Url url = *ask.url;
    // A registry behind a proxy that ends TLS knows no better than to say http.
    if (url.authority == authority_ && scheme_ == "https") url.scheme = "https";
    if (url.authority != authority_) {
      auto elsewhere = co_await exchange(url, ask, "");
      co_return elsewhere;
    }
    auto response = co_await follow(url, ask);
    co_return response;
  }
  std::vector<std::string> schemes = scheme_.empty() ? hosts_->schemes(authority_) : std::vector<std::string>{scheme_};
  std::optional<Error> first_error;
  for (const std::string& scheme : schemes) {
    auto response = co_await follow({scheme, authority_, cat(prefix_, ask.target)}, ask);
    if (response) {
      scheme_ = scheme;
      hosts_->remember_scheme(authority_, scheme);
      co_return response;
    }
    first_error = response.error();  // the last one: that of plain HTTP says more than "not TLS"
  }
  co_return fail(*first_error);
}

io::Task<Result<io::http::Response>> Session::send(Ask ask) {
  bool authorized = false;
  for (int waits = 0;;) {
    KOBUK_CO_TRY(auto response, co_await send_any_scheme(ask));
    auto wait = waits < kMaxRetryAfters ? retry_after(response) : std::nullopt;
    if (wait) {
      ++waits;
      co_await loop().sleep(*wait);
      continue;
    }
    std::vector<Challenge> challenges;
    for (std::string_view header : response.headers.get_all("WWW-Authenticate")) {
      auto more = parse_challenges(header);
      challenges.insert(challenges.end(), more.begin(), more.end());
    }
    if (response.status != 401 || authorized || challenges.empty()) co_return response;
    bool had_token = !authorization_.empty();
    auto granted = co_await authorize(challenges);
    // A refused Basic login has nothing better to offer: the answer says what is wrong.
    if (!granted && had_token) co_return response;
    if (!granted) co_return fail(std::move(granted).error().context(describe(ask.method, {base().scheme, authority_, cat(prefix_, ask.target)})));
    authorized = true;
  }
}

io::Task<Result<void>> Session::authorize(std::vector<Challenge> challenges) {
  for (const Challenge& challenge : challenges) {
    auto parameter = [&](const char* name) {
      auto found = challenge.parameters.find(name);
      return found == challenge.parameters.end() ? std::string() : found->second;
    };
    if (challenge.scheme == "bearer") {
      auto realm = parse_url(parameter("realm"));
      if (!realm) co_return fail(Code::kUnavailable, "the registry asks for a token from ", go_quote(parameter("realm")), ", which is no http or https URL");
      if (realm->scheme == "http" && scheme_ == "https" && !hosts_->insecure(authority_)) {
        co_return fail(Code::kPermissionDenied, "the registry is reached by https and asks for a token by plain http: ", format_url(*realm));
      }
      std::string service = parameter("service"), scope = parameter("scope");
      KOBUK_CO_TRY(std::string token, co_await fetch_token(*realm, service, scope));
      authorization_ = cat("Bearer ", token);
      co_return Result<void>();
    }
    if (challenge.scheme == "basic") {
      if (!credentials_ || credentials_->username.empty()) co_return fail(Code::kUnauthenticated, "no basic auth credentials");
      authorization_ = cat("Basic ", base64(cat(credentials_->username, ':', credentials_->password)));
      co_return Result<void>();
    }
  }
  co_return fail(Code::kUnauthenticated, "the registry asks for a way of authentication that kobuk doesn't know: ", challenges[0].scheme);
}

io::Task<Result<std::string>> Session::fetch_token(Url realm, std::string service, std::string challenge_scope) {
  std::set<std::string> scopes = scopes_;
  if (!challenge_scope.empty()) scopes.insert(std::move(challenge_scope));
  bool known = credentials_ && !(credentials_->username.empty() && credentials_->identity_token.empty());
  if (known && !may_hear_secrets(realm)) co_return fail(refusal_in_clear(realm));
  Ask ask;
  std::string form;
  auto add = [&form](std::string_view name, std::string_view value) { cat_to(form, form.empty() ? "" : "&", name, '=', io::http::percent_encode(value)); };
  if (!service.empty()) add("service", service);
  bool refresh = credentials_ && !credentials_->identity_token.empty();
  if (refresh) {
    add("grant_type", "refresh_token");
    add("client_id", "kobuk");
    add("refresh_token", credentials_->identity_token);
    std::string all;
    for (const std::string& scope : scopes) cat_to(all, all.empty() ? "" : " ", scope);
    add("scope", all);
    ask.method = "POST";
    ask.headers.set("Content-Type", "application/x-www-form-urlencoded");
    ask.body = [form]() -> Result<io::http::Body> { return io::http::Body(form); };
  } else {
    for (const std::string& scope : scopes) add("scope", scope);
    if (credentials_ && !credentials_->username.empty()) add("account", credentials_->username);
    cat_to(realm.target, realm.target.contains('?') ? "&" : "?", form);
  }
  std::string basic;
  if (!refresh && credentials_ && !credentials_->username.empty()) basic = cat("Basic ", base64(cat(credentials_->username, ':', credentials_->password)));
  KOBUK_CO_TRY(auto response, co_await exchange(realm, std::move(ask), basic));
  if (response.status != 200) {
    RegistryError error = co_await error_of(loop(), std::move(response), options().patience);
    Code code = error.status >= 500 ? Code::kUnavailable : error.status == 429 ? Code::kResourceExhausted : Code::kUnauthenticated;
    co_return fail(code, error.text());
  }
  std::string what = cat("read the token of ", realm.authority);
  KOBUK_CO_TRY(std::string body, co_await until_stalled(loop(), response.body.read_all(kMaxTokenBody), options().patience, nullptr, what));
  KOBUK_CO_TRY(codec::Document document, codec::parse_json(body, {.max_bytes = kMaxTokenBody, .max_depth = 16}));
  std::string_view token = document.root["token"].as_string(document.root["access_token"].as_string());
  if (token.empty()) co_return fail(Code::kUnavailable, "authorization server did not include a token in the response");
  co_return std::string(token);
}

io::Task<RegistryError> error_of(io::Loop& loop, io::http::Response response, Duration patience) {
  for (std::string_view header : response.headers.get_all("WWW-Authenticate")) {
    for (const Challenge& challenge : parse_challenges(header)) {
      auto error = challenge.parameters.find("error");
      if (challenge.scheme != "bearer" || error == challenge.parameters.end()) continue;
      // RFC 6750 §3.1. A scope that was not granted is how a registry hides whether a repository exists.
      if (error->second == "insufficient_scope") co_return RegistryError{response.status, "DENIED", "requested access to the resource is denied"};
    }
  }
  auto body = co_await until_stalled(loop, response.body.read_all(kMaxErrorBody), patience, nullptr, "read the registry's error");
  co_return parse_registry_error(response.status, body ? *body : std::string());
}

std::optional<Duration> retry_after(const io::http::Response& response) {
  if (response.status != 429 && response.status != 503) return std::nullopt;
  auto seconds = parse_uint(response.headers.get("Retry-After"));
  if (!seconds || std::chrono::seconds(*seconds) > kMaxRetryAfter) return std::nullopt;
  return std::chrono::seconds(*seconds);
}

}  // namespace kobuk::image
