// Services: cluster IPs and node ports. Each address that is taken is a key of the store that is written in the
// Service's own transaction, so that none is ever given twice, lost, or left behind by a crash.
#include <algorithm>
#include <set>

#include "base/random.h"
#include "base/strings.h"
#include "controlplane/apiserver/core.h"
#include "controlplane/apiserver/service_range.h"
#include "controlplane/apiserver/strategies.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Arena;
using codec::Value;

constexpr std::string_view kAddresses = "/registry/ranges/serviceips/", kPorts = "/registry/ranges/nodeports/";
constexpr int kGuesses = 8;

bool is_external_name(const Value& spec) { return spec["type"].as_string() == "ExternalName"; }
bool needs_address(const Value& service) {
  return service.is_object() && !is_external_name(service["spec"]) && service["spec"]["clusterIP"].as_string() != "None";
}
bool needs_node_ports(const Value& service) {
  std::string_view type = service["spec"]["type"].as_string();
  return type == "NodePort" || (type == "LoadBalancer" && service["spec"]["allocateLoadBalancerNodePorts"].as_bool(true));
}
bool needs_health_port(const Value& service) {
  return service["spec"]["type"].as_string() == "LoadBalancer" && service["spec"]["externalTrafficPolicy"].as_string() == "Local";
}

std::set<std::string> keys_of(const Value& service) {
  std::set<std::string> out;
  if (!service.is_object()) return out;
  std::string_view ip = service["spec"]["clusterIP"].as_string();
  if (needs_address(service) && !ip.empty()) out.insert(cat(kAddresses, ip));
  for (const Value& port : service["spec"]["ports"].items())
    if (int64_t number = port["nodePort"].as_int()) out.insert(cat(kPorts, number));
  if (int64_t number = service["spec"]["healthCheckNodePort"].as_int()) out.insert(cat(kPorts, number));
  return out;
}

// The address family fields follow from the address.
void set_families(Value& spec, Arena& arena) {
  if (is_external_name(spec)) {
    for (auto name : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) spec.erase(name);
    return;
  }
  Value ips = Value::array(), families = Value::array();
  ips.push(arena, spec["clusterIP"]);
  families.push(arena, Value::string_view("IPv4"));
  spec.set(arena, "clusterIPs", ips);
  if (spec["ipFamilies"].empty()) spec.set(arena, "ipFamilies", families);
  if (spec["ipFamilyPolicy"].as_string().empty()) spec.set(arena, "ipFamilyPolicy", Value::string_view("SingleStack"));
}

Status wrong(const Core& core, const Value& service, const api::FieldErrors& errors) {
  return invalid(*core.core_v1("services").kind, service["metadata"]["name"].as_string(), errors);
}

io::Task<Answer<bool>> is_taken(Core& core, std::string key) {
  auto found = co_await core.store.range({.range = store::one_key(std::move(key)), .count_only = true});
  API_CO_CHECK(found);
  co_return found->count > 0;
}

// A free one of `count` numbers, tried at random first, then by looking through all.
io::Task<Answer<std::optional<uint32_t>>> find_free(Core& core, std::string prefix, uint32_t first, uint32_t count, std::string (*name)(const Core&, uint32_t),
                                                    std::set<std::string> mine) {
  for (int i = 0; i < kGuesses && count > 0; ++i) {
    uint32_t guess = first + static_cast<uint32_t>(random_u64() % count);
    std::string key = cat(prefix, name(core, guess));
    auto taken = co_await is_taken(core, key);
    API_CO_CHECK(taken);
    if (!*taken && !mine.contains(key)) co_return guess;
  }
  auto all = co_await core.store.range({.range = store::with_prefix(prefix), .keys_only = true});
  API_CO_CHECK(all);
  std::set<std::string> used = std::move(mine);
  for (auto& kv : all->kvs) used.insert(std::move(kv.key));
  for (uint32_t i = 0; i < count; ++i)
    if (!used.contains(cat(prefix, name(core, first + i)))) co_return first + i;
  co_return std::nullopt;
}

std::string address_name(const Core& core, uint32_t offset) { return ServiceRange(core.options.service_cidr).at(offset); }
std::string port_name(const Core&, uint32_t port) { return cat(port); }

