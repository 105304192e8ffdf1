// Rules and texts: k8s.io/apimachinery ValidateListOptions, k8s.io/apiserver storage continue tokens.
#include "controlplane/apiserver/list_options.h"

#include "base/strings.h"
#include "codec/json.h"
#include "controlplane/apiserver/request_info.h"

namespace kobuk::controlplane::apiserver {
namespace {

using api::FieldErrors;
using api::Path;
using io::http::query_value;

Status wrong_options(const FieldErrors& errors) {
  Status out(422, "Invalid", api::invalid_message("ListOptions.meta.k8s.io", "", errors));
  out.group = "meta.k8s.io", out.kind = "ListOptions";
  for (const auto& error : errors.all()) out.causes.push_back({std::string(api::cause_of(error.type)), error.body, error.field});
  return out;
}

Answer<std::optional<int64_t>> number(const io::http::Query& query, std::string_view name) {
  std::string_view text = query_value(query, name);
  if (text.empty()) return std::nullopt;
  auto value = parse_int(text);
  if (!value) return refuse(bad_request(cat("strconv.ParseInt: parsing ", go_quote(text), ": invalid syntax")));
  return *value;
}

void check_list(const ListOptions& options, std::string_view match, FieldErrors& errors) {
  Path at("resourceVersionMatch");
  if (match.empty()) return;
  if (!options.revision) errors.forbidden(at, "resourceVersionMatch is forbidden unless resourceVersion is provided");
  if (!options.continue_token.empty()) errors.forbidden(at, "resourceVersionMatch is forbidden when continue is provided");
  constexpr std::string_view kKnown[] = {"Exact", "NotOlderThan"};
  if (options.match == ListOptions::Match::kUnset) errors.not_supported(at, match, kKnown);
  if (options.match == ListOptions::Match::kExact && options.revision == 0)
    errors.forbidden(at, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
}

void check_watch(const ListOptions& options, std::string_view match, FieldErrors& errors) {
  Path at("resourceVersionMatch"), events("sendInitialEvents");
  if (options.initial_events && options.match != ListOptions::Match::kNotOlderThan)
    errors.forbidden(at, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
  if (!options.initial_events && !match.empty())
    errors.forbidden(at, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
  if (options.initial_events == true && !options.bookmarks)
    errors.forbidden(events, "sendInitialEvents is forbidden for watch unless allowWatchBookmarks is set to true");
}

}  // namespace

Answer<ListOptions> parse_list_options(const io::http::Query& query, bool watch) {
  ListOptions out;
  std::string_view revision = query_value(query, "resourceVersion"), match = query_value(query, "resourceVersionMatch");
  FieldErrors errors;
  if (!revision.empty()) {
    auto value = parse_int(revision);
    if (!value || *value < 0) return refuse(bad_request(cat("Invalid value: ", go_quote(revision), ": strconv.ParseUint: parsing ",
                                                            go_quote(revision), ": invalid syntax")));
    out.revision = *value;
  }
  if (match == "NotOlderThan") out.match = ListOptions::Match::kNotOlderThan;
  if (match == "Exact") out.match = ListOptions::Match::kExact;
  API_TRY(auto limit, number(query, "limit"));
  out.limit = limit.value_or(0);
  if (out.limit < 0) out.limit = 0;
  API_TRY(out.timeout_seconds, number(query, "timeoutSeconds"));
  out.continue_token = query_value(query, "continue");
  out.bookmarks = query_flag(query, "allowWatchBookmarks");
  if (io::http::query_has(query, "sendInitialEvents")) out.initial_events = query_flag(query, "sendInitialEvents");
  if (watch) {
    check_watch(out, match, errors);
  } else {
    if (out.initial_events) errors.forbidden(Path("sendInitialEvents"), "sendInitialEvents is forbidden for list");
    check_list(out, match, errors);
  }
  if (!errors.empty()) return refuse(wrong_options(errors));
  return out;
}

std::string encode_continuation(const Continuation& at) {
  std::string json = cat(R"({"v":"meta.k8s.io/v1","rv":)", at.revision, R"(,"start":)");
  codec::append_json_string(json, at.start);
  return base64_url(json + "}");
}

std::optional<Continuation> decode_continuation(std::string_view token) {
  auto json = unbase64(token);
  if (!json) return std::nullopt;
  auto document = codec::parse_json(*json, {.max_bytes = 4096, .max_depth = 4});
  if (!document || document->root["v"].as_string() != "meta.k8s.io/v1") return std::nullopt;
  Continuation out{document->root["rv"].as_int(), std::string(document->root["start"].as_string())};
  // A key below the prefix, as this server gives them: nothing that leads out of it.
  if (out.start.empty() || out.revision == 0 || out.revision < -1 || out.start.find("..") != std::string::npos) return std::nullopt;
  return out;
}

}  // namespace kobuk::controlplane::apiserver
