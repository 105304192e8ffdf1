// What a request is about, from its method, path and query: which resource or other path, and which verb.
//
//   auto info = parse_request_info("GET", "/api/v1/namespaces/default/pods/web/log", query);
//   info->resource == "pods", info->space == "default", info->name == "web", info->subresource == "log", info->verb == "get"
//
// Pure. Nothing for a path that no server could mean (bad percent signs, empty or dotted parts).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "io/http.h"

namespace kobuk::controlplane::apiserver {

struct RequestInfo {
  bool is_resource = false;
  std::string path;  // decoded
  std::string verb;  // get list watch create update patch delete deletecollection; of other paths the method in lower case
  std::string group, version, resource, subresource, space, name;
  std::string rest;  // of proxies: what follows the subresource
};

std::optional<RequestInfo> parse_request_info(std::string_view method, std::string_view path, const io::http::Query& query);

// "true", "1", "t" …: as Go's conversion of query parameters reads it: present and neither "0" nor "false".
bool query_flag(const io::http::Query& query, std::string_view name);

}  // namespace kobuk::controlplane::apiserver
