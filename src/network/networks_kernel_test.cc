// Networks on the real kernel, in namespaces of the test's own. Needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>

#include "io/loop.h"
#include "network/network_rules.h"
#include "network/networks.h"
#include "network/testing/playground.h"
#include "sys/file.h"
#include "sys/netlink_conntrack.h"
#include "sys/nft.h"

namespace kobuk::network {
namespace {

using testing::ask;
using testing::Namespace;
using testing::run;
using testing::Server;
using testing::Transport;
using ::testing::HasSubstr;
using ::testing::Not;

/// Links and rules as text. Without the carrier of a link, which the kernel tells in its own time.
std::string links_and_rules() {
  return run("ip -o link | sed -E 's/NO-CARRIER,|,LOWER_UP//; s/ state [A-Z]+//'; nft list ruleset");
}

class NetworksKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!testing::enter_fresh_namespace(&why)) GTEST_SKIP() << why;
    char name[] = "/tmp/networks-test-XXXXXX";
    directory_ = mkdtemp(name);
    networks_ = open("test");
  }
  void TearDown() override {
    if (!directory_.empty()) EXPECT_TRUE(sys::remove_tree(directory_));
  }

  std::unique_ptr<Networks> open(const std::string& profile) {
    auto opened = Networks::open(loop_, {.profile = profile, .state_directory = cat(directory_, "/", profile), .run_directory = cat(directory_, "/run-", profile)});
    if (!opened) ADD_FAILURE() << opened.error().message();
    return opened ? *std::move(opened) : nullptr;
  }
  Result<Attachment> attach(Networks& networks, AttachRequest request) {
    return loop_.run_until_done(networks.attach(std::move(request)));
  }
  Attachment attached(const Namespace& where, const std::string& network, const std::string& container,
                      std::vector<PortMapping> ports = {}) {
    auto got = attach(*networks_, {.network = network, .container = container, .netns = where.path(), .ports = ports});
    if (!got) ADD_FAILURE() << got.error().message();
    return got ? *got : Attachment{};
  }
  void detach(const std::string& network, const std::string& container) {
    auto done = loop_.run_until_done(networks_->detach(network, container));
    EXPECT_TRUE(done) << done.error().message();
  }
  void ensure(BridgeSpec spec) {
    auto done = networks_->ensure_bridge(spec);
    ASSERT_TRUE(done) << done.error().message();
  }

  io::Loop loop_;
  std::string directory_;
  std::unique_ptr<Networks> networks_;
};

TEST_F(NetworksKernel, ContainersReachEachOtherTheHostAndTheOutside) {
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  Namespace a = Namespace::make(), b = Namespace::make();
  auto outside = testing::add_other_host(2);
  ASSERT_TRUE(outside) << outside.error().message();
  Attachment at = attached(a, "bridge", "a"), bt = attached(b, "bridge", "b");
  EXPECT_EQ(at.address, "172.17.0.2");
  EXPECT_EQ(at.gateway, "172.17.0.1");
  EXPECT_EQ(at.mac, "02:42:ac:11:00:02");
  EXPECT_EQ(at.prefix, 16);
  EXPECT_EQ(bt.address, "172.17.0.3");
  Server in_b(&b, "0.0.0.0", 80, "b"), on_host(nullptr, "0.0.0.0", 81, "host"), far(&*outside, "0.0.0.0", 82, "far");
  EXPECT_EQ(ask(&a, "172.17.0.3", 80), "b 172.17.0.2");
  EXPECT_EQ(ask(nullptr, "172.17.0.3", 80), "b 172.17.0.1");
  EXPECT_EQ(ask(&a, "172.17.0.1", 81), "host 172.17.0.2");
  EXPECT_EQ(ask(&a, "192.168.50.2", 82), "far 192.168.50.1");  // masqueraded
  EXPECT_EQ(ask(&a, "127.0.0.1", 80), "refused");              // lo is up
  EXPECT_EQ(ask(&*outside, "172.17.0.3", 80, Transport::kTcp, 200), "no answer");  // not published
}

