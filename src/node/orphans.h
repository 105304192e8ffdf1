// What is left of pods that the cluster forgot while the kubelet was away: sandboxes, containers, folders, logs, cgroups.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "node/kubelet_context.h"

namespace kobuk::node {

struct Orphan {
  std::string uid;
  std::vector<std::string> log_directories;
};
// Everything in the engine and below the node's folders whose pod is not in `known`.
std::vector<Orphan> find_orphans(const NodeConfig& node, const RuntimeCache& runtime, const std::set<std::string>& known);
io::Task<void> remove_orphan(KubeletContext& context, Orphan orphan);

}  // namespace kobuk::node
