// Who may do what. The Authorizer is asked once a request; RBAC takes this one's place.
#pragma once

#include <memory>
#include <string>

#include "controlplane/apiserver/authentication.h"
#include "controlplane/apiserver/request_info.h"
#include "controlplane/apiserver/status.h"

namespace kobuk::controlplane::apiserver {

class Authorizer {
 public:
  virtual ~Authorizer() = default;
  virtual bool allows(const User& user, const RequestInfo& info) const = 0;
};

// system:masters may do everything; the system's components what they need; everybody else what is open to all.
std::unique_ptr<Authorizer> make_system_authorizer();

// Paths that need no credentials.
bool open_to_anonymous(const RequestInfo& info);
// `pods "x" is forbidden: User "u" cannot get resource "pods" in API group "" in the namespace "default"`.
Status authorization_refusal(const User& user, const RequestInfo& info);

}  // namespace kobuk::controlplane::apiserver
