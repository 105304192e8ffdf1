// Watches (k8s.io/apiserver endpoints/handlers/watch.go and storage/cacher): a stream of events, one JSON document a line.
#include "api/table.h"
#include "base/random.h"
#include "base/strings.h"
#include "codec/json.h"
#include "controlplane/apiserver/handlers.h"
#include "controlplane/apiserver/list_options.h"
#include "controlplane/apiserver/selection.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Value;
using io::http::Response;

constexpr size_t kPieceBytes = 256 << 10;
constexpr auto kBookmarkEvery = std::chrono::seconds(60);
constexpr int64_t kMinSeconds = 1800;  // of a watch without timeoutSeconds; at the most twice as long

struct WatchSpec {
  const Resource* resource;
  Selection selection;
  Shape shape = Shape::kObject;
  bool bookmarks = false, initial_bookmark = false;
  api::TableInclude include = api::TableInclude::kMetadata;
  std::vector<store::KeyValue> initial;
  store::Revision revision = 0;  // changes after this
  int64_t seconds = 0;
};

std::string status_frame(const Status& status) { return cat(R"({"type":"ERROR","object":)", status.to_json(), "}\n"); }

class WatchBody final : public io::http::BodySource {
 public:
  WatchBody(WatchCache& cache, WatchSpec spec, io::CancelToken cancel)
      : loop_(cache.loop()), watcher_(cache, spec.revision), spec_(std::move(spec)) {
    end_timer_ = loop_.start_timer(std::chrono::seconds(spec_.seconds), [this] { stop(end_timer_); });
    cancelled_ = cancel.on_cancel([this] {
      ended_ = true;
      watcher_.wake();
    });
    last_bookmark_ = spec_.revision;
  }
  ~WatchBody() override {
    if (end_timer_ != 0) loop_.cancel_timer(end_timer_);
    if (bookmark_timer_ != 0) loop_.cancel_timer(bookmark_timer_);
  }

  io::Task<Result<std::string>> next() override {
    while (true) {
      std::string out = take_initial();
      if (out.empty()) out = take_changes();
      if (out.empty() && bookmark_due_) out = take_bookmark();
      if (!out.empty()) co_return out;
      if (finished_ || ended_ || watcher_.closed()) co_return std::string();
      if (watcher_.failed()) {
        finished_ = true;
        co_return status_frame(*watcher_.failed());
      }
      co_await watcher_.wait();
    }
  }

 private:
  void stop(io::Loop::TimerId& timer) {
    timer = 0;
    ended_ = true;
    watcher_.wake();
  }

  std::string take_initial() {
    std::string out;
    while (next_initial_ < spec_.initial.size() && out.size() < kPieceBytes) {
      store::KeyValue& kv = spec_.initial[next_initial_++];
      auto object = read_stored(kv);
      if (object && spec_.selection.matches(object->value())) add(out, ChangeType::kAdded, object->value());
      kv.value = nullptr;
    }
    if (next_initial_ < spec_.initial.size() || !out.empty()) return out;
    spec_.initial.clear();
    next_initial_ = 0;
    if (std::exchange(spec_.initial_bookmark, false)) out = bookmark(true);
    return out;
  }

  std::string take_changes() {
    std::string out;
    while (out.size() < kPieceBytes) {
      WatchedChange* change = watcher_.next();
      if (change == nullptr) break;
      add(out, *change);
    }
    arm_bookmark(out.empty());
    return out;
  }

  void add(std::string& out, WatchedChange& change) {
    if (!spec_.selection.name.empty() && !change.key().ends_with(cat("/", spec_.selection.name))) return;
    if (!spec_.selection.space.empty() && !change.key().starts_with(spec_.resource->range_prefix(spec_.selection.space))) return;
    bool all = spec_.selection.everything();
    bool now = !change.deleted() && (all || spec_.selection.matches(change.object()));
    bool before = change.existed() && (all || spec_.selection.matches(change.previous()));
    if (!now && !before) return;
    // An object that enters the selection is new to this watcher, one that leaves it is gone.
    ChangeType type = !now ? ChangeType::kDeleted : before ? ChangeType::kModified : ChangeType::kAdded;
    if (spec_.shape == Shape::kObject) {
      out += *change.frame(type);
    } else {
      add(out, type, type == ChangeType::kDeleted ? change.previous() : change.object());
    }
  }

  void add(std::string& out, ChangeType type, const Value& object) {
    codec::Arena arena;
    Value shaped = object;
    if (spec_.shape == Shape::kTable) {
      Value metadata = Value::object();
      metadata.set(arena, "resourceVersion", object["metadata"]["resourceVersion"]);
      api::TableOptions options{.now = loop_.now(), .include = spec_.include, .columns = std::exchange(columns_, false)};
      shaped = api::make_table(metadata, std::span(&object, 1), *spec_.resource->kind, options, arena);
    } else if (spec_.shape != Shape::kObject) {
      shaped = api::partial_metadata(object, arena);
    }
    cat_to(out, R"({"type":")", change_type_name(type), R"(","object":)");
    codec::append_json(out, shaped);
    out += "}\n";
  }

