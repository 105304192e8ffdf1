// Differences of tables (pure), and transactions in a namespace of the test's own (needs root).
#include "sys/nft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <functional>
#include <thread>

#include "sys/netlink.h"

namespace kobuk::sys::nft {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Table example() {
  Table out{.name = "t"};
  out.sets["ports"] = {.key = {kIpv4, kPort}, .verdicts = true};
  out.sets["ports"].elements[ipv4_bytes("10.0.0.1") + port_bytes(80)] = {.verdict = Verdict{Verdict::Kind::kGoto, "one"}};
  out.sets["ports"].elements[ipv4_bytes("10.0.0.2") + port_bytes(80)] = {.verdict = Verdict{Verdict::Kind::kGoto, "one"}};
  out.chains["hook"] = {.hook = Hook{"filter", HookPoint::kForward, 0},
                        .rules = {{{Payload{Payload::Base::kNetwork, 16, 4, 0},
                                    Payload{Payload::Base::kTransport, 2, 2, 1},
                                    Lookup{.set = "ports", .from = 0, .verdict = true}}, "by port"}}};
  out.chains["one"] = {.rules = {{{Verdict{Verdict::Kind::kDrop, {}}}, "away"}}};
  return out;
}

std::vector<std::string> objects(const Transaction& transaction) {
  std::vector<std::string> out;
  for (const auto& message : transaction.messages) out.push_back(message.object);
  return out;
}

TEST(Nft, WithoutAFormerTableEverythingIsMadeAnew) {
  EXPECT_THAT(objects(difference(nullptr, example())),
              ElementsAre("begin of the transaction", "add table t", "delete table t", "add table t",
                          "add chain hook of table t", "add chain one of table t", "add set ports of table t",
                          "add elements of set ports of table t", "add rule \"by port\" to chain hook of table t",
                          "add rule \"away\" to chain one of table t", "end of the transaction"));
}

TEST(Nft, OnlyWhatDiffersIsSent) {
  Table before = example(), after = example();
  EXPECT_TRUE(difference(&before, after).empty());
  after.sets["ports"].elements.erase(ipv4_bytes("10.0.0.1") + port_bytes(80));
  EXPECT_THAT(objects(difference(&before, after)),
              ElementsAre("begin of the transaction", "delete elements of set ports of table t", "end of the transaction"));
  after = example();
  after.chains["two"] = {.rules = {{{Verdict{Verdict::Kind::kAccept, {}}}, "in"}}};
  for (auto& [key, element] : after.sets["ports"].elements) element.verdict->chain = "two";
  after.chains.erase("one");
  EXPECT_THAT(objects(difference(&before, after)),
              ElementsAre("begin of the transaction", "add chain two of table t", "flush chain one of table t",
                          "delete elements of set ports of table t", "add elements of set ports of table t",
                          "add rule \"in\" to chain two of table t", "delete chain one of table t",
                          "end of the transaction"));
}

TEST(Nft, ATableOfAnotherShapeIsMadeAnew) {
  Table before = example(), after = example();
  after.chains["hook"].hook->priority = 5;
  EXPECT_EQ(objects(difference(&before, after))[2], "delete table t");
  after = example();
  after.sets["ports"].key.push_back(kMark);
  EXPECT_EQ(objects(difference(&before, after))[2], "delete table t");
}

TEST(Nft, Text) {
  EXPECT_EQ(to_text(example()),
            "table t\n"
            "  set ports\n"
            "    10.0.0.1 . 80 : goto one\n"
            "    10.0.0.2 . 80 : goto one\n"
            "  chain hook (filter forward 0)\n"
            "    network[16+4]>0 transport[2+2]>1 0 in ports>verdict  # by port\n"
            "  chain one\n"
            "    drop  # away\n");
}

// On a thread that has its own network namespace, so that other tests keep theirs.
void in_fresh_namespace(const std::function<void()>& work) {
  bool entered = false;
  std::thread thread([&] {
    entered = unshare(CLONE_NEWNET) == 0;
    if (entered) work();
  });
  thread.join();
  if (!entered) GTEST_SKIP() << "needs root for a network namespace of its own";
}

TEST(NftKernel, CommitsDifferencesAndTakesAllOrNothing) {
  in_fresh_namespace([] {
    auto nft = open_nft();
    ASSERT_TRUE(nft) << nft.error().message();
    Table before = example(), after = example();
    auto done = (*nft)->commit(difference(nullptr, before));
    ASSERT_TRUE(done) << done.error().message();
    after.chains["two"] = {.rules = {{{Verdict{Verdict::Kind::kAccept, {}}}, "in"}}};
    for (auto& [key, element] : after.sets["ports"].elements) element.verdict->chain = "two";
    after.chains.erase("one");
    done = (*nft)->commit(difference(&before, after));
    ASSERT_TRUE(done) << done.error().message();
    EXPECT_EQ((*nft)->tables().value(), std::vector<std::string>{"t"});
    // From a state that is not the kernel's: refused as a whole, and says what for.
    done = (*nft)->commit(difference(&before, after));
    ASSERT_FALSE(done);
    EXPECT_EQ(done.error().code(), Code::kNotFound);
    EXPECT_THAT(done.error().message(), HasSubstr("of table t"));
    done = (*nft)->commit(difference(&after, before));
    ASSERT_TRUE(done) << done.error().message();
    ASSERT_TRUE((*nft)->commit(removal("t")));
    ASSERT_TRUE((*nft)->commit(removal("t")));
    EXPECT_TRUE((*nft)->tables().value().empty());
  });
}

TEST(NftKernel, ManyElementsInOneTransaction) {
  in_fresh_namespace([] {
    auto nft = open_nft();
    ASSERT_TRUE(nft);
    Table table{.name = "t"};
    table.sets["many"] = {.key = {kIpv4, kMark}};
    for (uint32_t i = 0; i < 20000; ++i) table.sets["many"].elements[ipv4_bytes("10.0.0.1") + number_bytes(i)] = {};
    auto done = (*nft)->commit(difference(nullptr, table));
    ASSERT_TRUE(done) << done.error().message();
    Table empty{.name = "t"};
    empty.sets["many"] = {.key = {kIpv4, kMark}};
    done = (*nft)->commit(difference(&table, empty));
    EXPECT_TRUE(done) << done.error().message();
  });
}

TEST(NftKernel, FindsFirewallsThatDropForwarding) {
  in_fresh_namespace([] {
    auto nft = open_nft();
    ASSERT_TRUE(nft);
    EXPECT_TRUE((*nft)->dropping_forward_chains()->empty());
    Table table = example();
    ASSERT_TRUE((*nft)->commit(difference(nullptr, table)));
    EXPECT_TRUE((*nft)->dropping_forward_chains()->empty());  // its policy is to accept
  });
}

TEST(NetlinkKernel, Links) {
  in_fresh_namespace([] {
    auto opened = open_netlink();
    ASSERT_TRUE(opened);
    Netlink& links = **opened;
    ASSERT_TRUE(links.add_bridge({.name = "br0", .mac = "02:42:0a:00:00:01", .mtu = 1400, .filter = true}));
    EXPECT_EQ(links.add_bridge({.name = "br0"}).error().code(), Code::kAlreadyExists);
    EXPECT_EQ(links.link("none").error().code(), Code::kNotFound);
    EXPECT_EQ(links.add_bridge({.name = "a-name-of-16-byte"}).error().code(), Code::kInvalid);
    ASSERT_TRUE(links.add_veth({.name = "v0", .bridge = "br0", .mtu = 1400, .hairpin = true, .peer_name = "v1"}));
    ASSERT_TRUE(links.set_alias("br0", "kobuk/test/x"));
    ASSERT_TRUE(links.set_up("br0"));
    ASSERT_TRUE(links.rename("v1", "renamed"));
    ASSERT_TRUE(links.set_mtu("renamed", 1300));
    auto bridge = links.link("br0"), port = links.link("v0"), peer = links.link("renamed");
    ASSERT_TRUE(bridge && port && peer);
    EXPECT_EQ(bridge->kind, "bridge");
    EXPECT_EQ(bridge->mac, "02:42:0a:00:00:01");
    EXPECT_EQ(bridge->alias, "kobuk/test/x");
    EXPECT_EQ(bridge->mtu, 1400);
    EXPECT_TRUE(bridge->up);
    EXPECT_EQ(port->master, bridge->index);
    EXPECT_TRUE(port->up);
    EXPECT_EQ(peer->mtu, 1300);
    EXPECT_FALSE(peer->up);
    ASSERT_TRUE(links.add_address("br0", "10.0.0.1", 24));
    ASSERT_TRUE(links.add_address("br0", "10.0.0.1", 24));
    EXPECT_EQ(links.addresses().value(), (std::vector<LinkAddress>{{bridge->index, "10.0.0.1", 24}}));
    EXPECT_FALSE(default_route(links.routes().value()));
    ASSERT_TRUE(links.add_default_route("br0", "10.0.0.254"));
    EXPECT_EQ(default_route(links.routes().value())->gateway, "10.0.0.254");
    ASSERT_TRUE(links.remove_address("br0", "10.0.0.1", 24));
    ASSERT_TRUE(links.remove_link("v0"));
    ASSERT_TRUE(links.remove_link("v0"));
    EXPECT_EQ(links.link("renamed").error().code(), Code::kNotFound);
  });
}

}  // namespace
}  // namespace kobuk::sys::nft
