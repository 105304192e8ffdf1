// Parsed once for all files (target_precompile_headers): the standard headers that nearly every file includes. It saves
// time only: a file still includes what it uses. No header of ours, or a change to it would compile everything again.
#pragma once

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>
