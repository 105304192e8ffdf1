#include "api/informer.h"

#include "codec/json.h"

namespace kobuk::api {

Informer::Object Informer::find(std::string_view key) const {
  auto found = objects_.find(key);
  return found == objects_.end() ? nullptr : found->second;
}

std::vector<std::string> Informer::keys() const {
  std::vector<std::string> out;
  for (const auto& [key, object] : objects_) out.push_back(key);
  return out;
}

void Informer::store(std::string key, const codec::Value* object) {
  Change change{std::move(key), nullptr, nullptr};
  change.before = find(change.key);
  if (object != nullptr) change.after = std::make_shared<const std::string>(codec::to_json(*object));
  if (!change.before && !change.after) return;
  if (change.before && change.after && *change.before == *change.after) return;
  if (change.after) {
    objects_[change.key] = change.after;
  } else {
    objects_.erase(change.key);
  }
  for (auto& handler : handlers_) handler(change);
}

}  // namespace kobuk::api
