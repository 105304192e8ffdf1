#include "node/testing/fake_api.h"

#include <algorithm>

#include "api/patch.h"
#include "api/schema.h"
#include "api/selector.h"
#include "api/strategic.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/yaml.h"

namespace kobuk::node {
namespace {

using codec::Value;
using io::http::Response;

Response status(int code, std::string_view reason, std::string_view message) {
  return io::http::json_response(code, cat(R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":)",
                                           go_quote(message), R"(,"reason":")", reason, R"(","code":)", code, "}"));
}

// "…/pods/web" → "…/pods"
std::string folder_of(const std::string& path) { return path.substr(0, path.rfind('/')); }

// The part that names the resource: "pods" of "/api/v1/namespaces/default/pods" and of "/api/v1/pods".
std::string plural_of(const std::string& collection) { return collection.substr(collection.rfind('/') + 1); }

const api::KindInfo* kind_of(const Value& object) {
  return api::builtin_kinds().find_kind(object["apiVersion"].as_string(), object["kind"].as_string());
}

std::string path_of(const Value& object) {
  const api::KindInfo* kind = kind_of(object);
  std::string version(object["apiVersion"].as_string());
  std::string root = version.find('/') == std::string::npos ? "/api/" : "/apis/";
  std::string_view space = object["metadata"]["namespace"].as_string();
  return cat(root, version, space.empty() ? "" : cat("/namespaces/", space), "/", kind->plural, "/", object["metadata"]["name"].as_string());
}

// Does an object at `path` belong to the collection? A collection without namespace holds those of all namespaces.
bool belongs(const std::string& path, const std::string& collection) {
  if (folder_of(path) == collection) return true;
  size_t spaces = path.find("/namespaces/");
  if (spaces == std::string::npos || collection.find("/namespaces/") != std::string::npos) return false;
  return path.starts_with(collection.substr(0, collection.rfind('/'))) && plural_of(folder_of(path)) == plural_of(collection);
}

bool selected(const std::string& object, std::string_view selector) {
  if (selector.empty()) return true;
  auto document = codec::parse_json(object);
  auto fields = api::FieldSelector::parse(selector);
  return document && fields && fields->matches(document->root);
}

}  // namespace

class FakeApi::Watch final : public io::http::BodySource {
 public:
  Watch(FakeApi& api, std::string collection, std::string selector, int64_t from)
      : api_(api), collection_(std::move(collection)), selector_(std::move(selector)), from_(from), changed_(std::make_shared<io::Event>(api.loop_)) {
    api.watchers_.push_back(changed_);
  }
  io::Task<Result<std::string>> next() override {
    while (true) {
      changed_->reset();
      std::string out;
      for (const Change& change : api_.log_) {
        if (change.revision <= from_) continue;
        from_ = change.revision;
        if (!belongs(change.path, collection_) || !selected(change.object, selector_)) continue;
        cat_to(out, "{\"type\":\"", change.type, "\",\"object\":", change.object, "}\n");
      }
      if (!out.empty()) co_return out;
      co_await changed_->wait();
    }
  }

 private:
  FakeApi& api_;
  std::string collection_, selector_;
  int64_t from_;
  std::shared_ptr<io::Event> changed_;
};

void FakeApi::publish(std::string type, const std::string& path, std::string object) {
  log_.push_back({revision_, std::move(type), path, std::move(object)});
  for (auto& watcher : watchers_) {
    if (auto event = watcher.lock()) event->set();
  }
}

void FakeApi::put(const std::string& path, const Value& value, bool fresh) {
  codec::Document document = codec::clone_document(value);
  Value& metadata = document.root.get_or_add(document.arena, "metadata");
  metadata.set(document.arena, "resourceVersion", Value::string(document.arena, cat(++revision_)));
  if (fresh && !metadata.find("uid")) metadata.set(document.arena, "uid", Value::string(document.arena, cat("uid-", uid_++)));
  std::string text = codec::to_json(document.root);
  objects_[path] = text;
  publish(fresh ? "ADDED" : "MODIFIED", path, text);
}

void FakeApi::erase(const std::string& path) {
  auto found = objects_.find(path);
  if (found == objects_.end()) return;
  ++revision_;
  std::string text = found->second;
  objects_.erase(found);
  publish("DELETED", path, text);
}

void FakeApi::create(const std::string& yaml) {
  auto document = codec::parse_yaml(yaml);
  if (document) put(path_of(document->root), document->root, true);
}

codec::Document FakeApi::get(const std::string& path) const {
  auto found = objects_.find(path);
  if (found == objects_.end()) return {};
  auto document = codec::parse_json(found->second);
  return document ? *std::move(document) : codec::Document{};
}

void FakeApi::replace(const std::string& path, const std::string& merge_patch) {
  codec::Document document = get(path);
  auto patch = codec::parse_json(merge_patch, document.arena);
  if (patch) put(path, api::apply_merge_patch(document.root, *patch, document.arena), false);
}

void FakeApi::remove(const std::string& path, int64_t grace) {
  if (grace == 0) return erase(path);
  replace(path, cat(R"({"metadata":{"deletionTimestamp":")", format_rfc3339(loop_.now() + std::chrono::seconds(grace)),
                    R"(","deletionGracePeriodSeconds":)", grace, "}}"));
}

