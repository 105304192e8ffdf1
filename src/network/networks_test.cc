// Networks on a machine in memory: what is asked of it, and every operation failing in turn.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "network/forwarding.h"
#include "network/host.h"
#include "network/network_rules.h"
#include "network/testing/fake_host.h"

namespace kobuk::network {
namespace {

using testing::Machine;
using ::testing::HasSubstr;

const Networks::Options kOptions{.profile = "test", .state_directory = "/state", .run_directory = "/run"};
const BridgeSpec kBridge{.name = "bridge", .subnet = "172.17.0.0/16", .mtu = 1450};
const AttachRequest kWeb{.network = "bridge", .container = "web", .netns = "/ns/web", .ports = {{"", 8080, 80}}};

class NetworksFake : public ::testing::Test {
 protected:
  void SetUp() override { machine_.namespaces["/ns/web"] = {}; }
  std::unique_ptr<Networks> open() {
    auto opened = open_networks(testing::fake_host(machine_), kOptions);
    if (!opened) ADD_FAILURE() << opened.error().message();
    return opened ? *std::move(opened) : nullptr;
  }
  Result<Attachment> attach(Networks& networks, AttachRequest request) {
    return loop_.run_until_done(networks.attach(std::move(request)));
  }
  Result<void> detach(Networks& networks) { return loop_.run_until_done(networks.detach("bridge", "web")); }

