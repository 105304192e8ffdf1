// WorkQueue: the keys that a controller still has to look at. A key waits at most once; a key that is added while it
// is being worked on comes back after done(), so no two workers ever hold the same key.
//
//   while (auto key = co_await queue.next()) {
//     Result<void> result = co_await reconcile(*key);
//     if (result) queue.forget(*key); else queue.add_rate_limited(*key);   // 5 ms, 10 ms, … 1000 s
//     queue.done(*key);
//   }
//
// One Loop's thread. The queue outlives the tasks that wait in next().
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "base/clock.h"
#include "io/loop.h"

namespace kobuk::api {

class WorkQueue {
 public:
  explicit WorkQueue(io::Loop& loop) : loop_(&loop), ready_(loop) {}
  ~WorkQueue();
  WorkQueue(const WorkQueue&) = delete;

  void add(const std::string& key);
  void add_after(const std::string& key, Duration delay);  // of several delays of a key the earliest counts
  void add_rate_limited(const std::string& key);  // after a delay that doubles with each call until forget()
  void forget(const std::string& key) { failures_.erase(key); }
  // The next key, to be given back by done(); nothing once the queue is shut down.
  io::Task<std::optional<std::string>> next();
  void done(const std::string& key);
  void shut_down();
  size_t size() const { return queue_.size(); }  // ready, not those that wait for their time

 private:
  struct Timer {
    io::Loop::TimerId id = 0;
    MonoTime due;
  };
  io::Loop* loop_;
  io::Event ready_;
  std::deque<std::string> queue_;
  std::set<std::string> waiting_;     // in queue_, or to be queued again by done()
  std::set<std::string> processing_;  // handed out
  std::map<std::string, Timer> timers_;
  std::map<std::string, int> failures_;
  bool shut_down_ = false;
};

}  // namespace kobuk::api