std::vector<codec::Document> FakeApi::events(const std::string& reason) const {
  std::vector<codec::Document> out;
  for (const auto& [path, text] : objects_) {
    if (path.find("/events/") == std::string::npos) continue;
    auto document = codec::parse_json(text);
    if (document && document->root["reason"].as_string() == reason) out.push_back(*std::move(document));
  }
  return out;
}

Response FakeApi::list(const std::string& path, const io::http::Query& query) const {
  std::string out = cat(R"({"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":")", revision_, R"("},"items":[)");
  bool first = true;
  for (const auto& [key, object] : objects_) {
    if (!belongs(key, path) || !selected(object, io::http::query_value(query, "fieldSelector"))) continue;
    cat_to(out, first ? "" : ",", object);
    first = false;
  }
  return io::http::json_response(200, out + "]}");
}

Response FakeApi::patch(const io::http::Request& request, const std::string& path, const std::string& body) {
  codec::Document document = get(path);
  if (document.root.is_null()) return status(404, "NotFound", cat(path, " not found"));
  auto patch = codec::parse_json(body, document.arena);
  if (!patch) return status(400, "BadRequest", patch.error().message());
  std::string_view uid = (*patch)["metadata"]["uid"].as_string();
  if (!uid.empty() && uid != document.root["metadata"]["uid"].as_string()) return status(409, "Conflict", "the uid differs");
  Value result;
  if (request.headers.get("Content-Type").find("strategic") != std::string_view::npos) {
    auto merged = api::apply_strategic_patch(document.root, *patch, *kind_of(document.root)->schema, document.arena);
    if (!merged) return status(422, "Invalid", merged.error().message());
    result = *merged;
  } else {
    result = api::apply_merge_patch(document.root, *patch, document.arena);
  }
  put(path, result, false);
  return io::http::json_response(200, objects_[path]);
}

Response FakeApi::create_at(const std::string& path, const std::string& body) {
  auto document = codec::parse_json(body);
  if (!document) return status(400, "BadRequest", document.error().message());
  std::string_view name = document->root["metadata"]["name"].as_string();
  std::string full = cat(path, "/", name);
  if (objects_.contains(full)) return status(409, "AlreadyExists", cat(name, " already exists"));
  put(full, document->root, true);
  return io::http::json_response(201, objects_[full]);
}

io::Task<Response> FakeApi::handle(io::http::Request request) {
  std::string path(request.path());
  auto query = io::http::parse_query(request.query());
  std::string body;
  if (request.method != "GET") {
    auto read = co_await request.body.read_all(1 << 20);
    if (read) body = *std::move(read);
  }
  requests.push_back(cat(request.method, " ", path, body.empty() ? "" : " ", body));
  if (!query) co_return status(400, "BadRequest", "query");
  if (refuse.contains(path)) co_return status(503, "ServiceUnavailable", "refused by the test");
  if (request.method == "GET" && io::http::query_has(*query, "watch")) {
    if (io::http::query_has(*query, "sendInitialEvents")) co_return status(422, "Invalid", "sendInitialEvents is forbidden");
    int64_t from = parse_int(io::http::query_value(*query, "resourceVersion")).value_or(0);
    Response response;
    response.headers.set("Content-Type", "application/json");
    response.body = io::http::Body(std::make_unique<Watch>(*this, path, std::string(io::http::query_value(*query, "fieldSelector")), from));
    co_return std::move(response);
  }
  bool status_path = path.ends_with("/status");
  std::string object = status_path ? path.substr(0, path.size() - 7) : path;
  if (request.method == "GET" && objects_.contains(object)) co_return io::http::json_response(200, objects_[object]);
  if (request.method == "GET") {
    bool collection = plural_of(path).find_first_of("0123456789-.") == std::string::npos && path.ends_with("s");
    if (collection) co_return list(path, *query);
  }
  if (request.method == "PATCH") co_return patch(request, object, body);
  if (request.method == "POST" && !path.ends_with("/token")) co_return create_at(path, body);
  if (request.method == "DELETE" && objects_.contains(object)) {
    erase(object);
    co_return io::http::json_response(200, R"({"kind":"Status","apiVersion":"v1","status":"Success"})");
  }
  co_return status(404, "NotFound", cat(path, " not found"));
}

}  // namespace kobuk::node
