#include "app/kubectl_command.h"

#include <algorithm>

#include "app/command_end.h"
#include "app/kubectl/commands.h"

namespace kobuk::app {
namespace {

struct Entry {
  std::string_view name, summary;
  Result<void> (*run)(const std::vector<std::string>&);
};
constexpr Entry kEntries[] = {
    {"get", "list objects, or show one", kubectl::get},
    {"apply", "create or change objects from files", kubectl::apply},
    {"delete", "delete objects", kubectl::remove},
    {"describe", "show objects in detail, with their events", kubectl::describe},
    {"logs", "print the logs of a container", kubectl::logs},
    {"scale", "set the number of replicas", kubectl::scale},
    {"rollout", "follow or undo the rollout of a Deployment", kubectl::rollout},
};

std::string overview() {
  std::string out = "What a host without kubectl needs of it; flags and texts are kubectl's.\n\nUsage:\n  kobuk kubectl COMMAND [options]\n\nCommands:\n";
  for (const Entry& entry : kEntries) cat_to(out, "  ", entry.name, std::string(10 - entry.name.size(), ' '), entry.summary, '\n');
  return out + "\n'kobuk kubectl COMMAND --help' says more about one. --profile NAME chooses the cluster.\n";
}

// `kobuk kubectl -n web get pods` and `--profile edge get pods`: options in front go behind the command's name.
std::vector<std::string> command_first(const std::vector<std::string>& arguments) {
  auto known = [](const std::string& word) {
    return std::any_of(std::begin(kEntries), std::end(kEntries), [&](const Entry& entry) { return entry.name == word; });
  };
  auto command = arguments.begin();
  while (command != arguments.end() && command->starts_with('-')) {
    bool takes_next = command->find('=') == std::string::npos && *command != "-A" && *command != "--all-namespaces";
    if (takes_next && command + 1 == arguments.end()) return arguments;
    command += takes_next ? 2 : 1;
  }
  if (command == arguments.end() || !known(*command)) return arguments;
  std::vector<std::string> out = {*command};
  out.insert(out.end(), arguments.begin(), command);
  out.insert(out.end(), command + 1, arguments.end());
  return out;
}

}  // namespace

int run_kubectl(const std::vector<std::string>& arguments) {
  if (arguments.empty() || arguments[0] == "--help" || arguments[0] == "-h") {
    print(overview());
    return arguments.empty() ? 2 : 0;
  }
  std::vector<std::string> ordered = command_first(arguments);
  for (const Entry& entry : kEntries) {
    if (entry.name != ordered[0]) continue;
    auto done = entry.run({ordered.begin() + 1, ordered.end()});
    if (done) return 0;
    std::fprintf(stderr, "%s\n", done.error().message().c_str());
    return 1;
  }
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  std::string close = nearest(ordered[0], names);
  std::fprintf(stderr, "error: unknown command %s%s\n", go_quote(ordered[0]).c_str(),
               close.empty() ? "; see 'kobuk kubectl --help'" : cat(", did you mean ", close, "?").c_str());
  return 1;
}

}  // namespace kobuk::app
