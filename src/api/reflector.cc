// List, then watch from the list's resourceVersion; or both in one stream (Kubernetes API concepts, "Efficient detection
// of changes" and "Streaming lists").
#include "api/reflector.h"

#include <algorithm>
#include <chrono>

#include "codec/json.h"

namespace kobuk::api {
namespace {

constexpr Duration kFirstDelay = std::chrono::milliseconds(50);
constexpr Duration kMaxDelay = std::chrono::seconds(30);

std::string key_of(const codec::Value& object) {
  const codec::Value& metadata = object["metadata"];
  return object_key(metadata["namespace"].as_string(), metadata["name"].as_string());
}

bool refuses_streams(const Error& error) {
  return error.code() == Code::kInvalid || error.code() == Code::kUnsupported || error.code() == Code::kFailedPrecondition;
}

// The server has never been as far as what was seen: its store is another, or an older one. To wait until it gets there
// would miss what happens on the way.
bool is_behind(const Error& error) {
  return error.code() == Code::kTimeout && error.message().starts_with("Too large resource version");
}

}  // namespace

std::string object_key(std::string_view space, std::string_view name) {
  return space.empty() ? std::string(name) : cat(space, "/", name);
}

SpaceAndName split_key(std::string_view key) {
  size_t slash = key.find('/');
  if (slash == key.npos) return {"", std::string(key)};
  return {std::string(key.substr(0, slash)), std::string(key.substr(slash + 1))};
}

// Stands in the frame of the coroutine that waits; its end withdraws it.
template <class K>
struct Reflector::Waiter {
  using Places = std::multimap<K, Waiter*>;
  Places* places;
  typename Places::iterator place;
  io::Event event;
  Waiter(io::Loop& loop, Places& all, const K& key) : places(&all), place(all.emplace(key, this)), event(loop) {}
  Waiter(const Waiter&) = delete;
  ~Waiter() {
    if (places != nullptr) places->erase(place);
  }
  void wake() {
    std::exchange(places, nullptr)->erase(place);
    event.set();
  }
};

Reflector::Reflector(io::Loop& loop, Client& client, GroupVersionResource resource, ReflectorOptions options)
    : loop_(&loop), client_(&client), resource_(std::move(resource)), options_(std::move(options)), synced_(loop) {}

Reflector::~Reflector() = default;

void Reflector::advance(std::string_view resource_version) {
  if (resource_version.empty()) return;
  revision_ = std::string(resource_version);
  revision_number_ = parse_int(resource_version).value_or(0);
  while (!waiters_.empty() && waiters_.begin()->first <= revision_number_) waiters_.begin()->second->wake();
}

io::Task<void> Reflector::reached(std::string resource_version) {
  int64_t wanted = parse_int(resource_version).value_or(0);
  if (wanted <= revision_number_) co_return;
  Waiter<int64_t> waiter(*loop_, waiters_, wanted);
  co_await waiter.event.wait();
}

io::Task<void> Reflector::changed(std::string key) {
  Waiter<std::string> waiter(*loop_, key_waiters_, key);
  co_await waiter.event.wait();
}

void Reflector::wake(const std::string& key) {
  for (auto at = key_waiters_.find(key); at != key_waiters_.end(); at = key_waiters_.find(key)) at->second->wake();
}

io::Task<void> Reflector::wait_synced() { co_await synced_.wait(); }

void Reflector::drop_all_but(const std::map<std::string, bool>& seen) {
  for (std::string& key : keys()) {
    if (!seen.contains(key)) store(std::move(key), nullptr);
  }
}

io::Task<Result<void>> Reflector::relist() {
  ListOptions options;
  options.label_selector = options_.label_selector;
  options.field_selector = options_.field_selector;
  options.metadata_only = options_.metadata_only;
  KOBUK_CO_TRY(std::string text, co_await client_->list(resource_, options_.space, options));
  codec::ParseLimits limits;
  limits.max_bytes = kMaxResponseBytes;
  KOBUK_CO_TRY(codec::Document list, codec::parse_json(text, limits));
  std::map<std::string, bool> seen;
  for (const codec::Value& item : list.root["items"].items()) {
    seen.emplace(key_of(item), true);
    store(key_of(item), &item);
  }
  drop_all_but(seen);
  advance(list.root["metadata"]["resourceVersion"].as_string());
  synced_.set();
  co_return Result<void>();
}

io::Task<Result<void>> Reflector::stream_list() {
  ListOptions options;
  options.label_selector = options_.label_selector;
  options.field_selector = options_.field_selector;
  options.metadata_only = options_.metadata_only;
  options.send_initial_events = true;
  options.resource_version_match = "NotOlderThan";
  KOBUK_CO_TRY(stream_, co_await client_->watch(resource_, options_.space, options));
  std::map<std::string, bool> seen;
  while (true) {
    KOBUK_CO_TRY(std::optional<WatchFrame> frame, co_await stream_->next_frame());
    if (!frame) co_return fail(Code::kUnsupported, "the watch ended before its initial events were complete");
    if (is_initial_end(*frame)) {
      drop_all_but(seen);
      advance(frame->object()["metadata"]["resourceVersion"].as_string());
      synced_.set();
      co_return Result<void>();
    }
    if (frame->type == "BOOKMARK") continue;
    std::string key = key_of(frame->object());
    bool there = frame->type != "DELETED";
    if (there) {
      seen.emplace(key, true);
    } else {
      seen.erase(key);
    }
    store(std::move(key), there ? &frame->object() : nullptr);
  }
}

io::Task<Result<void>> Reflector::follow() {
  std::unique_ptr<WatchStream> watch = std::move(stream_);
  if (!watch) {
    ListOptions options;
    options.label_selector = options_.label_selector;
    options.field_selector = options_.field_selector;
    options.metadata_only = options_.metadata_only;
    options.resource_version = revision_;
    KOBUK_CO_TRY(watch, co_await client_->watch(resource_, options_.space, options));
  }
  while (true) {
    KOBUK_CO_TRY(std::optional<WatchFrame> frame, co_await watch->next_frame());
    if (!frame) co_return Result<void>();
    const codec::Value& object = frame->object();
    delay_ = {};
    if (frame->type != "BOOKMARK") store(key_of(object), frame->type == "DELETED" ? nullptr : &object);
    advance(object["metadata"]["resourceVersion"].as_string());
  }
}

io::Task<void> Reflector::run() {
  while (true) {
    Result<void> result;
    stream_.reset();
    if (revision_.empty() && options_.streaming) {
      result = co_await stream_list();
      if (!result && refuses_streams(result.error())) {
        options_.streaming = false;
        stream_.reset();
        result = Result<void>();
      }
    }
    if (result && revision_.empty()) result = co_await relist();
    if (result) result = co_await follow();
    if (!result && (result.error().code() == Code::kGone || is_behind(result.error()))) revision_.clear();
    delay_ = std::clamp<Duration>(delay_ * 2, kFirstDelay, kMaxDelay);
    co_await loop_->sleep(delay_);
  }
}

}  // namespace kobuk::api
