#include "app/docker_command.h"

#include <algorithm>

#include "app/command_end.h"
#include "app/docker/commands.h"

namespace kobuk::app {
namespace {

struct Entry {
  std::string_view name, summary;
  Result<int> (*run)(const std::vector<std::string>&);
};
constexpr Entry kEntries[] = {
    {"pull", "download an image", docker::pull},
    {"push", "upload an image", docker::push},
    {"images", "list images", docker::images},
    {"tag", "give an image one more name", docker::tag},
    {"import", "make an image of a file system in a tar archive", docker::import},
    {"load", "load images from an archive of docker save", docker::load},
    {"run", "make and start a container", docker::run},
    {"ps", "list containers", docker::ps},
    {"logs", "print what a container has written", docker::logs},
    {"stop", "stop containers", docker::stop},
    {"rm", "remove containers", docker::remove},
};

std::string overview() {
  std::string out = "What a host without the docker CLI needs of it; flags and texts are docker's.\n\nUsage:\n  kobuk docker COMMAND [options]\n\nCommands:\n";
  for (const Entry& entry : kEntries) cat_to(out, "  ", entry.name, std::string(8 - entry.name.size(), ' '), entry.summary, '\n');
  return out + "\n'kobuk docker COMMAND --help' says more about one. --profile NAME chooses the engine.\n";
}

}  // namespace

int run_docker(const std::vector<std::string>& arguments) {
  std::vector<std::string> ordered = arguments;
  // `kobuk docker --profile edge ps`: the command's name first.
  if (ordered.size() > 2 && ordered[0] == "--profile") std::rotate(ordered.begin(), ordered.begin() + 2, ordered.begin() + 3);
  if (ordered.empty() || ordered[0] == "--help" || ordered[0] == "-h") {
    print(overview());
    return ordered.empty() ? 2 : 0;
  }
  for (const Entry& entry : kEntries) {
    if (entry.name != ordered[0]) continue;
    auto done = entry.run({ordered.begin() + 1, ordered.end()});
    if (done) return *done;
    std::fprintf(stderr, "docker: %s\n", done.error().message().c_str());
    return entry.name == "run" ? docker::run_exit_code(done.error()) : 1;
  }
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  std::string close = nearest(ordered[0], names);
  std::fprintf(stderr, "docker: unknown command %s%s\n", go_quote(ordered[0]).c_str(),
               close.empty() ? "; see 'kobuk docker --help'" : cat(", did you mean ", close, "?").c_str());
  return 1;
}

}  // namespace kobuk::app
