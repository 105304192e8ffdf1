#include "node/orphans.h"

#include <chrono>
#include <map>

#include "base/log.h"
#include "base/strings.h"
#include "node/volumes.h"
#include "sys/file.h"

namespace kobuk::node {
namespace {

constexpr Duration kGrace = std::chrono::seconds(2);
constexpr std::string_view kQosFolders[] = {"guaranteed", "burstable", "besteffort"};

Result<void> remove_files(const NodeConfig& node, const sys::CgroupFacts& facts, const Orphan& orphan) {
  KOBUK_CHECK(remove_pod_directory(pod_directory(node, orphan.uid)));
  for (const std::string& logs : orphan.log_directories) KOBUK_CHECK(sys::remove_tree(logs));
  if (node.cgroup_root.empty()) return {};
  for (std::string_view folder : kQosFolders) {
    sys::Cgroup group(facts, cat(node.cgroup_root, "/pods/", folder, "/pod", orphan.uid));
    if (!group.exists()) continue;
    KOBUK_CHECK(group.kill());
    KOBUK_CHECK(group.remove());
  }
  return {};
}

}  // namespace

std::vector<Orphan> find_orphans(const NodeConfig& node, const RuntimeCache& runtime, const std::set<std::string>& known) {
  std::map<std::string, Orphan> found;
  auto add = [&](const std::string& uid) -> Orphan* {
    if (uid.empty() || known.contains(uid)) return nullptr;
    Orphan& orphan = found[uid];
    orphan.uid = uid;
    return &orphan;
  };
  for (const std::string& uid : runtime.uids()) add(uid);
  if (auto folders = sys::list_directory(node.directory + "/pods")) {
    for (const std::string& uid : *folders) add(uid);
  }
  if (auto logs = sys::list_directory(node.log_directory)) {
    for (const std::string& name : *logs) {  // namespace_name_uid
      size_t last = name.rfind('_');
      if (last == std::string::npos || last == name.find('_')) continue;
      if (Orphan* orphan = add(name.substr(last + 1))) orphan->log_directories.push_back(cat(node.log_directory, "/", name));
    }
  }
  std::vector<Orphan> out;
  for (auto& [uid, orphan] : found) out.push_back(std::move(orphan));
  return out;
}

io::Task<void> remove_orphan(KubeletContext& context, Orphan orphan) {
  log::info("removing what is left of a pod", {{"uid", orphan.uid}});
  std::vector<engine::ContainerStatus> containers = context.runtime.of(orphan.uid).containers;
  std::vector<engine::PodSandboxStatus> sandboxes = context.runtime.of(orphan.uid).sandboxes;
  Result<void> result;
  for (const engine::ContainerStatus& status : containers) {
    result = co_await context.cri.stop_container(status.id, kGrace);
    if (result || result.error().code() == Code::kNotFound) result = co_await context.cri.remove_container(status.id);
    engine::CriEvent changed{status.sandbox_id, status.id};
    auto refreshed = co_await context.runtime.refresh(changed);
    (void)refreshed;
  }
  for (const engine::PodSandboxStatus& sandbox : sandboxes) {
    result = co_await context.cri.stop_pod_sandbox(sandbox.id);
    if (result) result = co_await context.cri.remove_pod_sandbox(sandbox.id);
    if (!result) log::warn("an orphaned sandbox can't be removed", {{"sandbox", sandbox.id}, {"error", result.error().message()}});
    engine::CriEvent changed{sandbox.id, {}};
    auto refreshed = co_await context.runtime.refresh(changed);
    (void)refreshed;
  }
  NodeConfig node = context.config;
  sys::CgroupFacts facts = context.cgroups;
  std::string uid = orphan.uid;
  auto work = [node, facts, orphan] { return remove_files(node, facts, orphan); };
  result = co_await context.loop.offload("remove a pod", work);
  if (!result) log::warn("an orphaned pod's files can't be removed", {{"uid", uid}, {"error", result.error().message()}});
}

}  // namespace kobuk::node