io::Task<Answer<void>> claim_address(Core& core, Value& service, std::set<std::string> had, Arena& arena) {
  Value& spec = *service.find("spec");
  ServiceRange range(core.options.service_cidr);
  std::string wanted(spec["clusterIP"].as_string());
  if (wanted.empty()) {
    auto [first, count] = range.dynamic();
    auto offset = co_await find_free(core, std::string(kAddresses), first, count, address_name, {});
    API_CO_CHECK(offset);
    if (!*offset) co_return refuse(internal_error("failed to allocate a serviceIP: range is full"));
    spec.set(arena, "clusterIP", Value::string(arena, range.at(**offset)));
    co_return Answer<void>();
  }
  std::string key = cat(kAddresses, wanted);
  if (had.contains(key)) co_return Answer<void>();
  api::FieldErrors errors;
  Value list = Value::array();
  list.push(arena, spec["clusterIP"]);
  api::Path spec_path("spec");
  api::Path path = spec_path.child("clusterIPs");
  if (!range.contains(wanted))
    errors.invalid(path, list, cat("failed to allocate IP ", wanted, ": the provided IP (", wanted, ") is not in the valid range. The range of valid IPs is ", core.options.service_cidr));
  auto taken = co_await is_taken(core, key);
  API_CO_CHECK(taken);
  if (*taken) errors.invalid(path, list, cat("failed to allocate IP ", wanted, ": provided IP is already allocated"));
  if (!errors.empty()) co_return refuse(wrong(core, service, errors));
  co_return Answer<void>();
}

// One port: `number` is what the client wants, or 0.
io::Task<Answer<int64_t>> claim_port(Core& core, const Value& service, int64_t number, size_t index, std::set<std::string> had,
                                     std::set<std::string> mine) {
  const auto& options = core.options;
  if (number == 0) {
    uint32_t count = static_cast<uint32_t>(options.node_port_last - options.node_port_first) + 1;
    auto port = co_await find_free(core, std::string(kPorts), options.node_port_first, count, port_name, std::move(mine));
    API_CO_CHECK(port);
    if (!*port) co_return refuse(internal_error("failed to allocate a nodePort: range is full"));
    co_return static_cast<int64_t>(**port);
  }
  std::string key = cat(kPorts, number);
  if (had.contains(key)) co_return number;
  api::FieldErrors errors;
  api::Path spec("spec");
  api::Path ports = spec.child("ports");
  api::Path at = ports.at(index);
  api::Path path = at.child("nodePort");
  if (number < options.node_port_first || number > options.node_port_last)
    errors.invalid(path, number, cat("provided port is not in the valid range. The range of valid ports is ", options.node_port_first, "-", options.node_port_last));
  auto taken = co_await is_taken(core, key);
  API_CO_CHECK(taken);
  if (*taken) errors.invalid(path, number, "provided port is already allocated");
  if (!errors.empty()) co_return refuse(wrong(core, service, errors));
  co_return number;
}

io::Task<Answer<void>> claim_ports(Core& core, Value& service, std::set<std::string> had, Arena& arena) {
  Value& spec = *service.find("spec");
  std::set<std::string> mine = keys_of(service);
  size_t count = spec["ports"].size();
  bool wanted = needs_node_ports(service);
  for (size_t i = 0; i < count; ++i) {
    Value& port = spec.find("ports")->items()[i];
    if (!wanted && port["nodePort"].as_int() == 0) continue;
    auto number = co_await claim_port(core, service, port["nodePort"].as_int(), i, had, mine);
    API_CO_CHECK(number);
    mine.insert(cat(kPorts, *number));
    port.set(arena, "nodePort", Value::integer(*number));
  }
  if (!needs_health_port(service)) {
    spec.erase("healthCheckNodePort");
    co_return Answer<void>();
  }
  auto number = co_await claim_port(core, service, spec["healthCheckNodePort"].as_int(), 0, had, mine);
  API_CO_CHECK(number);
  spec.set(arena, "healthCheckNodePort", Value::integer(*number));
  co_return Answer<void>();
}

