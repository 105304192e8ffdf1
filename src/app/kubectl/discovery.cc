// Aggregated discovery (apidiscovery.k8s.io/v2), read into what names mean on the command line.
#include <algorithm>

#include "app/kubectl/session.h"
#include "codec/json.h"

namespace kobuk::app::kubectl {
namespace {

std::vector<std::string> texts(const codec::Value& list) {
  std::vector<std::string> out;
  for (const codec::Value& item : list.items()) out.emplace_back(item.as_string());
  return out;
}

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

}  // namespace

std::vector<Resource> read_discovery(const codec::Value& list) {
  std::vector<Resource> out;
  for (const codec::Value& group : list["items"].items()) {
    for (const codec::Value& version : group["versions"].items()) {
      for (const codec::Value& resource : version["resources"].items()) {
        out.push_back({.group = std::string(group["metadata"]["name"].as_string()),
                       .version = std::string(version["version"].as_string()),
                       .plural = std::string(resource["resource"].as_string()),
                       .singular = std::string(resource["singularResource"].as_string()),
                       .kind = std::string(resource["responseKind"]["kind"].as_string()),
                       .short_names = texts(resource["shortNames"]),
                       .categories = texts(resource["categories"]),
                       .namespaced = resource["scope"].as_string() == "Namespaced"});
      }
    }
  }
  return out;
}

std::string path_of(const Resource& resource, std::string_view space, std::string_view name, std::string_view subresource) {
  std::string out = resource.group.empty() ? cat("/api/", resource.version) : cat("/apis/", resource.group, "/", resource.version);
  if (resource.namespaced && !space.empty()) cat_to(out, "/namespaces/", io::http::percent_encode(space));
  cat_to(out, "/", resource.plural);
  if (!name.empty()) cat_to(out, "/", io::http::percent_encode(name));
  if (!subresource.empty()) cat_to(out, "/", subresource);
  return out;
}

void add_query(std::string& target, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  cat_to(target, target.find('?') == std::string::npos ? "?" : "&", name, "=", io::http::percent_encode(value));
}

Result<void> Session::discover() {
  constexpr std::string_view kAccept = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
  if (!resources_.empty()) return {};
  for (std::string_view path : {"/api", "/apis"}) {
    KOBUK_TRY(Answer answer, send({.target = std::string(path), .accept = std::string(kAccept)}));
    KOBUK_TRY(codec::Document document, codec::parse_json(answer.body, {.max_bytes = 64 << 20}));
    for (Resource& resource : read_discovery(document.root)) resources_.push_back(std::move(resource));
  }
  return {};
}

Result<const Resource*> Session::find_resource(std::string_view name) {
  KOBUK_CHECK(discover());
  std::string wanted = to_lower(name);
  size_t dot = wanted.find('.');
  std::string bare = wanted.substr(0, dot), group = dot == std::string::npos ? "" : wanted.substr(dot + 1);
  for (const Resource& resource : resources_) {
    bool fits = resource.plural == bare || resource.singular == bare || to_lower(resource.kind) == bare || has(resource.short_names, bare);
    if (fits && (group.empty() || resource.group == group || resource.group.starts_with(cat(group, ".")))) return &resource;
  }
  return fail(Code::kNotFound, "error: the server doesn't have a resource type ", go_quote(name));
}

Result<const Resource*> Session::find_kind(std::string_view api_version, std::string_view kind) {
  KOBUK_CHECK(discover());
  for (const Resource& resource : resources_) {
    if (resource.kind == kind && resource.api_version() == api_version) return &resource;
  }
  return fail(Code::kNotFound, "no matches for kind ", go_quote(kind), " in version ", go_quote(api_version));
}

Result<std::vector<const Resource*>> Session::find_category(std::string_view category) {
  KOBUK_CHECK(discover());
  std::vector<const Resource*> out;
  for (const Resource& resource : resources_) {
    if (has(resource.categories, category)) out.push_back(&resource);
  }
  return out;
}

}  // namespace kobuk::app::kubectl
