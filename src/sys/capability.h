// Capabilities (capabilities(7)) as bit masks: bit n is capability n of linux/capability.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::sys {

struct CapabilitySets {
  uint64_t bounding = 0;
  uint64_t effective = 0;
  uint64_t inheritable = 0;
  uint64_t permitted = 0;
  uint64_t ambient = 0;
  bool operator==(const CapabilitySets&) const = default;
};

constexpr uint64_t capability_bit(int number) { return uint64_t{1} << number; }
// With or without "CAP_", any case; nullopt when there is none of that name.
std::optional<int> capability_number(std::string_view name);
std::string_view capability_name(int number);  // "CAP_CHOWN"; "" when out of range
int highest_known_capability();
// kInvalid names the first unknown one. "ALL" means every capability that this table knows.
Result<uint64_t> capability_mask(const std::vector<std::string>& names);

}  // namespace kobuk::sys
