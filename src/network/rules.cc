#include "network/rules.h"

#include "network/subnet.h"

namespace kobuk::network {
namespace {

using namespace sys::nft;

constexpr uint8_t kScratch = 15;
constexpr uint8_t kWideScratch = 12;  // four registers for a name

Expressions in_subnet(Payload field, std::string_view text, bool inside) {
  Subnet subnet = parse_subnet(text).value_or(Subnet{});
  Expressions out{field};
  if (subnet.prefix < 32) out.push_back(Mask{kScratch, address_bytes(subnet.mask())});
  out.push_back(Compare{inside, kScratch, address_bytes(subnet.address)});
  return out;
}

Expressions any_bit(Connection::Key key, uint32_t bits) {
  return {Connection{key, kScratch}, Mask{kScratch, number_bytes(bits)}, Compare{false, kScratch, number_bytes(0)}};
}

}  // namespace

std::string address_bytes(uint32_t address) {
  return {static_cast<char>(address >> 24), static_cast<char>(address >> 16 & 255), static_cast<char>(address >> 8 & 255),
          static_cast<char>(address & 255)};
}

Expressions together(std::initializer_list<Expressions> parts) {
  Expressions out;
  for (const Expressions& part : parts) out.insert(out.end(), part.begin(), part.end());
  return out;
}

Rule rule(std::string comment, std::initializer_list<Expressions> parts) {
  return {together(parts), std::move(comment)};
}

Expressions connection_state(uint32_t bits) { return any_bit(Connection::Key::kState, bits); }
Expressions destination_translated() { return any_bit(Connection::Key::kStatus, kDestinationTranslated); }
Expressions to_this_host() {
  return {AddressType{false, kScratch}, Compare{true, kScratch, number_bytes(kLocalAddress)}};
}
Expressions from_this_host() {
  return {AddressType{true, kScratch}, Compare{true, kScratch, number_bytes(kLocalAddress)}};
}
Expressions source_in(std::string_view subnet, bool inside) {
  return in_subnet(source_address(kScratch), subnet, inside);
}
Expressions destination_in(std::string_view subnet, bool inside) {
  return in_subnet(destination_address(kScratch), subnet, inside);
}
Expressions arrives_at(std::string_view interface, bool equal) {
  return {input_name(kWideScratch), Compare{equal, kWideScratch, interface_bytes(interface)}};
}
Expressions leaves_through(std::string_view interface, bool equal) {
  return {output_name(kWideScratch), Compare{equal, kWideScratch, interface_bytes(interface)}};
}

}  // namespace kobuk::network
