// Services and EndpointSlices. Rules: Kubernetes core/v1 Service, discovery.k8s.io/v1.
#include <set>

#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api::validation {
namespace {

constexpr std::string_view kTypes[] = {"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"};
constexpr std::string_view kProtocols[] = {"SCTP", "TCP", "UDP"};
constexpr std::string_view kAffinities[] = {"ClientIP", "None"};
constexpr std::string_view kPolicies[] = {"Cluster", "Local"};
constexpr std::string_view kAddressTypes[] = {"FQDN", "IPv4", "IPv6"};

void service_port(const Path& path, const Value& port, bool named, std::set<std::string_view>& names, FieldErrors& errors) {
  std::string_view name = port["name"].as_string();
  if (name.empty()) {
    if (named) errors.required(path.child("name"));
  } else {
    breaches(path.child("name"), name, dns1123_label(name), errors);
    if (!names.insert(name).second) errors.duplicate(path.child("name"), name);
  }
  breaches(path.child("port"), port["port"].as_int(), port_number(port["port"].as_int()), errors);
  choice(path.child("protocol"), port["protocol"], kProtocols, errors);
  port_or_name(path.child("targetPort"), port["targetPort"], errors);
  if (std::string_view app = port["appProtocol"].as_string(); !app.empty())
    breaches(path.child("appProtocol"), app, qualified_name(app), errors);
}

void ports(const Path& path, const Value& spec, FieldErrors& errors) {
  const Value& ports = spec["ports"];
  std::set<std::string_view> names;
  std::set<std::string> numbers, node_ports;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value& port = ports.at(i);
    Path at = path.at(i);
    service_port(at, port, ports.size() > 1, names, errors);
    std::string_view protocol = port["protocol"].as_string();
    int64_t node = port["nodePort"].as_int();
    if (node != 0) {
      if (spec["type"].as_string() == "ClusterIP")
        errors.forbidden(at.child("nodePort"), "may not be used when `type` is 'ClusterIP'");
      if (!node_ports.insert(cat(protocol, node)).second) errors.duplicate(at.child("nodePort"), port["nodePort"]);
    }
    if (numbers.insert(cat(protocol, port["port"].as_int())).second) continue;
    // Upstream shows the key it compares by: a port with nothing else set, under its Go names.
    codec::Arena arena;
    Value key = Value::object();
    key.set(arena, "Name", Value::string_view(""));
    key.set(arena, "Protocol", Value::string_view(protocol));
    key.set(arena, "AppProtocol", Value());
    key.set(arena, "Port", port["port"]);
    key.set(arena, "TargetPort", Value::integer(0));
    key.set(arena, "NodePort", Value::integer(0));
    errors.duplicate(at, key);
  }
}

void cluster_ips(const Path& path, const Value& spec, FieldErrors& errors) {
  const Value& ips = spec["clusterIPs"];
  std::string_view ip = spec["clusterIP"].as_string(), type = spec["type"].as_string();
  Path list = path.child("clusterIPs");
  if (type == "ExternalName") {
    if (!ips.empty()) errors.invalid(list, ips, "may not be set for ExternalName services");
    return;
  }
  if (!ips.empty() && ips.at(0).as_string() != ip) {
    if (ip.empty()) errors.required(path.child("clusterIP"), "must be set when `clusterIPs` is specified");
    else errors.invalid(list, ips, "first value must match `clusterIP`");
  }
  if (ips.size() > 2) errors.invalid(list, ips, "may only hold up to 2 values");
  for (size_t i = 0; i < ips.size(); ++i) {
    std::string_view one = ips.at(i).as_string();
    Path at = list.at(i);
    if (one == "None") {
      if (ips.size() > 1) errors.invalid(at, one, "'None' must be the first and only value");
    } else {
      breaches(at, one, ip_address(one), errors);
    }
  }
  if (ips.empty() && !ip.empty() && ip != "None") breaches(list.at(0), ip, ip_address(ip), errors);
}

void type_rules(const Path& path, const Value& spec, FieldErrors& errors) {
  std::string_view type = spec["type"].as_string(), ip = spec["clusterIP"].as_string();
  if (type == "LoadBalancer" || type == "NodePort") {
    if (ip == "None") errors.invalid(path.child("clusterIPs").at(0), "None", cat("may not be set to 'None' for ", type, " services"));
  } else if (type == "ExternalName") {
    std::string_view name = spec["externalName"].as_string();
    if (name.ends_with('.')) name.remove_suffix(1);
    if (name.empty()) errors.required(path.child("externalName"));
    else breaches(path.child("externalName"), spec["externalName"].as_string(), dns1123_subdomain(name), errors);
  }
  bool external = type == "LoadBalancer" || type == "NodePort" || !spec["externalIPs"].empty();
  const Value& policy = spec["externalTrafficPolicy"];
  if (!policy.is_null()) {
    if (!external)
      errors.invalid(path.child("externalTrafficPolicy"), policy, "may only be set for externally-accessible services");
    else choice(path.child("externalTrafficPolicy"), policy, kPolicies, errors);
  }
  if (const Value& internal = spec["internalTrafficPolicy"]; !internal.is_null())
    choice(path.child("internalTrafficPolicy"), internal, kPolicies, errors);
  if (type != "LoadBalancer") {
    if (!spec["loadBalancerSourceRanges"].empty())
      errors.forbidden(path.child("LoadBalancerSourceRanges"), "may only be used when `type` is 'LoadBalancer'");
    if (!spec["loadBalancerClass"].is_null())
      errors.forbidden(path.child("loadBalancerClass"), "may only be used when `type` is 'LoadBalancer'");
    if (!spec["allocateLoadBalancerNodePorts"].is_null())
      errors.forbidden(path.child("allocateLoadBalancerNodePorts"), "may only be used when `type` is 'LoadBalancer'");
  }
}

