// Events: what happened to containers, images, networks and volumes. The last 256 are kept for those who ask later;
// subscribers get each in order, and one that falls 10,000 behind is told so by an end.
//
//   auto subscription = hub.subscribe();
//   auto next = co_await subscription->next(cancel);      // nullopt: cancelled, or too far behind
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "io/loop.h"

namespace kobuk::engine {

struct EngineEvent {
  std::string type, action, id;  // "container", "start", the actor
  std::map<std::string, std::string> attributes;
  WallTime time{};
  std::string sandbox_id;  // of containers and sandboxes of the CRI
};

std::string event_json(const EngineEvent& event);  // a line of GET /events, as of API 1.50

class EventHub {
  struct Queue {
    explicit Queue(io::Loop& loop) : arrived(loop) {}
    std::deque<std::shared_ptr<const EngineEvent>> events;
    io::Event arrived;
    bool overrun = false;
  };

 public:
  explicit EventHub(io::Loop& loop) : loop_(loop) {}
  void publish(EngineEvent event);  // the time is set here

  class Subscription {
   public:
    explicit Subscription(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}
    // One caller at a time.
    io::Task<std::optional<EngineEvent>> next(io::CancelToken cancel);
    void end();  // next() returns nullopt

   private:
    std::shared_ptr<Queue> queue_;
    bool ended_ = false;
  };
  std::unique_ptr<Subscription> subscribe();
  std::vector<EngineEvent> since(WallTime from) const;  // those that are kept

 private:
  io::Loop& loop_;
  std::deque<std::shared_ptr<const EngineEvent>> kept_;
  std::vector<std::weak_ptr<Queue>> queues_;
};

}  // namespace kobuk::engine
