// kobuk: one program, looked up by its first argument.
#include <csignal>

#include "app/command.h"

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // a client that went away is an error of write, not our end
  return kobuk::app::run_command_line({argv + 1, argv + argc});
}
