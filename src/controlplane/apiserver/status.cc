// meta/v1 Status, and the texts of k8s.io/apimachinery/pkg/api/errors.
#include "controlplane/apiserver/status.h"

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::controlplane::apiserver {
namespace {

struct Mapping {
  Code code;
  int http;
  std::string_view reason;
};
constexpr Mapping kMappings[] = {
    {Code::kInvalid, 400, "BadRequest"},          {Code::kUnauthenticated, 401, "Unauthorized"},
    {Code::kPermissionDenied, 403, "Forbidden"},  {Code::kNotFound, 404, "NotFound"},
    {Code::kAlreadyExists, 409, "AlreadyExists"}, {Code::kConflict, 409, "Conflict"},
    {Code::kGone, 410, "Expired"},                {Code::kTooLarge, 413, "RequestEntityTooLarge"},
    {Code::kUnsupportedMedia, 415, "UnsupportedMediaType"}, {Code::kNotAcceptable, 406, "NotAcceptable"},
    {Code::kResourceExhausted, 507, "InsufficientStorage"},  {Code::kUnavailable, 503, "ServiceUnavailable"},
    {Code::kTimeout, 504, "Timeout"},
};

Status of_resource(const api::KindInfo& kind, std::string_view name, int code, std::string_view reason, std::string message) {
  Status out(code, reason, std::move(message));
  out.name = name;
  out.group = kind.group;
  out.kind = kind.plural;
  return out;
}

void member(std::string& out, std::string_view key, std::string_view text) {
  if (text.empty()) return;
  if (out.back() != '{') out += ',';
  cat_to(out, '"', key, "\":");
  codec::append_json_string(out, text);
}

std::string causes_json(const std::vector<Cause>& causes) {
  std::string out = "[";
  for (const Cause& cause : causes) {
    if (out.size() > 1) out += ',';
    std::string one = "{";
    member(one, "reason", cause.reason);
    member(one, "message", cause.message);
    member(one, "field", cause.field);
    cat_to(out, one, "}");
  }
  return out + "]";
}

}  // namespace

const std::string_view kModified = "the object has been modified; please apply your changes to the latest version and try again";

Status::Status(const Error& error) : message(error.message()) {
  reason = "InternalError";
  for (const Mapping& mapping : kMappings)
    if (mapping.code == error.code()) code = mapping.http, reason = mapping.reason;
  if (code == 500) message = cat("Internal error occurred: ", error.message());
}

std::string Status::to_json() const {
  std::string metadata = "{";
  member(metadata, "continue", continue_token);
  std::string out = cat(R"({"kind":"Status","apiVersion":"v1","metadata":)", metadata, "}");
  member(out, "status", success ? "Success" : "Failure");
  member(out, "message", message);
  member(out, "reason", reason);
  std::string details = "{";
  member(details, "name", name);
  member(details, "group", group);
  member(details, "kind", kind);
  member(details, "uid", uid);
  if (!causes.empty()) cat_to(details, details.size() > 1 ? "," : "", "\"causes\":", causes_json(causes));
  if (retry_after > 0) cat_to(details, details.size() > 1 ? "," : "", "\"retryAfterSeconds\":", retry_after);
  if (details.size() > 1) cat_to(out, ",\"details\":", details, "}");
  if (!success) cat_to(out, ",\"code\":", code);
  return out + "}";
}

Status bad_request(std::string message) { return {400, "BadRequest", std::move(message)}; }

Status not_found(const api::KindInfo& kind, std::string_view name) {
  return of_resource(kind, name, 404, "NotFound", cat(kind.qualified_resource(), " ", go_quote(name), " not found"));
}

Status already_exists(const api::KindInfo& kind, std::string_view name) {
  return of_resource(kind, name, 409, "AlreadyExists", cat(kind.qualified_resource(), " ", go_quote(name), " already exists"));
}

Status conflict(const api::KindInfo& kind, std::string_view name, std::string_view why) {
  return of_resource(kind, name, 409, "Conflict",
                     cat("Operation cannot be fulfilled on ", kind.qualified_resource(), " ", go_quote(name), ": ", why));
}

Status invalid(const api::KindInfo& kind, std::string_view name, const api::FieldErrors& errors) {
  Status out(422, "Invalid", api::invalid_message(kind.qualified_kind(), name, errors));
  out.name = name;
  out.group = kind.group;
  out.kind = kind.kind;
  for (const api::FieldError& error : errors.all())
    out.causes.push_back({std::string(api::cause_of(error.type)), error.body, error.field});
  return out;
}

Status forbidden(std::string_view group, std::string_view resource, std::string_view name, std::string_view why) {
  std::string qualified = group.empty() ? std::string(resource) : cat(resource, ".", group);
  std::string what = name.empty() ? cat(qualified, " is forbidden: ", why)
                                  : cat(qualified, " ", go_quote(name), " is forbidden: ", why);
  if (resource.empty()) what = cat("forbidden: ", why);
  Status out(403, "Forbidden", std::move(what));
  out.name = name;
  out.group = group;
  out.kind = resource;
  return out;
}

Status method_not_supported(std::string_view group, std::string_view resource, std::string_view verb) {
  Status out(405, "MethodNotAllowed", resource.empty() ? cat(verb, " is not supported")
                                                        : cat(verb, " is not supported on resources of kind ",
                                                              go_quote(group.empty() ? std::string(resource) : cat(resource, ".", group))));
  out.group = group;
  out.kind = resource;
  return out;
}

Status path_not_found() { return {404, "NotFound", "the server could not find the requested resource"}; }
Status unauthorized() { return {401, "Unauthorized", "Unauthorized"}; }

Status internal_error(std::string_view what) {
  Status out(500, "InternalError", cat("Internal error occurred: ", what));
  out.causes.push_back({"", std::string(what), ""});
  return out;
}

Status expired(std::string message) { return {410, "Expired", std::move(message)}; }
Status too_large(size_t bytes, size_t limit) {
  return {413, "RequestEntityTooLarge", cat("Request entity too large: the object would have ", bytes, " bytes, limit is ", limit)};
}

Status succeeded(const api::KindInfo& kind, std::string_view name, std::string_view uid) {
  Status out = of_resource(kind, name, 200, "", "");
  out.uid = uid;
  out.success = true;
  return out;
}

}  // namespace kobuk::controlplane::apiserver
