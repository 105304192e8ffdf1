// `kobuk kubectl`: the commands that a host without kubectl needs.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

int run_kubectl(const std::vector<std::string>& arguments);

}  // namespace kobuk::app
