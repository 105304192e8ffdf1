// Kubernetes' X.509 client certificate authentication. TLS has verified the chain against the client CA; here the names
// are read.
#include "controlplane/apiserver/authentication.h"

#include <algorithm>

#include "base/strings.h"
#include "codec/x509.h"

namespace kobuk::controlplane::apiserver {
namespace {

void add_group(User& user, std::string_view group) {
  if (!user.in_group(group)) user.groups.emplace_back(group);
}

constexpr std::string_view kAnonymous = "system:anonymous", kAccount = "system:serviceaccount:";
constexpr std::string_view kAuthenticated = "system:authenticated", kUnauthenticated = "system:unauthenticated";
constexpr std::string_view kUser = "Impersonate-User", kGroup = "Impersonate-Group", kUid = "Impersonate-Uid", kExtra = "Impersonate-Extra-";

RequestInfo need(std::string_view group, std::string_view resource, std::string_view name) {
  RequestInfo out{.is_resource = true, .verb = "impersonate", .group = std::string(group), .version = "v1", .resource = std::string(resource)};
  out.name = name;
  return out;
}

// A service account is impersonated in its namespace.
RequestInfo need_of_user(std::string_view name) {
  auto parts = split(name, ':');
  if (!name.starts_with(kAccount) || parts.size() != 4) return need("", "users", name);
  RequestInfo out = need("", "serviceaccounts", parts[3]);
  out.space = parts[2];
  return out;
}

std::string_view extra_key(std::string_view header) {
  if (header.size() <= kExtra.size() || !equals_ignore_case(header.substr(0, kExtra.size()), kExtra)) return {};
  return header.substr(kExtra.size());
}

// Groups come with the kind of user, as for those who come themselves.
void add_usual_groups(User& user) {
  if (user.name.starts_with(kAccount) && user.groups.empty()) {
    add_group(user, "system:serviceaccounts");
    if (auto parts = split(user.name, ':'); parts.size() == 4) add_group(user, cat("system:serviceaccounts:", parts[2]));
  }
  user.anonymous = user.name == kAnonymous;
  if (!user.in_group(kAuthenticated) && !user.in_group(kUnauthenticated)) add_group(user, user.anonymous ? kUnauthenticated : kAuthenticated);
}

}  // namespace

bool User::in_group(std::string_view group) const { return std::ranges::find(groups, group) != groups.end(); }

std::optional<User> authenticate(const io::http::Request& request) {
  User user;
  if (!request.peer.trusted_user.empty()) {
    user.name = request.peer.trusted_user;
    user.groups = request.peer.trusted_groups;
  } else if (!request.peer.certificate_der.empty()) {
    auto certificate = codec::parse_certificate(request.peer.certificate_der);
    if (!certificate || certificate->common_name.empty()) return std::nullopt;
    user.name = certificate->common_name;
    user.groups = certificate->organizations;
  } else if (request.headers.has("Authorization")) {
    return std::nullopt;  // no kind of token is known yet
  } else {
    return User{std::string(kAnonymous), {std::string(kUnauthenticated)}, true};
  }
  add_group(user, kAuthenticated);
  return user;
}

// Kubernetes documentation, "User impersonation".
Answer<std::optional<Impersonation>> impersonation(const io::http::Request& request) {
  Impersonation out;
  out.user.name = request.headers.get(kUser);
  if (!out.user.name.empty()) out.needs.push_back(need_of_user(out.user.name));
  for (std::string_view group : request.headers.get_all(kGroup)) {
    out.needs.push_back(need("", "groups", group));
    add_group(out.user, group);
  }
  if (std::string_view uid = request.headers.get(kUid); !uid.empty()) out.needs.push_back(need("authentication.k8s.io", "uids", uid));
  for (const auto& [header, value] : request.headers) {
    std::string_view key = extra_key(header);
    if (key.empty()) continue;
    out.needs.push_back(need("authentication.k8s.io", "userextras", value));
    out.needs.back().subresource = io::http::percent_decode(to_lower(key)).value_or(to_lower(key));
  }
  if (out.needs.empty()) return std::nullopt;
  if (out.user.name.empty()) return refuse(internal_error("groups, uid or extra are asked for without impersonating a user"));
  add_usual_groups(out.user);
  return out;
}

}  // namespace kobuk::controlplane::apiserver
