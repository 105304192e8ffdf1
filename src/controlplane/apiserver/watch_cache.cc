#include "controlplane/apiserver/watch_cache.h"

#include <algorithm>

#include "base/log.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::controlplane::apiserver {
namespace {

// A watcher that is further behind is closed.
constexpr size_t kMaxChanges = 16'384, kMaxWeight = 32 << 20;
constexpr size_t kTrimChanges = 64, kTrimWeight = 1 << 20;  // fewer are not worth looking for
constexpr std::string_view kTypes[] = {"ADDED", "MODIFIED", "DELETED"};

bool before_revision(store::Revision revision, const std::unique_ptr<WatchedChange>& change) { return revision < change->revision(); }

}  // namespace

std::string_view change_type_name(ChangeType type) { return kTypes[static_cast<size_t>(type)]; }

const codec::Value& WatchedChange::parsed(std::optional<codec::Document>& into, const SharedBytes& bytes) const {
  static const codec::Value kNull{};
  if (!bytes || bytes->empty()) return kNull;
  if (!into) {
    auto document = codec::parse_json(with_revision(*bytes, *resource_, revision()));
    into = document ? *std::move(document) : codec::Document{};
  }
  return into->root;
}
const codec::Value& WatchedChange::object() { return parsed(object_, event_.deleted ? nullptr : event_.kv.value); }
const codec::Value& WatchedChange::previous() { return parsed(previous_, event_.previous); }

const SharedBytes& WatchedChange::frame(ChangeType type) {
  SharedBytes& frame = frames_[static_cast<size_t>(type)];
  if (frame) return frame;
  const SharedBytes& bytes = type == ChangeType::kDeleted ? event_.previous : event_.kv.value;
  std::string out = cat(R"({"type":")", change_type_name(type), R"(","object":)");
  out.reserve(out.size() + bytes->size() + 64);
  append_with_revision(out, *bytes, *resource_, revision());
  out += "}\n";
  return frame = share(std::move(out));
}

WatchCache::WatchCache(io::Loop& loop, store::Store& store, const Resource& resource)
    : loop_(&loop), store_(&store), resource_(&resource) {}

WatchCache::~WatchCache() { close(); }

void WatchCache::close() {
  pumping_ = nullptr;
  running_ = false;
  forget();
  for (Watcher* watcher : watchers_) {
    watcher->cache_ = nullptr;
    watcher->wake();
  }
  watchers_.clear();
}

io::Task<Answer<void>> WatchCache::cover(store::Revision revision) {
  if (running_ && base_ <= revision) co_return Answer<void>();
  auto probe = co_await store_->range({.range = store::one_key(resource_->key_prefix), .revision = revision, .count_only = true});
  if (!probe && probe.error().code() == Code::kGone)
    co_return refuse(expired(cat("too old resource version: ", revision, " (", store_->revision(), ")")));
  API_CO_CHECK(probe);
  auto watch = co_await store_->watch({.range = store::with_prefix(resource_->key_prefix), .start = revision + 1, .previous = true});
  API_CO_CHECK(watch);
  if (running_ && base_ <= revision) co_return Answer<void>();  // somebody else was faster
  // The watchers know by revision what they have seen, so that history may be read again for the one that needs it.
  forget();
  base_ = revision;
  running_ = true;
  pumping_ = std::make_unique<io::TaskGroup>(*loop_);
  pumping_->spawn(pump(*std::move(watch)));
  co_return Answer<void>();
}

io::Task<void> WatchCache::pump(std::unique_ptr<store::Watch> watch) {
  while (true) {
    auto batch = co_await watch->next();
    if (batch) {
      take(*std::move(batch));
      continue;
    }
    running_ = false;
    bool gone = batch.error().code() == Code::kGone;
    if (!gone && batch.error().code() != Code::kCancelled)
      log::warn("a watch of the store has ended", {{"resource", std::string(resource_->kind->plural)}, {"error", batch.error().message()}});
    fail_all(gone ? expired("The resourceVersion for the provided watch is too old.") : Status(batch.error()));
    co_return;
  }
}

void WatchCache::take(store::WatchBatch batch) {
  for (store::Event& event : batch.events) {
    changes_.push_back(std::make_unique<WatchedChange>(std::move(event), *resource_));
    weight_ += changes_.back()->weight();
  }
  trim();
  for (Watcher* watcher : watchers_) watcher->wake();
}

void WatchCache::trim() {
  if (changes_.size() < kTrimChanges && weight_ < kTrimWeight) return;
  store::Revision seen = changes_.back()->revision();
  for (Watcher* watcher : watchers_) seen = std::min(seen, watcher->seen_);
  while (!changes_.empty()) {
    const WatchedChange& oldest = *changes_.front();
    bool too_much = changes_.size() > kMaxChanges || weight_ > kMaxWeight;
    if (oldest.revision() > seen && !too_much) return;
    base_ = seen = std::max(seen, oldest.revision());
    weight_ -= oldest.weight();
    changes_.pop_front();
  }
}

void WatchCache::forget() {
  changes_.clear();
  weight_ = 0;
}

void WatchCache::fail_all(const Status& status) {
  for (Watcher* watcher : watchers_) {
    watcher->failed_ = status;
    watcher->wake();
  }
}

void WatchCache::wake_all() {
  for (Watcher* watcher : watchers_) watcher->wake();
}

WatchCache::Watcher::Watcher(WatchCache& cache, store::Revision seen) : cache_(&cache), seen_(seen), woken_(*cache.loop_) {
  cache.watchers_.insert(this);
}

WatchCache::Watcher::~Watcher() {
  if (cache_ == nullptr) return;
  cache_->watchers_.erase(this);
  if (!cache_->watchers_.empty()) {
    cache_->trim();
    return;
  }
  // Nobody watches: no work for changes of this resource.
  cache_->running_ = false;
  cache_->pumping_ = nullptr;
  cache_->forget();
}

WatchedChange* WatchCache::Watcher::next() {
  if (cache_ == nullptr || failed_ || !cache_->running_) return nullptr;
  if (seen_ < cache_->base_) {
    failed_ = expired(cat("too old resource version: ", seen_, " (", cache_->base_, ")"));
    return nullptr;
  }
  auto& changes = cache_->changes_;
  auto at = std::upper_bound(changes.begin(), changes.end(), seen_, before_revision);
  size_t index = static_cast<size_t>(at - changes.begin()) + within_;
  if (index >= changes.size()) return nullptr;
  WatchedChange* change = changes[index].get();
  // The store gives whole revisions: the last change of one is followed by another revision, or by nothing.
  bool last = index + 1 == changes.size() || changes[index + 1]->revision() != change->revision();
  within_ = last ? 0 : within_ + 1;
  if (last) seen_ = change->revision();
  return change;
}

io::Task<void> WatchCache::Watcher::wait() {
  co_await woken_.wait();
  woken_.reset();
}

}  // namespace kobuk::controlplane::apiserver
