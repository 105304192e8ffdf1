// Runs a shell command beside the Loop: for real clients against a server of the test.
#pragma once

#include <string>

#include "io/loop.h"

namespace kobuk::io {

// What it printed on stdout.
Task<std::string> run_command(Loop& loop, std::string command);

}  // namespace kobuk::io
