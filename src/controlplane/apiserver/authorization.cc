// The texts are those of k8s.io/apiserver responsewriters.Forbidden.
#include "controlplane/apiserver/authorization.h"

#include <algorithm>
#include <array>

#include "base/strings.h"

namespace kobuk::controlplane::apiserver {
namespace {

struct Rule {
  std::string_view user;  // a trailing '*' stands for any end
  // Separated by blanks. "pods/status" names a subresource. "*" is all; of resources, unless the verbs are all too, whole
  // objects only: who may read every pod may not read their logs.
  std::string_view verbs, resources;
};

// What Kubernetes' bootstrap roles of these components amount to, for the kinds that are served.
constexpr Rule kRules[] = {
    {"system:kube-scheduler", "get list watch", "*"},
    {"system:kube-scheduler", "create", "pods/binding bindings events leases"},
    {"system:kube-scheduler", "update patch", "pods/status events leases"},
    {"system:kube-controller-manager", "*", "*"},
    {"system:node:*", "get list watch", "*"},
    {"system:node:*", "create update patch delete", "nodes nodes/status pods pods/status leases events"},
    {"system:kube-proxy", "get list watch", "services endpointslices nodes"},
    {"system:kube-proxy", "create update patch", "events"},
};

bool has_word(std::string_view words, std::string_view word) {
  for (std::string_view one : split(words, ' '))
    if (one == "*" || one == word) return true;
  return false;
}

bool is_user(std::string_view pattern, std::string_view name) {
  return pattern.ends_with('*') ? name.starts_with(pattern.substr(0, pattern.size() - 1)) : pattern == name;
}

constexpr std::array<std::string_view, 9> kDiscoveryPaths = {"/api", "/apis", "/openapi", "/version", "/healthz", "/livez",
                                                             "/readyz", "/version/", ""};

bool is_discovery(const RequestInfo& info) {
  if (info.is_resource || info.verb != "get") return false;
  return std::ranges::any_of(kDiscoveryPaths, [&](std::string_view path) {
    return info.path == path || (!path.empty() && info.path.starts_with(cat(path, "/"))) || info.path == "/";
  });
}

class SystemAuthorizer final : public Authorizer {
 public:
  bool allows(const User& user, const RequestInfo& info) const override {
    if (user.in_group("system:masters")) return true;
    if (!user.anonymous && is_discovery(info)) return true;
    if (open_to_anonymous(info)) return true;
    if (!info.is_resource || info.verb == "impersonate") return false;  // "*" means what is done to objects
    std::string resource = info.subresource.empty() ? info.resource : cat(info.resource, "/", info.subresource);
    return std::ranges::any_of(kRules, [&](const Rule& rule) {
      bool whole = rule.resources == "*" && rule.verbs != "*";
      bool covered = whole ? info.subresource.empty() : has_word(rule.resources, resource);
      return is_user(rule.user, user.name) && has_word(rule.verbs, info.verb) && covered;
    });
  }
};

}  // namespace

std::unique_ptr<Authorizer> make_system_authorizer() { return std::make_unique<SystemAuthorizer>(); }

bool open_to_anonymous(const RequestInfo& info) {
  if (info.is_resource || (info.verb != "get" && info.verb != "head")) return false;
  return info.path == "/healthz" || info.path == "/livez" || info.path == "/readyz";
}

Status authorization_refusal(const User& user, const RequestInfo& info) {
  if (!info.is_resource)
    return forbidden("", "", "", cat("User ", go_quote(user.name), " cannot ", info.verb, " path ", go_quote(info.path)));
  std::string resource = info.subresource.empty() ? info.resource : cat(info.resource, "/", info.subresource);
  std::string why = cat("User ", go_quote(user.name), " cannot ", info.verb, " resource ", go_quote(resource), " in API group ",
                        go_quote(info.group));
  cat_to(why, info.space.empty() ? " at the cluster scope" : cat(" in the namespace ", go_quote(info.space)));
  return forbidden(info.group, info.resource, info.name, why);
}

}  // namespace kobuk::controlplane::apiserver
