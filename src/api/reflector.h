// Reflector: follows one resource by list and watch, and tells a derived class of each object. Informer (informer.h)
// keeps the text of objects, Cache (cache.h) their structs.
//
// run() never gives up: after an error it waits 50 ms to 30 s, continues from the last resourceVersion, and lists again
// when the server has forgotten that, or has never been there. One Loop's thread; the reflector outlives run() and every wait.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "api/client.h"
#include "codec/value.h"
#include "io/loop.h"

namespace kobuk::api {

// "namespace/name", or "name" of what has no namespace.
std::string object_key(std::string_view space, std::string_view name);
struct SpaceAndName {
  std::string space, name;
};
SpaceAndName split_key(std::string_view key);

struct ReflectorOptions {
  std::string space;  // empty: all
  std::string label_selector, field_selector;
  bool metadata_only = false;
  // The first state as events of a watch, not as one large list; falls back to the list when the server refuses.
  bool streaming = true;
};

class Reflector {
 public:
  Reflector(io::Loop& loop, Client& client, GroupVersionResource resource, ReflectorOptions options);
  virtual ~Reflector();
  Reflector(const Reflector&) = delete;

  io::Task<void> run();
  bool synced() const { return synced_.is_set(); }  // the first state is in
  io::Task<void> wait_synced();
  // Of the newest change that is in; 0 before the first.
  int64_t revision() const { return revision_number_; }
  // Waits until changes up to this resourceVersion are in: how a writer sees its own writes. Texts that are no number
  // are not waited for.
  io::Task<void> reached(std::string resource_version);
  const GroupVersionResource& resource() const { return resource_; }

 protected:
  // The object is there as given, or is gone (null). Values live during the call only.
  virtual void store(std::string key, const codec::Value* object) = 0;
  virtual std::vector<std::string> keys() const = 0;
  io::Task<void> changed(std::string key);  // waits for wake(key)
  void wake(const std::string& key);

 private:
  template <class K>
  struct Waiter;
  io::Task<Result<void>> relist();
  io::Task<Result<void>> stream_list();
  io::Task<Result<void>> follow();
  void advance(std::string_view resource_version);
  void drop_all_but(const std::map<std::string, bool>& seen);

  io::Loop* loop_;
  Client* client_;
  GroupVersionResource resource_;
  ReflectorOptions options_;
  std::string revision_;
  int64_t revision_number_ = 0;
  io::Event synced_;
  std::multimap<int64_t, Waiter<int64_t>*> waiters_;           // for a revision
  std::multimap<std::string, Waiter<std::string>*> key_waiters_;  // for a change of an object
  std::unique_ptr<WatchStream> stream_;  // goes on after stream_list()
  Duration delay_{};
};

}  // namespace kobuk::api
