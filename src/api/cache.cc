#include "api/cache.h"

namespace kobuk::api {

AnyCache& Caches::metadata_of(const GroupVersionResource& resource) {
  auto found = entries_.find(key_of(resource));
  if (found != entries_.end()) return *found->second.cache;
  Entry& entry = entries_[cat(kMetadataOnly, key_of(resource))];
  if (!entry.cache) {
    ReflectorOptions options;
    options.metadata_only = true;
    entry.cache = std::make_unique<Cache<meta::v1::PartialObjectMetadata>>(*loop_, *client_, resource, options);
  }
  return *entry.cache;
}

void Caches::start() {
  for (auto& [key, entry] : entries_) {
    if (!entry.running) tasks_.spawn(entry.cache->run());
    entry.running = true;
  }
}

io::Task<void> Caches::synced() {
  std::vector<AnyCache*> caches;
  for (auto& [key, entry] : entries_) {
    if (entry.running) caches.push_back(entry.cache.get());
  }
  for (AnyCache* cache : caches) co_await cache->wait_synced();
}

}  // namespace kobuk::api
