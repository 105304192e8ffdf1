#include "app/version.h"

#include <cstdio>

#include "api/version.h"
#include "app/command_end.h"
#include "app/options.h"
#include "base/strings.h"

namespace kobuk::app {

int run_version(const std::vector<std::string>& arguments) {
  std::string output;
  Options options("kobuk version", "Print the version of kobuk and the API level it is built for");
  options.text("output", 'o', "FORMAT", "json for scripts", &output);
  options.example("kobuk version -o json");
  auto rest = options.parse(arguments);
  if (rest && !rest->empty()) rest = fail(Code::kInvalid, "unexpected argument ", go_quote(rest->front()));
  if (rest && !output.empty() && output != "json") rest = fail(Code::kInvalid, "--output takes json, not ", go_quote(output));
  if (!rest) {
    std::fprintf(stderr, "kobuk version: %s\n", rest.error().message().c_str());
    return 2;
  }
  if (options.help_wanted()) {
    print(options.help());
  } else if (output == "json") {
    print(cat("{\"version\":\"", kVersion, "\",\"kubernetes\":\"", api::kKubernetesVersion, "\"}\n"));
  } else {
    print(cat("kobuk ", kVersion, " (Kubernetes API ", api::kKubernetesVersion, ")\n"));
  }
  return 0;
}

}  // namespace kobuk::app