TEST_F(NetworksKernel, PublishedPortsAnswerOnEveryAddress) {
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  Namespace web = Namespace::make(), other = Namespace::make();
  auto outside = testing::add_other_host(2);
  ASSERT_TRUE(outside);
  Attachment at = attached(web, "bridge", "web",
                           {{"", 8080, 80, Protocol::kTcp}, {"127.0.0.1", 8081, 80, Protocol::kTcp},
                            {"", 5353, 53, Protocol::kUdp}, {"", 0, 80, Protocol::kTcp}});
  ASSERT_EQ(at.ports.size(), 4u);
  EXPECT_GT(at.ports[3].host_port, 1024);
  attached(other, "bridge", "other");
  Server http(&web, "0.0.0.0", 80, "web"), dns(&web, "0.0.0.0", 53, "dns", Transport::kUdp);
  EXPECT_EQ(ask(&*outside, "192.168.50.1", 8080), "web 192.168.50.2");
  EXPECT_EQ(ask(&*outside, "192.168.50.1", at.ports[3].host_port), "web 192.168.50.2");
  EXPECT_EQ(ask(&*outside, "192.168.50.1", 5353, Transport::kUdp), "dns 192.168.50.2");
  EXPECT_EQ(ask(&*outside, "192.168.50.1", 8081), "refused");
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8080), "web 172.17.0.1");
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8081), "web 172.17.0.1");
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 5353, Transport::kUdp), "dns 172.17.0.1");
  EXPECT_EQ(ask(nullptr, "192.168.50.1", 8080).substr(0, 3), "web");
  EXPECT_EQ(ask(&other, "192.168.50.1", 8080), "web 172.17.0.3");
  EXPECT_EQ(ask(&other, "172.17.0.1", 8080), "web 172.17.0.3");
  EXPECT_EQ(ask(&web, "172.17.0.1", 8080), "web 172.17.0.1");  // to itself
  detach("bridge", "web");
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8080), "refused");
}

TEST_F(NetworksKernel, APortIsGivenOnce) {
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  Namespace a = Namespace::make(), b = Namespace::make();
  Server taken(nullptr, "0.0.0.0", 9000, "taken");
  auto first = attach(*networks_, {.network = "bridge", .container = "a", .netns = a.path(), .ports = {{"", 9000, 80}}});
  ASSERT_FALSE(first);
  EXPECT_EQ(first.error().message(), "failed to bind host port 0.0.0.0:9000/tcp: address already in use");
  EXPECT_EQ(first.error().code(), Code::kAlreadyExists);
  EXPECT_TRUE(networks_->attachments().empty());
  attached(a, "bridge", "a", {{"", 8080, 80}});
  auto second = attach(*networks_, {.network = "bridge", .container = "b", .netns = b.path(), .ports = {{"", 8080, 80}}});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().message(), "Bind for 0.0.0.0:8080 failed: port is already allocated");
  detach("bridge", "a");
  attached(b, "bridge", "b", {{"", 8080, 80}});
}

TEST_F(NetworksKernel, BridgesAreIsolated) {
  ensure({.name = "one", .subnet = "10.1.0.0/24"});
  ensure({.name = "two", .subnet = "10.2.0.0/24"});
  ensure({.name = "closed", .subnet = "10.3.0.0/24", .internal = true});
  Namespace a = Namespace::make(), b = Namespace::make(), c = Namespace::make(), d = Namespace::make();
  auto outside = testing::add_other_host(2);
  ASSERT_TRUE(outside);
  attached(a, "one", "a"), attached(b, "two", "b", {{"", 8080, 80}}), attached(c, "closed", "c");
  Attachment dt = attached(d, "closed", "d");
  Server in_b(&b, "0.0.0.0", 80, "b"), in_d(&d, "0.0.0.0", 80, "d"), far(&*outside, "0.0.0.0", 82, "far");
  EXPECT_EQ(ask(&a, "10.2.0.2", 80, Transport::kTcp, 200), "no answer");
  EXPECT_EQ(ask(&a, "10.2.0.1", 8080).substr(0, 1), "b");  // published ports are for everybody
  EXPECT_EQ(ask(&c, dt.address, 80), "d 10.3.0.2");
  EXPECT_EQ(ask(&c, "192.168.50.2", 82), "unreachable");
  EXPECT_EQ(ask(&a, "10.3.0.3", 80, Transport::kTcp, 200), "no answer");
}

