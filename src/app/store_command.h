// `kobuk store`: what an operator does with the embedded store while no server has it open.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

int run_store(const std::vector<std::string>& arguments);

}  // namespace kobuk::app
