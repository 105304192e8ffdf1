#include "network/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/subnet.h"

namespace kobuk::network {
namespace {

State example() {
  State out;
  out.forwarding = true;
  out.bridges.push_back({{.name = "b", .subnet = "10.0.0.0/29", .mtu = 1450, .routed = true}, 0x0a000003});
  out.attachments.push_back({.network = "b", .container = "c", .address = "10.0.0.3", .prefix = 29,
                             .gateway = "10.0.0.1", .mac = "02:42:0a:00:00:03", .host_interface = "kobuk-0123v",
                             .ports = {{"", 8080, 80, Protocol::kTcp}, {"127.0.0.1", 53, 53, Protocol::kUdp}}});
  return out;
}

TEST(State, ReadsWhatItWrites) {
  State state = example();
  auto read = decode_state(encode_state(state));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->attachments, state.attachments);
  EXPECT_TRUE(read->forwarding);
  ASSERT_EQ(read->bridges.size(), 1u);
  EXPECT_EQ(read->bridges[0].last_address, 0x0a000003u);
  EXPECT_TRUE(read->bridges[0].spec.routed);
  EXPECT_EQ(read->bridges[0].spec.mtu, 1450);
}

TEST(State, EveryCutIsDamage) {
  std::string bytes = encode_state(example());
  for (size_t size = 0; size < bytes.size(); ++size) {
    auto read = decode_state(std::string_view(bytes).substr(0, size));
    ASSERT_FALSE(read) << size;
    EXPECT_EQ(read.error().code(), Code::kDataLoss);
  }
}

TEST(State, AddressesGoRoundBeforeTheyAreGivenAgain) {
  State state = example();  // of 10.0.0.2 … 10.0.0.6 it has .3
  std::vector<std::string> given;
  for (int i = 0; i < 4; ++i) {
    auto address = choose_address(state, state.bridges[0], "");
    ASSERT_TRUE(address);
    given.push_back(*address);
    state.bridges[0].last_address = *parse_ipv4(*address);
    state.attachments.push_back({.network = "b", .container = cat("c", i), .address = *address});
  }
  EXPECT_EQ(given, (std::vector<std::string>{"10.0.0.4", "10.0.0.5", "10.0.0.6", "10.0.0.2"}));
  auto none = choose_address(state, state.bridges[0], "");
  ASSERT_FALSE(none);
  EXPECT_EQ(none.error().code(), Code::kResourceExhausted);
  EXPECT_EQ(choose_address(state, state.bridges[0], "10.0.0.3").error().code(), Code::kAlreadyExists);
  EXPECT_EQ(choose_address(state, state.bridges[0], "10.0.0.1").error().code(), Code::kInvalid);
  EXPECT_EQ(choose_address(state, state.bridges[0], "10.0.0.7").error().code(), Code::kInvalid);
}

TEST(State, PortsConflictByAddressAndProtocol) {
  State state = example();
  EXPECT_EQ(check_port(state, {"", 8080, 1}).error().message(), "Bind for 0.0.0.0:8080 failed: port is already allocated");
  EXPECT_FALSE(check_port(state, {"127.0.0.1", 8080, 1}));
  EXPECT_TRUE(check_port(state, {"", 8080, 1, Protocol::kUdp}));
  EXPECT_FALSE(check_port(state, {"", 53, 1, Protocol::kUdp}));
  EXPECT_TRUE(check_port(state, {"127.0.0.2", 53, 1, Protocol::kUdp}));
}

TEST(Subnet, Parses) {
  EXPECT_EQ(format_subnet(*parse_subnet("10.1.2.3/16")), "10.1.0.0/16");
  EXPECT_EQ(parse_subnet("0.0.0.0/0")->last(), 0xffffffffu);
  for (const char* bad : {"", "10.0.0.0", "10.0.0/8", "10.0.0.0/33", "10.0.0.256/8", "010.0.0.0/8", "10.0.0.0/", "10.0.0.0/-1"})
    EXPECT_FALSE(parse_subnet(bad)) << bad;
  EXPECT_TRUE(parse_subnet("10.0.0.0/8")->overlaps(*parse_subnet("10.255.0.0/16")));
  EXPECT_FALSE(parse_subnet("10.0.0.0/9")->overlaps(*parse_subnet("10.128.0.0/9")));
}

}  // namespace
}  // namespace kobuk::network
