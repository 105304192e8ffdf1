// Informer: a local copy of one resource's objects, kept by list and watch, by namespace and name.
//
//   Informer pods(loop, client, {"", "v1", "pods"}, "");
//   pods.on_change([&](const Informer::Change& change) { queue.add(change.key); });
//   tasks.spawn(pods.run());                 // until the task is destroyed
//
// run() never gives up: after an error it waits 50 ms to 30 s, continues from the last resourceVersion, and lists again
// when the server has forgotten that. One Loop's thread; the informer outlives run().
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/client.h"
#include "codec/value.h"
#include "io/loop.h"

namespace kobuk::api {

class Informer {
 public:
  using Object = std::shared_ptr<const std::string>;  // compact JSON
  struct Change {
    std::string key;       // "namespace/name", or "name" of what has no namespace
    Object before, after;  // null: it was not there; null: it is gone
  };
  using Handler = std::function<void(const Change&)>;

  Informer(io::Loop& loop, Client& client, GroupVersionResource resource, std::string space)
      : loop_(&loop), client_(&client), resource_(std::move(resource)), space_(std::move(space)) {}
  // Before run(). Handlers run in order, after the copy has changed; they do not destroy the informer.
  void on_change(Handler handler) { handlers_.push_back(std::move(handler)); }
  io::Task<void> run();
  bool synced() const { return synced_; }  // the first list is in
  Object find(std::string_view key) const;  // null when absent
  const std::map<std::string, Object, std::less<>>& objects() const { return objects_; }

 private:
  io::Task<Result<void>> relist();
  io::Task<Result<void>> follow();
  void store(std::string key, Object after);
  io::Loop* loop_;
  Client* client_;
  GroupVersionResource resource_;
  std::string space_, revision_;
  std::map<std::string, Object, std::less<>> objects_;
  std::vector<Handler> handlers_;
  Duration delay_{};
  bool synced_ = false;
};

}  // namespace kobuk::api
