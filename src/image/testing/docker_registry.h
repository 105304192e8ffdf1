// Debian's docker-registry on a loopback port, with its data in a folder of its own. For tests.
#pragma once

#include <memory>
#include <string>
#include <thread>

#include "sys/process.h"

namespace kobuk::image {

class DockerRegistry {
 public:
  // more: appended to its configuration (YAML). Null when the program is not installed or does not start.
  static std::unique_ptr<DockerRegistry> start(const std::string& directory, const std::string& more = "");
  ~DockerRegistry();
  const std::string& address() const { return address_; }  // "127.0.0.1:PORT"

 private:
  DockerRegistry() = default;
  sys::Spawned process_;
  std::thread log_;
  std::string address_;
};

}  // namespace kobuk::image
