// IPv4 subnets and addresses as numbers, in host order.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace kobuk::network {

std::optional<uint32_t> parse_ipv4(std::string_view address);  // strictly four decimal parts
std::string format_ipv4(uint32_t address);

struct Subnet {
  uint32_t address = 0;  // the host bits are zero
  int prefix = 32;
  uint32_t mask() const { return prefix == 0 ? 0 : ~uint32_t{0} << (32 - prefix); }
  uint32_t first() const { return address; }
  uint32_t last() const { return address | ~mask(); }
  bool contains(uint32_t other) const { return (other & mask()) == address; }
  bool overlaps(const Subnet& other) const { return first() <= other.last() && other.first() <= last(); }
  bool operator==(const Subnet&) const = default;
};
// "10.0.0.5/24" means 10.0.0.0/24. kInvalid otherwise; kUnsupported for IPv6.
Result<Subnet> parse_subnet(std::string_view text);
std::string format_subnet(const Subnet& subnet);

}  // namespace kobuk::network
