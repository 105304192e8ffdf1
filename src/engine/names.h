// Names and ids of containers, as Docker gives and accepts them.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::engine {

std::string new_id();            // 64 hexadecimal digits, never all decimal in the first 12
std::string new_name();          // "quiet_turing"
std::string short_id(std::string_view id);  // the first 12
// kInvalid: Invalid container name (x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed
Result<void> check_name(std::string_view name, std::string_view what);
// "SIGTERM", "term", "15" → 15; kInvalid "invalid signal: x".
Result<int> parse_signal(std::string_view text);
// What ends a container: SIGTERM where its image names none, or one that does not exist.
int stop_signal(std::string_view text);

}  // namespace kobuk::engine
