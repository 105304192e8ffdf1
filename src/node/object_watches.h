// ConfigMaps and Secrets that pods of this node read, each followed by a watch of its own while a pod needs it: the node
// never sees what no pod of it uses. Two pods share one watch. Loop thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "api/cache.h"
#include "api/types/core_v1.h"
#include "node/objects.h"
#include "node/pod.h"

namespace kobuk::node {

template <class T>
class ObjectWatch {
 public:
  ObjectWatch(io::Loop& loop, api::Client& client, const std::string& space, const std::string& name)
      : cache_(loop, client, api::resource_of<T>(),
               api::ReflectorOptions{.space = space, .field_selector = "metadata.name=" + name}),
        key_(space + "/" + name),
        tasks_(loop) {
    cache_.on_change([this](const typename api::Cache<T>::Change&) { notify(); });
    tasks_.spawn(cache_.run());
    tasks_.spawn(notify_when_synced());
  }
  bool synced() const { return cache_.synced(); }
  std::shared_ptr<const T> object() const { return cache_.find(key_); }
  uint64_t add_listener(std::function<void()> listener) {
    listeners_[++last_] = std::move(listener);
    return last_;
  }
  void remove_listener(uint64_t id) { listeners_.erase(id); }

 private:
  void notify() {
    for (auto& [id, listener] : listeners_) listener();
  }
  io::Task<void> notify_when_synced() {
    co_await cache_.wait_synced();
    notify();
  }
  api::Cache<T> cache_;
  std::string key_;
  std::map<uint64_t, std::function<void()>> listeners_;
  uint64_t last_ = 0;
  io::TaskGroup tasks_;  // ends before the cache does
};

// What one pod holds: its objects are followed until it lets go.
template <class T>
class ObjectSubscription {
 public:
  ObjectSubscription(std::shared_ptr<ObjectWatch<T>> watch, std::function<void()> listener)
      : watch_(std::move(watch)), id_(watch_->add_listener(std::move(listener))) {}
  ~ObjectSubscription() {
    if (watch_) watch_->remove_listener(id_);
  }
  ObjectSubscription(ObjectSubscription&& other) noexcept = default;
  ObjectSubscription& operator=(ObjectSubscription&&) = delete;
  const ObjectWatch<T>& watch() const { return *watch_; }

 private:
  std::shared_ptr<ObjectWatch<T>> watch_;
  uint64_t id_;
};

class ObjectWatches {
 public:
  ObjectWatches(io::Loop& loop, api::Client& client) : loop_(&loop), client_(&client) {}
  ObjectSubscription<core::ConfigMap> config_map(const std::string& space, const std::string& name,
                                                 std::function<void()> listener) {
    return {share(config_maps_, space, name), std::move(listener)};
  }
  ObjectSubscription<core::Secret> secret(const std::string& space, const std::string& name, std::function<void()> listener) {
    return {share(secrets_, space, name), std::move(listener)};
  }

 private:
  template <class T>
  std::shared_ptr<ObjectWatch<T>> share(std::map<std::string, std::weak_ptr<ObjectWatch<T>>>& map, const std::string& space,
                                        const std::string& name) {
    std::weak_ptr<ObjectWatch<T>>& slot = map[space + "/" + name];
    std::shared_ptr<ObjectWatch<T>> watch = slot.lock();
    if (!watch) {
      std::erase_if(map, [&](auto& entry) { return entry.second.expired() && &entry.second != &slot; });
      watch = std::make_shared<ObjectWatch<T>>(*loop_, *client_, space, name);
      slot = watch;
    }
    return watch;
  }
  io::Loop* loop_;
  api::Client* client_;
  std::map<std::string, std::weak_ptr<ObjectWatch<core::ConfigMap>>> config_maps_;
  std::map<std::string, std::weak_ptr<ObjectWatch<core::Secret>>> secrets_;
};

}  // namespace kobuk::node