TEST_F(NetworksKernel, NothingIsLeftAfterAnError) {
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  std::string before = links_and_rules();
  auto missing = attach(*networks_, {.network = "bridge", .container = "a", .netns = "/proc/self/no-such-namespace",
                                     .ports = {{"", 8080, 80}}});
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().code(), Code::kNotFound);
  EXPECT_EQ(links_and_rules(), before);
  EXPECT_TRUE(networks_->attachments().empty());
  EXPECT_FALSE(networks_->ensure_bridge({.name = "again", .subnet = "172.17.5.0/24"}));
  EXPECT_EQ(networks_->bridges().size(), 1u);
  EXPECT_EQ(links_and_rules(), before);
}

TEST_F(NetworksKernel, ADaemonThatDiedFindsEverythingAgain) {
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  Namespace web = Namespace::make();
  Attachment at = attached(web, "bridge", "web", {{"", 8080, 80}});
  {
    Namespace dead = Namespace::make();
    attached(dead, "bridge", "dead", {{"", 8081, 80}});
  }
  Server http(&web, "0.0.0.0", 80, "web");
  networks_.reset();
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8080), "web 172.17.0.1");  // containers do not need the daemon
  run("nft delete table ip kobuk-test; ip link del " + bridge_interface("test", "bridge"));
  run("ip link del " + container_interface("test", "bridge", "dead"));
  networks_ = open("test");
  EXPECT_EQ(networks_->attachments(), std::vector<Attachment>{at});
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8080), "web 172.17.0.1");
  Namespace next = Namespace::make();
  EXPECT_EQ(attached(next, "bridge", "next").address, "172.17.0.4");
}

TEST_F(NetworksKernel, TwoProfilesSideBySide) {
  ensure({.name = "bridge", .subnet = ""});
  auto second = open("other");
  ASSERT_TRUE(second->ensure_bridge({.name = "bridge", .subnet = ""}));
  EXPECT_EQ(networks_->bridges()[0].subnet, "172.17.0.0/16");
  EXPECT_EQ(second->bridges()[0].subnet, "172.18.0.0/16");
  Namespace a = Namespace::make(), b = Namespace::make();
  attached(a, "bridge", "same-id", {{"", 8080, 80}});
  auto bt = attach(*second, {.network = "bridge", .container = "same-id", .netns = b.path(), .ports = {{"", 8081, 80}}});
  ASSERT_TRUE(bt) << bt.error().message();
  auto taken = attach(*second, {.network = "bridge", .container = "x", .netns = b.path(), .ports = {{"", 8080, 80}}});
  EXPECT_FALSE(taken);
  Server in_a(&a, "0.0.0.0", 80, "a"), in_b(&b, "0.0.0.0", 80, "b");
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8080), "a 172.17.0.1");
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8081), "b 172.18.0.1");
  EXPECT_EQ(ask(&a, bt->address, 80, Transport::kTcp, 200), "no answer");
  ASSERT_TRUE(second->clean_up());
  EXPECT_THAT(run("ip -o link; nft list ruleset"), Not(HasSubstr(bridge_interface("other", "bridge"))));
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8080), "a 172.17.0.1");
}

TEST_F(NetworksKernel, CleanUpFromAFreshProcessLeavesNothing) {
  std::string before = run("ip addr") + links_and_rules();
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  Namespace web = Namespace::make();
  attached(web, "bridge", "web", {{"", 8080, 80}});
  networks_.reset();
  networks_ = open("test");
  ASSERT_TRUE(networks_->clean_up());
  EXPECT_EQ(run("ip addr") + links_and_rules(), before);
  EXPECT_TRUE(networks_->bridges().empty());
  ASSERT_TRUE(networks_->clean_up());
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
}

