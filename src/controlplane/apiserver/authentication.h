// Who asks: the verified client certificate (CN is the user, O are the groups), or a caller within the process; and as whom.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "controlplane/apiserver/request_info.h"
#include "controlplane/apiserver/status.h"
#include "io/http.h"

namespace kobuk::controlplane::apiserver {

struct User {
  std::string name;
  std::vector<std::string> groups;
  bool anonymous = false;
  bool in_group(std::string_view group) const;
};

// Nothing: credentials that do not count (401). No credentials at all: system:anonymous.
std::optional<User> authenticate(const io::http::Request& request);

// Whom the headers Impersonate-User, -Group, -Uid and -Extra-<key> ask to act as, and what that takes: each is a request with
// the verb "impersonate", which the one who asks must be allowed to make.
struct Impersonation {
  User user;
  std::vector<RequestInfo> needs;
};
// Nothing: no such header. 500, as Kubernetes answers, for the others without Impersonate-User.
Answer<std::optional<Impersonation>> impersonation(const io::http::Request& request);

}  // namespace kobuk::controlplane::apiserver