void affinity(const Path& path, const Value& spec, FieldErrors& errors) {
  choice(path.child("sessionAffinity"), spec["sessionAffinity"], kAffinities, errors);
  if (spec["sessionAffinity"].as_string() != "ClientIP") return;
  int64_t timeout = spec["sessionAffinityConfig"]["clientIP"]["timeoutSeconds"].as_int();
  Path config = path.child("sessionAffinityConfig"), client = config.child("clientIP");
  if (timeout <= 0 || timeout > 86400)
    errors.invalid(client.child("timeoutSeconds"), timeout, "must be greater than 0 and less than 86400");
}

}  // namespace

void service(const Value& object, FieldErrors& errors) {
  Path path("spec");
  const Value& spec = object["spec"];
  bool headless = spec["clusterIP"].as_string() == "None";
  if (spec["ports"].empty() && !headless && spec["type"].as_string() != "ExternalName") errors.required(path.child("ports"));
  ports(path.child("ports"), spec, errors);
  labels(path.child("selector"), spec["selector"], errors);
  affinity(path, spec, errors);
  choice(path.child("type"), spec["type"], kTypes, errors);
  cluster_ips(path, spec, errors);
  type_rules(path, spec, errors);
  size_t index = 0;
  Path external = path.child("externalIPs"), ranges = path.child("LoadBalancerSourceRanges");
  for (const Value& ip : spec["externalIPs"].items()) breaches(external.at(index++), ip.as_string(), ip_address(ip.as_string()), errors);
  index = 0;
  for (const Value& range : spec["loadBalancerSourceRanges"].items())
    breaches(ranges.at(index++), range.as_string(), cidr(trim(range.as_string())), errors);
}

void service_update(const Value& object, const Value& old, FieldErrors& errors) {
  const Value &now = object["spec"], &before = old["spec"];
  if (now["type"].as_string() == "ExternalName" || before["type"].as_string() == "ExternalName") return;
  std::string_view ip = before["clusterIP"].as_string();
  if (ip.empty() || now["clusterIP"].as_string() == ip) return;
  Path spec("spec"), ips = spec.child("clusterIPs");
  codec::Arena arena;
  Value shown = Value::array();
  shown.push(arena, now["clusterIP"]);
  errors.invalid(ips.at(0), now["clusterIPs"].empty() ? shown : now["clusterIPs"], "may not change once set");
}

void endpoint_slice(const Value& object, FieldErrors& errors) {
  std::string_view type = object["addressType"].as_string();
  choice(Path("addressType"), object["addressType"], kAddressTypes, errors);
  Path endpoints("endpoints"), ports("ports");
  if (object["endpoints"].size() > 1000) return errors.too_many(endpoints, static_cast<int64_t>(object["endpoints"].size()), 1000);
  for (size_t i = 0; i < object["endpoints"].size(); ++i) {
    const Value& list = object["endpoints"].at(i)["addresses"];
    Path at = endpoints.at(i), addresses = at.child("addresses");
    if (list.empty()) errors.required(addresses, "must contain at least 1 address");
    if (list.size() > 100) errors.too_many(addresses, static_cast<int64_t>(list.size()), 100);
    for (size_t j = 0; j < list.size(); ++j) {
      std::string_view address = list.at(j).as_string();
      if (type == "IPv4" && !is_ipv4(address)) errors.invalid(addresses.at(j), address, "must be an IPv4 address");
      if (type == "IPv6" && !is_ipv6(address)) errors.invalid(addresses.at(j), address, "must be an IPv6 address");
      if (type == "FQDN") breaches(addresses.at(j), address, dns1123_subdomain(address), errors);
    }
  }
  if (object["ports"].size() > 100) return errors.too_many(ports, static_cast<int64_t>(object["ports"].size()), 100);
  std::set<std::string_view> names;
  for (size_t i = 0; i < object["ports"].size(); ++i) {
    const Value& port = object["ports"].at(i);
    Path at = ports.at(i);
    std::string_view name = port["name"].as_string();
    if (!name.empty()) breaches(at.child("name"), name, dns1123_label(name), errors);
    if (!names.insert(name).second) errors.duplicate(at.child("name"), name);
    choice(at.child("protocol"), port["protocol"], kProtocols, errors);
  }
}

void endpoint_slice_update(const Value& object, const Value& old, FieldErrors& errors) {
  immutable(Path("addressType"), object["addressType"], old["addressType"], errors);
}

}  // namespace kobuk::api::validation
