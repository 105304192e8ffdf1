// Who asks: the verified client certificate (CN is the user, O are the groups), or a caller within the process.
#pragma once

#include <optional>
#include <string>
#include <vector>

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

}  // namespace kobuk::controlplane::apiserver
