// Paths of the Kubernetes API: /api/v1/…, /apis/<group>/<version>/…, [watch/][namespaces/<ns>/]<resource>[/<name>[/<sub>]].
#include "controlplane/apiserver/request_info.h"

#include <array>
#include <vector>

#include "api/selector.h"
#include "base/strings.h"

namespace kobuk::controlplane::apiserver {
namespace {

constexpr size_t kMaxPartBytes = 1024;

// Decoded segments; nothing when one of them is malformed.
std::optional<std::vector<std::string>> segments(std::string_view path) {
  std::vector<std::string> out;
  if (path.starts_with('/')) path.remove_prefix(1);
  if (path.ends_with('/')) path.remove_suffix(1);
  if (path.empty()) return out;
  for (std::string_view part : split(path, '/')) {
    auto text = io::http::percent_decode(part);
    if (!text || text->size() > kMaxPartBytes || text->find('\0') != std::string::npos) return std::nullopt;
    out.push_back(std::move(*text));
  }
  return out;
}

bool unusable(std::string_view part) { return part.empty() || part == "." || part == ".." || part.find('/') != part.npos; }

std::string verb_of(std::string_view method) {
  if (method == "POST") return "create";
  if (method == "GET" || method == "HEAD") return "get";
  if (method == "PUT") return "update";
  if (method == "PATCH") return "patch";
  if (method == "DELETE") return "delete";
  return to_lower(method);
}

void take_namespace(RequestInfo& info, std::vector<std::string>& parts) {
  if (parts.empty() || parts[0] != "namespaces" || parts.size() < 3) return;
  // /namespaces/<name>/status is the namespace's own subresource.
  if (parts.size() == 3 && (parts[2] == "status" || parts[2] == "finalize") && info.group.empty()) return;
  info.space = parts[1];
  parts.erase(parts.begin(), parts.begin() + 2);
}

void name_from_selector(RequestInfo& info, const io::http::Query& query) {
  if (info.verb == "deletecollection") return;
  auto selector = api::FieldSelector::parse(io::http::query_value(query, "fieldSelector"));
  if (selector) info.name = selector->exact("metadata.name");
  if (unusable(info.name)) info.name.clear();
}

}  // namespace

bool query_flag(const io::http::Query& query, std::string_view name) {
  if (!io::http::query_has(query, name)) return false;
  std::string_view value = io::http::query_value(query, name);
  return value != "0" && !equals_ignore_case(value, "false");
}

std::optional<RequestInfo> parse_request_info(std::string_view method, std::string_view path, const io::http::Query& query) {
  auto parts = segments(path);
  auto decoded = io::http::percent_decode(path);
  if (!parts || !decoded) return std::nullopt;
  RequestInfo info{.path = std::move(*decoded), .verb = to_lower(method)};
  bool core = !parts->empty() && (*parts)[0] == "api", grouped = !parts->empty() && (*parts)[0] == "apis";
  if (parts->size() < (grouped ? 4u : 3u) || (!core && !grouped)) return info;
  for (const std::string& part : *parts)
    if (part.empty()) return info;  // "//": no resource

  info.is_resource = true;
  info.verb = verb_of(method);
  if (grouped) info.group = (*parts)[1];
  info.version = (*parts)[grouped ? 2 : 1];
  parts->erase(parts->begin(), parts->begin() + (grouped ? 3 : 2));
  bool watch = (*parts)[0] == "watch" && parts->size() > 1;
  if (watch) parts->erase(parts->begin());
  take_namespace(info, *parts);
  info.resource = (*parts)[0];
  if (parts->size() > 1) info.name = (*parts)[1];
  if (parts->size() > 2) info.subresource = (*parts)[2];
  for (size_t i = 3; i < parts->size(); ++i) cat_to(info.rest, "/", (*parts)[i]);
  for (const std::string* part : {&info.space, &info.name, &info.subresource})
    if (!part->empty() && unusable(*part)) return std::nullopt;

  if (info.verb == "get" && (watch || (info.name.empty() && query_flag(query, "watch")))) info.verb = "watch";
  else if (info.name.empty() && info.verb == "get") info.verb = "list";
  else if (info.name.empty() && info.verb == "delete") info.verb = "deletecollection";
  if (info.name.empty() && info.verb != "create") name_from_selector(info, query);
  return info;
}

}  // namespace kobuk::controlplane::apiserver
