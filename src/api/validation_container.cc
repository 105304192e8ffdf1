// Containers of a pod: names, images, ports, environment, mounts, resources. Rules: Kubernetes core/v1 Container.
#include <set>
#include <string>

#include "api/quantity.h"
#include "api/validation.h"
#include "base/strings.h"

namespace kobuk::api::validation {
namespace {

constexpr std::string_view kPullPolicies[] = {"Always", "IfNotPresent", "Never"};
constexpr std::string_view kMessagePolicies[] = {"FallbackToLogsOnError", "File"};
constexpr std::string_view kProtocols[] = {"SCTP", "TCP", "UDP"};
constexpr std::string_view kRestartPolicies[] = {"Always", "Never", "OnFailure"};

void ports(const Path& path, const Value& ports, bool host_network, FieldErrors& errors) {
  std::set<std::string_view> names;
  for (size_t i = 0; i < ports.size(); ++i) {
    const Value& port = ports.at(i);
    Path at = path.at(i);
    if (std::string_view name = port["name"].as_string(); !name.empty()) {
      breaches(at.child("name"), name, port_name(name), errors);
      if (port_name(name).empty() && !names.insert(name).second) errors.duplicate(at.child("name"), name);
    }
    int64_t number = port["containerPort"].as_int();
    if (number == 0) errors.required(at.child("containerPort"));
    else breaches(at.child("containerPort"), number, port_number(number), errors);
    int64_t host = port["hostPort"].as_int();
    if (host != 0) breaches(at.child("hostPort"), host, port_number(host), errors);
    if (host_network && host != number)
      errors.invalid(at.child("containerPort"), number, "must match `hostPort` when `hostNetwork` is true");
    choice(at.child("protocol"), port["protocol"], kProtocols, errors);
  }
}

void host_port_conflicts(const Path& path, const Value& containers, std::set<std::string>& taken, FieldErrors& errors) {
  for (size_t c = 0; c < containers.size(); ++c) {
    Path container = path.at(c), list = container.child("ports");
    size_t index = 0;
    for (const Value& port : containers.at(c)["ports"].items()) {
      Path at = list.at(index++);
      int64_t number = port["hostPort"].as_int();
      if (number == 0) continue;
      std::string key = cat(port["protocol"].as_string("TCP"), "/", port["hostIP"].as_string(), "/", number);
      if (!taken.insert(key).second) errors.duplicate(at.child("hostPort"), key);
    }
  }
}

std::set<std::string_view> names_of(const Value& list) {
  std::set<std::string_view> out;
  for (const Value& item : list.items()) out.insert(item["name"].as_string());
  return out;
}

void mounts(const Path& path, const Value& mounts, const std::set<std::string_view>& volumes, FieldErrors& errors) {
  std::set<std::string_view> points;
  for (size_t i = 0; i < mounts.size(); ++i) {
    const Value& mount = mounts.at(i);
    Path at = path.at(i);
    std::string_view name = mount["name"].as_string(), point = mount["mountPath"].as_string();
    if (name.empty()) errors.required(at.child("name"));
    else if (!volumes.contains(name)) errors.not_found(at.child("name"), name);
    if (point.empty()) errors.required(at.child("mountPath"));
    else if (!points.insert(point).second) errors.invalid(at.child("mountPath"), point, "must be unique");
    std::string_view sub = mount["subPath"].as_string(), expression = mount["subPathExpr"].as_string();
    if (!sub.empty()) descending_path(at.child("subPath"), sub, errors);
    if (!expression.empty()) {
      if (!sub.empty()) errors.invalid(at.child("subPathExpr"), expression, "subPathExpr and subPath are mutually exclusive");
      descending_path(at.child("subPathExpr"), expression, errors);
    }
  }
}

void devices(const Path& path, const Value& devices, const std::set<std::string_view>& volumes, FieldErrors& errors) {
  for (size_t i = 0; i < devices.size(); ++i) {
    Path at = path.at(i);
    std::string_view name = devices.at(i)["name"].as_string(), point = devices.at(i)["devicePath"].as_string();
    if (name.empty()) errors.required(at.child("name"));
    else if (!volumes.contains(name)) errors.not_found(at.child("name"), name);
    if (point.empty()) errors.required(at.child("devicePath"));
    else descending_path(at.child("devicePath"), point.substr(point.starts_with('/')), errors);
  }
}

void container(const Path& path, const Value& container, const PodContext& context,
               const std::set<std::string_view>& volumes, FieldErrors& errors) {
  std::string_view image = container["image"].as_string();
  // A template may leave the image to whoever fills it in later; upstream allows that for templates only.
  if (image.empty()) errors.required(path.child("image"));
  else if (trim(image) != image) errors.invalid(path.child("image"), image, "must not have leading or trailing whitespace");
  choice(path.child("terminationMessagePolicy"), container["terminationMessagePolicy"], kMessagePolicies, errors);
  ports(path.child("ports"), container["ports"], context.spec["hostNetwork"].as_bool() && !context.is_template, errors);
  container_env(path, container, errors);
  mounts(path.child("volumeMounts"), container["volumeMounts"], volumes, errors);
  devices(path.child("volumeDevices"), container["volumeDevices"], volumes, errors);
  if (!image.empty() || !container["imagePullPolicy"].is_null())
    choice(path.child("imagePullPolicy"), container["imagePullPolicy"], kPullPolicies, errors);
  resources(path.child("resources"), container["resources"], errors);
  container_security_context(path.child("securityContext"), container["securityContext"], errors);
}

void name(const Path& path, const Value& container, std::set<std::string_view>& taken, FieldErrors& errors) {
  std::string_view name = container["name"].as_string();
  if (name.empty()) return errors.required(path.child("name"));
  breaches(path.child("name"), name, dns1123_label(name), errors);
  if (!taken.insert(name).second) errors.duplicate(path.child("name"), name);
}

void probes(const Path& path, const Value& container, FieldErrors& errors) {
  probe(path.child("livenessProbe"), container["livenessProbe"], true, errors);
  probe(path.child("readinessProbe"), container["readinessProbe"], false, errors);
  probe(path.child("startupProbe"), container["startupProbe"], true, errors);
  lifecycle(path.child("lifecycle"), container["lifecycle"], errors);
}

void init_container(const Path& path, const Value& init, FieldErrors& errors) {
  std::string_view policy = init["restartPolicy"].as_string();
  if (!policy.empty()) choice(path.child("restartPolicy"), init["restartPolicy"], kRestartPolicies, errors);
  if (policy == "Always") return probes(path, init, errors);
  for (auto forbidden : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"})
    if (!init[forbidden].is_null())
      errors.forbidden(path.child(forbidden), "may not be set for init containers without restartPolicy=Always");
}

void ephemeral_containers(const Path& path, const PodContext& context, const std::set<std::string_view>& volumes,
                          std::set<std::string_view>& taken, const std::set<std::string_view>& regular, FieldErrors& errors) {
  const Value& list = context.spec["ephemeralContainers"];
  for (size_t i = 0; i < list.size(); ++i) {
    const Value& one = list.at(i);
    Path at = path.at(i);
    if (context.is_template) return errors.forbidden(path, "ephemeral containers not allowed in pod template");
    name(at, one, taken, errors);
    if (one["image"].as_string().empty()) errors.required(at.child("image"));
    for (auto forbidden : {"ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle"})
      if (!one[forbidden].is_null()) errors.forbidden(at.child(forbidden), "cannot be set for an Ephemeral Container");
    if (!one["resources"].empty()) errors.forbidden(at.child("resources"), "cannot be set for an Ephemeral Container");
    mounts(at.child("volumeMounts"), one["volumeMounts"], volumes, errors);
    if (std::string_view target = one["targetContainerName"].as_string(); !target.empty() && !regular.contains(target))
      errors.not_found(at.child("targetContainerName"), target);
  }
}

}  // namespace

void containers(const Path& spec_path, const PodContext& context, FieldErrors& errors) {
  auto volumes = names_of(context.spec["volumes"]);
  const Value &list = context.spec["containers"], &inits = context.spec["initContainers"];
  Path path = spec_path.child("containers"), init_path = spec_path.child("initContainers");
  if (list.empty()) return errors.required(path);
  std::set<std::string_view> taken;
  for (size_t i = 0; i < list.size(); ++i) {
    Path at = path.at(i);
    name(at, list.at(i), taken, errors);
    container(at, list.at(i), context, volumes, errors);
    probes(at, list.at(i), errors);
  }
  auto regular = names_of(list);
  for (size_t i = 0; i < inits.size(); ++i) {
    Path at = init_path.at(i);
    name(at, inits.at(i), taken, errors);
    container(at, inits.at(i), context, volumes, errors);
    init_container(at, inits.at(i), errors);
  }
  ephemeral_containers(spec_path.child("ephemeralContainers"), context, volumes, taken, regular, errors);
  std::set<std::string> host_ports;
  host_port_conflicts(path, list, host_ports, errors);
}

namespace {

constexpr std::string_view kStandardResources[] = {"cpu", "memory", "ephemeral-storage"};

bool is_standard_resource(std::string_view name) {
  for (auto one : kStandardResources)
    if (one == name) return true;
  return name.starts_with("hugepages-");
}

void resource_name(const Path& path, std::string_view name, FieldErrors& errors) {
  breaches(path, name, qualified_name(name), errors);
  if (name.find('/') == name.npos && !is_standard_resource(name)) {
    errors.invalid(path, name, "must be a standard resource type or fully qualified");
    errors.invalid(path, name, "must be a standard resource for containers");
  }
}

Quantity amount(const Value& value) {
  auto parsed = Quantity::parse(value.as_string());
  return parsed ? *parsed : Quantity();
}

}  // namespace

void resources(const Path& path, const Value& resources, FieldErrors& errors) {
  Path limits_path = path.child("limits"), requests_path = path.child("requests");
  const Value& limits = resources["limits"];
  for (const auto& limit : limits.members()) {
    Path at = limits_path.key(limit.key);
    resource_name(at, limit.key, errors);
    if (amount(limit.value).is_negative()) errors.invalid(at, limit.value, kNotNegative);
  }
  for (const auto& request : resources["requests"].members()) {
    Path at = requests_path.key(request.key);
    resource_name(at, request.key, errors);
    Quantity wanted = amount(request.value);
    if (wanted.is_negative()) errors.invalid(at, request.value, kNotNegative);
    bool overcommit = is_standard_resource(request.key) && !request.key.starts_with("hugepages-");
    const Value& limit = limits[request.key];
    if (limit.is_null()) {
      if (!overcommit && request.key.find('/') != request.key.npos)
        errors.required(limits_path, "Limit must be set for non overcommitable resources");
    } else if (!overcommit && wanted != amount(limit)) {
      errors.invalid(requests_path, request.value.as_string(),
                     cat("must be equal to ", request.key, " limit of ", limit.as_string()));
    } else if (overcommit && wanted > amount(limit)) {
      errors.invalid(requests_path, request.value.as_string(),
                     cat("must be less than or equal to ", request.key, " limit of ", limit.as_string()));
    }
  }
}

}  // namespace kobuk::api::validation
