// Core: what every handler of the server shares; Call: one request on its way through the handlers.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "api/discovery.h"
#include "api/schema.h"
#include "controlplane/apiserver/authentication.h"
#include "controlplane/apiserver/authorization.h"
#include "controlplane/apiserver/negotiation.h"
#include "controlplane/apiserver/request_info.h"
#include "controlplane/apiserver/resource.h"
#include "controlplane/apiserver/server.h"
#include "controlplane/apiserver/status.h"
#include "controlplane/apiserver/watch_cache.h"
#include "io/http.h"
#include "store/store.h"

namespace kobuk::controlplane::apiserver {

inline constexpr size_t kMaxBodyBytes = 3u << 20;
inline constexpr size_t kMaxObjectBytes = 3u << 19;  // of what is stored: as much as etcd takes

struct OpenApiDocument {
  SharedBytes bytes;
  std::string hash;
};

struct Core {
  Core(io::Loop& on, store::Store& in, ApiServerOptions with);
  const Resource* find(std::string_view group, std::string_view version, std::string_view plural) const;
  const Resource& core_v1(std::string_view plural) const { return *find("", "v1", plural); }
  WatchCache& cache_of(const Resource& resource);

  io::Loop& loop;
  store::Store& store;
  ApiServerOptions options;
  api::Discovery discovery;
  std::unique_ptr<Authorizer> authorizer;
  std::vector<Resource> resources;
  std::map<const Resource*, std::unique_ptr<WatchCache>> caches;
  mutable std::map<std::string, OpenApiDocument, std::less<>> openapi_documents;  // by path and form, as they are asked for
  std::map<std::string, std::unique_ptr<io::http::Transport>> kubelets;  // by address
  store::LeaseId event_lease = 0;  // of the Events of the last minute
  MonoTime event_lease_until{};
  bool ready = false, stopping = false;
};

// Whether a resource or subresource is served.
bool is_served(const api::KindInfo& kind, std::string_view subresource);

struct Call {
  io::http::Request request;
  io::http::Query query;
  RequestInfo info;
  User user;
  const Resource* resource = nullptr;  // of resource requests
  Accepted accepted;
  std::vector<std::string> warnings;

  std::string_view option(std::string_view name) const { return io::http::query_value(query, name); }
  const api::KindInfo& kind() const { return *resource->kind; }
  bool dry_run() const { return io::http::query_has(query, "dryRun"); }
  // fieldManager, or the program that the User-Agent names.
  std::string manager() const;
};

}  // namespace kobuk::controlplane::apiserver
