#include "app/command.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "app/cluster_commands.h"
#include "app/docker_command.h"
#include "app/kubectl_command.h"
#include "app/options.h"
#include "app/serve_command.h"
#include "app/store_command.h"
#include "app/version.h"

namespace kobuk::app {
namespace {

void print(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stdout); }

std::string overview() {
  std::string out = "kobuk: container engine, Kubernetes cluster and security tools in one program\n\nUsage:\n  kobuk COMMAND [options]\n\nCommands:\n";
  for (const Command& command : commands()) cat_to(out, "  ", command.name, std::string(12 - command.name.size(), ' '), command.summary, '\n');
  return out + "\n'kobuk COMMAND --help' says more about one.\n";
}

[[nodiscard]] int complain(const std::string& text) {
  std::fprintf(stderr, "kobuk: %s\n", text.c_str());
  return 2;
}

}  // namespace

const std::vector<Command>& commands() {
  static const std::vector<Command> kCommands = {
      {"start", "start a cluster on this host, and make it first where there is none", run_start},
      {"status", "show where a cluster's parts are and how they are", run_status},
      {"stop", "stop a cluster and its containers", run_stop},
      {"delete", "delete a cluster; nothing of it stays on the host", run_delete},
      {"kubeconfig", "print a kubeconfig for kubectl and other clients", run_kubeconfig},
      {"env", "print the exports of KUBECONFIG and DOCKER_HOST", run_env},
      {"kubectl", "what a host without kubectl needs of it", run_kubectl},
      {"docker", "what a host without the docker CLI needs of it", run_docker},
      {"serve", "run every role of a profile in the foreground", run_serve},
      {"engine", "run the container engine alone", run_engine},
      {"registry", "run the image registry alone", run_registry},
      {"apiserver", "run the Kubernetes API server alone", run_apiserver},
      {"controllers", "run the controllers alone", run_controllers},
      {"scheduler", "run the scheduler alone", run_scheduler},
      {"node", "run the node alone", run_node},
      {"store", "look into and compact the embedded store", run_store},
      {"version", "print the version", run_version},
  };
  return kCommands;
}

int run_command_line(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h" || arguments[0] == "help") {
    print(overview());
    return arguments.empty() ? 2 : 0;
  }
  std::string name = arguments[0] == "--version" ? "version" : arguments[0];
  auto found = std::find_if(commands().begin(), commands().end(), [&](const Command& c) { return c.name == name; });
  if (found != commands().end()) return found->run({arguments.begin() + 1, arguments.end()});
  std::vector<std::string> names;
  for (const Command& command : commands()) names.push_back(command.name);
  std::string close = nearest(name, names);
  return complain(cat("unknown command ", go_quote(name), close.empty() ? "" : cat(", did you mean ", close), "? See 'kobuk --help'"));
}

}  // namespace kobuk::app
