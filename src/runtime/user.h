// Who a process is to be, from an image's "user[:group]" and the container's own /etc/passwd and /etc/group.
// Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::runtime {

struct Identity {
  uint32_t uid = 0;
  uint32_t gid = 0;
  std::vector<uint32_t> groups;
  std::string home = "/";
};

// look_up_user("daemon:staff", passwd, group). Numbers need no entry; a name without one is kNotFound.
Result<Identity> look_up_user(std::string_view user, std::string_view passwd, std::string_view group);
// The home directory of the entry with that uid; "/" when there is none.
std::string home_of(uint32_t uid, std::string_view passwd);

}  // namespace kobuk::runtime
