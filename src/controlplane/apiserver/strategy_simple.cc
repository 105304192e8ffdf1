// Strategies that only answer questions: which kinds count generations, keep their status on create, or are made by PUT.
#include <array>

#include "base/strings.h"
#include "controlplane/apiserver/core.h"
#include "controlplane/apiserver/strategies.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Arena;
using codec::Value;

class NamespaceStrategy final : public Strategy {
 public:
  void prepare_create(Value& object, Arena& arena) const override {
    Value finalizers = Value::array();
    finalizers.push(arena, Value::string_view("kubernetes"));
    object.get_or_add(arena, "spec").set(arena, "finalizers", finalizers);
    object.get_or_add(arena, "status").set(arena, "phase", Value::string_view("Active"));
  }
  // spec.finalizers are changed by the subresource finalize alone, which changes nothing else.
  void prepare_update(Value& object, const Value& old, std::string_view subresource, Arena& arena) const override {
    if (subresource == "status") return;
    const Value& source = subresource == "finalize" ? object : old;
    Value spec = source["spec"].clone(arena);
    if (subresource == "finalize") {
      std::string_view keep[] = {"status"};
      for (auto name : keep)
        if (const Value* there = old.find(name)) object.set(arena, name, there->clone(arena));
    }
    if (spec.empty()) object.erase("spec");
    else object.set(arena, "spec", spec);
  }
  bool held(const Value& object) const override { return !object["spec"]["finalizers"].empty(); }
  void mark_deleted(Value& object, Arena& arena) const override {
    object.get_or_add(arena, "status").set(arena, "phase", Value::string_view("Terminating"));
  }
  Answer<void> check_delete(const Value& object) const override {
    constexpr std::array<std::string_view, 3> kImmortal = {"default", "kube-system", "kube-public"};
    std::string_view name = object["metadata"]["name"].as_string();
    for (auto one : kImmortal)
      if (one == name) return refuse(forbidden("", "namespaces", name, "this namespace may not be deleted"));
    return {};
  }
};

class ServiceAccountStrategy final : public Strategy {
 public:
  bool returns_deleted() const override { return true; }
};

class NodeStrategy final : public Strategy {
 public:
  bool keeps_status_on_create() const override { return true; }  // a kubelet registers with it
};

class EventStrategy final : public Strategy {
 public:
  bool update_creates() const override { return true; }
  int64_t time_to_live() const override { return 3600; }
};

class LeaseStrategy final : public Strategy {
 public:
  bool update_creates() const override { return true; }
};

class ReplicaSetStrategy final : public Strategy {
 public:
  bool has_generation() const override { return true; }
  void prepare_create(Value& object, Arena& arena) const override {
    object.get_or_add(arena, "status").set(arena, "replicas", Value::integer(0));
  }
};

class DeploymentStrategy final : public Strategy {
 public:
  bool has_generation() const override { return true; }
  bool new_generation(const Value& object, const Value& old) const override {
    return !(object["spec"] == old["spec"]) || !(object["metadata"]["annotations"] == old["metadata"]["annotations"]);
  }
};

class EndpointSliceStrategy final : public Strategy {
 public:
  bool has_generation() const override { return true; }
  bool new_generation(const Value& object, const Value& old) const override {
    for (auto part : {"addressType", "endpoints", "ports"})
      if (!(object[part] == old[part])) return true;
    return !(object["metadata"]["labels"] == old["metadata"]["labels"]);
  }
};

template <class T>
const Strategy& single() {
  static const T strategy;
  return strategy;
}

}  // namespace

const Strategy& namespace_strategy() { return single<NamespaceStrategy>(); }
const Strategy& service_account_strategy() { return single<ServiceAccountStrategy>(); }
const Strategy& node_strategy() { return single<NodeStrategy>(); }
const Strategy& event_strategy() { return single<EventStrategy>(); }
const Strategy& deployment_strategy() { return single<DeploymentStrategy>(); }
const Strategy& replica_set_strategy() { return single<ReplicaSetStrategy>(); }
const Strategy& lease_strategy() { return single<LeaseStrategy>(); }
const Strategy& endpoint_slice_strategy() { return single<EndpointSliceStrategy>(); }

}  // namespace kobuk::controlplane::apiserver
