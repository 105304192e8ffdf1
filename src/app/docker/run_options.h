// The command line of `docker run`, and the body of /containers/create that it means.
#pragma once

#include <string>
#include <vector>

#include "app/docker/commands.h"
#include "base/result.h"

namespace kobuk::app::docker {

struct RunOptions {
  std::string name, hostname, user, workdir, entrypoint, network, restart = "no", memory, cpus;
  std::vector<std::string> publish, env, volumes, labels, cap_add, cap_drop, security, tmpfs;
  bool detach = false, rm = false, interactive = false, tty = false, read_only = false, privileged = false, publish_all = false;
  std::string image;
  std::vector<std::string> command;
};

void declare_run_options(Options& options, RunOptions& to);
// JSON. kInvalid with docker's text for a port, memory or restart policy that makes no sense.
Result<std::string> create_body(const RunOptions& options);

}  // namespace kobuk::app::docker
