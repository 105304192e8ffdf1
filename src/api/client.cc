// The Kubernetes API's REST paths, Status answers and watch frames (Kubernetes API concepts, 1.36), client side.
#include "api/client.h"

#include <algorithm>
#include <utility>

#include "codec/json.h"

namespace kobuk::api {
namespace {

Code code_of_http(int status) {
  switch (status) {
    case 400: case 422: return Code::kInvalid;
    case 401: return Code::kUnauthenticated;
    case 403: return Code::kPermissionDenied;
    case 404: return Code::kNotFound;
    case 406: return Code::kNotAcceptable;
    case 409: return Code::kConflict;
    case 410: return Code::kGone;
    case 413: return Code::kTooLarge;
    case 415: return Code::kUnsupportedMedia;
    case 429: return Code::kResourceExhausted;
    case 501: return Code::kUnsupported;
    case 503: return Code::kUnavailable;
    case 504: return Code::kTimeout;
    default: return Code::kInternal;
  }
}

bool is_path_segment(std::string_view text) {
  return !text.empty() && text != "." && text != ".." && text.find('/') == text.npos;
}

void add_query(std::string& target, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  target += target.find('?') == target.npos ? '?' : '&';
  target += cat(name, "=", io::http::percent_encode(value));
}

void add_list_options(std::string& target, const ListOptions& options) {
  add_query(target, "labelSelector", options.label_selector);
  add_query(target, "fieldSelector", options.field_selector);
  add_query(target, "resourceVersion", options.resource_version);
  add_query(target, "continue", options.continue_token);
  add_query(target, "resourceVersionMatch", options.resource_version_match);
  if (options.limit > 0) add_query(target, "limit", cat(options.limit));
  if (options.timeout_seconds > 0) add_query(target, "timeoutSeconds", cat(options.timeout_seconds));
  if (options.send_initial_events) add_query(target, "sendInitialEvents", "true");
}

void add_write_options(std::string& target, const WriteOptions& options) {
  add_query(target, "fieldManager", options.field_manager);
  if (options.dry_run) add_query(target, "dryRun", "All");
  if (options.force) add_query(target, "force", "true");
}

void accept_objects(io::http::Request& request, const ListOptions& options, std::string_view kind) {
  if (!options.metadata_only) return;
  request.headers.set("Accept", cat("application/json;as=", kind, ";v=v1;g=meta.k8s.io,application/json"));
}

std::string_view content_type_of(PatchType type) {
  switch (type) {
    case PatchType::kJson: return "application/json-patch+json";
    case PatchType::kMerge: return "application/merge-patch+json";
    case PatchType::kStrategic: return "application/strategic-merge-patch+json";
    case PatchType::kApply: return "application/apply-patch+yaml";
  }
  return "application/json";
}

}  // namespace

Error error_of_status(int http_status, std::string_view body) {
  auto document = codec::parse_json(body);
  if (!document || document->root["kind"].as_string() != "Status") {
    return Error(code_of_http(http_status), cat("the API server answered with HTTP status ", http_status));
  }
  const codec::Value& status = document->root;
  Code code = code_of_http(static_cast<int>(status["code"].as_int(http_status)));
  if (status["reason"].as_string() == "AlreadyExists") code = Code::kAlreadyExists;
  return Error(code, std::string(status["message"].as_string("the API server gave no message")));
}

Result<std::string> resource_path(const GroupVersionResource& resource, std::string_view space,
                                  std::string_view name, std::string_view subresource) {
  std::string path = resource.group.empty() ? "/api" : cat("/apis/", resource.group);
  for (std::string_view part : {std::string_view(resource.version), std::string_view(resource.resource)}) {
    if (!is_path_segment(part)) return fail(Code::kInvalid, "\"", part, "\" is no part of a resource's name");
  }
  path += cat("/", resource.version);
  for (std::string_view part : {space, name, subresource}) {
    if (!part.empty() && !is_path_segment(part)) return fail(Code::kInvalid, "\"", part, "\" is no object's name");
  }
  if (!space.empty()) path += cat("/namespaces/", io::http::percent_encode(space));
  path += cat("/", resource.resource);
  if (!name.empty()) path += cat("/", io::http::percent_encode(name));
  if (!subresource.empty()) path += cat("/", subresource);
  return path;
}

Result<void> WatchDecoder::feed(std::string_view piece) {
  buffer_.erase(0, start_);
  scanned_ -= start_;
  start_ = 0;
  if (buffer_.size() + piece.size() > max_line_) return fail(Code::kTooLarge, "a watch event is too large");
  buffer_ += piece;
  return {};
}

bool is_initial_end(const WatchFrame& frame) {
  return frame.type == "BOOKMARK" &&
         frame.object()["metadata"]["annotations"]["k8s.io/initial-events-end"].as_string() == "true";
}

Result<std::optional<WatchFrame>> WatchDecoder::next_frame() {
  size_t end = buffer_.find('\n', scanned_);
  if (end == buffer_.npos) {
    scanned_ = buffer_.size();
    return std::optional<WatchFrame>();
  }
  std::string_view line = std::string_view(buffer_).substr(start_, end - start_);
  start_ = scanned_ = end + 1;
  KOBUK_TRY(codec::Document document, codec::parse_json(line));
  const codec::Value* object = document.root.find("object");
  std::string type(document.root["type"].as_string());
  if (type.empty() || !object) return fail(Code::kInvalid, "the watch sent something that is no event");
  if (type == "ERROR") return fail(error_of_status(500, codec::to_json(*object)));
  return std::optional<WatchFrame>(WatchFrame{std::move(type), std::move(document)});
}

Result<std::optional<WatchEvent>> WatchDecoder::next() {
  KOBUK_TRY(std::optional<WatchFrame> frame, next_frame());
  if (!frame) return std::optional<WatchEvent>();
  return std::optional<WatchEvent>(WatchEvent{std::move(frame->type), codec::to_json(frame->object())});
}

WatchStream::WatchStream(io::http::Response response)
    : response_(std::move(response)), decoder_(kMaxWatchLineBytes) {}

io::Task<Result<std::optional<WatchFrame>>> WatchStream::next_frame() {
  while (true) {
    KOBUK_CO_TRY(std::optional<WatchFrame> frame, decoder_.next_frame());
    if (frame) co_return frame;
    KOBUK_CO_TRY(std::string piece, co_await response_.body.next());
    if (piece.empty()) {
      if (!decoder_.empty()) co_return fail(Code::kUnavailable, "the watch ended within an event");
      co_return std::optional<WatchFrame>();
    }
    KOBUK_CO_CHECK(decoder_.feed(piece));
  }
}

io::Task<Result<std::optional<WatchEvent>>> WatchStream::next() {
  KOBUK_CO_TRY(std::optional<WatchFrame> frame, co_await next_frame());
  if (!frame) co_return std::optional<WatchEvent>();
  co_return std::optional<WatchEvent>(WatchEvent{std::move(frame->type), codec::to_json(frame->object())});
}

io::http::Request Client::make_request(std::string method, std::string target, std::string body,
                                       std::string_view content_type) const {
  io::http::Request request;
  request.method = std::move(method);
  request.target = std::move(target);
  request.headers.set("Accept", "application/json");
  request.headers.set("User-Agent", name_);
  if (!body.empty()) {
    request.headers.set("Content-Type", content_type);
    request.body = io::http::Body(std::move(body));
  }
  return request;
}

io::Task<Result<std::string>> Client::exchange(io::http::Request request) {
  KOBUK_CO_TRY(io::http::Response response, co_await transport_->send(std::move(request)));
  KOBUK_CO_TRY(std::string body, co_await response.body.read_all(kMaxResponseBytes));
  if (response.status >= 400) co_return fail(error_of_status(response.status, body));
  co_return body;
}

io::Task<Result<std::string>> Client::get(GroupVersionResource resource, std::string space, std::string name,
                                          std::string subresource) {
  KOBUK_CO_TRY(std::string target, resource_path(resource, space, name, subresource));
  co_return co_await exchange(make_request("GET", std::move(target), {}));
}

io::Task<Result<std::string>> Client::list(GroupVersionResource resource, std::string space, ListOptions options) {
  KOBUK_CO_TRY(std::string target, resource_path(resource, space, {}, {}));
  add_list_options(target, options);
  io::http::Request request = make_request("GET", std::move(target), {});
  accept_objects(request, options, "PartialObjectMetadataList");
  co_return co_await exchange(std::move(request));
}

io::Task<Result<std::string>> Client::create(GroupVersionResource resource, std::string space, std::string object,
                                             std::string name, std::string subresource, WriteOptions options) {
  KOBUK_CO_TRY(std::string target, resource_path(resource, space, name, subresource));
  add_write_options(target, options);
  co_return co_await exchange(make_request("POST", std::move(target), std::move(object)));
}

io::Task<Result<std::string>> Client::update(GroupVersionResource resource, std::string space, std::string name,
                                             std::string object, std::string subresource, WriteOptions options) {
  KOBUK_CO_TRY(std::string target, resource_path(resource, space, name, subresource));
  add_write_options(target, options);
  co_return co_await exchange(make_request("PUT", std::move(target), std::move(object)));
}

io::Task<Result<std::string>> Client::patch(GroupVersionResource resource, std::string space, std::string name,
                                            PatchType type, std::string patch, std::string subresource,
                                            WriteOptions options) {
  KOBUK_CO_TRY(std::string target, resource_path(resource, space, name, subresource));
  add_write_options(target, options);
  co_return co_await exchange(make_request("PATCH", std::move(target), std::move(patch), content_type_of(type)));
}

io::Task<Result<std::string>> Client::remove(GroupVersionResource resource, std::string space, std::string name,
                                             std::string options) {
  KOBUK_CO_TRY(std::string target, resource_path(resource, space, name, {}));
  co_return co_await exchange(make_request("DELETE", std::move(target), std::move(options)));
}

io::Task<Result<std::string>> Client::remove_collection(GroupVersionResource resource, std::string space,
                                                        ListOptions which, std::string options) {
  KOBUK_CO_TRY(std::string target, resource_path(resource, space, {}, {}));
  add_list_options(target, which);
  co_return co_await exchange(make_request("DELETE", std::move(target), std::move(options)));
}

// The aggregated form (apidiscovery.k8s.io/v2): the first version of a group is the preferred one.
void append_served(std::vector<ServedResource>& out, const codec::Value& list) {
  for (const codec::Value& group : list["items"].items()) {
    const codec::Value& version = group["versions"].at(0);
    for (const codec::Value& one : version["resources"].items()) {
      ServedResource served;
      served.resource = {std::string(group["metadata"]["name"].as_string()), std::string(version["version"].as_string()),
                         std::string(one["resource"].as_string())};
      served.kind = std::string(one["responseKind"]["kind"].as_string());
      served.namespaced = one["scope"].as_string() == "Namespaced";
      for (const codec::Value& verb : one["verbs"].items()) served.verbs.emplace_back(verb.as_string());
      if (served.can("list")) out.push_back(std::move(served));
    }
  }
}

bool ServedResource::can(std::string_view verb) const {
  return std::find(verbs.begin(), verbs.end(), verb) != verbs.end();
}

std::string ServedResource::api_version() const {
  return resource.group.empty() ? resource.version : cat(resource.group, "/", resource.version);
}

io::Task<Result<std::vector<ServedResource>>> Client::discover() {
  std::vector<ServedResource> out;
  for (std::string target : {"/api", "/apis"}) {
    io::http::Request request = make_request("GET", target, {});
    request.headers.set("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList");
    KOBUK_CO_TRY(std::string text, co_await exchange(std::move(request)));
    KOBUK_CO_TRY(codec::Document list, codec::parse_json(text));
    if (list.root["kind"].as_string() != "APIGroupDiscoveryList") {
      co_return fail(Code::kUnsupported, "the API server has no aggregated discovery at ", target);
    }
    append_served(out, list.root);
  }
  co_return out;
}

io::Task<Result<std::unique_ptr<WatchStream>>> Client::watch(GroupVersionResource resource, std::string space,
                                                             ListOptions options) {
  KOBUK_CO_TRY(std::string target, resource_path(resource, space, {}, {}));
  add_list_options(target, options);
  add_query(target, "watch", "true");
  add_query(target, "allowWatchBookmarks", "true");
  io::http::Request request = make_request("GET", std::move(target), {});
  accept_objects(request, options, "PartialObjectMetadata");
  KOBUK_CO_TRY(io::http::Response response, co_await transport_->send(std::move(request)));
  if (response.status >= 400) {
    KOBUK_CO_TRY(std::string body, co_await response.body.read_all(kMaxResponseBytes));
    co_return fail(error_of_status(response.status, body));
  }
  co_return std::make_unique<WatchStream>(std::move(response));
}

}  // namespace kobuk::api
