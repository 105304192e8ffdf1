// Golden tables of networks and Services: testing/*.golden. After a change that is meant, KOBUK_ACCEPT_GOLDEN=1 writes
// them anew; read the difference before committing it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "network/forwarding.h"
#include "network/network_rules.h"
#include "network/service_rules.h"
#include "sys/file.h"

namespace kobuk::network {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

void expect_golden(const std::string& name, const sys::nft::Table& table) {
  std::string path = cat("src/network/testing/", name, ".golden");  // tests run in the root of the checkout
  std::string text = sys::nft::to_text(table);
  if (getenv("KOBUK_ACCEPT_GOLDEN")) ASSERT_TRUE(sys::write_file(path, text));
  auto wanted = sys::read_file(path);
  ASSERT_TRUE(wanted) << wanted.error().message();
  EXPECT_EQ(text, *wanted);
}

TEST(NetworkRules, Golden) {
  State state;
  state.bridges.push_back({{.name = "bridge", .subnet = "172.17.0.0/16"}});
  state.bridges.push_back({{.name = "closed", .subnet = "10.3.0.0/24", .internal = true}});
  state.attachments.push_back({.network = "bridge", .container = "web", .address = "172.17.0.2",
                               .ports = {{"", 8080, 80}, {"127.0.0.1", 5353, 53, Protocol::kUdp}}});
  expect_golden("networks", render_networks("default", state, true));
  // Without br_netfilter answers would pass the host by: what returns into its bridge is masqueraded.
  EXPECT_THAT(sys::nft::to_text(render_networks("default", state, false)), HasSubstr("# back into network bridge"));
}

TEST(ForwardingRules, Golden) { expect_golden("forwarding", render_forwarding()); }

TEST(ServiceRules, Golden) {
  Services::Options options{.profile = "default", .cluster_cidr = "10.100.0.0/16", .service_cidr = "10.96.0.0/16",
                            .node_addresses = {"192.168.1.5"}};
  ServicePort web{.name = "default/web:http", .cluster_ip = "10.96.0.10", .port = 80, .node_port = 30080,
                  .external_ips = {"203.0.113.7"}, .source_ranges = {"192.168.0.0/16", "192.168.1.0/24"},
                  .session_affinity_seconds = 600, .local_only = true,
                  .endpoints = {{"10.100.0.3", 8080}, {"10.100.0.2", 8080}}, .local_endpoints = {{"10.100.0.3", 8080}}};
  ServicePort none{.name = "default/none", .protocol = Protocol::kUdp, .cluster_ip = "10.96.0.11", .port = 53, .node_port = 30053};
  auto rendered = render_services(options, {web, none});
  EXPECT_THAT(rendered.skipped, ElementsAre());
  expect_golden("services", rendered.table);
}

TEST(ServiceRules, WhatCanNotBeServedIsLeftOutAndSaid) {
  Services::Options options{.profile = "default"};
  ServicePort first{.name = "a", .cluster_ip = "10.96.0.1", .port = 80, .endpoints = {{"127.0.0.1", 1}, {"10.0.0.1", 1}}};
  ServicePort same{.name = "b", .cluster_ip = "10.96.0.1", .port = 80, .endpoints = {{"10.0.0.2", 1}}};
  ServicePort six{.name = "c", .cluster_ip = "fd00::1", .port = 80, .endpoints = {{"10.0.0.3", 1}}};
  ServicePort range{.name = "d", .cluster_ip = "10.96.0.4", .port = 80, .external_ips = {"1.1.1.1"},
                    .source_ranges = {"everywhere"}, .endpoints = {{"10.0.0.4", 1}}};
  auto rendered = render_services(options, {first, same, six, range});
  EXPECT_THAT(rendered.skipped,
              ElementsAre("a: endpoint 127.0.0.1:1 can't be reached from pods",
                          "b: 10.96.0.1:80 belongs to another Service already", "c: fd00::1:80 is no IPv4 address and port",
                          "d: source range everywhere is no IPv4 range"));
  EXPECT_EQ(rendered.table.sets["frontends"].elements.size(), 3u);
  EXPECT_EQ(rendered.table.sets["restricted"].elements.size(), 1u);  // and nobody is allowed
}

TEST(ServiceRules, ChainsDoNotGrowWithServices) {
  std::vector<ServicePort> wanted;
  for (int i = 0; i < 1000; ++i)
    wanted.push_back({.name = cat("s", i), .cluster_ip = cat("10.96.", i / 250, ".", i % 250), .port = 80,
                      .endpoints = {{"10.0.0.1", 1}, {"10.0.0.2", static_cast<uint16_t>(1 + i % 2)}}});
  Services::Options options{.profile = "default"};
  auto one = render_services(options, {wanted[0]}), all = render_services(options, wanted);
  EXPECT_EQ(all.table.chains, one.table.chains);
  auto changed = wanted;
  changed[500].endpoints[0].port = 9;
  auto next = render_services(options, changed);
  EXPECT_THAT(sys::nft::difference(&all.table, next.table).messages.size(), 4u);  // begin, delete, add, end
}

}  // namespace
}  // namespace kobuk::network
