#include "app/command_end.h"

#include <unistd.h>

namespace kobuk::app {

int run_plain(std::string_view command, Options& options, const std::vector<std::string>& arguments,
              const std::function<Result<std::string>()>& act) {
  auto rest = options.parse(arguments);
  if (!rest) return end_with(command, rest.error());
  if (options.help_wanted()) return print_help(options);
  if (!rest->empty()) return end_with(command, Error(Code::kInvalid, cat("unexpected argument ", go_quote(rest->front()))));
  auto done = act();
  if (!done) return end_with(command, done.error());
  print(*done);
  return 0;
}

Result<void> check_root(std::string_view command) {
  if (geteuid() == 0) return {};
  return fail(Code::kPermissionDenied, "root is needed to make namespaces, mounts and network devices; run: sudo ", command);
}

}  // namespace kobuk::app
