// What every `kobuk kubectl` command works with: a connection by a kubeconfig, and the resources that the server serves.
//
//   KOBUK_TRY(Session session, Session::open(choice));
//   KOBUK_TRY(const Resource* pods, session.find_resource("po"));
//   KOBUK_TRY(Answer answer, session.send({.target = path_of(*pods, session.space(), "web")}));
//
// Calls block: it is the command line's own thread. Errors of the server carry the text that kubectl prints:
// `Error from server (NotFound): pods "web" not found`.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/value.h"
#include "io/http.h"
#include "io/loop.h"

namespace kobuk::app::kubectl {

struct Choice {  // of the command line
  std::string profile, kubeconfig, context, space;  // empty: not given
  bool all_spaces = false;
};

// What a kubeconfig's context says.
struct Cluster {
  std::string server;  // "https://127.0.0.1:6443"
  std::string ca_pem, certificate_pem, key_pem, token;
  std::string space = "default";
  bool insecure = false;
};
// `directory`: relative file names count from there. kInvalid names what is missing.
Result<Cluster> read_kubeconfig(std::string_view yaml, std::string_view context, const std::string& directory);

// One connection's worth of requests to it: HTTP/2 where the server agrees.
Result<std::unique_ptr<io::http::Transport>> connect(io::Loop& loop, const Cluster& cluster);

struct Resource {
  std::string group, version, plural, singular, kind;
  std::vector<std::string> short_names, categories;
  bool namespaced = false;
  std::string api_version() const { return group.empty() ? version : cat(group, "/", version); }
  std::string qualified() const { return group.empty() ? plural : cat(plural, ".", group); }
  // How kubectl names an object: "deployment.apps/web", "pod/web".
  std::string title(std::string_view name) const {
    return cat(to_lower(kind), group.empty() ? "" : ".", group, "/", name);
  }
};
// From aggregated discovery (apidiscovery.k8s.io/v2).
std::vector<Resource> read_discovery(const codec::Value& list);

std::string path_of(const Resource& resource, std::string_view space, std::string_view name = {}, std::string_view subresource = {});
// Appends "?name=value" or "&name=value"; nothing for an empty value.
void add_query(std::string& target, std::string_view name, std::string_view value);

struct Call {
  std::string method = "GET", target;
  std::string body = {}, content_type = "application/json", accept = "application/json";
};
struct Answer {
  int status = 200;
  std::string body;
  std::vector<std::string> warnings;  // of Warning headers
};

class Session {
 public:
  static Result<Session> open(const Choice& choice);

  const std::string& space() const { return cluster_.space; }
  bool all_spaces() const { return all_spaces_; }
  // The space in a path for this resource: empty for cluster-scoped ones and for all namespaces.
  std::string_view space_for(const Resource& resource) const;
  // A name, plural, short name or kind, with or without ".group".
  Result<const Resource*> find_resource(std::string_view name);
  Result<const Resource*> find_kind(std::string_view api_version, std::string_view kind);
  Result<std::vector<const Resource*>> find_category(std::string_view category);
  // Answers of 400 and up are errors.
  Result<Answer> send(Call call);
  Result<codec::Document> get_json(std::string target);
  // Hands each piece of the body to `piece` as it comes, until the server ends it or `piece` returns false.
  Result<void> stream(Call call, const std::function<bool(std::string_view)>& piece);

 private:
  Session(std::unique_ptr<io::Loop> loop, std::unique_ptr<io::http::Transport> transport, Cluster cluster, bool all_spaces);
  Result<void> discover();
  io::Task<Result<io::http::Response>> exchange(Call call);
  Error unreachable(Error error) const;

  std::unique_ptr<io::Loop> loop_;  // outlives the transport
  std::unique_ptr<io::http::Transport> transport_;
  Cluster cluster_;
  bool all_spaces_ = false;
  std::vector<Resource> resources_;  // empty: not asked yet
};

// The text for an answer of 400 and up.
Error server_error(int status, std::string_view body);

}  // namespace kobuk::app::kubectl
