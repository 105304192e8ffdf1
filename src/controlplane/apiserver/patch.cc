// Patches: k8s.io/apiserver endpoints/handlers/patch.go. JSON Patch, merge patch, strategic merge patch, apply.
#include "api/patch.h"

#include "api/apply.h"
#include "api/normalize.h"
#include "api/strategic.h"
#include "api/typed_check.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/yaml.h"
#include "controlplane/apiserver/body.h"
#include "controlplane/apiserver/handlers.h"
#include "controlplane/apiserver/scale.h"
#include "controlplane/apiserver/write.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Arena;
using codec::Document;
using codec::Value;
using io::http::Response;

enum class PatchKind : uint8_t { kJson, kMerge, kStrategic, kApply };

Answer<PatchKind> patch_kind(const Call& call) {
  std::string_view header = call.request.headers.get("Content-Type");
  std::string type = to_lower(trim(header.substr(0, header.find(';'))));
  if (type == "application/json-patch+json") return PatchKind::kJson;
  if (type == "application/merge-patch+json") return PatchKind::kMerge;
  if (type == "application/strategic-merge-patch+json") return PatchKind::kStrategic;
  if (type == "application/apply-patch+yaml") return PatchKind::kApply;
  return refuse({415, "UnsupportedMediaType",
                 "the body of the request was in an unknown format - accepted media types include: application/json-patch+json, "
                 "application/merge-patch+json, application/strategic-merge-patch+json, application/apply-patch+yaml"});
}

// One patch: what it is, where it came from, and what it may do.
struct Patch {
  Call& call;
  const api::KindInfo& kind;
  const api::Schema& schema;  // of the object that is patched
  PatchKind type;
  FieldValidation validation;
  Value value;
  std::string_view text;
  std::string_view subresource;
  bool force = false, warned = false;
};

Status unprocessable(std::string message) { return {422, "Invalid", std::move(message)}; }

Answer<Value> patched(const Patch& patch, const Value& live, Arena& arena) {
  switch (patch.type) {
    case PatchKind::kJson: {
      if (!patch.value.is_array()) return refuse(bad_request("error decoding patch: json: cannot unmarshal object into Go value of type jsonpatch.Patch"));
      Value target = live.clone(arena);
      auto done = api::apply_json_patch(target, patch.value, arena);
      if (!done) return refuse(unprocessable(cat("the server rejected our request due to an error in our request: ", done.error().message())));
      return target;
    }
    case PatchKind::kMerge: return api::apply_merge_patch(live, patch.value, arena).clone(arena);
    default: {
      auto merged = api::apply_strategic_patch(live, patch.value, patch.schema, arena);
      if (!merged) return refuse(unprocessable(merged.error().message()));
      return merged->clone(arena);
    }
  }
}

// 422 that shows the patch: of a strategic merge patch itself, in Go's form, of the others the object that it makes.
Status invalid_patch(const Patch& patch, const Value& live, std::string_view why) {
  std::string shown = api::go_text(patch.value);
  Arena arena;
  if (patch.type != PatchKind::kStrategic)
    if (auto object = patched(patch, live, arena)) shown = codec::to_json(*object);
  api::FieldErrors errors;
  errors.invalid(api::Path("patch"), shown, why);
  Status out = unprocessable(api::invalid_message("", "", errors));
  for (const auto& error : errors.all()) out.causes.push_back({std::string(api::cause_of(error.type)), error.body, error.field});
  return out;
}

// The patched object as an object of the kind again.
Answer<Value> edit_by_patch(Patch& patch, const Value& live, Arena& arena) {
  API_TRY(Value object, patched(patch, live, arena));
  if (!object.is_object()) return refuse(unprocessable("the patch leaves no object"));
  object.set(arena, "kind", Value::string_view(patch.kind.kind));
  object.set(arena, "apiVersion", Value::string_view(patch.kind.api_version));
  std::vector<std::string> unknown;
  auto done = api::normalize(object, patch.schema, arena, {.unknown = &unknown, .unstructured = patch.type == PatchKind::kStrategic});
  if (!done) return refuse(invalid_patch(patch, live, done.error().message()));
  if (std::exchange(patch.warned, true)) unknown.clear();  // a repeated attempt warns no second time
  std::string strict = strict_errors(patch.call, patch.validation, unknown, {});
  if (!strict.empty()) return refuse(invalid_patch(patch, live, strict));
  return object;
}

Status apply_conflict(const std::vector<api::ApplyConflict>& conflicts) {
  Status out(409, "Conflict", api::conflict_message(conflicts));
  for (const auto& one : conflicts) out.causes.push_back({"FieldManagerConflict", cat("conflict with ", one.manager), one.field});
  return out;
}