  io::Loop loop_;
  Machine machine_;
};

TEST_F(NetworksFake, TheStateIsWrittenBeforeItIsUsed) {
  auto networks = open();
  ASSERT_TRUE(networks->ensure_bridge(kBridge));
  machine_.done.clear();
  ASSERT_TRUE(attach(*networks, kWeb));
  auto place = [this](std::string_view what) {
    for (size_t i = 0; i < machine_.done.size(); ++i)
      if (machine_.done[i].starts_with(what)) return i;
    return machine_.done.size();
  };
  EXPECT_LT(place("hold 0.0.0.0:8080"), place("write the state"));
  EXPECT_LT(place("write the state"), place("commit"));
  EXPECT_LT(place("commit"), place("add veth"));
  EXPECT_LT(place("add veth"), place("add default route through 172.17.0.1"));
  EXPECT_LT(place("add default route"), machine_.done.size());
  machine_.done.clear();
  ASSERT_TRUE(detach(*networks));
  EXPECT_LT(place("remove kobuk-"), place("write the state"));  // no address is given out that somebody has
  ASSERT_TRUE(detach(*networks));
}

// Every operation of an attachment fails once: nothing stays, and the next try succeeds.
TEST_F(NetworksFake, AFailedAttachmentLeavesNothing) {
  auto networks = open();
  ASSERT_TRUE(networks->ensure_bridge(kBridge));
  const std::string before = machine_.visible();
  for (int n = 0;; ++n) {
    ASSERT_LT(n, 100);
    machine_.operations = 0;
    machine_.fail_at = n;
    auto got = attach(*networks, kWeb);
    machine_.fail_at = -1;
    if (got && n >= machine_.operations) break;
    if (got) {  // what failed was of no weight
      ASSERT_TRUE(detach(*networks));
      continue;
    }
    EXPECT_THAT(got.error().message(), HasSubstr("made to fail"));
    EXPECT_EQ(machine_.visible(), before) << "operation " << n;
    EXPECT_TRUE(networks->attachments().empty()) << "operation " << n;
  }
  EXPECT_EQ(networks->attachments().size(), 1u);
}

TEST_F(NetworksFake, AFailedBridgeLeavesNothing) {
  auto networks = open();
  ASSERT_TRUE(networks->ensure_bridge({.name = "first", .subnet = "10.1.0.0/24"}));
  const std::string before = machine_.visible();
  for (int n = 0;; ++n) {
    ASSERT_LT(n, 100);
    machine_.operations = 0;
    machine_.fail_at = n;
    auto done = networks->ensure_bridge(kBridge);
    machine_.fail_at = -1;
    if (done) break;
    EXPECT_EQ(machine_.visible(), before) << "operation " << n;
    EXPECT_EQ(networks->bridges().size(), 1u);
  }
}

// A detachment that failed half-way is finished by the next one; a daemon that died half-way by the next daemon.
TEST_F(NetworksFake, AFailedDetachmentIsFinishedLater) {
  for (int n = 0; n < 4; ++n) {
    machine_ = {};
    machine_.namespaces["/ns/web"] = {};
    auto networks = open();
    ASSERT_TRUE(networks->ensure_bridge(kBridge));
    const std::string before = machine_.visible();
    ASSERT_TRUE(attach(*networks, {.network = "bridge", .container = "web", .netns = "/ns/web", .address = "172.17.0.9"}));
    machine_.operations = 0;
    machine_.fail_at = n;
    bool done = detach(*networks).has_value();
    machine_.fail_at = -1;
    EXPECT_EQ(done, n >= machine_.operations);
    if (n % 2 == 0) networks = open();
    ASSERT_TRUE(detach(*networks));
    EXPECT_EQ(machine_.visible(), before) << "operation " << n;
  }
}

TEST_F(NetworksFake, OpeningFinishesWhatACrashLeft) {
  auto networks = open();
  ASSERT_TRUE(networks->ensure_bridge(kBridge));
  ASSERT_TRUE(attach(*networks, kWeb));
  networks.reset();
  std::string whole = machine_.visible();
  machine_.host.links.push_back({.index = 99, .name = "kobuk-lost", .alias = "kobuk/test/bridge/lost"});
  machine_.host.links.push_back({.index = 98, .name = "kobuk-other", .alias = "kobuk/test2/bridge/theirs"});
  machine_.tables.clear();
  networks = open();
  EXPECT_EQ(networks->attachments().size(), 1u);
  std::erase_if(machine_.host.links, [](const sys::Link& link) { return link.name == "kobuk-other"; });
  EXPECT_EQ(machine_.visible(), whole);
  ASSERT_TRUE(networks->clean_up());
  EXPECT_TRUE(machine_.host.links.empty());
  EXPECT_TRUE(machine_.tables.empty());
}

TEST_F(NetworksFake, OnlyBridgesAreWaitedForOnTheDisk) {
  auto networks = open();
  ASSERT_TRUE(networks->ensure_bridge(kBridge));
  machine_.done.clear();
  ASSERT_TRUE(attach(*networks, kWeb));
  ASSERT_TRUE(detach(*networks));
  EXPECT_THAT(machine_.done, ::testing::Contains("write the state").Times(2));
  EXPECT_THAT(machine_.done, ::testing::Not(::testing::Contains("write the bridges")));
  // The host is started anew: its interfaces and the run directory are gone.
  ASSERT_TRUE(attach(*networks, kWeb));
  networks.reset();
  machine_.host = {};
  machine_.tables.clear(), machine_.settings.clear(), machine_.files.erase("/run/networks.json");
  networks = open();
  EXPECT_EQ(networks->bridges().size(), 1u);
  EXPECT_TRUE(networks->attachments().empty());
}

TEST_F(NetworksFake, ForwardingEndsAsItBegan) {
  auto networks = open();
  const std::string setting = "net/ipv4/ip_forward", table(kForwardingTable);
  ASSERT_TRUE(networks->ensure_bridge(kBridge));
  EXPECT_EQ(machine_.settings[setting], "1");
  EXPECT_TRUE(machine_.tables.contains(table));
  machine_.host.links.push_back({.index = 98, .name = "kobuk-other", .alias = "kobuk/test2/bridge"});
  ASSERT_TRUE(networks->clean_up());
  EXPECT_EQ(machine_.settings[setting], "1") << "another profile needs it";
  EXPECT_TRUE(machine_.tables.contains(table));
  machine_.host = {};
  ASSERT_TRUE(networks->ensure_bridge(kBridge));
  machine_.tables.clear();  // somebody has emptied nf_tables
  networks = open();
  EXPECT_TRUE(machine_.tables.contains(table));
  ASSERT_TRUE(networks->clean_up());
  EXPECT_EQ(machine_.settings[setting], "0");
  EXPECT_TRUE(machine_.tables.empty());
  machine_.settings[setting] = "1";  // a host that forwards by itself
  ASSERT_TRUE(networks->ensure_bridge(kBridge));
  EXPECT_FALSE(machine_.tables.contains(table));
  ASSERT_TRUE(networks->clean_up());
  EXPECT_EQ(machine_.settings[setting], "1");
}

// Whatever fails while forwarding is switched on or off: it is never on without its guard.
TEST_F(NetworksFake, ForwardingIsNeverUnguarded) {
  for (bool cleaning : {false, true}) {
    for (int n = 0;; ++n) {
      ASSERT_LT(n, 100);
      machine_ = {};
      machine_.namespaces["/ns/web"] = {};
      auto networks = open();
      if (cleaning) ASSERT_TRUE(networks->ensure_bridge(kBridge));
      machine_.operations = 0;
      machine_.fail_at = n;
      bool done = (cleaning ? networks->clean_up() : networks->ensure_bridge(kBridge)).has_value();
      machine_.fail_at = -1;
      bool on = machine_.settings["net/ipv4/ip_forward"] == "1";
      EXPECT_TRUE(!on || machine_.tables.contains(std::string(kForwardingTable))) << "operation " << n;
      if (done && n >= machine_.operations) break;
    }
  }
}

TEST_F(NetworksFake, DamagedStateIsSaidAndNotUsed) {
  machine_.files["/state/networks.json"] = "{\"version\":1,\"bridges\":[{\"name\":\"b\"}]}";
  auto opened = open_networks(testing::fake_host(machine_), kOptions);
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().code(), Code::kDataLoss);
  EXPECT_THAT(opened.error().message(), HasSubstr("/state/networks.json"));
}

TEST_F(NetworksFake, RefusesWhatCanNotBe) {
  auto networks = open();
  ASSERT_TRUE(networks->ensure_bridge(kBridge));
  auto code = [](const auto& result) { return result ? Code::kInternal : result.error().code(); };
  EXPECT_EQ(code(networks->ensure_bridge({.name = "b", .subnet = "fd00::/64"})), Code::kUnsupported);
  EXPECT_EQ(code(networks->ensure_bridge({.name = "b", .subnet = "10.0.0.0/31"})), Code::kInvalid);
  EXPECT_EQ(code(networks->ensure_bridge({.name = "b", .subnet = "172.17.3.0/24"})), Code::kAlreadyExists);
  EXPECT_EQ(code(attach(*networks, {.network = "none", .container = "a", .netns = "/ns/web"})), Code::kNotFound);
  EXPECT_EQ(code(attach(*networks, {.network = "bridge", .container = "a", .netns = "/ns/web", .address = "10.0.0.1"})),
            Code::kInvalid);
  machine_.taken.insert(8080);
  auto taken = attach(*networks, kWeb);
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().message(), "failed to bind host port 0.0.0.0:8080/tcp: address already in use");
  machine_.taken.clear();
  ASSERT_TRUE(attach(*networks, kWeb));
  EXPECT_EQ(code(attach(*networks, kWeb)), Code::kAlreadyExists);
  EXPECT_EQ(code(networks->ensure_bridge({.name = "bridge", .subnet = "10.5.0.0/16"})), Code::kFailedPrecondition);
  EXPECT_EQ(code(networks->remove_bridge("bridge")), Code::kFailedPrecondition);
  ASSERT_TRUE(detach(*networks));
  EXPECT_TRUE(networks->remove_bridge("bridge"));
  EXPECT_TRUE(networks->remove_bridge("bridge"));
  EXPECT_EQ(code(open_networks(testing::fake_host(machine_), {.profile = "../x"})), Code::kInvalid);
}

TEST_F(NetworksFake, NamesFitInterfaces) {
  EXPECT_EQ(bridge_interface("default", "bridge").size(), 14u);
  EXPECT_EQ(container_interface("default", "bridge", std::string(64, 'a')).size(), 15u);
  EXPECT_NE(bridge_interface("default", "bridge"), bridge_interface("other", "bridge"));
}

}  // namespace
}  // namespace kobuk::network
