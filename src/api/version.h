// The version of Kubernetes whose API this is.
#pragma once

#include <string_view>

namespace kobuk::api {

inline constexpr std::string_view kKubernetesVersion = "v1.36.2";

}  // namespace kobuk::api
