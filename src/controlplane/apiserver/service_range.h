// ServiceRange: the IPv4 addresses that Services get ("10.96.0.0/16"), by offset. The first is the Service "kubernetes".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace kobuk::controlplane::apiserver {

class ServiceRange {
 public:
  explicit ServiceRange(std::string_view cidr);  // one that cannot be read has no addresses
  bool valid() const { return size_ > 0; }
  std::string at(uint32_t offset) const;
  bool contains(std::string_view address) const;  // network and broadcast address do not count
  // {first offset, count} of what is given out: the low part is left to those who ask for an address (KEP-3070).
  std::pair<uint32_t, uint32_t> dynamic() const;

 private:
  uint32_t base_ = 0;
  uint64_t size_ = 0;
};

}  // namespace kobuk::controlplane::apiserver
