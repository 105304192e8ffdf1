// Compiled seccomp filters by profile: in memory, and in a folder, so that a restarted daemon compiles
// nothing again. Loop thread only.
#pragma once

#include <map>
#include <string>

#include "io/loop.h"
#include "sys/seccomp.h"

namespace kobuk::runtime {

class SeccompCache {
 public:
  SeccompCache(io::Loop& loop, std::string directory) : loop_(loop), directory_(std::move(directory)) {}
  io::Task<Result<std::string>> filter(sys::SeccompProfile profile);

 private:
  io::Loop& loop_;
  std::string directory_;                       // empty: memory only
  std::map<std::string, std::string> filters_;  // by the profile's digest
};

}  // namespace kobuk::runtime
