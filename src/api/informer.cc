// List, then watch from the list's resourceVersion (Kubernetes API concepts, "Efficient detection of changes").
#include "api/informer.h"

#include <algorithm>
#include <chrono>
#include <set>

#include "codec/json.h"

namespace kobuk::api {
namespace {
constexpr Duration kFirstDelay = std::chrono::milliseconds(50);
constexpr Duration kMaxDelay = std::chrono::seconds(30);

std::string key_of(const codec::Value& object) {
  std::string_view space = object["metadata"]["namespace"].as_string();
  std::string_view name = object["metadata"]["name"].as_string();
  return space.empty() ? std::string(name) : cat(space, "/", name);
}
}  // namespace

Informer::Object Informer::find(std::string_view key) const {
  auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

void Informer::store(std::string key, Object after) {
  Change change{std::move(key), nullptr, std::move(after)};
  change.before = find(change.key);
  if (!change.before && !change.after) return;
  if (change.before && change.after && *change.before == *change.after) return;
  if (change.after) {
    objects_[change.key] = change.after;
  } else {
    objects_.erase(change.key);
  }
  for (auto& handler : handlers_) handler(change);
}

io::Task<Result<void>> Informer::relist() {
  KOBUK_CO_TRY(std::string text, co_await client_->list(resource_, space_));
  codec::ParseLimits limits;
  limits.max_bytes = kMaxResponseBytes;
  KOBUK_CO_TRY(codec::Document list, codec::parse_json(text, limits));
  std::set<std::string> gone;
  for (auto& [key, object] : objects_) gone.insert(key);
  for (const codec::Value& item : list.root["items"].items()) {
    gone.erase(key_of(item));
    store(key_of(item), std::make_shared<const std::string>(codec::to_json(item)));
  }
  for (const std::string& key : gone) store(key, nullptr);
  revision_ = std::string(list.root["metadata"]["resourceVersion"].as_string());
  synced_ = true;
  co_return Result<void>();
}

io::Task<Result<void>> Informer::follow() {
  ListOptions options;
  options.resource_version = revision_;
  KOBUK_CO_TRY(std::unique_ptr<WatchStream> watch, co_await client_->watch(resource_, space_, options));
  while (true) {
    KOBUK_CO_TRY(std::optional<WatchEvent> event, co_await watch->next());
    if (!event) co_return Result<void>();
    KOBUK_CO_TRY(codec::Document object, codec::parse_json(event->object));
    revision_ = std::string(object.root["metadata"]["resourceVersion"].as_string(revision_));
    delay_ = {};
    if (event->type == "BOOKMARK") continue;
    Object after;
    if (event->type != "DELETED") after = std::make_shared<const std::string>(std::move(event->object));
    store(key_of(object.root), std::move(after));
  }
}

io::Task<void> Informer::run() {
  while (true) {
    Result<void> result;
    if (revision_.empty()) result = co_await relist();
    if (result) result = co_await follow();
    if (!result && result.error().code() == Code::kGone) revision_.clear();
    delay_ = std::clamp<Duration>(delay_ * 2, kFirstDelay, kMaxDelay);
    co_await loop_->sleep(delay_);
  }
}

}  // namespace kobuk::api
