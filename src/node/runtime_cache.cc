#include "node/runtime_cache.h"

#include <algorithm>

#include "node/pod.h"

namespace kobuk::node {
namespace {

std::string label(const engine::StringMap& labels, std::string_view key) {
  auto found = labels.find(std::string(key));
  return found == labels.end() ? std::string() : found->second;
}

bool newer(const engine::ContainerStatus& a, const engine::ContainerStatus& b) {
  return a.attempt != b.attempt && container_name_of(a) == container_name_of(b) ? a.attempt > b.attempt
                                                                                 : a.created > b.created;
}

}  // namespace

std::string_view container_name_of(const engine::ContainerStatus& status) {
  auto found = status.labels.find(std::string(kContainerNameLabel));
  return found == status.labels.end() ? std::string_view(status.name) : std::string_view(found->second);
}

const engine::ContainerStatus* PodRuntime::latest(std::string_view name, std::string_view sandbox) const {
  for (const auto& container : containers) {
    if (container_name_of(container) == name && (sandbox.empty() || container.sandbox_id == sandbox)) return &container;
  }
  return nullptr;
}

const engine::ContainerStatus* PodRuntime::previous(std::string_view name) const {
  const engine::ContainerStatus* first = latest(name);
  for (const auto& container : containers) {
    if (&container != first && container_name_of(container) == name) return &container;
  }
  return nullptr;
}

const engine::ContainerStatus* PodRuntime::by_id(std::string_view id) const {
  auto found = std::ranges::find(containers, id, &engine::ContainerStatus::id);
  return found == containers.end() ? nullptr : &*found;
}

bool PodRuntime::any_running() const {
  return std::ranges::any_of(containers, [](auto& c) { return c.phase == engine::ContainerPhase::kRunning; });
}

const PodRuntime& RuntimeCache::of(const std::string& uid) const {
  static const PodRuntime kNone;
  auto found = pods_.find(uid);
  return found == pods_.end() ? kNone : found->second;
}

std::vector<std::string> RuntimeCache::uids() const {
  std::vector<std::string> out;
  for (const auto& [uid, pod] : pods_) {
    if (!pod.empty()) out.push_back(uid);
  }
  return out;
}

bool RuntimeCache::newest(const std::string& id, uint64_t question) {
  uint64_t& answered = answered_[id];
  if (question < answered) return false;
  answered = question;
  return true;
}

void RuntimeCache::put_container(engine::ContainerStatus status) {
  std::string uid = label(status.labels, kPodUidLabel);
  if (uid.empty()) return;  // not of a pod of ours
  owner_[status.id] = uid;
  auto& list = pods_[uid].containers;
  std::erase_if(list, [&](auto& other) { return other.id == status.id; });
  list.insert(std::ranges::upper_bound(list, status, newer), std::move(status));
}

void RuntimeCache::put_sandbox(engine::PodSandboxStatus status) {
  std::string uid = status.metadata.uid;
  if (uid.empty()) return;
  owner_[status.id] = uid;
  auto& list = pods_[uid].sandboxes;
  std::erase_if(list, [&](auto& other) { return other.id == status.id; });
  auto later = [](auto& a, auto& b) {
    return a.metadata.attempt != b.metadata.attempt ? a.metadata.attempt > b.metadata.attempt : a.created > b.created;
  };
  list.insert(std::ranges::upper_bound(list, status, later), std::move(status));
}

template <class Status>
std::string RuntimeCache::erase(const std::string& id, std::vector<Status> PodRuntime::*list) {
  auto owner = owner_.find(id);
  if (owner == owner_.end()) return {};
  std::string uid = owner->second;
  owner_.erase(owner);
  answered_.erase(id);
  auto pod = pods_.find(uid);
  if (pod == pods_.end()) return uid;
  std::erase_if(pod->second.*list, [&](auto& other) { return other.id == id; });
  if (pod->second.empty()) pods_.erase(pod);
  return uid;
}

std::string RuntimeCache::erase_container(const std::string& id) { return erase(id, &PodRuntime::containers); }
std::string RuntimeCache::erase_sandbox(const std::string& id) { return erase(id, &PodRuntime::sandboxes); }

io::Task<Result<void>> RuntimeCache::load() {
  KOBUK_CO_TRY(auto sandboxes, co_await cri_->list_pod_sandboxes());
  KOBUK_CO_TRY(auto containers, co_await cri_->list_containers());
  pods_.clear(), owner_.clear(), answered_.clear();
  for (auto& sandbox : sandboxes) put_sandbox(std::move(sandbox));
  for (auto& container : containers) put_container(std::move(container));
  co_return Result<void>();
}

io::Task<Result<std::string>> RuntimeCache::refresh(engine::CriEvent event) {
  uint64_t question = next_question_++;
  if (event.container_id.empty()) {
    auto status = co_await cri_->pod_sandbox_status(event.sandbox_id);
    if (!newest(event.sandbox_id, question)) co_return std::string();
    if (!status && status.error().code() == Code::kNotFound) {
      std::string gone = erase_sandbox(event.sandbox_id);
      answered_.erase(event.sandbox_id);
      co_return gone;
    }
    if (!status) co_return fail(std::move(status).error());
    std::string uid = status->metadata.uid;
    put_sandbox(*std::move(status));
    co_return uid;
  }
  auto status = co_await cri_->container_status(event.container_id);
  if (!newest(event.container_id, question)) co_return std::string();
  if (!status && status.error().code() == Code::kNotFound) {
    std::string gone = erase_container(event.container_id);
    answered_.erase(event.container_id);
    co_return gone;
  }
  if (!status) co_return fail(std::move(status).error());
  std::string uid = label(status->labels, kPodUidLabel);
  put_container(*std::move(status));
  co_return uid;
}

}  // namespace kobuk::node
