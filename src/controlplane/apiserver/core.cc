#include "controlplane/apiserver/core.h"

#include <algorithm>
#include <array>

#include "base/strings.h"
#include "controlplane/apiserver/strategy.h"

namespace kobuk::controlplane::apiserver {

bool is_served(const api::KindInfo& kind, std::string_view subresource) {
  if (kind.group == "events.k8s.io") return false;  // one form of Events is stored: that of the core group
  if (subresource.empty()) return !kind.plural.empty();
  constexpr std::array<std::string_view, 5> kSubresources = {"status", "scale", "finalize", "binding", "log"};
  return std::ranges::find(kSubresources, subresource) != kSubresources.end();
}

Core::Core(io::Loop& on, store::Store& in, ApiServerOptions with)
    : loop(on),
      store(in),
      options(std::move(with)),
      discovery(api::builtin_kinds(), is_served),
      authorizer(make_system_authorizer()) {
  for (const api::KindInfo* kind : api::builtin_kinds().all())
    if (!kind->plural.empty() && is_served(*kind, {})) resources.emplace_back(*kind, strategy_of(kind->group, kind->kind));
}

const Resource* Core::find(std::string_view group, std::string_view version, std::string_view plural) const {
  const api::KindInfo* kind = api::builtin_kinds().find_resource(group, version, plural);
  auto found = std::ranges::find(resources, kind, &Resource::kind);
  return kind == nullptr || found == resources.end() ? nullptr : &*found;
}

WatchCache& Core::cache_of(const Resource& resource) {
  auto& cache = caches[&resource];
  if (!cache) cache = std::make_unique<WatchCache>(loop, store, resource);
  return *cache;
}

std::string Call::manager() const {
  if (std::string_view given = option("fieldManager"); !given.empty()) return std::string(given);
  std::string_view agent = request.headers.get("User-Agent");
  if (!agent.empty()) return std::string(agent.substr(0, agent.find('/')));
  // A caller within the process has no User-Agent: "system:kube-scheduler" writes as kube-scheduler.
  std::string_view name = request.peer.trusted_user;
  return std::string(name.substr(name.rfind(':') + 1));
}

}  // namespace kobuk::controlplane::apiserver
