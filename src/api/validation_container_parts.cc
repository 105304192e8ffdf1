// Environment, probes, life-cycle hooks and security contexts of containers. Rules: Kubernetes core/v1.
#include "api/quantity.h"
#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api::validation {
namespace {

constexpr std::string_view kEnvFields[] = {"metadata.name",         "metadata.namespace", "metadata.uid",  "spec.nodeName",
                                           "spec.serviceAccountName", "status.hostIP",    "status.hostIPs", "status.podIP",
                                           "status.podIPs"};
constexpr std::string_view kContainerResources[] = {"limits.cpu",   "limits.ephemeral-storage",   "limits.memory",
                                                    "requests.cpu", "requests.ephemeral-storage", "requests.memory"};

// `base['key']` of metadata.labels and metadata.annotations.
bool is_subscript(std::string_view field) {
  for (std::string_view base : {"metadata.labels['", "metadata.annotations['"})
    if (field.starts_with(base) && field.ends_with("']") && field.size() > base.size() + 2) return true;
  return false;
}

void field_ref(const Path& path, const Value& ref, FieldErrors& errors) {
  std::string_view field = ref["fieldPath"].as_string();
  if (ref["apiVersion"].as_string().empty()) errors.required(path.child("apiVersion"));
  if (field.empty()) return errors.required(path.child("fieldPath"));
  if (is_subscript(field)) return;
  choice(path.child("fieldPath"), ref["fieldPath"], kEnvFields, errors);
}

void resource_field_ref(const Path& path, const Value& ref, FieldErrors& errors) {
  std::string_view resource = ref["resource"].as_string();
  if (resource.starts_with("limits.hugepages-") || resource.starts_with("requests.hugepages-")) return;
  choice(path.child("resource"), ref["resource"], kContainerResources, errors);
}

void key_ref(const Path& path, const Value& ref, FieldErrors& errors) {
  std::string_view name = ref["name"].as_string(), key = ref["key"].as_string();
  if (!name.empty()) breaches(path.child("name"), name, dns1123_subdomain(name), errors);
  if (key.empty()) errors.required(path.child("key"));
  else breaches(path.child("key"), key, config_map_key(key), errors);
}

void env_source(const Path& path, const Value& env, FieldErrors& errors) {
  const Value& source = env["valueFrom"];
  if (source.is_null()) return;
  Path at = path.child("valueFrom");
  int count = 0;
  if (const Value& ref = source["fieldRef"]; !ref.is_null()) ++count, field_ref(at.child("fieldRef"), ref, errors);
  if (const Value& ref = source["resourceFieldRef"]; !ref.is_null())
    ++count, resource_field_ref(at.child("resourceFieldRef"), ref, errors);
  if (const Value& ref = source["configMapKeyRef"]; !ref.is_null()) ++count, key_ref(at.child("configMapKeyRef"), ref, errors);
  if (const Value& ref = source["secretKeyRef"]; !ref.is_null()) ++count, key_ref(at.child("secretKeyRef"), ref, errors);
  if (!source["fileKeyRef"].is_null()) ++count;
  if (count == 0)
    errors.invalid(at, "", "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`");
  if (!env["value"].as_string().empty()) {
    if (count > 0) errors.invalid(at, "", "may not be specified when `value` is not empty");
  } else if (count > 1) {
    errors.invalid(at, "", "may not have more than one field specified at a time");
  }
}

void env_from(const Path& path, const Value& source, FieldErrors& errors) {
  if (std::string_view prefix = source["prefix"].as_string(); !prefix.empty())
    breaches(path.child("prefix"), prefix, env_var_name(prefix), errors);
  int count = 0;
  for (auto name : {"configMapRef", "secretRef"}) {
    const Value& ref = source[name];
    if (ref.is_null()) continue;
    ++count;
    Path at = path.child(name);
    if (ref["name"].as_string().empty()) errors.required(at.child("name"));
    else breaches(at.child("name"), ref["name"].as_string(), dns1123_subdomain(ref["name"].as_string()), errors);
  }
  if (count == 0) errors.invalid(path, "", "must specify one of: `configMapRef` or `secretRef`");
  else if (count > 1) errors.invalid(path, "", "may not have more than one field specified at a time");
}

constexpr std::string_view kSchemes[] = {"HTTP", "HTTPS"};

void http_get(const Path& path, const Value& http, FieldErrors& errors) {
  if (http["path"].as_string().empty()) errors.required(path.child("path"));
  port_or_name(path.child("port"), http["port"], errors);
  choice(path.child("scheme"), http["scheme"], kSchemes, errors);
  size_t index = 0;
  Path headers = path.child("httpHeaders");
  for (const Value& header : http["httpHeaders"].items()) {
    Path at = headers.at(index++);
    for (char c : header["name"].as_string("/"))
      if (!(c == '-' || (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z'))) {
        errors.invalid(at.child("name"), header["name"].as_string(),
                       "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for "
                       "validation is '[-A-Za-z0-9]+')");
        break;
      }
  }
}

void handler(const Path& path, const Value& action, std::initializer_list<std::string_view> types, FieldErrors& errors) {
  int count = 0;
  for (auto type : types) {
    const Value& value = action[type];
    if (value.is_null()) continue;
    Path at = path.child(type);
    if (count++ > 0) {
      errors.forbidden(at, "may not specify more than 1 handler type");
      continue;
    }
    if (type == "exec" && value["command"].empty()) errors.required(at.child("command"));
    if (type == "httpGet") http_get(at, value, errors);
    if (type == "tcpSocket") port_or_name(at.child("port"), value["port"], errors);
    if (type == "grpc") breaches(at.child("port"), value["port"].as_int(), port_number(value["port"].as_int()), errors);
    if (type == "sleep" && value["seconds"].as_int() < 0) errors.invalid(at, value["seconds"].as_int(), kNotNegative);
  }
  if (count == 0) errors.required(path, "must specify a handler type");
}

}  // namespace

void container_env(const Path& path, const Value& container, FieldErrors& errors) {
  Path env_path = path.child("env"), from_path = path.child("envFrom");
  size_t index = 0;
  for (const Value& env : container["env"].items()) {
    Path at = env_path.at(index++);
    std::string_view name = env["name"].as_string();
    if (name.empty()) errors.required(at.child("name"));
    else breaches(at.child("name"), name, env_var_name(name), errors);
    env_source(at, env, errors);
  }
  index = 0;
  for (const Value& source : container["envFrom"].items()) env_from(from_path.at(index++), source, errors);
}

void probe(const Path& path, const Value& probe, bool once, FieldErrors& errors) {
  if (probe.is_null()) return;
  handler(path, probe, {"exec", "httpGet", "tcpSocket", "grpc"}, errors);
  for (auto name : {"initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold"})
    not_negative(path.child(name), probe[name], errors);
  if (const Value& grace = probe["terminationGracePeriodSeconds"]; !grace.is_null()) {
    if (!once) errors.invalid(path.child("terminationGracePeriodSeconds"), grace, "must not be set for readinessProbes");
    else if (grace.as_int() <= 0)
      errors.invalid(path.child("terminationGracePeriodSeconds"), grace, "must be greater than 0");
  }
  if (int64_t successes = probe["successThreshold"].as_int(1); once && successes != 1)
    errors.invalid(path.child("successThreshold"), successes, "must be 1");
}

void lifecycle(const Path& path, const Value& lifecycle, FieldErrors& errors) {
  for (auto name : {"postStart", "preStop"})
    if (const Value& hook = lifecycle[name]; !hook.is_null())
      handler(path.child(name), hook, {"exec", "httpGet", "tcpSocket", "sleep"}, errors);
}

namespace {

constexpr int64_t kMaxId = 2147483647;

void user_id(const Path& path, const Value& id, FieldErrors& errors) {
  if (!id.is_null()) breaches(path, id.as_int(), in_range(id.as_int(), 0, kMaxId), errors);
}

constexpr std::string_view kProfileTypes[] = {"Localhost", "RuntimeDefault", "Unconfined"};

void profile(const Path& path, const Value& profile, std::string_view what, FieldErrors& errors) {
  if (profile.is_null()) return;
  std::string_view type = profile["type"].as_string();
  const Value& local = profile["localhostProfile"];
  Path local_path = path.child("localhostProfile");
  if (type.empty()) return errors.required(path.child("type"), "type is required when " + std::string(what) + "Profile is set");
  if (type == "Localhost") {
    if (local.as_string().empty()) errors.required(local_path, cat("must be set when ", what, " type is Localhost"));
    else if (what == "seccomp") descending_path(local_path, local.as_string(), errors);
  } else if (!local.is_null()) {
    errors.invalid(local_path, local, cat("can only be set when ", what, " type is Localhost"));
  }
  choice(path.child("type"), profile["type"], kProfileTypes, errors);
}

}  // namespace

void pod_security_context(const Path& path, const Value& context, FieldErrors& errors) {
  for (auto name : {"fsGroup", "runAsUser", "runAsGroup"}) user_id(path.child(name), context[name], errors);
  size_t index = 0;
  Path groups = path.child("supplementalGroups");
  for (const Value& group : context["supplementalGroups"].items()) user_id(groups.at(index++), group, errors);
  profile(path.child("seccompProfile"), context["seccompProfile"], "seccomp", errors);
  profile(path.child("appArmorProfile"), context["appArmorProfile"], "AppArmor", errors);
  Path sysctls = path.child("sysctls");
  index = 0;
  std::vector<std::string_view> seen;
  for (const Value& sysctl : context["sysctls"].items()) {
    Path at = sysctls.at(index++);
    std::string_view name = sysctl["name"].as_string();
    if (name.empty()) errors.required(at.child("name"));
    for (auto other : seen)
      if (other == name) errors.duplicate(at.child("name"), name);
    seen.push_back(name);
  }
}

void container_security_context(const Path& path, const Value& context, FieldErrors& errors) {
  if (context.is_null()) return;
  for (auto name : {"runAsUser", "runAsGroup"}) user_id(path.child(name), context[name], errors);
  profile(path.child("seccompProfile"), context["seccompProfile"], "seccomp", errors);
  profile(path.child("appArmorProfile"), context["appArmorProfile"], "AppArmor", errors);
  const Value& escalation = context["allowPrivilegeEscalation"];
  if (escalation.is_null() || escalation.as_bool()) return;
  if (context["privileged"].as_bool())
    errors.invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
  for (const Value& added : context["capabilities"]["add"].items())
    if (added.as_string() == "CAP_SYS_ADMIN")
      errors.invalid(path, context, "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
}

}  // namespace kobuk::api::validation
