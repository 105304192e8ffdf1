// Lists: spliced from the stored bytes where nothing has to be looked at, in pages of one revision.
#include <algorithm>

#include "api/table.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "controlplane/apiserver/handlers.h"
#include "controlplane/apiserver/list_options.h"
#include "controlplane/apiserver/selection.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Value;
using io::http::Response;

struct Page {
  std::vector<store::KeyValue> kvs;
  store::Revision revision = 0;  // of the list
  std::string next;              // continue token, empty at the end
  int64_t remaining = 0;         // 0: none, or not known
};

Status too_new(store::Revision wanted, store::Revision current) {
  Status out(504, "Timeout", cat("Too large resource version: ", wanted, ", current: ", current));
  out.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
  out.retry_after = 1;
  return out;
}

constexpr std::string_view kContinueExpired =
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without the "
    "continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with "
    "the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the "
    "first chunk was returned and now may show up in the list.";

Answer<store::RangeRequest> first_request(const Core& core, const Resource& resource, const Selection& selection,
                                          const ListOptions& options) {
  store::RangeRequest out{.range = selection.range(resource)};
  if (!options.continue_token.empty()) {
    auto at = decode_continuation(options.continue_token);
    if (!at) return refuse(bad_request("continue key is not valid: the token can't be read"));
    std::string start = cat(resource.key_prefix, at->start);
    const store::KeyRange& range = out.range;
    bool outside = start < range.key || (range.end.empty() ? start != range.key : start >= range.end);
    if (outside) return refuse(bad_request("continue key is not valid: it is of another list"));
    out.range.key = std::move(start);
    out.revision = at->revision == -1 ? 0 : at->revision;
    return out;
  }
  if (!options.revision) return out;
  if (*options.revision > core.store.revision()) return refuse(too_new(*options.revision, core.store.revision()));
  if (options.match == ListOptions::Match::kExact) out.revision = *options.revision;
  return out;
}

Status gone(const ListOptions& options, const store::RangeRequest& request, const Resource& resource) {
  if (options.continue_token.empty()) return expired("The resourceVersion for the provided list is too old.");
  Status out = expired(std::string(kContinueExpired));
  out.continue_token = encode_continuation({-1, request.range.key.substr(resource.key_prefix.size())});
  return out;
}

// Takes what is selected until the page is full; the number of keys looked at.
Answer<size_t> fill(Page& page, std::vector<store::KeyValue>& kvs, const Selection& selection, int64_t limit) {
  bool looks = !selection.everything() || !selection.name.empty();
  for (size_t i = 0; i < kvs.size(); ++i) {
    if (limit > 0 && static_cast<int64_t>(page.kvs.size()) == limit) return i;
    if (looks) {
      API_TRY(Stored object, read_stored(kvs[i]));
      if (!selection.matches(object.value())) continue;
    }
    page.kvs.push_back(kvs[i]);
  }
  return kvs.size();
}

// Reads until the page is full or nothing is left.
io::Task<Answer<Page>> read_page(Core& core, const Resource& resource, const Selection& selection, const ListOptions& options) {
  API_CO_TRY(store::RangeRequest request, first_request(core, resource, selection, options));
  constexpr int64_t kMinRead = 1000;  // of lists that look for something: the range is counted at each read
  Page out;
  while (true) {
    int64_t wanted = options.limit - static_cast<int64_t>(out.kvs.size());
    if (options.limit > 0) request.limit = selection.everything() ? wanted : std::max(wanted, kMinRead);
    auto found = co_await core.store.range(request);
    if (!found && found.error().code() == Code::kGone) co_return refuse(gone(options, request, resource));
    API_CO_CHECK(found);
    if (request.revision == 0) request.revision = found->revision;  // the other pages are of the same state
    out.revision = request.revision;
    API_CO_TRY(size_t looked_at, fill(out, found->kvs, selection, options.limit));
    bool full = options.limit > 0 && static_cast<int64_t>(out.kvs.size()) == options.limit;
    if (looked_at == found->kvs.size() && !found->more) co_return out;
    request.range.key = cat(found->kvs[looked_at - 1].key, std::string_view("\0", 1));
    if (!full) continue;
    out.next = encode_continuation({out.revision, request.range.key.substr(resource.key_prefix.size())});
    if (selection.everything()) out.remaining = found->count - static_cast<int64_t>(looked_at);
    co_return out;
  }
}

