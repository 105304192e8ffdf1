// `kobuk version`.
#pragma once

#include <string>
#include <vector>

namespace kobuk::app {

inline constexpr const char* kVersion = "0.1.0";
inline constexpr const char* kKubernetesVersion = "v1.36.2";  // the API level

int run_version(const std::vector<std::string>& arguments);

}  // namespace kobuk::app
