// Decoding as k8s.io/apiserver does it: texts of the serializers, of transformDecodeError and of NewUnsupportedMediaType.
#include "controlplane/apiserver/body.h"

#include <optional>

#include "api/normalize.h"
#include "api/protobuf.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/yaml.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Document;
using codec::Value;

constexpr codec::ParseLimits kLimits{.max_bytes = kMaxBodyBytes, .max_depth = 200};

std::string media_type(const Call& call) {
  std::string_view header = call.request.headers.get("Content-Type");
  std::string type = to_lower(trim(header.substr(0, header.find(';'))));
  return type.empty() ? "application/json" : type;
}

Answer<Document> parse_body(const Call& call, std::string_view body, const api::KindInfo& kind, std::vector<std::string>* duplicates) {
  std::string type = media_type(call);
  std::string unrecognized = cat("the object provided is unrecognized (must be of type ", kind.kind, "): ");
  if (type == "application/json") {
    auto document = codec::parse_json(body, kLimits, duplicates);
    if (!document) return refuse(bad_request(cat(unrecognized, "couldn't get version/kind; json parse error: ", document.error().message())));
    return *std::move(document);
  }
  if (type == "application/yaml") {
    auto document = codec::parse_yaml(body, kLimits, duplicates);
    if (!document) return refuse(bad_request(cat(unrecognized, document.error().message())));
    return *std::move(document);
  }
  if (type == "application/vnd.kubernetes.protobuf") {
    auto document = api::decode_protobuf(body, api::builtin_kinds(), &kind);
    if (!document) return refuse(bad_request(cat(unrecognized, document.error().message())));
    return *std::move(document);
  }
  return refuse({415, "UnsupportedMediaType",
                 "the body of the request was in an unknown format - accepted media types include: application/json, "
                 "application/yaml, application/vnd.kubernetes.protobuf"});
}

// The object names a kind: is it the one of this address?
Answer<void> check_kind(const Value& object, const api::KindInfo& kind) {
  std::string_view name = object["kind"].as_string(), version = object["apiVersion"].as_string();
  if (!version.empty() && version != kind.api_version)
    return refuse(bad_request(cat("the API version in the data (", version, ") does not match the expected API version (", kind.api_version, ")")));
  if (!name.empty() && name != kind.kind)
    return refuse(bad_request(cat(name, " in version ", go_quote(api::split_api_version(kind.api_version).version), " cannot be handled as a ",
                                  kind.kind, ": converting (", version, ".", name, ") to (", kind.kind, "): unknown conversion")));
  return {};
}

}  // namespace

Answer<FieldValidation> field_validation(const Call& call) {
  std::string_view text = call.option("fieldValidation");
  if (text.empty() || text == "Warn") return FieldValidation::kWarn;
  if (text == "Strict") return FieldValidation::kStrict;
  if (text == "Ignore") return FieldValidation::kIgnore;
  Status status(422, "Invalid", cat(" \"\" is invalid: fieldValidation: Unsupported value: ", go_quote(text),
                                    ": supported values: \"Ignore\", \"Strict\", \"Warn\""));
  status.kind = "CreateOptions", status.group = "meta.k8s.io";
  status.message = cat("CreateOptions.meta.k8s.io", status.message);
  return refuse(std::move(status));
}

namespace {

constexpr int64_t kMaxManagerBytes = 128;

std::string options_kind(std::string_view verb) {
  if (verb.starts_with("delete")) return "DeleteOptions";
  return verb == "update" ? "UpdateOptions" : verb == "patch" ? "PatchOptions" : "CreateOptions";
}

}  // namespace

// k8s.io/apimachinery/pkg/apis/meta/v1/validation.
Answer<void> check_write_options(const Call& call) {
  api::FieldErrors errors;
  constexpr std::string_view kDryRuns[] = {"All"};
  std::string_view manager = call.option("fieldManager");
  if (call.dry_run() && call.option("dryRun") != "All") errors.not_supported(api::Path("dryRun"), call.option("dryRun"), kDryRuns);
  api::Path path("fieldManager");
  if (manager.size() > kMaxManagerBytes) errors.too_long(path, kMaxManagerBytes);
  for (unsigned char c : manager)
    if (c < 32 || c == 127) {
      errors.invalid(path, manager, "should only contain printable characters");
      break;
    }
  if (errors.empty()) return {};
  std::string kind = options_kind(call.info.verb);
  Status status(422, "Invalid", api::invalid_message(cat(kind, ".meta.k8s.io"), "", errors));
  status.group = "meta.k8s.io", status.kind = kind;
  for (const auto& error : errors.all()) status.causes.push_back({std::string(api::cause_of(error.type)), error.body, error.field});
  return refuse(std::move(status));
}