std::string list_metadata(const Page& page) {
  std::string out = cat(R"({"resourceVersion":")", page.revision, '"');
  if (!page.next.empty()) cat_to(out, R"(,"continue":")", page.next, '"');
  if (page.remaining > 0) cat_to(out, R"(,"remainingItemCount":)", page.remaining);
  return out + "}";
}

std::string plain_list(const Page& page, const Resource& resource) {
  size_t size = 256;
  for (const auto& kv : page.kvs) size += kv.value->size() + 48;
  std::string out;
  out.reserve(size);
  cat_to(out, R"({"kind":")", resource.kind->list_kind, R"(","apiVersion":")", resource.kind->api_version, R"(","metadata":)",
         list_metadata(page), R"(,"items":[)");
  bool first = true;
  for (const auto& kv : page.kvs) {
    if (!std::exchange(first, false)) out += ',';
    append_with_revision(out, *kv.value, resource, kv.mod_revision);
  }
  return out + "]}";
}

Answer<Value> shaped_list(const Call& call, const Page& page, WallTime now, codec::Arena& arena) {
  const Resource& resource = *call.resource;
  std::vector<Value> objects;
  objects.reserve(page.kvs.size());
  for (const auto& kv : page.kvs) {
    API_TRY(Value object, codec::parse_json(with_revision(*kv.value, resource, kv.mod_revision), arena));
    objects.push_back(object);
  }
  API_TRY(Value metadata, codec::parse_json(list_metadata(page), arena));
  if (call.accepted.shape == Shape::kTable) {
    std::string_view include = call.option("includeObject");
    api::TableOptions options{.now = now};
    if (include == "None") options.include = api::TableInclude::kNone;
    if (include == "Object") options.include = api::TableInclude::kObject;
    return api::make_table(metadata, objects, *resource.kind, options, arena);
  }
  Value out = Value::object(), items = Value::array(arena, objects.size());
  for (const Value& object : objects) items.push(arena, api::partial_metadata(object, arena));
  out.set(arena, "kind", Value::string_view("PartialObjectMetadataList"));
  out.set(arena, "apiVersion", Value::string_view("meta.k8s.io/v1"));
  out.set(arena, "metadata", metadata);
  out.set(arena, "items", items);
  return out;
}

}  // namespace

io::Task<Answer<Response>> handle_list(Core& core, Call& call) {
  API_CO_TRY(ListOptions options, parse_list_options(call.query, false));
  API_CO_TRY(Selection selection, parse_selection(call));
  auto page = co_await read_page(core, *call.resource, selection, options);
  API_CO_CHECK(page);
  std::string body;
  bool pretty = query_flag(call.query, "pretty");
  if (call.accepted.shape == Shape::kObject) {
    body = plain_list(*page, *call.resource);
    if (pretty || call.accepted.yaml) {
      API_CO_TRY(codec::Document document, codec::parse_json(body, {.max_bytes = body.size()}));
      body = call.accepted.yaml ? codec::to_yaml(document.root) : codec::to_json_pretty(document.root);
    }
  } else {
    codec::Arena arena;
    API_CO_TRY(Value shaped, shaped_list(call, *page, core.loop.now(), arena));
    body = call.accepted.yaml ? codec::to_yaml(shaped) : pretty ? codec::to_json_pretty(shaped) : codec::to_json(shaped);
  }
  co_return io::http::text_response(200, std::move(body), call.accepted.yaml ? "application/yaml" : "application/json");
}

}  // namespace kobuk::controlplane::apiserver
