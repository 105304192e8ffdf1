// The monitor's program, embedded at build time (cmake/monitor.cmake).
#pragma once

#include <string_view>

namespace kobuk::runtime {

std::string_view monitor_image();

}  // namespace kobuk::runtime
