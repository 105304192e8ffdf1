// How requests reach registries: connections by host, TLS, tokens, redirects. Internal to image.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "image/registry_auth.h"
#include "image/registry_client.h"
#include "io/http.h"

namespace kobuk::image {

// Connections to any host, shared by all repositories.
class Hosts {
 public:
  Hosts(io::Loop& loop, RegistryOptions options) : loop_(loop), options_(std::move(options)) {}

  // kInvalid when the certificates of the host can't be read.
  Result<std::shared_ptr<io::http::Transport>> transport(const Url& url);
  bool insecure(const std::string& authority) const;
  // Schemes to try, the likely one first: https, and http for insecure registries.
  std::vector<std::string> schemes(const std::string& authority) const;
  void remember_scheme(const std::string& authority, const std::string& scheme) { known_schemes_[authority] = scheme; }

  io::Loop& loop() { return loop_; }
  const RegistryOptions& options() const { return options_; }

 private:
  Result<std::shared_ptr<io::TlsContext>> tls_context(const std::string& authority);
  io::Loop& loop_;
  RegistryOptions options_;
  std::map<std::string, std::shared_ptr<io::http::Transport>> transports_;
  std::map<std::string, std::string> known_schemes_;
};

// A request that can be made again.
struct Ask {
  std::string method = "GET";
  std::string target;  // below the host, or
  std::optional<Url> url;  // in full: an upload's Location
  io::http::Headers headers;
  std::function<Result<io::http::Body>()> body;  // empty: none
  std::shared_ptr<uint64_t> moved;               // counts what the body has sent
};

// Requests to one place (a registry or a mirror) as one user.
class Session {
 public:
  Session(std::shared_ptr<Hosts> hosts, std::string scheme, std::string authority, std::string prefix, std::optional<Credentials> credentials)
      : hosts_(std::move(hosts)), scheme_(std::move(scheme)), authority_(std::move(authority)), prefix_(std::move(prefix)), credentials_(std::move(credentials)),
        clear_by_choice_(scheme_ == "http") {}

  // Any status but 401 challenges that could be answered and redirects that could be followed.
  io::Task<Result<io::http::Response>> send(Ask ask);
  // What tokens are asked for: "repository:library/nginx:pull".
  void add_scope(std::string scope);
  const std::string& prefix() const { return prefix_; }
  const std::string& authority() const { return authority_; }
  Url base() const { return {scheme_.empty() ? "https" : scheme_, authority_, "/"}; }
  io::Loop& loop() { return hosts_->loop(); }
  const RegistryOptions& options() const { return hosts_->options(); }

 private:
  io::Task<Result<io::http::Response>> send_any_scheme(Ask ask);
  io::Task<Result<io::http::Response>> follow(Url url, Ask ask);
  io::Task<Result<io::http::Response>> exchange(Url url, Ask ask, std::string authorization);
  io::Task<Result<void>> authorize(std::vector<Challenge> challenges);
  io::Task<Result<std::string>> fetch_token(Url realm, std::string service, std::string challenge_scope);
  // By https, or where the user, who named an insecure registry or an http:// mirror, or a loopback vouches for the way.
  bool may_hear_secrets(const Url& url) const;

  std::shared_ptr<Hosts> hosts_;
  std::string scheme_;  // empty: not known yet
  std::string authority_, prefix_;
  std::optional<Credentials> credentials_;
  std::set<std::string> scopes_;
  std::string authorization_;
  bool clear_by_choice_;  // the place was given with its scheme, and that is http
};

// The error that an answer is; reads its body, as long as it comes.
io::Task<RegistryError> error_of(io::Loop& loop, io::http::Response response, Duration patience);
// How long to wait before asking again, when the answer asks for that and it is not long.
std::optional<Duration> retry_after(const io::http::Response& response);

}  // namespace kobuk::image
