#include "app/command_end.h"

#include <unistd.h>

namespace kobuk::app {

Result<void> check_root(std::string_view command) {
  if (geteuid() == 0) return {};
  return fail(Code::kPermissionDenied, "root is needed to make namespaces, mounts and network devices; run: sudo ", command);
}

}  // namespace kobuk::app
