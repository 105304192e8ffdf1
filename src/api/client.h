// Client: the Kubernetes API over any HTTP transport, in process or over TLS.
//
//   Client client(io::http::make_in_process_transport(loop, server, "system:kube-scheduler", {}));
//   KOBUK_CO_TRY(std::string json, co_await client.get({"", "v1", "pods"}, "default", "web"));
//   KOBUK_CO_TRY(auto pod, api::from_json<api::core::v1::Pod>(json));
//
// Objects are JSON text; decode.h makes structs of it. An empty namespace means cluster-scoped, or all namespaces for
// list and watch. Errors: the code of the server's Status (409 is kAlreadyExists or kConflict by its reason), with the
// Status' message; kTooLarge past kMaxResponseBytes; the transport's errors as they are. One Loop's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/value.h"
#include "io/http.h"

namespace kobuk::api {

struct GroupVersionResource {
  std::string group, version, resource;  // "apps", "v1", "deployments"; the core group is empty
};

struct ListOptions {
  std::string label_selector, field_selector, resource_version, continue_token;
  int64_t limit = 0;                   // 0: all
  std::string resource_version_match;  // "Exact", "NotOlderThan"
  bool send_initial_events = false;    // watches: first everything that is there, then a bookmark (is_initial_end)
  int64_t timeout_seconds = 0;         // watches: the server ends them after that; 0: when it likes
  bool metadata_only = false;          // objects as PartialObjectMetadata, by servers that can
};

struct WriteOptions {
  std::string field_manager;  // empty: what the server makes of the client's name
  bool dry_run = false;       // everything but the change
  bool force = false;         // server-side apply: takes fields from other managers
  WriteOptions() = default;
  WriteOptions(std::string manager) : field_manager(std::move(manager)) {}  // NOLINT: what most writers say
  WriteOptions(const char* manager) : field_manager(manager) {}             // NOLINT
};

// What discovery says of a resource.
struct ServedResource {
  GroupVersionResource resource;
  std::string kind;
  bool namespaced = false;
  std::vector<std::string> verbs;
  bool can(std::string_view verb) const;
  std::string api_version() const;  // "apps/v1"
};

enum class PatchType : uint8_t { kJson, kMerge, kStrategic, kApply };

struct WatchEvent {
  std::string type;    // ADDED, MODIFIED, DELETED, BOOKMARK
  std::string object;  // compact JSON
};

// The same, parsed once: for who keeps objects.
struct WatchFrame {
  std::string type;
  codec::Document document;  // of the whole frame
  const codec::Value& object() const { return document.root["object"]; }
};
// Whether this is the bookmark after the initial events of a watch with send_initial_events.
bool is_initial_end(const WatchFrame& frame);

// Watch frames, one JSON document a line, out of pieces of any size. No input and no line is kept past `max_line`.
class WatchDecoder {
 public:
  explicit WatchDecoder(size_t max_line) : max_line_(max_line) {}
  Result<void> feed(std::string_view piece);  // kTooLarge
  // Nothing: more bytes are needed. An ERROR frame is the Error of its Status (kGone: list again); kInvalid for
  // what is no frame.
  Result<std::optional<WatchFrame>> next_frame();
  Result<std::optional<WatchEvent>> next();
  bool empty() const { return start_ == buffer_.size(); }

 private:
  std::string buffer_;
  size_t start_ = 0;    // of the line that comes next
  size_t scanned_ = 0;  // no line end before this
  size_t max_line_;
};

class WatchStream {
 public:
  explicit WatchStream(io::http::Response response);
  // The next event; nothing when the server has ended the watch. One caller at a time; destruction ends the watch.
  io::Task<Result<std::optional<WatchEvent>>> next();
  io::Task<Result<std::optional<WatchFrame>>> next_frame();

 private:
  io::http::Response response_;
  WatchDecoder decoder_;
};

inline constexpr size_t kMaxResponseBytes = 256u << 20;
inline constexpr size_t kMaxWatchLineBytes = 16u << 20;

// The Error that a Status object, or any other answer with an HTTP status of 400 and up, stands for.
Error error_of_status(int http_status, std::string_view body);
// "/apis/apps/v1/namespaces/default/deployments/web/scale"; kInvalid when a part would change the path.
Result<std::string> resource_path(const GroupVersionResource& resource, std::string_view space,
                                  std::string_view name, std::string_view subresource);

class Client {
 public:
  // `name`: the User-Agent, up to the first "/" the manager of fields that this client writes.
  explicit Client(std::unique_ptr<io::http::Transport> transport, std::string name = "kobuk")
      : transport_(std::move(transport)), name_(std::move(name)) {}

  io::Task<Result<std::string>> get(GroupVersionResource resource, std::string space, std::string name,
                                    std::string subresource = {});
  io::Task<Result<std::string>> list(GroupVersionResource resource, std::string space, ListOptions options = {});
  io::Task<Result<std::string>> create(GroupVersionResource resource, std::string space, std::string object,
                                       std::string name = {}, std::string subresource = {}, WriteOptions options = {});
  io::Task<Result<std::string>> update(GroupVersionResource resource, std::string space, std::string name,
                                       std::string object, std::string subresource = {}, WriteOptions options = {});
  // The field manager is required by kApply.
  io::Task<Result<std::string>> patch(GroupVersionResource resource, std::string space, std::string name,
                                      PatchType type, std::string patch, std::string subresource = {},
                                      WriteOptions options = {});
  // `options`: a DeleteOptions object, or empty.
  io::Task<Result<std::string>> remove(GroupVersionResource resource, std::string space, std::string name,
                                       std::string options = {});
  // Everything that the selectors of `which` choose. `options`: as of remove().
  io::Task<Result<std::string>> remove_collection(GroupVersionResource resource, std::string space, ListOptions which,
                                                  std::string options = {});
  // Every resource that can be listed, of every group in its preferred version.
  io::Task<Result<std::vector<ServedResource>>> discover();
  // Bookmarks are asked for.
  io::Task<Result<std::unique_ptr<WatchStream>>> watch(GroupVersionResource resource, std::string space,
                                                       ListOptions options = {});

 private:
  io::Task<Result<std::string>> exchange(io::http::Request request);
  io::http::Request make_request(std::string method, std::string target, std::string body,
                                 std::string_view content_type = "application/json") const;
  std::unique_ptr<io::http::Transport> transport_;
  std::string name_;
};

}  // namespace kobuk::api
