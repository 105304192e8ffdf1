// Cache<T>: a local copy of one resource's objects as structs, each decoded once per change and shared by all who look.
// Index<T>: the same objects by what they say of others. Caches: one Cache for each resource of a process.
//
//   Caches caches(loop, client);
//   auto& pods = caches.of<core::v1::Pod>();
//   auto& by_node = pods.index([](const core::v1::Pod& pod) { return Keys{pod.spec.node_name}; });
//   pods.on_change([&](const Cache<core::v1::Pod>::Change& change) { queue.add(change.key); });
//   caches.start();                                   // every cache that is asked for by then
//   co_await caches.synced();
//   for (auto& [key, pod] : by_node.at("n1")) …
//
// metadata.managedFields are dropped: nobody here reads them, and they are half of an object. Objects are written by
// patches (struct_patch.h), so that nothing gets lost. One Loop's thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/decode.h"
#include "api/reflector.h"
#include "api/types/meta_v1.h"
#include "base/log.h"

namespace kobuk::api {

using Keys = std::vector<std::string>;  // empty ones are left out

// The part of a change that every kind has.
struct MetadataChange {
  const std::string& key;
  const meta::v1::ObjectMeta *before, *after;  // null: it was not there; null: it is gone
};

class AnyCache : public Reflector {
 public:
  using Reflector::Reflector;
  virtual void on_metadata_change(std::function<void(const MetadataChange&)> handler) = 0;
};

template <class T>
class Index {
 public:
  using Object = std::shared_ptr<const T>;
  using Objects = std::map<std::string, Object, std::less<>>;
  explicit Index(std::function<Keys(const T&)> keys_of) : keys_of_(std::move(keys_of)) {}
  const Objects& at(std::string_view value) const {
    static const Objects kNone;
    auto found = entries_.find(value);
    return found == entries_.end() ? kNone : found->second;
  }
  void change(const std::string& key, const T* before, const Object& after) {
    if (before != nullptr) {
      for (const std::string& value : keys_of_(*before)) remove(value, key);
    }
    if (!after) return;
    for (std::string& value : keys_of_(*after)) {
      if (!value.empty()) entries_[std::move(value)][key] = after;
    }
  }

 private:
  void remove(const std::string& value, const std::string& key) {
    auto found = entries_.find(value);
    if (found == entries_.end()) return;
    found->second.erase(key);
    if (found->second.empty()) entries_.erase(found);
  }
  std::function<Keys(const T&)> keys_of_;
  std::map<std::string, Objects, std::less<>> entries_;
};

template <class T>
class Cache final : public AnyCache {
 public:
  using Object = std::shared_ptr<const T>;
  using Objects = std::map<std::string, Object, std::less<>>;
  struct Change {
    const std::string& key;  // "namespace/name", or "name" of what has no namespace
    Object before, after;    // null: it was not there; null: it is gone
  };
  using Handler = std::function<void(const Change&)>;

  using AnyCache::AnyCache;
  // At any time: what is there already is told at once, as new. Handlers do not destroy the cache.
  void on_change(Handler handler) {
    for (const auto& [key, object] : objects_) handler(Change{key, nullptr, object});
    handlers_.push_back(std::move(handler));
  }
  void on_metadata_change(std::function<void(const MetadataChange&)> handler) override {
    on_change([handler = std::move(handler)](const Change& change) {
      handler({change.key, change.before ? &change.before->metadata : nullptr, change.after ? &change.after->metadata : nullptr});
    });
  }
  // Lives as long as the cache; up to date before handlers run.
  Index<T>& index(std::function<Keys(const T&)> keys_of) {
    indexes_.push_back(std::make_unique<Index<T>>(std::move(keys_of)));
    for (const auto& [key, object] : objects_) indexes_.back()->change(key, nullptr, object);
    return *indexes_.back();
  }
  Object find(std::string_view key) const {
    auto found = objects_.find(key);
    return found == objects_.end() ? nullptr : found->second;
  }
  const Objects& objects() const { return objects_; }
  // Waits until the object with this uid is gone, or is at least known to be going (deletionTimestamp).
  io::Task<void> removed(std::string key, std::string uid) {
    while (true) {
      Object object = find(key);
      if (!object || object->metadata.uid != uid || !object->metadata.deletion_timestamp.empty()) co_return;
      co_await changed(key);
    }
  }
  // Calls `visit` for each object of the namespace.
  template <class F>
  void in_namespace(std::string_view space, F visit) const {
    std::string prefix = cat(space, "/");
    for (auto at = objects_.lower_bound(prefix); at != objects_.end() && at->first.starts_with(prefix); ++at) visit(at->second);
  }

 private:
  void store(std::string key, const codec::Value* object) override {
    Object before = find(key), after;
    if (object != nullptr) {
      auto decoded = std::make_shared<T>();
      if (auto result = decode(*object, *decoded); !result) {
        log::error("an object can't be decoded", {{"key", key}, {"error", result.error().message()}});
        return;
      }
      decoded->metadata.managed_fields = {};
      after = std::move(decoded);
    }
    if (!before && !after) return;
    if (before && after && before->metadata.resource_version == after->metadata.resource_version &&
        before->metadata.uid == after->metadata.uid) {
      return;
    }
    // A name that was taken anew between two looks: the old object is gone, whatever the new one is.
    if (before && after && before->metadata.uid != after->metadata.uid) {
      change(key, before, nullptr);
      before = nullptr;
    }
    change(key, before, after);
  }
  void change(const std::string& key, const Object& before, const Object& after) {
    if (after) {
      objects_[key] = after;
    } else {
      objects_.erase(key);
    }
    for (auto& index : indexes_) index->change(key, before.get(), after);
    wake(key);
    for (size_t i = 0; i < handlers_.size(); ++i) handlers_[i](Change{key, before, after});
  }
  std::vector<std::string> keys() const override {
    std::vector<std::string> out;
    for (const auto& [key, object] : objects_) out.push_back(key);
    return out;
  }
  Objects objects_;
  std::vector<Handler> handlers_;
  std::vector<std::unique_ptr<Index<T>>> indexes_;
};

template <class T>
GroupVersionResource resource_of() {
  return {std::string(T::kGroup), std::string(T::kVersion), std::string(T::kPlural)};
}

class Caches {
 public:
  Caches(io::Loop& loop, Client& client) : loop_(&loop), client_(&client), tasks_(loop) {}
  template <class T>
  Cache<T>& of() {
    GroupVersionResource resource = resource_of<T>();
    Entry& entry = entries_[key_of(resource)];
    if (!entry.cache) entry.cache = std::make_unique<Cache<T>>(*loop_, *client_, resource, ReflectorOptions{});
    return static_cast<Cache<T>&>(*entry.cache);
  }
  // The one there is, else one of the metadata alone.
  AnyCache& metadata_of(const GroupVersionResource& resource);
  void start();              // those that do not run yet; they run until the Caches are destroyed
  io::Task<void> synced();   // waits for all that run
  Client& client() { return *client_; }
  io::Loop& loop() { return *loop_; }

 private:
  struct Entry {
    std::unique_ptr<AnyCache> cache;
    bool running = false;
  };
  static constexpr std::string_view kMetadataOnly = "metadata of ";
  static std::string key_of(const GroupVersionResource& resource) {
    return cat(resource.group, "/", resource.version, "/", resource.resource);
  }
  io::Loop* loop_;
  Client* client_;
  std::map<std::string, Entry> entries_;
  io::TaskGroup tasks_;  // ends before the caches do
};

}  // namespace kobuk::api
