// How a sub-command ends: help on standard output, an error with its exit code on standard error.
#pragma once

#include <cstdio>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "app/options.h"
#include "base/result.h"

namespace kobuk::app {

inline int print_help(const Options& options) {
  std::fputs(options.help().c_str(), stdout);
  return 0;
}

inline void print(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

// 2 when the command line was wrong, else 1.
inline int end_with(std::string_view command, const Error& error) {
  std::string line = cat(command, ": ", error.message(), "\n");
  std::fwrite(line.data(), 1, line.size(), stderr);
  return error.code() == Code::kInvalid ? 2 : 1;
}

// A command that takes options alone and whose result is a text: parses, helps, acts, prints. The exit code.
//   return run_plain("kobuk env", options, arguments, [&] { return env(wanted); });
int run_plain(std::string_view command, Options& options, const std::vector<std::string>& arguments,
              const std::function<Result<std::string>()>& act);

// kPermissionDenied with the remedy unless this process may change the host.
Result<void> check_root(std::string_view command);

}  // namespace kobuk::app
