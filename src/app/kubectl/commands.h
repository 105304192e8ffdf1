// The commands of `kobuk kubectl`. Each takes what is left of the command line after its name and prints by itself.
#pragma once

#include <string>
#include <vector>

#include "app/kubectl/session.h"
#include "app/options.h"
#include "base/result.h"

namespace kobuk::app::kubectl {

struct CommandLine {
  Choice choice;
  Options options;  // -n, --kubeconfig, --context, --profile are declared already
  CommandLine(std::string name, std::string summary);
  // Nothing when --help was asked for and printed.
  Result<std::optional<std::vector<std::string>>> parse(const std::vector<std::string>& arguments);
};

Result<void> get(const std::vector<std::string>& arguments);
Result<void> apply(const std::vector<std::string>& arguments);
Result<void> remove(const std::vector<std::string>& arguments);  // delete
Result<void> describe(const std::vector<std::string>& arguments);
Result<void> logs(const std::vector<std::string>& arguments);
Result<void> scale(const std::vector<std::string>& arguments);
Result<void> rollout(const std::vector<std::string>& arguments);

// Go's durations in seconds: "90s", "5m", "1h30m". kInvalid for what is none, and for zero.
Result<int64_t> parse_seconds(std::string_view text);

// Waits until `done` says so for the object: asks once, then follows its changes. `done` gets null when it is gone.
// kTimeout with `timeout_text`.
Result<void> wait_for(Session& session, const Resource& resource, const std::string& space, const std::string& name,
                      Duration timeout, const std::string& timeout_text, const std::function<Result<bool>(const codec::Value&)>& done);

}  // namespace kobuk::app::kubectl
