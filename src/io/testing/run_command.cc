#include "io/testing/run_command.h"

#include <cstdio>

namespace kobuk::io {
namespace {

std::string run_blocking(const std::string& command) {
  std::string out;
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return out;
  char buffer[4096];
  while (size_t got = fread(buffer, 1, sizeof buffer, pipe)) out.append(buffer, got);
  pclose(pipe);
  return out;
}

}  // namespace

Task<std::string> run_command(Loop& loop, std::string command) {
  auto work = [command] { return run_blocking(command); };
  auto out = co_await loop.offload("test command", work);
  co_return out;
}

}  // namespace kobuk::io
