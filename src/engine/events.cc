#include "engine/events.h"

#include <algorithm>

#include "engine/json_text.h"

namespace kobuk::engine {
namespace {

constexpr size_t kKept = 256;
constexpr size_t kMaxBehind = 10'000;

}  // namespace

std::string event_json(const EngineEvent& event) {
  int64_t nanos = event.time.time_since_epoch().count();
  JsonText out;
  out.open_object();
  if (event.type == "container") {
    out.field("status", event.action).field("id", event.id);
    if (auto image = event.attributes.find("image"); image != event.attributes.end()) out.field("from", image->second);
  } else if (event.type == "image") {
    out.field("status", event.action).field("id", event.id);
  }
  out.field("Type", event.type).field("Action", event.action);
  out.key("Actor").open_object().field("ID", event.id).field("Attributes", event.attributes).close_object();
  out.field("scope", "local").field("time", nanos / 1'000'000'000).field("timeNano", nanos).close_object();
  return std::move(out).take();
}

void EventHub::publish(EngineEvent event) {
  event.time = loop_.now();
  auto shared = std::make_shared<const EngineEvent>(std::move(event));
  kept_.push_back(shared);
  if (kept_.size() > kKept) kept_.pop_front();
  std::erase_if(queues_, [&](const std::weak_ptr<Queue>& weak) {
    auto queue = weak.lock();
    if (!queue) return true;
    if (queue->events.size() >= kMaxBehind) queue->overrun = true;
    if (!queue->overrun) queue->events.push_back(shared);
    queue->arrived.set();
    return false;
  });
}

std::unique_ptr<EventHub::Subscription> EventHub::subscribe() {
  auto queue = std::make_shared<Queue>(loop_);
  queues_.push_back(queue);
  return std::make_unique<Subscription>(std::move(queue));
}

std::vector<EngineEvent> EventHub::since(WallTime from) const {
  std::vector<EngineEvent> out;
  for (const auto& event : kept_)
    if (event->time >= from) out.push_back(*event);
  return out;
}

void EventHub::Subscription::end() {
  ended_ = true;
  queue_->arrived.set();
}

io::Task<std::optional<EngineEvent>> EventHub::Subscription::next(io::CancelToken cancel) {
  auto queue = queue_;
  auto wake = cancel.on_cancel([queue] { queue->arrived.set(); });
  while (queue->events.empty()) {
    if (queue->overrun || ended_ || cancel.cancelled()) co_return std::nullopt;
    queue->arrived.reset();
    co_await queue->arrived.wait();
  }
  EngineEvent event = *queue->events.front();
  queue->events.pop_front();
  co_return event;
}

}  // namespace kobuk::engine
