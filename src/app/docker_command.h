// `kobuk docker`: the commands that a host without the docker CLI needs.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

int run_docker(const std::vector<std::string>& arguments);

}  // namespace kobuk::app
