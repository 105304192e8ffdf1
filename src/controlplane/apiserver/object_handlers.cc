// get, create, update and delete of single objects.
#include "api/table.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "controlplane/apiserver/body.h"
#include "controlplane/apiserver/delete.h"
#include "controlplane/apiserver/handlers.h"
#include "controlplane/apiserver/list_options.h"
#include "controlplane/apiserver/strategy.h"
#include "controlplane/apiserver/write.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Value;
using io::http::Response;

std::string shaped(const Call& call, std::string json, WallTime now) {
  bool plain = call.accepted.shape == Shape::kObject && !call.accepted.yaml && !query_flag(call.query, "pretty");
  if (plain) return json;
  auto document = codec::parse_json(json);
  if (!document) return json;
  Value out = document->root;
  // A Status is no row of a table.
  if (call.resource != nullptr && out["kind"].as_string() == call.kind().kind) {
    if (call.accepted.shape == Shape::kTable) {
      Value metadata = Value::object();
      metadata.set(document->arena, "resourceVersion", out["metadata"]["resourceVersion"]);
      std::string_view include = call.option("includeObject");
      api::TableOptions options{.now = now};
      if (include == "None") options.include = api::TableInclude::kNone;
      if (include == "Object") options.include = api::TableInclude::kObject;
      out = api::make_table(metadata, std::span(&document->root, 1), call.kind(), options, document->arena);
    } else if (call.accepted.shape == Shape::kPartialMetadata) {
      out = api::partial_metadata(out, document->arena);
    }
  }
  if (call.accepted.yaml) return codec::to_yaml(out);
  return query_flag(call.query, "pretty") ? codec::to_json_pretty(out) : codec::to_json(out);
}

}  // namespace

Response object_response(const Call& call, int status, std::string json, WallTime now) {
  return io::http::text_response(status, shaped(call, std::move(json), now), call.accepted.yaml ? "application/yaml" : "application/json");
}

io::Task<Answer<Response>> handle_get(Core& core, Call& call) {
  const Resource& resource = *call.resource;
  API_CO_TRY(ListOptions options, parse_list_options(call.query, true));
  std::string key = resource.key(call.info.space, call.info.name);
  if (options.revision > core.store.revision()) {
    Status late(504, "Timeout", cat("Too large resource version: ", *options.revision, ", current: ", core.store.revision()));
    late.causes.push_back({"ResourceVersionTooLarge", "Too large resource version", ""});
    late.retry_after = 1;
    co_return refuse(std::move(late));
  }
  auto found = co_await core.store.range({.range = store::one_key(std::move(key))});
  API_CO_CHECK(found);
  if (found->kvs.empty()) co_return refuse(not_found(call.kind(), call.info.name));
  const store::KeyValue& kv = found->kvs[0];
  co_return object_response(call, 200, with_revision(*kv.value, resource, kv.mod_revision), core.loop.now());
}

io::Task<Answer<Response>> handle_create(Core& core, Call& call) {
  API_CO_CHECK(check_write_options(call));
  auto body = co_await read_body(core, call);
  API_CO_CHECK(body);
  API_CO_TRY(codec::Document document, decode_object(call, *body, call.kind()));
  API_CO_CHECK(match_address(document.root, call.info, call.kind(), !call.info.name.empty(), document.arena));
  auto written = co_await create_object(core, call, std::move(document));
  API_CO_CHECK(written);
  co_return object_response(call, 201, std::move(written->json), core.loop.now());
}

io::Task<Answer<Response>> handle_update(Core& core, Call& call) {
  API_CO_CHECK(check_write_options(call));
  auto body = co_await read_body(core, call);
  API_CO_CHECK(body);
  API_CO_TRY(codec::Document document, decode_object(call, *body, call.kind()));
  API_CO_CHECK(match_address(document.root, call.info, call.kind(), true, document.arena));
  UpdateSpec spec{.space = call.info.space, .name = call.info.name, .subresource = call.info.subresource};
  spec.creates = call.resource->strategy->update_creates() && call.info.subresource.empty();
  const Value& sent = document.root;
  spec.edit = [&sent](const Value*, codec::Arena& arena) -> Answer<Value> { return sent.clone(arena); };
  auto written = co_await update_object(core, call, std::move(spec));
  API_CO_CHECK(written);
  co_return object_response(call, written->created ? 201 : 200, std::move(written->json), core.loop.now());
}

io::Task<Answer<Response>> handle_delete(Core& core, Call& call) {
  API_CO_CHECK(check_write_options(call));
  auto body = co_await read_body(core, call);
  API_CO_CHECK(body);
  API_CO_TRY(codec::Document sent, decode_delete_options(call, *body));
  API_CO_TRY(DeleteOptions options, parse_delete_options(call, sent.root));
  auto deleted = co_await delete_object(core, call, call.info.space, call.info.name, std::move(options));
  API_CO_CHECK(deleted);
  co_return object_response(call, 200, std::move(deleted->json), core.loop.now());
}

io::Task<Answer<Response>> handle_delete_collection(Core& core, Call& call) {
  API_CO_CHECK(check_write_options(call));
  auto body = co_await read_body(core, call);
  API_CO_CHECK(body);
  API_CO_TRY(codec::Document sent, decode_delete_options(call, *body));
  API_CO_TRY(DeleteOptions options, parse_delete_options(call, sent.root));
  auto list = co_await delete_collection(core, call, std::move(options));
  API_CO_CHECK(list);
  co_return object_response(call, 200, *std::move(list), core.loop.now());
}

}  // namespace kobuk::controlplane::apiserver
