#include "network/subnet.h"

#include "base/strings.h"

namespace kobuk::network {

std::optional<uint32_t> parse_ipv4(std::string_view address) {
  auto parts = split(address, '.');
  if (parts.size() != 4) return std::nullopt;
  uint32_t out = 0;
  for (std::string_view part : parts) {
    auto number = parse_uint(part);
    bool zeros = part.size() > 1 && part[0] == '0';  // octal for some, decimal for others: for nobody here
    if (!number || *number > 255 || zeros) return std::nullopt;
    out = out << 8 | static_cast<uint32_t>(*number);
  }
  return out;
}

std::string format_ipv4(uint32_t address) {
  return cat(address >> 24, ".", address >> 16 & 255, ".", address >> 8 & 255, ".", address & 255);
}

Result<Subnet> parse_subnet(std::string_view text) {
  if (text.find(':') != std::string_view::npos)
    return fail(Code::kUnsupported, "subnet ", text, ": only IPv4 subnets are supported");
  size_t slash = text.find('/');
  auto address = parse_ipv4(text.substr(0, slash));
  auto prefix = slash == std::string_view::npos ? std::nullopt : parse_uint(text.substr(slash + 1));
  if (!address || !prefix || *prefix > 32)
    return fail(Code::kInvalid, "\"", text, "\" is no subnet: want an address and a length, as 10.0.0.0/24");
  Subnet out{0, static_cast<int>(*prefix)};
  out.address = *address & out.mask();
  return out;
}

std::string format_subnet(const Subnet& subnet) { return cat(format_ipv4(subnet.address), "/", subnet.prefix); }

}  // namespace kobuk::network
