// Pods and pod templates. Rules: Kubernetes core/v1 Pod.
#include <set>
#include <string>

#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api::validation {
namespace {

constexpr std::string_view kRestartPolicies[] = {"Always", "OnFailure", "Never"};
constexpr std::string_view kDnsPolicies[] = {"ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"};
constexpr std::string_view kTolerationOperators[] = {"Equal", "Exists"};
constexpr std::string_view kTaintEffects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
constexpr std::string_view kUnsatisfiable[] = {"DoNotSchedule", "ScheduleAnyway"};

void tolerations(const Path& path, const Value& tolerations, FieldErrors& errors) {
  for (size_t i = 0; i < tolerations.size(); ++i) {
    const Value& one = tolerations.at(i);
    Path at = path.at(i);
    std::string_view key = one["key"].as_string(), op = one["operator"].as_string(), value = one["value"].as_string();
    std::string_view effect = one["effect"].as_string();
    if (!key.empty()) breaches(at.child("key"), key, qualified_name(key), errors);
    if (key.empty() && op != "Exists")
      errors.invalid(at.child("operator"), op,
                     "operator must be Exists when `key` is empty, which means \"match all values and all keys\"");
    if (!one["tolerationSeconds"].is_null() && effect != "NoExecute")
      errors.invalid(at.child("effect"), effect, "effect must be 'NoExecute' when `tolerationSeconds` is set");
    if (op == "Equal" || op.empty()) {
      if (auto wrong = label_value(value); !wrong.empty()) errors.invalid(at.child("operator"), value, join(wrong, ";"));
    } else if (op == "Exists") {
      if (!value.empty()) errors.invalid(at.child("operator"), one, "value must be empty when `operator` is 'Exists'");
    } else if (op != "Gt" && op != "Lt") {
      errors.not_supported(at.child("operator"), op, kTolerationOperators);
    }
    if (!effect.empty()) choice(at.child("effect"), one["effect"], kTaintEffects, errors);
  }
}

void spread_constraints(const Path& path, const Value& constraints, FieldErrors& errors) {
  for (size_t i = 0; i < constraints.size(); ++i) {
    const Value& one = constraints.at(i);
    Path at = path.at(i);
    if (one["maxSkew"].as_int() <= 0) errors.invalid(at.child("maxSkew"), one["maxSkew"].as_int(), "must be greater than 0");
    std::string_view key = one["topologyKey"].as_string();
    if (key.empty()) errors.required(at.child("topologyKey"), "can not be empty");
    else breaches(at.child("topologyKey"), key, qualified_name(key), errors);
    choice(at.child("whenUnsatisfiable"), one["whenUnsatisfiable"], kUnsatisfiable, errors);
    if (const Value& domains = one["minDomains"]; !domains.is_null() && domains.as_int() <= 0)
      errors.invalid(at.child("minDomains"), domains, "must be greater than 0");
    label_selector(at.child("labelSelector"), one["labelSelector"], errors);
  }
}

void host_namespaces(const Path& path, const Value& spec, FieldErrors& errors) {
  if (spec["hostPID"].as_bool() && spec["shareProcessNamespace"].as_bool())
    errors.invalid(path.child("securityContext").child("shareProcessNamespace"), Value::boolean(true),
                   "ShareProcessNamespace and HostPID cannot both be enabled");
  const Value& users = spec["hostUsers"];
  if (users.is_null() || users.as_bool()) return;
  for (auto name : {"hostNetwork", "hostPID", "hostIPC"})
    if (spec[name].as_bool()) errors.forbidden(path.child(name), "when `hostUsers` is false");
}

void dns_config(const Path& path, const Value& spec, FieldErrors& errors) {
  const Value& config = spec["dnsConfig"];
  Path servers = path.child("nameservers");
  if (spec["dnsPolicy"].as_string() == "None" && config["nameservers"].empty())
    return errors.required(servers, "must provide at least one DNS nameserver when `dnsPolicy` is None");
  if (config["nameservers"].size() > 3) errors.invalid(servers, config["nameservers"], "must not have more than 3 nameservers");
  size_t index = 0;
  for (const Value& server : config["nameservers"].items())
    breaches(servers.at(index++), server.as_string(), ip_address(server.as_string()), errors);
}

void references(const Path& path, const Value& spec, FieldErrors& errors) {
  for (auto name : {"serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"})
    if (std::string_view text = spec[name].as_string(); !text.empty())
      breaches(path.child(name), text, dns1123_subdomain(text), errors);
  for (auto name : {"hostname", "subdomain"})
    if (std::string_view text = spec[name].as_string(); !text.empty())
      breaches(path.child(name), text, dns1123_label(text), errors);
  Path secrets = path.child("imagePullSecrets");
  size_t index = 0;
  for (const Value& secret : spec["imagePullSecrets"].items()) {
    Path at = secrets.at(index++);
    if (secret["name"].as_string().empty()) errors.required(at.child("name"));
  }
  Path aliases = path.child("hostAliases");
  index = 0;
  for (const Value& alias : spec["hostAliases"].items()) {
    Path at = aliases.at(index++);
    breaches(at.child("ip"), alias["ip"].as_string(), ip_address(alias["ip"].as_string()), errors);
  }
  Path gates = path.child("readinessGates");
  index = 0;
  for (const Value& gate : spec["readinessGates"].items()) {
    Path at = gates.at(index++);
    std::string_view type = gate["conditionType"].as_string();
    breaches(at.child("conditionType"), type, qualified_name(type), errors);
  }
  Path scheduling = path.child("schedulingGates");
  std::set<std::string_view> seen;
  index = 0;
  for (const Value& gate : spec["schedulingGates"].items()) {
    Path at = scheduling.at(index++);
    std::string_view name = gate["name"].as_string();
    breaches(at, name, qualified_name(name), errors);
    if (!seen.insert(name).second) errors.duplicate(at, name);
  }
}

}  // namespace

