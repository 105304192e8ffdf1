// `kobuk version`.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

inline constexpr const char* kVersion = "0.1.0";

int run_version(const std::vector<std::string>& arguments);

}  // namespace kobuk::app