// A network "far", 192.168.60.0/24, with one host in it, on the other side of this one.
Result<Namespace> add_far_host() {
  KOBUK_TRY(auto links, sys::open_netlink());
  KOBUK_CHECK(links->add_bridge({.name = "far"}));
  KOBUK_CHECK(links->add_address("far", "192.168.60.1", 24));
  KOBUK_CHECK(links->set_up("far"));
  Namespace out = Namespace::make();
  KOBUK_CHECK(links->add_veth({.name = "far2", .bridge = "far", .peer_name = "eth0", .peer_namespace = out.fd()}));
  KOBUK_TRY(auto inside, sys::open_netlink_in(out.fd()));
  KOBUK_CHECK(inside->add_address("eth0", "192.168.60.2", 24));
  KOBUK_CHECK(inside->set_up("eth0"));
  KOBUK_CHECK(inside->add_default_route("eth0", "192.168.60.1"));
  return out;
}

TEST_F(NetworksKernel, ForwardsForContainersAndForNobodyElse) {
  constexpr const char* kSetting = "/proc/sys/net/ipv4/ip_forward";
  ASSERT_TRUE(sys::write_existing(kSetting, "0"));
  auto near = testing::add_other_host(2);
  auto far = add_far_host();
  ASSERT_TRUE(near && far);
  Namespace web = Namespace::make(), theirs = Namespace::make();
  Server in_far(&*far, "0.0.0.0", 80, "far"), in_web(&web, "0.0.0.0", 80, "web");
  auto near_to_far = [&] { return ask(&*near, "192.168.60.2", 80, Transport::kTcp, 300); };
  EXPECT_EQ(near_to_far(), "no answer");
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  attached(web, "bridge", "web", {{"", 8080, 80}});
  EXPECT_EQ(ask(&web, "192.168.60.2", 80), "far 192.168.60.1");
  EXPECT_EQ(ask(&*near, "192.168.50.1", 8080), "web 192.168.50.2");
  EXPECT_EQ(near_to_far(), "no answer") << "this host is a router for others";
  // Another profile lives on it as well, and longer.
  auto other = open("other");
  ASSERT_TRUE(other->ensure_bridge({.name = "bridge", .subnet = "172.18.0.0/16"}));
  ASSERT_TRUE(attach(*other, {.network = "bridge", .container = "theirs", .netns = theirs.path()}));
  ASSERT_TRUE(networks_->clean_up());
  EXPECT_EQ(ask(&theirs, "192.168.60.2", 80), "far 192.168.60.1");
  EXPECT_EQ(near_to_far(), "no answer");
  ASSERT_TRUE(other->clean_up());
  EXPECT_EQ(run(cat("cat ", kSetting)), "0\n");
  EXPECT_EQ(run("nft list ruleset"), "");
  // A router stays one.
  ASSERT_TRUE(sys::write_existing(kSetting, "1"));
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  EXPECT_EQ(near_to_far(), "far 192.168.50.2");
  ASSERT_TRUE(networks_->clean_up());
  EXPECT_EQ(run(cat("cat ", kSetting)), "1\n");
}

TEST_F(NetworksKernel, OpensAFirewallThatDropsForwarding) {
  if (!sys::exists("/usr/sbin/iptables")) GTEST_SKIP() << "needs iptables";
  run("iptables -P FORWARD DROP");
  std::string before = run("iptables -S");
  ASSERT_THAT(before, HasSubstr("-P FORWARD DROP"));
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  Namespace web = Namespace::make();
  auto outside = testing::add_other_host(2);
  ASSERT_TRUE(outside);
  attached(web, "bridge", "web", {{"", 8080, 80}});
  Server http(&web, "0.0.0.0", 80, "web"), far(&*outside, "0.0.0.0", 82, "far");
  EXPECT_EQ(ask(&*outside, "192.168.50.1", 8080), "web 192.168.50.2");
  EXPECT_EQ(ask(&web, "192.168.50.2", 82), "far 192.168.50.1");
  ASSERT_TRUE(networks_->clean_up());
  EXPECT_EQ(run("iptables -S"), before);
}

