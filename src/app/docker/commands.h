// The commands of `kobuk docker`. Each takes what is left of the command line after its name and prints by itself; the
// result is the exit code, which `run` takes from the container.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "app/docker/client.h"
#include "app/options.h"
#include "base/result.h"

namespace kobuk::app::docker {

struct CommandLine {
  std::string profile;
  Options options;  // --profile is declared already
  CommandLine(std::string name, std::string summary);
  // Nothing when --help was asked for and printed.
  Result<std::optional<std::vector<std::string>>> parse(const std::vector<std::string>& arguments);
};

Result<int> pull(const std::vector<std::string>& arguments);
Result<int> push(const std::vector<std::string>& arguments);
Result<int> tag(const std::vector<std::string>& arguments);
Result<int> images(const std::vector<std::string>& arguments);
Result<int> import(const std::vector<std::string>& arguments);
Result<int> load(const std::vector<std::string>& arguments);
Result<int> run(const std::vector<std::string>& arguments);
Result<int> ps(const std::vector<std::string>& arguments);
Result<int> logs(const std::vector<std::string>& arguments);
Result<int> stop(const std::vector<std::string>& arguments);
Result<int> remove(const std::vector<std::string>& arguments);  // rm

// Of a `run` that came to nothing, as docker says it: 127 when the image has no such program, 126 when it can't be
// executed, 125 for everything else.
int run_exit_code(const Error& error);

// Pulls with progress on standard output (nothing when quiet).
Result<void> pull_image(Client& client, const std::string& reference, bool quiet);
// "3 minutes", "2 days", as docker's units package says it.
std::string human_duration(int64_t seconds);

}  // namespace kobuk::app::docker