void pod_spec(const Path& path, const PodContext& context, FieldErrors& errors) {
  const Value& spec = context.spec;
  volumes(path.child("volumes"), spec["volumes"], errors);
  containers(path, context, errors);
  choice(path.child("restartPolicy"), spec["restartPolicy"], kRestartPolicies, errors);
  choice(path.child("dnsPolicy"), spec["dnsPolicy"], kDnsPolicies, errors);
  labels(path.child("nodeSelector"), spec["nodeSelector"], errors);
  host_namespaces(path, spec, errors);
  pod_security_context(path.child("securityContext"), spec["securityContext"], errors);
  node_affinity(path.child("affinity"), spec["affinity"], errors);
  dns_config(path.child("dnsConfig"), spec, errors);
  references(path, spec, errors);
  if (const Value& deadline = spec["activeDeadlineSeconds"]; !deadline.is_null())
    breaches(path.child("activeDeadlineSeconds"), deadline.as_int(), in_range(deadline.as_int(), 1, INT32_MAX), errors);
  if (const Value& grace = spec["terminationGracePeriodSeconds"]; grace.as_int() < 0)
    errors.invalid(path.child("terminationGracePeriodSeconds"), grace, kNotNegative);
  tolerations(path.child("tolerations"), spec["tolerations"], errors);
  spread_constraints(path.child("topologySpreadConstraints"), spec["topologySpreadConstraints"], errors);
}

void pod(const Value& object, FieldErrors& errors) { pod_spec(Path("spec"), {object["spec"], false}, errors); }

void pod_creation(const Value& object, FieldErrors& errors) {
  Path path("spec");
  const Value& spec = object["spec"];
  if (!spec["ephemeralContainers"].empty()) errors.forbidden(path.child("ephemeralContainers"), "cannot be set on create");
  if (!spec["nodeName"].as_string().empty() && !spec["schedulingGates"].empty())
    errors.forbidden(path.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
}

void pod_template(const Path& path, const Value& pod_template, FieldErrors& errors) {
  Path meta = path.child("metadata");
  labels(meta.child("labels"), pod_template["metadata"]["labels"], errors);
  for (const auto& member : pod_template["metadata"]["annotations"].members())
    breaches(meta.child("annotations"), member.key, qualified_name(to_lower(member.key)), errors);
  pod_spec(path.child("spec"), {pod_template["spec"], true}, errors);
}

void node_affinity(const Path& path, const Value& affinity, FieldErrors& errors) {
  Path node = path.child("nodeAffinity"), required = node.child("requiredDuringSchedulingIgnoredDuringExecution"),
       terms = required.child("nodeSelectorTerms");
  const Value& selector = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
  if (!selector.is_null() && selector["nodeSelectorTerms"].empty())
    errors.required(terms, "must have at least one node selector term");
  for (size_t i = 0; i < selector["nodeSelectorTerms"].size(); ++i) {
    const Value& expressions = selector["nodeSelectorTerms"].at(i)["matchExpressions"];
    Path term = terms.at(i), list = term.child("matchExpressions");
    for (size_t j = 0; j < expressions.size(); ++j) {
      const Value& one = expressions.at(j);
      Path at = list.at(j);
      std::string_view op = one["operator"].as_string(), key = one["key"].as_string();
      size_t values = one["values"].size();
      breaches(at.child("key"), key, qualified_name(key), errors);
      if ((op == "In" || op == "NotIn") && values == 0)
        errors.required(at.child("values"), "must be specified when `operator` is 'In' or 'NotIn'");
      if ((op == "Exists" || op == "DoesNotExist") && values > 0)
        errors.forbidden(at.child("values"), "may not be specified when `operator` is 'Exists' or 'DoesNotExist'");
      if ((op == "Gt" || op == "Lt") && values != 1)
        errors.required(at.child("values"), "must be specified single value when `operator` is 'Lt' or 'Gt'");
    }
  }
}

}  // namespace kobuk::api::validation
