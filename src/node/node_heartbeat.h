// Keeps the Node alive in the cluster's eyes: registration, a Lease renewed every 10 s (the node's only idle timer), the
// status when it changes and every 5 minutes.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "api/client.h"
#include "io/loop.h"
#include "node/node_status.h"

namespace kobuk::node {

class NodeHeartbeat {
 public:
  // not_ready: why the node can't run pods now, or empty.
  NodeHeartbeat(io::Loop& loop, api::Client& client, KubeletOptions options, NodeFacts facts, std::function<std::string()> not_ready)
      : loop_(&loop), client_(&client), options_(std::move(options)), facts_(std::move(facts)), not_ready_(std::move(not_ready)) {}
  io::Task<void> run();
  void wake() { wake_.cancel(); }  // reports now: the node may be ready again

 private:
  io::Task<Result<void>> register_node();
  io::Task<Result<void>> update_status();
  io::Task<Result<void>> renew_lease();
  io::Task<Result<void>> beat();

  io::Loop* loop_;
  api::Client* client_;
  KubeletOptions options_;
  NodeFacts facts_;
  std::function<std::string()> not_ready_;
  core::Node known_;
  io::CancelSource wake_;
  bool registered_ = false, lease_known_ = false;
  std::optional<MonoTime> reported_;
};

}  // namespace kobuk::node
