// Pods: what admission adds in every cluster (service account, tolerations, priority), quality of service, graceful deletion.
#include <algorithm>

#include "api/quantity.h"
#include "base/strings.h"
#include "controlplane/apiserver/strategies.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Arena;
using codec::Value;

void set_if_absent(Value& object, std::string_view key, Value value, Arena& arena) {
  if (object[key].is_null()) object.set(arena, key, value);
}

void add_toleration(Value& spec, std::string_view key, Arena& arena) {
  Value& list = spec.get_or_add(arena, "tolerations");
  for (const Value& one : list.items()) {
    bool this_key = one["key"].as_string() == key || (one["key"].as_string().empty() && one["operator"].as_string() == "Exists");
    if (this_key && (one["effect"].as_string() == "NoExecute" || one["effect"].as_string().empty())) return;
  }
  Value toleration = Value::object();
  toleration.set(arena, "key", Value::string_view(key));
  toleration.set(arena, "operator", Value::string_view("Exists"));
  toleration.set(arena, "effect", Value::string_view("NoExecute"));
  toleration.set(arena, "tolerationSeconds", Value::integer(300));
  list.push(arena, toleration);
}

void admit(Value& spec, bool mirror, Arena& arena) {
  if (!mirror) {  // a node's own pod, only shown here: it acts as nobody in the cluster
    set_if_absent(spec, "serviceAccountName", Value::string_view("default"), arena);
    set_if_absent(spec, "serviceAccount", spec["serviceAccountName"], arena);
  }
  int64_t priority = 0;
  if (spec["priorityClassName"].as_string() == "system-cluster-critical") priority = 2'000'000'000;
  if (spec["priorityClassName"].as_string() == "system-node-critical") priority = 2'000'001'000;
  set_if_absent(spec, "priority", Value::integer(priority), arena);
  set_if_absent(spec, "preemptionPolicy", Value::string_view("PreemptLowerPriority"), arena);
  add_toleration(spec, "node.kubernetes.io/not-ready", arena);
  add_toleration(spec, "node.kubernetes.io/unreachable", arena);
}

bool is_positive(const Value& amount) {
  auto quantity = api::Quantity::parse(amount.is_int() ? cat(amount.as_int()) : std::string(amount.as_string()));
  return quantity && !quantity->is_zero() && !quantity->is_negative();
}

// Guaranteed: every container has limits for cpu and memory, and requests that are the same. BestEffort: none has any.
std::string_view quality_of_service(const Value& spec) {
  bool any = false, guaranteed = true;
  for (auto list : {"containers", "initContainers"}) {
    for (const Value& container : spec[list].items()) {
      const Value& resources = container["resources"];
      for (auto name : {"cpu", "memory"}) {
        const Value &limit = resources["limits"][name], &request = resources["requests"][name];
        any = any || is_positive(limit) || is_positive(request);
        guaranteed = guaranteed && is_positive(limit) && (request.is_null() || request == limit);
      }
    }
  }
  return !any ? "BestEffort" : guaranteed ? "Guaranteed" : "Burstable";
}

class PodStrategy final : public Strategy {
 public:
  bool has_generation() const override { return true; }
  bool returns_deleted() const override { return true; }
  void prepare_create(Value& object, Arena& arena) const override {
    Value& spec = object.get_or_add(arena, "spec");
    admit(spec, !object["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null(), arena);
    Value status = Value::object();
    status.set(arena, "phase", Value::string_view("Pending"));
    status.set(arena, "qosClass", Value::string_view(quality_of_service(spec)));
    object.set(arena, "status", status);
  }
  void prepare_update(Value& object, const Value& old, std::string_view subresource, Arena& arena) const override {
    if (subresource != "status") return;
    Value& status = object.get_or_add(arena, "status");
    if (status["qosClass"].is_null() && !old["status"]["qosClass"].is_null()) status.set(arena, "qosClass", old["status"]["qosClass"]);
  }
  int64_t grace_seconds(const Value& object, std::optional<int64_t> asked) const override {
    if (object["spec"]["nodeName"].as_string().empty()) return 0;  // nobody runs it
    std::string_view phase = object["status"]["phase"].as_string();
    if (phase == "Succeeded" || phase == "Failed") return 0;
    int64_t grace = asked ? *asked : object["spec"]["terminationGracePeriodSeconds"].as_int(30);
    return grace < 0 ? 1 : grace;
  }
};

}  // namespace

const Strategy& pod_strategy() {
  static const PodStrategy strategy;
  return strategy;
}

}  // namespace kobuk::controlplane::apiserver
