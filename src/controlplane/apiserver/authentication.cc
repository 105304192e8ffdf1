// Kubernetes' X.509 client certificate authentication. TLS has verified the chain against the client CA; here the names
// are read.
#include "controlplane/apiserver/authentication.h"

#include <algorithm>

#include "codec/x509.h"

namespace kobuk::controlplane::apiserver {
namespace {

void add_group(User& user, std::string_view group) {
  if (!user.in_group(group)) user.groups.emplace_back(group);
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
    return User{"system:anonymous", {"system:unauthenticated"}, true};
  }
  add_group(user, "system:authenticated");
  return user;
}

}  // namespace kobuk::controlplane::apiserver
