// Services on the real kernel, in namespaces of the test's own. Needs root.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <sys/resource.h>

#include <cstdio>
#include <set>

#include "io/loop.h"
#include "network/networks.h"
#include "network/service_rules.h"
#include "network/services.h"
#include "network/testing/playground.h"
#include "sys/file.h"

namespace kobuk::network {
namespace {

using testing::ask;
using testing::Namespace;
using testing::run;
using testing::Server;
using testing::Transport;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr const char* kVirtual = "10.96.0.10";

// Two pods (10.100.0.2 "one", 10.100.0.3 "two") with servers on port 80, and a host outside.
class ServicesKernel : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string why;
    if (!testing::enter_fresh_namespace(&why)) GTEST_SKIP() << why;
    char name[] = "/tmp/services-test-XXXXXX";
    directory_ = mkdtemp(name);
    auto opened = Networks::open(loop_, {.profile = "test", .state_directory = directory_, .run_directory = directory_ + "/run"});
    ASSERT_TRUE(opened) << opened.error().message();
    networks_ = *std::move(opened);
    ASSERT_TRUE(networks_->ensure_bridge({.name = "pods", .subnet = "10.100.0.0/24", .routed = true}));
    auto outside = testing::add_other_host(2), farther = testing::add_other_host(3);
    ASSERT_TRUE(outside && farther);
    outside_ = std::move(*outside);
    farther_ = std::move(*farther);
    run("ip route add default via 192.168.50.2");  // as a host has one
    attach(one_, "one");
    attach(two_, "two");
    servers_.push_back(std::make_unique<Server>(&one_, "0.0.0.0", 80, "one"));
    servers_.push_back(std::make_unique<Server>(&two_, "0.0.0.0", 80, "two"));
    services_ = std::make_unique<Services>(options());
  }
  void TearDown() override {
    if (!directory_.empty()) EXPECT_TRUE(sys::remove_tree(directory_));
  }

  static Services::Options options() {
    return {.profile = "test", .cluster_cidr = "10.100.0.0/24", .service_cidr = "10.96.0.0/16",
            .node_addresses = {"192.168.50.1"}};
  }
  void attach(const Namespace& where, const std::string& container) {
    auto got = loop_.run_until_done(
        networks_->attach({.network = "pods", .container = container, .netns = where.path()}));
    ASSERT_TRUE(got) << got.error().message();
  }
  static ServicePort web() {
    return {.name = "default/web:http", .cluster_ip = kVirtual, .port = 8080,
            .endpoints = {{"10.100.0.2", 80}, {"10.100.0.3", 80}}};
  }
  void apply(std::vector<ServicePort> wanted) {
    auto applied = services_->apply(wanted);
    ASSERT_TRUE(applied) << applied.error().message();
  }
  // The different answers of many questions.
  static std::set<std::string> answers(const Namespace* from, const std::string& address, uint16_t port) {
    std::set<std::string> out;
    for (int i = 0; i < 40 && !out.contains("no answer"); ++i) out.insert(ask(from, address, port));
    return out;
  }
  using Answers = std::set<std::string>;

  io::Loop loop_;
  std::string directory_;
  std::unique_ptr<Networks> networks_;
  std::unique_ptr<Services> services_;
  Namespace one_ = Namespace::make(), two_ = Namespace::make(), outside_, farther_;
  std::vector<std::unique_ptr<Server>> servers_;
};

TEST_F(ServicesKernel, ClusterIPFromPodsAndFromTheHost) {
  apply({web()});
  // Pods keep their address, but for the one that meets itself.
  EXPECT_EQ(answers(&one_, kVirtual, 8080), (Answers{"one 10.100.0.1", "two 10.100.0.2"}));
  EXPECT_EQ(answers(nullptr, kVirtual, 8080), (Answers{"one 10.100.0.1", "two 10.100.0.1"}));
  EXPECT_EQ(ask(&one_, kVirtual, 8081), "refused");      // no such port
  EXPECT_EQ(ask(&one_, "10.96.0.11", 8080), "refused");  // no such Service
}

