// WatchCache: one store watch for all watchers of a resource. Each change is parsed and serialised once, when the first
// watcher needs it, and the bytes are shared. Nothing is kept that every watcher has seen; the store's history serves
// those that start further back. One Loop's thread.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "codec/value.h"
#include "controlplane/apiserver/resource.h"
#include "controlplane/apiserver/status.h"
#include "io/loop.h"
#include "store/store.h"

namespace kobuk::controlplane::apiserver {

enum class ChangeType : uint8_t { kAdded, kModified, kDeleted };
std::string_view change_type_name(ChangeType type);

class WatchedChange {
 public:
  WatchedChange(store::Event event, const Resource& resource) : event_(std::move(event)), resource_(&resource) {}
  store::Revision revision() const { return event_.kv.mod_revision; }
  bool deleted() const { return event_.deleted; }
  bool existed() const { return event_.previous != nullptr; }
  const std::string& key() const { return event_.kv.key; }
  // Bytes that it holds as stored; parsed and as a line of a watch it is a few times more.
  size_t weight() const { return (event_.kv.value ? event_.kv.value->size() : 0) + (event_.previous ? event_.previous->size() : 0); }
  // Null values where there is none; with resourceVersion.
  const codec::Value& object();
  const codec::Value& previous();
  // One line of a watch: `{"type":"ADDED","object":{…}}`. A deletion shows the last state, with the revision of its end.
  const SharedBytes& frame(ChangeType type);

 private:
  const codec::Value& parsed(std::optional<codec::Document>& into, const SharedBytes& bytes) const;
  store::Event event_;
  const Resource* resource_;
  std::optional<codec::Document> object_, previous_;
  SharedBytes frames_[3];
};

class WatchCache {
 public:
  WatchCache(io::Loop& loop, store::Store& store, const Resource& resource);
  ~WatchCache();

  // One reader of changes. Not moved; the cache may end before it.
  class Watcher {
   public:
    Watcher(WatchCache& cache, store::Revision seen);
    ~Watcher();
    Watcher(const Watcher&) = delete;
    // The next change that it has not seen; null when there is none yet.
    WatchedChange* next();
    void wake() { woken_.set(); }
    // Until there may be something new, or wake().
    io::Task<void> wait();
    // 410 when changes that it has not seen are gone, or what ended the cache.
    const std::optional<Status>& failed() const { return failed_; }
    bool closed() const { return cache_ == nullptr; }
    store::Revision seen() const { return seen_; }

   private:
    friend class WatchCache;
    WatchCache* cache_;
    store::Revision seen_;  // everything up to here
    size_t within_ = 0;     // changes of the revision after that it has seen too
    io::Event woken_;
    std::optional<Status> failed_;
  };

  // After this, watchers of changes after `revision` can be made. 410 when they have been forgotten.
  io::Task<Answer<void>> cover(store::Revision revision);
  // Ends all watchers.
  void close();
  // Wakes watchers up so that they send bookmarks.
  void wake_all();
  size_t watchers() const { return watchers_.size(); }
  const Resource& resource() const { return *resource_; }
  io::Loop& loop() const { return *loop_; }

 private:
  io::Task<void> pump(std::unique_ptr<store::Watch> watch);
  void take(store::WatchBatch batch);
  void trim();
  void forget();
  void fail_all(const Status& status);

  io::Loop* loop_;
  store::Store* store_;
  const Resource* resource_;
  std::deque<std::unique_ptr<WatchedChange>> changes_;
  size_t weight_ = 0;         // of changes_
  store::Revision base_ = 0;  // changes_ holds all changes after this
  bool running_ = false;
  std::set<Watcher*> watchers_;
  std::unique_ptr<io::TaskGroup> pumping_;  // last
};

}  // namespace kobuk::controlplane::apiserver
