// What the API server says it serves: /api, /apis, /apis/<group>, /apis/<group>/<version>, and the aggregated form
// (apidiscovery.k8s.io/v2) that kubectl asks for first. Built from the kinds; JSON text, to be kept and sent as it is.
//
//   Discovery discovery(builtin_kinds(), [](const KindInfo&, std::string_view sub) { return sub != "proxy"; });
//   std::string text = discovery.aggregated(true);
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/schema.h"

namespace kobuk::api {

// Whether a resource (subresource empty) or one of its subresources is served.
using Served = std::function<bool(const KindInfo& kind, std::string_view subresource)>;

struct ServedVersion {
  std::string group, version;
  std::vector<const KindInfo*> kinds;  // by plural
  std::string api_version() const { return group.empty() ? version : group + "/" + version; }
};
// In the order in which discovery lists them: the core group, then by the priority that Kubernetes gives the groups.
std::vector<ServedVersion> served_versions(const KindRegistry& kinds, const Served& served);

class Discovery {
 public:
  // `kinds` must outlive it.
  Discovery(const KindRegistry& kinds, Served served);

  std::string api_versions(std::string_view server_address) const;  // /api
  std::string groups() const;                                       // /apis
  std::optional<std::string> group(std::string_view group) const;   // /apis/apps
  std::optional<std::string> resources(std::string_view group, std::string_view version) const;  // /apis/apps/v1, /api/v1
  std::string aggregated(bool core) const;  // of /api (core) or /apis

 private:
  Served served_;
  std::vector<ServedVersion> versions_;
};

}  // namespace kobuk::api