Answer<Value> edit_by_apply(const Core& core, const Patch& patch, const Value* live, Arena& arena) {
  static constexpr std::string_view kStatus[] = {"status"}, kSpec[] = {"spec"};
  api::Write write{.manager = patch.call.option("fieldManager"), .api_version = patch.kind.api_version, .subresource = patch.subresource,
                   .now = core.loop.now()};
  if (patch.kind.find_subresource("status")) write.reset = patch.subresource == "status" ? std::span(kSpec) : std::span(kStatus);
  Value none;
  auto applied = api::apply_configuration(live ? *live : none, patch.value, patch.kind, write, patch.force, arena);
  if (!applied) return refuse({500, "", applied.error().message()});
  if (!applied->conflicts.empty()) return refuse(apply_conflict(applied->conflicts));
  Value object = applied->object.clone(arena);
  auto done = api::normalize(object, patch.schema, arena);
  if (!done) return refuse(bad_request(api::decode_failure_message(patch.kind.kind, patch.kind.version, done.error().message())));
  return object;
}

// The configuration that is applied: its kind, its fields.
Answer<void> check_configuration(const Call& call, Document& config, const api::KindInfo& kind) {
  if (!config.root.is_object()) return refuse(bad_request("error decoding YAML: the configuration is no object"));
  std::string_view version = config.root["apiVersion"].as_string(), name = config.root["kind"].as_string();
  if (version.empty() || name.empty()) return refuse(bad_request("apiVersion and kind must be set in the configuration that is applied"));
  if (version != kind.api_version || name != kind.kind)
    return refuse(bad_request(cat("the API version in the data (", version, ", Kind=", name, ") does not match the expected API version (",
                                  kind.api_version, ", Kind=", kind.kind, ")")));
  std::string group_kind = cat(kind.group, "/", kind.version, ", Kind=", kind.kind), of = cat(" (", call.info.space, "/", call.info.name, "; ", group_kind, ")");
  std::string wrong = api::check_typed(config.root, *kind.schema);
  if (!wrong.empty()) return refuse({500, "", cat("failed to create typed patch object", of, ": ", wrong)});
  API_CHECK(match_address(config.root, call.info, kind, true, config.arena));
  auto done = api::normalize(config.root, *kind.schema, config.arena, {.complete = false, .unstructured = true});
  if (done) return {};
  return refuse({500, "", cat("failed to convert new object", of, " to proper version: unable to convert unstructured object to ", group_kind, ": ",
                              done.error().message())});
}

Answer<Document> decode_patch(Call& call, PatchKind type, FieldValidation validation, std::string_view body) {
  std::vector<std::string> duplicates;
  bool apply = type == PatchKind::kApply;
  auto document = apply ? codec::parse_yaml(body, {.max_bytes = kMaxBodyBytes, .max_depth = 200}, &duplicates)
                        : codec::parse_json(body, {.max_bytes = kMaxBodyBytes, .max_depth = 200}, &duplicates);
  if (!document) return refuse(bad_request(cat(apply ? "error decoding YAML: " : "error decoding patch: ", document.error().message())));
  std::string strict = strict_errors(call, validation, {}, duplicates);
  if (!strict.empty()) return refuse(bad_request(cat(apply ? "error decoding YAML: " : "error decoding patch: ", strict)));
  if (type != PatchKind::kJson && !document->root.is_object())
    return refuse(bad_request(cat("error decoding patch: json: cannot unmarshal ", codec::kind_name(document->root.kind()), " into Go value of type map[string]interface {}")));
  return *std::move(document);
}

}  // namespace

io::Task<Answer<Response>> handle_patch(Core& core, Call& call) {
  API_CO_TRY(PatchKind type, patch_kind(call));
  API_CO_CHECK(check_write_options(call));
  API_CO_TRY(FieldValidation validation, field_validation(call));
  auto body = co_await read_body(core, call);
  API_CO_CHECK(body);
  API_CO_TRY(Document document, decode_patch(call, type, validation, *body));
  bool scale = call.info.subresource == "scale";
  const api::KindInfo& kind = scale ? scale_kind() : call.kind();
  bool apply = type == PatchKind::kApply;
  if (apply) {
    if (scale) co_return refuse({415, "UnsupportedMediaType", "a Scale is not applied: use a merge patch"});
    if (call.option("fieldManager").empty())
      co_return refuse(unprocessable("PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"));
    API_CO_CHECK(check_configuration(call, document, kind));
  } else if (io::http::query_has(call.query, "force")) {
    co_return refuse(unprocessable("PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch"));
  }
  Patch patch{.call = call, .kind = kind, .schema = *kind.schema, .type = type, .validation = validation, .value = document.root,
              .text = *body, .subresource = call.info.subresource, .force = query_flag(call.query, "force")};
  UpdateSpec spec{.space = call.info.space, .name = call.info.name, .subresource = call.info.subresource};
  spec.creates = apply && call.info.subresource.empty();
  spec.owned = apply;
  spec.edit = [&core, &patch, apply, scale](const Value* live, Arena& arena) -> Answer<Value> {
    if (scale) {
      API_TRY(Value edited, edit_by_patch(patch, scale_of(*live, arena), arena));
      return with_scale(*live, edited, arena);
    }
    if (apply) return edit_by_apply(core, patch, live, arena);
    return edit_by_patch(patch, *live, arena);
  };
  auto written = co_await update_object(core, call, std::move(spec));
  API_CO_CHECK(written);
  if (scale) co_return scale_response(call, 200, written->json, core.loop.now());
  co_return object_response(call, written->created ? 201 : 200, std::move(written->json), core.loop.now());
}

}  // namespace kobuk::controlplane::apiserver