TEST_F(ServicesKernel, ChangesOfEndpointsAreElements) {
  apply({web()});
  ServicePort less = web();
  less.endpoints.pop_back();
  apply({less});
  EXPECT_EQ(answers(&two_, kVirtual, 8080), (Answers{"one 10.100.0.3"}));
  less.endpoints.clear();
  apply({less});
  EXPECT_EQ(ask(&two_, kVirtual, 8080), "refused");
  EXPECT_EQ(ask(nullptr, kVirtual, 8080), "refused");
  apply({web()});
  EXPECT_EQ(answers(&two_, kVirtual, 8080), (Answers{"one 10.100.0.3", "two 10.100.0.1"}));
  apply({});
  EXPECT_EQ(ask(&two_, kVirtual, 8080), "refused");
}

TEST_F(ServicesKernel, NodePortOnTheNodeAndOnLoopback) {
  ServicePort service = web();
  service.node_port = 30080;
  apply({service});
  EXPECT_EQ(answers(&outside_, "192.168.50.1", 30080), (Answers{"one 10.100.0.1", "two 10.100.0.1"}));
  EXPECT_EQ(answers(nullptr, "127.0.0.1", 30080), (Answers{"one 10.100.0.1", "two 10.100.0.1"}));
  EXPECT_EQ(answers(nullptr, "192.168.50.1", 30080), (Answers{"one 10.100.0.1", "two 10.100.0.1"}));
  EXPECT_EQ(answers(&one_, "192.168.50.1", 30080), (Answers{"one 10.100.0.1", "two 10.100.0.1"}));
  service.endpoints.clear();
  apply({service});
  EXPECT_EQ(ask(&outside_, "192.168.50.1", 30080), "refused");
  EXPECT_EQ(ask(nullptr, "127.0.0.1", 30080), "refused");
}

TEST_F(ServicesKernel, LocalPolicyKeepsTheClientsAddress) {
  ServicePort service = web();
  service.node_port = 30080;
  service.local_only = true;
  service.local_endpoints = {{"10.100.0.3", 80}};
  apply({service});
  EXPECT_EQ(answers(&outside_, "192.168.50.1", 30080), (Answers{"two 192.168.50.2"}));
  EXPECT_EQ(answers(nullptr, "127.0.0.1", 30080), (Answers{"one 10.100.0.1", "two 10.100.0.1"}));
  EXPECT_EQ(answers(&two_, kVirtual, 8080), (Answers{"one 10.100.0.3", "two 10.100.0.1"}));
  service.local_endpoints.clear();
  apply({service});
  EXPECT_EQ(ask(&outside_, "192.168.50.1", 30080, Transport::kTcp, 200), "no answer");
}

TEST_F(ServicesKernel, ExternalAddressesAndTheirSources) {
  ServicePort service = web();
  service.external_ips = {"203.0.113.7"};
  service.source_ranges = {"192.168.50.2/32", "10.0.0.0/8", "10.100.0.0/16"};
  apply({service});
  EXPECT_EQ(answers(&outside_, "203.0.113.7", 8080), (Answers{"one 10.100.0.1", "two 10.100.0.1"}));
  EXPECT_EQ(ask(&farther_, "203.0.113.7", 8080, Transport::kTcp, 200), "no answer");
  EXPECT_THAT(ask(&one_, "203.0.113.7", 8080), HasSubstr(" 10.100.0.1"));
  service.source_ranges.clear();
  apply({service});
  EXPECT_EQ(answers(&farther_, "203.0.113.7", 8080), (Answers{"one 10.100.0.1", "two 10.100.0.1"}));
}

TEST_F(ServicesKernel, SessionAffinitySticksToAnEndpointThatLives) {
  ServicePort service = web();
  service.node_port = 30080;
  service.session_affinity_seconds = 600;
  apply({service});
  Answers first = answers(&two_, kVirtual, 8080);
  EXPECT_EQ(first.size(), 1u);
  EXPECT_EQ(answers(&outside_, "192.168.50.1", 30080).size(), 1u);
  EXPECT_THAT(run("nft list map ip kobuk-test.services sticky"), HasSubstr("timeout 10m"));
  // The remembered endpoint goes: another one is remembered.
  bool was_one = first.begin()->starts_with("one");
  service.endpoints.erase(service.endpoints.begin() + (was_one ? 0 : 1));
  apply({service});
  Answers second = answers(&two_, kVirtual, 8080);
  ASSERT_EQ(second.size(), 1u);
  EXPECT_EQ(second.begin()->starts_with("one"), !was_one);
  service = web();
  service.session_affinity_seconds = 600;
  apply({service});
  EXPECT_EQ(answers(&two_, kVirtual, 8080), second);
}