namespace {

constexpr auto kBodyTimeout = std::chrono::seconds(60);

struct Reading {
  explicit Reading(io::Loop& loop) : ended(loop) {}
  std::optional<Result<std::string>> body;
  io::Event ended;
};
io::Task<void> read_into(io::http::Body& body, Reading& reading) {
  auto text = co_await body.read_all(kMaxBodyBytes);
  reading.body = std::move(text);
  reading.ended.set();
}

Answer<std::string> body_of(std::optional<Result<std::string>> read) {
  if (!read) return refuse({504, "Timeout", "Timeout: request did not complete within requested timeout - context deadline exceeded"});
  if (*read) return std::move(**read);
  if (read->error().code() == Code::kTooLarge)
    return refuse({413, "RequestEntityTooLarge", cat("Request entity too large: limit is ", kMaxBodyBytes)});
  return refuse(bad_request(read->error().message()));
}

}  // namespace

io::Task<Answer<std::string>> read_body(Core& core, Call& call) {
  if (!call.request.body.streaming()) {
    auto all = co_await call.request.body.read_all(kMaxBodyBytes);
    co_return body_of(std::move(all));
  }
  // A client that sends its body drop by drop does not hold the request for ever.
  Reading reading(core.loop);
  io::ScopedTimer timer{core.loop, core.loop.start_timer(kBodyTimeout, [&reading] { reading.ended.set(); })};
  io::TaskGroup task(core.loop);
  task.spawn(read_into(call.request.body, reading));
  co_await reading.ended.wait();
  co_return body_of(std::move(reading.body));
}

std::string strict_errors(Call& call, FieldValidation validation, const std::vector<std::string>& unknown,
                          const std::vector<std::string>& duplicates) {
  if (validation == FieldValidation::kIgnore) return {};
  std::vector<std::string> errors;
  for (const auto& path : duplicates) errors.push_back(api::duplicate_message(path));
  errors.insert(errors.end(), unknown.begin(), unknown.end());
  if (errors.empty()) return {};
  if (validation == FieldValidation::kStrict) return api::strict_message(errors);
  call.warnings.insert(call.warnings.end(), errors.begin(), errors.end());
  return {};
}

Answer<Document> decode_object(Call& call, std::string_view body, const api::KindInfo& kind) {
  API_TRY(FieldValidation validation, field_validation(call));
  std::vector<std::string> duplicates, unknown;
  API_TRY(Document document, parse_body(call, body, kind, &duplicates));
  auto failure = [&](std::string_view message) {
    return refuse(bad_request(api::decode_failure_message(kind.kind, kind.version, message)));
  };
  if (!document.root.is_object()) {
    if (trim(body).empty()) return refuse(bad_request(cat("the object provided is unrecognized (must be of type ", kind.kind, "): EOF")));
    return failure(cat("json: cannot unmarshal ", codec::kind_name(document.root.kind()), " into Go value of type ", kind.version, ".", kind.kind));
  }
  API_CHECK(check_kind(document.root, kind));
  document.root.set(document.arena, "kind", Value::string_view(kind.kind));
  document.root.set(document.arena, "apiVersion", Value::string_view(kind.api_version));
  auto done = api::normalize(document.root, *kind.schema, document.arena, {.unknown = &unknown});
  if (!done) return failure(done.error().message());
  std::string strict = strict_errors(call, validation, unknown, duplicates);
  if (!strict.empty()) return failure(strict);
  return document;
}

Answer<Document> decode_delete_options(Call& call, std::string_view body) {
  if (!trim(body).empty()) {
    const api::KindInfo& kind = *api::builtin_kinds().find_kind("v1", "DeleteOptions");
    API_TRY(Document document, parse_body(call, body, kind, nullptr));
    if (!document.root.is_object()) return refuse(bad_request("DeleteOptions are an object"));
    auto done = api::normalize(document.root, *kind.schema, document.arena);
    if (!done) return refuse(bad_request(api::decode_failure_message("DeleteOptions", "v1", done.error().message())));
    return document;
  }
  Document out;
  out.root = Value::object();
  for (std::string_view name : {"propagationPolicy"})
    if (!call.option(name).empty()) out.root.set(out.arena, name, Value::string(out.arena, call.option(name)));
  if (io::http::query_has(call.query, "gracePeriodSeconds")) {
    auto seconds = parse_int(call.option("gracePeriodSeconds"));
    if (!seconds) return refuse(bad_request(cat("strconv.ParseInt: parsing ", go_quote(call.option("gracePeriodSeconds")), ": invalid syntax")));
    out.root.set(out.arena, "gracePeriodSeconds", Value::integer(*seconds));
  }
  return out;
}

}  // namespace kobuk::controlplane::apiserver
