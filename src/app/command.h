// The sub-commands of kobuk, looked up by name.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

struct Command {
  std::string name;
  std::string summary;  // one line, for `kobuk --help`
  int (*run)(const std::vector<std::string>& arguments);  // the exit code
};

const std::vector<Command>& commands();
// `arguments` without the program's name. Exit codes: 0 done, 1 failed, 2 the command line is wrong.
int run_command_line(const std::vector<std::string>& arguments);

}  // namespace kobuk::app