// An update that leaves out what was allocated keeps it.
void keep_allocated(Value& object, const Value& old, Arena& arena) {
  Value& spec = object.get_or_add(arena, "spec");
  const Value& before = old["spec"];
  if (needs_address(object) && needs_address(old) && spec["clusterIP"].as_string().empty())
    for (auto name : {"clusterIP", "clusterIPs"})
      if (const Value* there = before.find(name)) spec.set(arena, name, there->clone(arena));
  for (auto name : {"ipFamilies", "ipFamilyPolicy"})
    if (const Value* there = before.find(name); there && spec[name].is_null() && !is_external_name(spec)) spec.set(arena, name, there->clone(arena));
  if (needs_health_port(object) && needs_health_port(old) && spec["healthCheckNodePort"].is_null() && !before["healthCheckNodePort"].is_null())
    spec.set(arena, "healthCheckNodePort", before["healthCheckNodePort"]);
  if (!needs_node_ports(object) || !needs_node_ports(old) || !spec.find("ports")) return;
  std::set<int64_t> used;
  for (const Value& port : spec["ports"].items()) used.insert(port["nodePort"].as_int());
  for (Value& port : spec.find("ports")->items()) {
    if (port["nodePort"].as_int() != 0) continue;
    for (const Value& other : before["ports"].items()) {
      bool same = other["port"] == port["port"] && other["protocol"] == port["protocol"];
      if (!same || other["nodePort"].is_null() || !used.insert(other["nodePort"].as_int()).second) continue;
      port.set(arena, "nodePort", other["nodePort"]);
      break;
    }
  }
}

bool is_external(const Value& service) {
  std::string_view type = service["spec"]["type"].as_string();
  return type == "NodePort" || type == "LoadBalancer" || (type == "ClusterIP" && !service["spec"]["externalIPs"].empty());
}

// What the old type needed and the new one may not have goes by itself, unless the client has changed it.
void drop_dependent(Value& object, const Value& old) {
  Value& spec = *object.find("spec");
  const Value& before = old["spec"];
  auto drop = [&](std::string_view name) {
    if (spec[name] == before[name]) spec.erase(name);
  };
  if (needs_address(old) && is_external_name(spec))
    for (auto name : {"clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"}) drop(name);
  if (needs_health_port(old) && !needs_health_port(object)) drop("healthCheckNodePort");
  if (before["type"].as_string() == "LoadBalancer" && spec["type"].as_string() != "LoadBalancer")
    for (auto name : {"allocateLoadBalancerNodePorts", "loadBalancerClass"}) drop(name);
  if (is_external(old) && !is_external(object)) drop("externalTrafficPolicy");
  if (!needs_node_ports(old) || needs_node_ports(object) || !spec.find("ports")) return;
  for (Value& port : spec.find("ports")->items())
    for (const Value& other : before["ports"].items())
      if (other["nodePort"] == port["nodePort"]) {
        port.erase("nodePort");
        break;
      }
}

class ServiceStrategy final : public Strategy {
 public:
  bool returns_deleted() const override { return true; }
  void prepare_create(Value& object, Arena& arena) const override {
    object.get_or_add(arena, "status").set(arena, "loadBalancer", Value::object());
    Value& spec = object.get_or_add(arena, "spec");
    if (spec["clusterIP"].is_null() && spec["clusterIPs"].size() == 1) spec.set(arena, "clusterIP", spec["clusterIPs"].at(0));
  }
  void prepare_update(Value& object, const Value& old, std::string_view subresource, Arena& arena) const override {
    if (subresource == "status") return;
    keep_allocated(object, old, arena);
    drop_dependent(object, old);
    if (is_external_name(object["spec"]) && !is_external_name(old["spec"])) set_families(*object.find("spec"), arena);
  }
  io::Task<Answer<Claims>> claim(Core& core, Value& object, const Value& old, Arena& arena) const override {
    std::set<std::string> had = keys_of(old);
    if (object.is_object()) {
      if (needs_address(object)) {
        auto done = co_await claim_address(core, object, had, arena);
        API_CO_CHECK(done);
      }
      auto ports = co_await claim_ports(core, object, had, arena);
      API_CO_CHECK(ports);
      set_families(*object.find("spec"), arena);
    }
    std::set<std::string> has = keys_of(object);
    Claims out;
    SharedBytes owner = share(object.is_object() ? cat(object["metadata"]["namespace"].as_string(), "/", object["metadata"]["name"].as_string()) : "");
    for (const std::string& key : has) {
      if (had.contains(key)) continue;
      out.compares.push_back({.key = key, .target = store::Compare::Target::kVersion});
      out.operations.push_back(store::put(key, owner));
    }
    for (const std::string& key : had)
      if (!has.contains(key)) out.operations.push_back(store::erase(store::one_key(key)));
    co_return out;
  }
};

}  // namespace

const Strategy& service_strategy() {
  static const ServiceStrategy strategy;
  return strategy;
}

}  // namespace kobuk::controlplane::apiserver
