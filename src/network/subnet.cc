#include "network/subnet.h"

#include "base/strings.h"

namespace kobuk::network {

std::optional<uint32_t> parse_ipv4(std::string_view address) {
  uint32_t out = 0;
  for (int part = 0; part < 4; ++part) {
    size_t digits = 0;
    uint32_t number = 0;
    for (; digits < address.size() && address[digits] >= '0' && address[digits] <= '9' && digits < 4; ++digits)
      number = number * 10 + static_cast<uint32_t>(address[digits] - '0');
    bool zeros = digits > 1 && address[0] == '0';  // octal for some, decimal for others: for nobody here
    if (digits == 0 || digits > 3 || number > 255 || zeros) return std::nullopt;
    out = out << 8 | number;
    address.remove_prefix(digits);
    if (part == 3) break;
    if (address.empty() || address[0] != '.') return std::nullopt;
    address.remove_prefix(1);
  }
  if (!address.empty()) return std::nullopt;
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