TEST_F(ServicesKernel, UdpClientsFollowTheEndpoints) {
  Server dns_one(&one_, "0.0.0.0", 53, "one", Transport::kUdp), dns_two(&two_, "0.0.0.0", 53, "two", Transport::kUdp);
  ServicePort service{.name = "kube-system/dns", .protocol = Protocol::kUdp, .cluster_ip = kVirtual, .port = 53,
                      .endpoints = {{"10.100.0.2", 53}}};
  apply({service});
  testing::Asker asker(&two_, kVirtual, 53);
  EXPECT_EQ(asker.ask(), "one 10.100.0.3");
  service.endpoints = {{"10.100.0.3", 53}};
  apply({service});
  EXPECT_EQ(asker.ask(), "two 10.100.0.1");
}

TEST_F(ServicesKernel, AnotherProfilesPodsAreLeftAlone) {
  apply({web()});
  auto opened = Networks::open(loop_, {.profile = "other", .state_directory = directory_ + "/other", .run_directory = directory_ + "/run-other"});
  ASSERT_TRUE(opened);
  ASSERT_TRUE((*opened)->ensure_bridge({.name = "pods", .subnet = "10.200.0.0/24"}));
  Namespace pod = Namespace::make();
  auto at = loop_.run_until_done((*opened)->attach({.network = "pods", .container = "pod", .netns = pod.path()}));
  ASSERT_TRUE(at) << at.error().message();
  Server theirs(&pod, "0.0.0.0", 80, "theirs");
  Services others({.profile = "other", .cluster_cidr = "10.200.0.0/24", .service_cidr = "10.96.0.0/16"});
  ServicePort service = web();
  service.endpoints = {{at->address, 80}};
  ASSERT_TRUE(others.apply({service}));
  EXPECT_EQ(answers(&pod, kVirtual, 8080), (Answers{"theirs 10.200.0.1"}));
  EXPECT_EQ(answers(&one_, kVirtual, 8080), (Answers{"one 10.100.0.1", "two 10.100.0.2"}));
  ASSERT_TRUE(others.clean_up());
  EXPECT_EQ(answers(&one_, kVirtual, 8080), (Answers{"one 10.100.0.1", "two 10.100.0.2"}));
}

TEST_F(ServicesKernel, CleanUpAndRepair) {
  apply({web()});
  run("nft flush ruleset");
  ServicePort service = web();
  service.node_port = 30080;
  apply({service});
  EXPECT_THAT(run("nft list tables"), HasSubstr("kobuk-test.services"));
  Services fresh(options());
  ASSERT_TRUE(fresh.clean_up());
  ASSERT_TRUE(fresh.clean_up());
  EXPECT_THAT(run("nft list tables"), Not(HasSubstr("kobuk-test.services")));
}

struct Cost {  // CPU time in milliseconds
  double all = 0, kernel = 0;
};
Cost cost() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  double kernel = static_cast<double>(usage.ru_stime.tv_sec) * 1e3 + static_cast<double>(usage.ru_stime.tv_usec) / 1e3;
  double user = static_cast<double>(usage.ru_utime.tv_sec) * 1e3 + static_cast<double>(usage.ru_utime.tv_usec) / 1e3;
  return {kernel + user, kernel};
}

TEST_F(ServicesKernel, ThousandsOfServices) {
  std::vector<ServicePort> wanted;
  for (int i = 0; i < 5000; ++i) {
    ServicePort service = web();
    service.name = cat("default/web-", i);
    service.cluster_ip = cat("10.96.", 1 + i / 250, ".", i % 250);
    service.endpoints.resize(static_cast<size_t>(1 + i % 2));
    wanted.push_back(service);
  }
  Cost begin = cost();
  apply(wanted);
  Cost first = cost();
  wanted[77].endpoints = {{"10.100.0.3", 80}};
  apply(wanted);
  Cost second = cost();
  printf("5,000 Services: %.1f ms (%.1f in the kernel), a change of one: %.1f ms (%.1f in the kernel)\n",
         first.all - begin.all, first.kernel - begin.kernel, second.all - first.all, second.kernel - first.kernel);
  EXPECT_EQ(answers(&two_, wanted[77].cluster_ip, 8080), (Answers{"two 10.100.0.1"}));
  EXPECT_EQ(answers(&two_, wanted[4999].cluster_ip, 8080).size(), 2u);
}

}  // namespace
}  // namespace kobuk::network
