// Events as client-go's record package writes them (core/v1 Event): name "<object>.<hexadecimal nanoseconds>", count and
// lastTimestamp raised by patch, 25 events an object at once and one more every five minutes.
#include "api/event_recorder.h"

#include <algorithm>
#include <chrono>

#include "api/decode.h"

namespace kobuk::api {
namespace {

using core::v1::Event;
constexpr size_t kMaxPending = 4096, kMaxRemembered = 4096;
constexpr double kBurst = 25;
constexpr Duration kRefill = std::chrono::minutes(5);
constexpr Duration kRemembered = std::chrono::minutes(10);
constexpr int kTries = 5;

std::string correlation_key(const Event& event) {
  const auto& about = event.involved_object;
  return cat(about.kind, "\n", about.namespace_, "\n", about.name, "\n", about.uid, "\n", about.field_path, "\n", event.type,
             "\n", event.reason, "\n", event.message);
}

std::string hexadecimal(int64_t number) {
  char buffer[17];
  return std::string(buffer, std::to_chars(buffer, buffer + sizeof buffer, number, 16).ptr);
}

bool worth_a_retry(const Error& error) {
  return error.code() == Code::kUnavailable || error.code() == Code::kTimeout || error.code() == Code::kResourceExhausted;
}

}  // namespace

bool EventRecorder::within_budget(const core::v1::ObjectReference& about) {
  MonoTime now = loop_->mono();
  if (budgets_.size() >= 2 * kMaxRemembered) forget_old();
  auto [at, fresh] = budgets_.try_emplace(cat(about.kind, "/", about.namespace_, "/", about.name, "/", about.uid), Budget{kBurst, now});
  Budget& budget = at->second;
  budget.tokens = std::min(kBurst, budget.tokens + static_cast<double>((now - budget.last).count()) / static_cast<double>(kRefill.count()));
  budget.last = now;
  if (budget.tokens < 1) return false;
  budget.tokens -= 1;
  return true;
}

void EventRecorder::record(core::v1::ObjectReference about, std::string_view type, std::string_view reason, std::string message) {
  if (pending_.size() >= kMaxPending || !within_budget(about)) return;
  Event event;
  int64_t stamp = std::max(loop_->now().time_since_epoch().count(), last_name_ + 1);
  last_name_ = stamp;
  event.metadata.name = cat(about.name, ".", hexadecimal(stamp));
  event.metadata.namespace_ = about.namespace_.empty() ? "default" : about.namespace_;
  event.involved_object = std::move(about);
  event.type = std::string(type);
  event.reason = std::string(reason);
  event.message = std::move(message);
  if (event.message.size() > 1024) event.message.resize(1024);
  event.source.component = event.reporting_component = component_;
  event.source.host = event.reporting_instance = host_;
  event.first_timestamp = event.last_timestamp = format_rfc3339(loop_->now());
  event.count = 1;
  pending_.push_back(std::move(event));
  if (sending_) return;
  sending_ = true;
  tasks_.spawn(send_all());
}

io::Task<void> EventRecorder::send_all() {
  while (!pending_.empty()) {
    Event event = std::move(pending_.front());
    pending_.pop_front();
    co_await send(std::move(event));
  }
  sending_ = false;
}

io::Task<void> EventRecorder::flush() { co_await tasks_.join(); }

io::Task<void> EventRecorder::send(Event event) {
  std::string key = correlation_key(event);
  for (int attempt = 0; attempt < kTries; ++attempt) {
    Result<void> result = fail(Code::kNotFound, "");
    if (sent_.contains(key)) result = co_await raise(event, key);
    if (!result && result.error().code() == Code::kNotFound) result = co_await create(event, key);
    if (result || !worth_a_retry(result.error())) co_return;
    co_await loop_->sleep(std::chrono::seconds(1) * (1 << attempt));
  }
}

io::Task<Result<void>> EventRecorder::raise(Event event, std::string key) {
  Sent sent = sent_.at(key);
  std::string patch = cat("{\"count\":", sent.count + 1, ",\"lastTimestamp\":\"", event.last_timestamp, "\"}");
  KOBUK_CO_CHECK(co_await client_->patch({"", "v1", "events"}, sent.space, sent.name, PatchType::kMerge, std::move(patch)));
  auto again = sent_.find(key);
  if (again != sent_.end()) again->second.count = sent.count + 1, again->second.last = loop_->mono();
  co_return Result<void>();
}

io::Task<Result<void>> EventRecorder::create(Event event, std::string key) {
  sent_.erase(key);
  std::string text = to_json(event);
  KOBUK_CO_CHECK(co_await client_->create({"", "v1", "events"}, event.metadata.namespace_, std::move(text)));
  if (sent_.size() >= kMaxRemembered) forget_old();
  sent_[key] = Sent{event.metadata.namespace_, event.metadata.name, event.first_timestamp, 1, loop_->mono()};
  co_return Result<void>();
}

void EventRecorder::forget_old() {
  MonoTime old = loop_->mono() - kRemembered;
  std::erase_if(sent_, [&](const auto& entry) { return entry.second.last < old; });
  if (sent_.size() >= kMaxRemembered) sent_.clear();  // counts start again; nothing is lost
  std::erase_if(budgets_, [&](const auto& entry) { return entry.second.last < old; });
  if (budgets_.size() >= 2 * kMaxRemembered) budgets_.clear();
}

}  // namespace kobuk::api