TEST_F(NetworksKernel, UdpClientsFollowTheContainer) {
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  Namespace first = Namespace::make(), second = Namespace::make();
  auto outside = testing::add_other_host(2);
  ASSERT_TRUE(outside);
  testing::Asker asker(&*outside, "192.168.50.1", 5353);
  attached(first, "bridge", "first", {{"", 5353, 53, Protocol::kUdp}});
  Server one(&first, "0.0.0.0", 53, "one", Transport::kUdp), two(&second, "0.0.0.0", 53, "two", Transport::kUdp);
  EXPECT_EQ(asker.ask(), "one 192.168.50.2");
  detach("bridge", "first");
  attached(second, "bridge", "second", {{"", 5353, 53, Protocol::kUdp}});
  EXPECT_EQ(asker.ask(), "two 192.168.50.2");
}

// A UDP conversation of others that happens to use the number of a published port goes on undisturbed.
TEST_F(NetworksKernel, PublishingForgetsOnlyWhatWentToThisHost) {
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  Namespace client = Namespace::make(), web = Namespace::make();
  auto outside = testing::add_other_host(2);
  ASSERT_TRUE(outside);
  attached(client, "bridge", "client");
  Server far(&*outside, "0.0.0.0", 5353, "far", Transport::kUdp);
  ASSERT_EQ(ask(&client, "192.168.50.2", 5353, Transport::kUdp), "far 192.168.50.1");
  auto followed = [] {
    size_t out = 0;
    auto listed = sys::forget_connections(IPPROTO_UDP, [&out](const sys::TrackedConnection& connection) {
      if (connection.destination == sys::nft::ipv4_bytes("192.168.50.2")) ++out;
      return false;
    });
    EXPECT_TRUE(listed);
    return out;
  };
  ASSERT_EQ(followed(), 1u);
  attached(web, "bridge", "web", {{"", 5353, 53, Protocol::kUdp}});
  EXPECT_EQ(followed(), 1u);
  detach("bridge", "web");
  EXPECT_EQ(followed(), 1u);
}

// A container could make itself the host's IPv6 router otherwise (CVE-2020-13401).
TEST_F(NetworksKernel, BridgesHaveNoIpv6) {
  if (!sys::exists("/proc/sys/net/ipv6")) GTEST_SKIP() << "needs a kernel with IPv6";
  std::string conf = cat("/proc/sys/net/ipv6/conf/", bridge_interface("test", "bridge"));
  auto closed = [&conf] {
    EXPECT_EQ(sys::read_file(cat(conf, "/accept_ra")).value_or("?"), "0\n");
    EXPECT_EQ(sys::read_file(cat(conf, "/disable_ipv6")).value_or("?"), "1\n");
  };
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  closed();
  EXPECT_THAT(run(cat("ip -6 addr show dev ", bridge_interface("test", "bridge"))), Not(HasSubstr("inet6")));
  ASSERT_TRUE(sys::write_existing(cat(conf, "/disable_ipv6"), "0"));
  ASSERT_TRUE(sys::write_existing(cat(conf, "/accept_ra"), "1"));
  networks_ = open("test");  // one that an earlier daemon made
  closed();
}

TEST_F(NetworksKernel, RepairsATableThatSomebodyFlushed) {
  ensure({.name = "bridge", .subnet = "172.17.0.0/16"});
  run("nft flush ruleset");
  Namespace web = Namespace::make();
  attached(web, "bridge", "web", {{"", 8080, 80}});
  Server http(&web, "0.0.0.0", 80, "web");
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 8080), "web 172.17.0.1");
}

}  // namespace
}  // namespace kobuk::network
