// Pieces of rules that networks and Services share: sys/nft expressions with the packet's fields by name.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

#include "sys/nft.h"

namespace kobuk::network {

// Priorities of hooks, as nft names them.
inline constexpr int kRaw = -300, kDestinationNat = -100, kFilter = 0, kSourceNat = 100;

// IPv4 header: source at 12, destination at 16. Transport headers: destination port at 2.
inline sys::nft::Payload source_address(uint8_t to) { return {sys::nft::Payload::Base::kNetwork, 12, 4, to}; }
inline sys::nft::Payload destination_address(uint8_t to) { return {sys::nft::Payload::Base::kNetwork, 16, 4, to}; }
inline sys::nft::Payload destination_port(uint8_t to) { return {sys::nft::Payload::Base::kTransport, 2, 2, to}; }
inline sys::nft::Meta protocol(uint8_t to) { return {sys::nft::Meta::Key::kProtocol, to}; }
inline sys::nft::Meta input_name(uint8_t to) { return {sys::nft::Meta::Key::kInputName, to}; }
inline sys::nft::Meta output_name(uint8_t to) { return {sys::nft::Meta::Key::kOutputName, to}; }
inline sys::nft::Verdict drop() { return {sys::nft::Verdict::Kind::kDrop, {}}; }
inline sys::nft::Verdict accept() { return {sys::nft::Verdict::Kind::kAccept, {}}; }
inline sys::nft::Verdict go_to(std::string chain) { return {sys::nft::Verdict::Kind::kGoto, std::move(chain)}; }

std::string address_bytes(uint32_t address);  // 4, in network order

using Expressions = std::vector<sys::nft::Expression>;
// One after the other.
Expressions together(std::initializer_list<Expressions> parts);
sys::nft::Rule rule(std::string comment, std::initializer_list<Expressions> parts);

// Conditions; those with a register in their comment use it and leave it changed.
Expressions connection_state(uint32_t bits);                       // 15
Expressions destination_translated();                              // 15
Expressions to_this_host();                                        // 15
Expressions from_this_host();                                      // 15
Expressions source_in(std::string_view subnet, bool inside = true);       // 15
Expressions destination_in(std::string_view subnet, bool inside = true);  // 15
Expressions arrives_at(std::string_view interface, bool equal = true);    // 12…15
Expressions leaves_through(std::string_view interface, bool equal = true);

}  // namespace kobuk::network
