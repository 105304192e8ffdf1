#include "node/node_status.h"

#include <gtest/gtest.h>

#include "api/quantity.h"

namespace kobuk::node {
namespace {

TEST(NodeStatus, HasTheDiskThatItsFolderWillLieOn) {
  NodeFacts facts = read_node_facts("/tmp/there/is/none/yet");
  EXPECT_EQ(facts.disk_bytes, read_node_facts("/tmp").disk_bytes);
  EXPECT_GT(facts.disk_bytes, 0);
  EXPECT_GT(read_node_pressure("/tmp/there/is/none/yet").disk_available, 0);
  EXPECT_GT(facts.memory_bytes, 0);
  EXPECT_GE(facts.cpu_millicores, 1000);
  core::Node node = make_node({.node_name = "n"}, facts);
  EXPECT_EQ(api::Quantity::parse(node.status.capacity.at("ephemeral-storage"))->value(), facts.disk_bytes / 1024 * 1024);
}

}  // namespace
}  // namespace kobuk::node
