#include "controlplane/apiserver/service_range.h"

#include <algorithm>
#include <optional>

#include "base/strings.h"

namespace kobuk::controlplane::apiserver {
namespace {

std::optional<uint32_t> parse_ipv4(std::string_view text) {
  auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  uint32_t out = 0;
  for (auto part : parts) {
    auto number = parse_uint(part);
    if (!number || *number > 255 || part.size() > 3) return std::nullopt;
    out = out << 8 | static_cast<uint32_t>(*number);
  }
  return out;
}

}  // namespace

ServiceRange::ServiceRange(std::string_view cidr) {
  size_t slash = cidr.find('/');
  auto base = parse_ipv4(cidr.substr(0, slash));
  auto bits = slash == cidr.npos ? std::nullopt : parse_uint(cidr.substr(slash + 1));
  if (!base || !bits || *bits < 8 || *bits > 30) return;
  size_ = uint64_t{1} << (32 - *bits);
  base_ = *base & ~static_cast<uint32_t>(size_ - 1);
}

std::string ServiceRange::at(uint32_t offset) const {
  uint32_t address = base_ + offset;
  return cat(address >> 24, ".", (address >> 16) & 255, ".", (address >> 8) & 255, ".", address & 255);
}

bool ServiceRange::contains(std::string_view address) const {
  auto number = parse_ipv4(address);
  return number && *number > base_ && *number - base_ < size_ - 1;
}

std::pair<uint32_t, uint32_t> ServiceRange::dynamic() const {
  if (size_ < 4) return {0, 0};
  uint32_t usable = static_cast<uint32_t>(size_ - 2);
  uint32_t reserved = size_ >= 32 ? static_cast<uint32_t>(std::min<uint64_t>(std::max<uint64_t>(16, size_ / 16), 256)) : 1;
  return {1 + reserved, usable - reserved};
}

}  // namespace kobuk::controlplane::apiserver
