#include "controlplane/apiserver/strategy.h"

#include "controlplane/apiserver/strategies.h"

namespace kobuk::controlplane::apiserver {

using codec::Arena;
using codec::Value;

void Strategy::prepare_create(Value&, Arena&) const {}
void Strategy::prepare_update(Value&, const Value&, std::string_view, Arena&) const {}
void Strategy::validate_update(const Value&, const Value&, std::string_view, api::FieldErrors&) const {}
bool Strategy::new_generation(const Value& object, const Value& old) const { return !(object["spec"] == old["spec"]); }
Answer<void> Strategy::check_delete(const Value&) const { return {}; }
int64_t Strategy::grace_seconds(const Value&, std::optional<int64_t>) const { return 0; }
bool Strategy::held(const Value&) const { return false; }
void Strategy::mark_deleted(Value&, Arena&) const {}
io::Task<Answer<Claims>> Strategy::claim(Core&, Value&, const Value&, Arena&) const { co_return Claims{}; }

namespace {

struct Entry {
  std::string_view group, kind;
  const Strategy& (*get)();
};
constexpr Entry kEntries[] = {
    {"", "Pod", pod_strategy},
    {"", "Service", service_strategy},
    {"", "Namespace", namespace_strategy},
    {"", "ServiceAccount", service_account_strategy},
    {"", "Node", node_strategy},
    {"", "Event", event_strategy},
    {"apps", "Deployment", deployment_strategy},
    {"apps", "ReplicaSet", replica_set_strategy},
    {"coordination.k8s.io", "Lease", lease_strategy},
    {"discovery.k8s.io", "EndpointSlice", endpoint_slice_strategy},
};

}  // namespace

const Strategy& strategy_of(std::string_view group, std::string_view kind) {
  static const Strategy kPlain;
  for (const Entry& entry : kEntries)
    if (entry.group == group && entry.kind == kind) return entry.get();
  return kPlain;
}

}  // namespace kobuk::controlplane::apiserver
