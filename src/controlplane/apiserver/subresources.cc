// scale (autoscaling/v1 Scale) and binding (core/v1 Binding).
#include <algorithm>

#include "api/selector.h"
#include "base/strings.h"
#include "codec/json.h"
#include "controlplane/apiserver/body.h"
#include "controlplane/apiserver/handlers.h"
#include "controlplane/apiserver/scale.h"
#include "controlplane/apiserver/write.h"

namespace kobuk::controlplane::apiserver {

using codec::Arena;
using codec::Value;
using io::http::Response;

const api::KindInfo& scale_kind() {
  static const api::KindInfo& kind = *api::builtin_kinds().find_kind("autoscaling/v1", "Scale");
  return kind;
}

Value scale_of(const Value& object, Arena& arena) {
  Value scale = Value::object(), metadata = Value::object(), spec = Value::object(), status = Value::object();
  for (auto name : {"name", "namespace", "uid", "resourceVersion", "creationTimestamp"})
    if (const Value* there = object["metadata"].find(name)) metadata.set(arena, name, *there);
  spec.set(arena, "replicas", Value::integer(object["spec"]["replicas"].as_int()));
  status.set(arena, "replicas", Value::integer(object["status"]["replicas"].as_int()));
  auto selector = api::LabelSelector::from_value(object["spec"]["selector"]);
  if (selector) status.set(arena, "selector", Value::string(arena, selector->text()));
  scale.set(arena, "kind", Value::string_view("Scale"));
  scale.set(arena, "apiVersion", Value::string_view("autoscaling/v1"));
  scale.set(arena, "metadata", metadata);
  scale.set(arena, "spec", spec);
  scale.set(arena, "status", status);
  return scale;
}

Answer<Value> with_scale(const Value& live, const Value& scale, Arena& arena) {
  int64_t replicas = scale["spec"]["replicas"].as_int();
  if (replicas < 0) {
    api::FieldErrors errors;
    api::Path spec("spec");
    errors.invalid(spec.child("replicas"), replicas, "must be greater than or equal to 0");
    return refuse(invalid(scale_kind(), live["metadata"]["name"].as_string(), errors));
  }
  Value out = live.clone(arena);
  out.get_or_add(arena, "spec").set(arena, "replicas", Value::integer(replicas));
  const Value& version = scale["metadata"]["resourceVersion"];
  Value& metadata = out.get_or_add(arena, "metadata");
  if (version.as_string().empty()) metadata.erase("resourceVersion");
  else metadata.set(arena, "resourceVersion", version.clone(arena));
  return out;
}

Response scale_response(const Call& call, int status, std::string_view object_json, WallTime now) {
  auto document = codec::parse_json(object_json);
  if (!document) return io::http::json_response(500, internal_error(document.error().message()).to_json());
  return object_response(call, status, codec::to_json(scale_of(document->root, document->arena)), now);
}

io::Task<Answer<Response>> handle_scale(Core& core, Call& call) {
  const Resource& resource = *call.resource;
  if (call.info.verb == "get") {
    auto found = co_await core.store.range({.range = store::one_key(resource.key(call.info.space, call.info.name))});
    API_CO_CHECK(found);
    if (found->kvs.empty()) co_return refuse(not_found(call.kind(), call.info.name));
    const auto& kv = found->kvs[0];
    co_return scale_response(call, 200, with_revision(*kv.value, resource, kv.mod_revision), core.loop.now());
  }
  API_CO_CHECK(check_write_options(call));
  auto body = co_await read_body(core, call);
  API_CO_CHECK(body);
  API_CO_TRY(codec::Document document, decode_object(call, *body, scale_kind()));
  API_CO_CHECK(match_address(document.root, call.info, call.kind(), true, document.arena));
  UpdateSpec spec{.space = call.info.space, .name = call.info.name, .subresource = "scale"};
  const Value& sent = document.root;
  spec.edit = [&sent](const Value* live, Arena& arena) { return with_scale(*live, sent, arena); };
  auto written = co_await update_object(core, call, std::move(spec));
  API_CO_CHECK(written);
  co_return scale_response(call, 200, written->json, core.loop.now());
}

namespace {

void set_scheduled(Value& pod, WallTime now, Arena& arena) {
  Value& conditions = pod.get_or_add(arena, "status").get_or_add(arena, "conditions");
  Value condition = Value::object();
  condition.set(arena, "type", Value::string_view("PodScheduled"));
  condition.set(arena, "status", Value::string_view("True"));
  condition.set(arena, "lastProbeTime", Value());
  condition.set(arena, "lastTransitionTime", Value::string(arena, format_rfc3339(now)));
  for (Value& one : conditions.items()) {
    if (one["type"].as_string() != "PodScheduled") continue;
    if (one["status"].as_string() == "True") condition.set(arena, "lastTransitionTime", one["lastTransitionTime"]);
    one = condition;
    return;
  }
  conditions.push(arena, condition);
}

Answer<Value> bind(const Core& core, const Value& binding, const Value& live, Arena& arena) {
  const api::KindInfo& pods = *core.core_v1("pods").kind;
  const Value& metadata = live["metadata"];
  std::string_view name = metadata["name"].as_string(), uid = binding["metadata"]["uid"].as_string();
  Status refusal = conflict(pods, name, "");
  auto say = [&](std::string_view why) {
    refusal.message = cat("Operation cannot be fulfilled on pods/binding ", go_quote(name), ": ", why);
    return refuse(refusal);
  };
  if (!uid.empty() && uid != metadata["uid"].as_string())
    return say(cat("Precondition failed: UID in precondition: ", uid, ", UID in object meta: ", metadata["uid"].as_string()));
  if (!metadata["deletionTimestamp"].is_null()) return say(cat("pod ", name, " is being deleted, cannot be assigned to a host"));
  if (std::string_view node = live["spec"]["nodeName"].as_string(); !node.empty())
    return say(cat("pod ", name, " is already assigned to node ", go_quote(node)));
  if (!live["spec"]["schedulingGates"].empty()) return say(cat("pod ", name, " has non-empty .spec.schedulingGates"));
  Value pod = live.clone(arena);
  pod.get_or_add(arena, "spec").set(arena, "nodeName", Value::string(arena, binding["target"]["name"].as_string()));
  for (const auto& member : binding["metadata"]["annotations"].members())
    pod.find("metadata")->get_or_add(arena, "annotations").set(arena, member.key, member.value.clone(arena));
  set_scheduled(pod, core.loop.now(), arena);
  return pod;
}

Answer<void> check_binding(const Value& binding, const api::KindInfo& kind) {
  api::FieldErrors errors;
  api::Path target("target");
  constexpr std::string_view kKinds[] = {"Node", "<empty>"};
  std::string_view what = binding["target"]["kind"].as_string();
  if (!what.empty() && what != "Node") errors.not_supported(target.child("kind"), what, kKinds);
  if (binding["target"]["name"].as_string().empty()) errors.required(target.child("name"));
  if (errors.empty()) return {};
  return refuse(invalid(kind, binding["metadata"]["name"].as_string(), errors));
}

}  // namespace

io::Task<Answer<Response>> handle_binding(Core& core, Call& call) {
  const api::KindInfo& kind = *api::builtin_kinds().find_kind("v1", "Binding");
  API_CO_CHECK(check_write_options(call));
  auto body = co_await read_body(core, call);
  API_CO_CHECK(body);
  API_CO_TRY(codec::Document document, decode_object(call, *body, kind));
  API_CO_CHECK(match_address(document.root, call.info, kind, !call.info.name.empty(), document.arena));
  API_CO_CHECK(check_binding(document.root, kind));
  call.resource = &core.core_v1("pods");
  UpdateSpec spec{.space = call.info.space, .name = std::string(document.root["metadata"]["name"].as_string()), .subresource = "binding"};
  spec.owned = true;
  spec.validates = false;
  const Value& binding = document.root;
  spec.edit = [&core, &binding](const Value* live, Arena& arena) { return bind(core, binding, *live, arena); };
  auto written = co_await update_object(core, call, std::move(spec));
  API_CO_CHECK(written);
  co_return io::http::json_response(201, R"({"kind":"Status","apiVersion":"v1","metadata":{},"status":"Success","code":201})");
}

}  // namespace kobuk::controlplane::apiserver
