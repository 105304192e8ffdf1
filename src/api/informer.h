// Informer: a local copy of one resource's objects as JSON text, kept by list and watch, by namespace and name. Who wants
// structs takes a Cache (cache.h), which several share.
//
//   Informer pods(loop, client, {"", "v1", "pods"}, "");
//   pods.on_change([&](const Informer::Change& change) { queue.add(change.key); });
//   tasks.spawn(pods.run());                 // until the task is destroyed
//
// See reflector.h for what run() does about errors. One Loop's thread; the informer outlives run().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/reflector.h"

namespace kobuk::api {

class Informer final : public Reflector {
 public:
  using Object = std::shared_ptr<const std::string>;  // compact JSON
  struct Change {
    std::string key;       // "namespace/name", or "name" of what has no namespace
    Object before, after;  // null: it was not there; null: it is gone
  };
  using Handler = std::function<void(const Change&)>;

  Informer(io::Loop& loop, Client& client, GroupVersionResource resource, std::string space)
      : Reflector(loop, client, std::move(resource), {.space = std::move(space)}) {}
  // With selectors: pods of one node have the field selector "spec.nodeName=n1".
  Informer(io::Loop& loop, Client& client, GroupVersionResource resource, ReflectorOptions options)
      : Reflector(loop, client, std::move(resource), std::move(options)) {}
  // Before run(). Handlers run in order, after the copy has changed; they do not destroy the informer.
  void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }
  Object find(std::string_view key) const;  // null when absent
  const std::map<std::string, Object, std::less<>>& objects() const { return objects_; }

 private:
  void store(std::string key, const codec::Value* object) override;
  std::vector<std::string> keys() const override;
  std::map<std::string, Object, std::less<>> objects_;
  std::vector<Handler> handlers_;
};

}  // namespace kobuk::api