  std::string bookmark(bool initial_end) {
    const api::KindInfo& kind = *spec_.resource->kind;
    last_bookmark_ = watcher_.seen();
    std::string_view name = spec_.shape == Shape::kObject ? kind.kind : "PartialObjectMetadata";
    std::string_view version = spec_.shape == Shape::kObject ? kind.api_version : "meta.k8s.io/v1";
    std::string out = cat(R"({"type":"BOOKMARK","object":{"kind":")", name, R"(","apiVersion":")", version,
                          R"(","metadata":{"resourceVersion":")", last_bookmark_, R"(","creationTimestamp":null)");
    if (initial_end) out += R"(,"annotations":{"k8s.io/initial-events-end":"true"})";
    return out + "}}}\n";
  }

  // A watcher that only sees others' changes pass still learns how far it has come, once a minute. Without changes there
  // is nothing to tell, and no timer.
  void arm_bookmark(bool nothing_sent) {
    if (!nothing_sent) last_bookmark_ = watcher_.seen();
    if (!spec_.bookmarks || bookmark_timer_ != 0 || bookmark_due_ || watcher_.seen() == last_bookmark_) return;
    bookmark_timer_ = loop_.start_timer(kBookmarkEvery, [this] {
      bookmark_timer_ = 0;
      bookmark_due_ = true;
      watcher_.wake();
    });
  }
  std::string take_bookmark() {
    bookmark_due_ = false;
    return watcher_.seen() == last_bookmark_ ? std::string() : bookmark(false);
  }

  io::Loop& loop_;
  WatchCache::Watcher watcher_;
  WatchSpec spec_;
  size_t next_initial_ = 0;
  bool columns_ = true, ended_ = false, finished_ = false, bookmark_due_ = false;
  store::Revision last_bookmark_ = 0;
  io::Loop::TimerId end_timer_ = 0, bookmark_timer_ = 0;
  io::CancelToken::Registration cancelled_;
};

// Where the watch begins: with the state of now, or after a revision.
io::Task<Answer<void>> find_start(Core& core, const ListOptions& options, WatchSpec& spec) {
  bool from_state = options.revision.value_or(0) == 0 || options.initial_events == true;
  if (options.revision > core.store.revision()) {
    Status late(504, "Timeout", cat("Too large resource version: ", *options.revision, ", current: ", core.store.revision()));
    late.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
    late.retry_after = 1;
    co_return refuse(std::move(late));
  }
  if (!from_state) {
    spec.revision = *options.revision;
    co_return Answer<void>();
  }
  if (options.initial_events == false) {
    spec.revision = core.store.revision();
    co_return Answer<void>();
  }
  auto found = co_await core.store.range({.range = spec.selection.range(*spec.resource)});
  API_CO_CHECK(found);
  spec.initial = std::move(found->kvs);
  spec.revision = found->revision;
  co_return Answer<void>();
}

}  // namespace

io::Task<Answer<Response>> handle_watch(Core& core, Call& call) {
  API_CO_TRY(ListOptions options, parse_list_options(call.query, true));
  API_CO_TRY(Selection selection, parse_selection(call));
  WatchSpec spec{.resource = call.resource, .selection = std::move(selection), .shape = call.accepted.shape};
  if (call.option("includeObject") == "None") spec.include = api::TableInclude::kNone;
  if (call.option("includeObject") == "Object") spec.include = api::TableInclude::kObject;
  spec.bookmarks = options.bookmarks;
  spec.initial_bookmark = options.initial_events == true;
  spec.seconds = options.timeout_seconds.value_or(0);
  if (spec.seconds <= 0) spec.seconds = kMinSeconds + static_cast<int64_t>(random_u64() % kMinSeconds);
  auto start = co_await find_start(core, options, spec);
  API_CO_CHECK(start);
  WatchCache& cache = core.cache_of(*call.resource);
  auto covered = co_await cache.cover(spec.revision);
  Response out;
  out.headers.set("Content-Type", call.accepted.yaml ? "application/yaml;stream=watch" : "application/json");
  if (!covered && covered.error().code == 410) {
    // As Kubernetes: the watch begins, and ends with the error.
    out.body = io::http::Body(status_frame(covered.error()));
    co_return out;
  }
  API_CO_CHECK(covered);
  out.body = io::http::Body(std::make_unique<WatchBody>(cache, std::move(spec), call.request.cancel));
  co_return out;
}

}  // namespace kobuk::controlplane::apiserver
