#include "node/env.h"

#include <algorithm>

namespace kobuk::node {
namespace {

using Variables = std::map<std::string, std::string>;

std::string upper(std::string_view name) {
  std::string out(name);
  for (char& c : out) c = c == '-' ? '_' : (c >= 'a' && c <= 'z') ? static_cast<char>(c - 'a' + 'A') : c;
  return out;
}

// The result in the order in which names first came.
class Collector {
 public:
  void set(const std::string& name, std::string value) {
    auto [at, added] = index_.try_emplace(name, out_.size());
    if (added) {
      out_.emplace_back(name, std::move(value));
    } else {
      out_[at->second].second = std::move(value);
    }
  }
  std::optional<std::string> find(const std::string& name) const {
    auto found = index_.find(name);
    if (found == index_.end()) return std::nullopt;
    return out_[found->second].second;
  }
  Environment take() { return std::move(out_); }

 private:
  Environment out_;
  std::map<std::string, size_t> index_;
};

void add_map(Collector& to, const std::string& prefix, const Variables& data) {
  for (const auto& [key, value] : data) {
    if (key.find('=') == std::string::npos && !key.empty()) to.set(prefix + key, value);
  }
}

Result<void> add_from(Collector& to, const core::EnvFromSource& from, const EnvironmentInput& in) {
  if (from.config_map_ref) {
    const core::ConfigMap* map = in.objects.config_map(from.config_map_ref->name);
    if (map) add_map(to, from.prefix, map->data);
    if (!map && !from.config_map_ref->optional.value_or(false)) {
      return fail(Code::kNotFound, "configmap \"", from.config_map_ref->name, "\" not found");
    }
  }
  if (from.secret_ref) {
    const core::Secret* secret = in.objects.secret(from.secret_ref->name);
    if (secret) add_map(to, from.prefix, secret->data);
    if (!secret && !from.secret_ref->optional.value_or(false)) {
      return fail(Code::kNotFound, "secret \"", from.secret_ref->name, "\" not found");
    }
  }
  return {};
}

// Nothing: an optional source that is not there, so that the variable is left out.
Result<std::optional<std::string>> key_value(const std::string& kind, const std::string& title, const std::string& name,
                                             const Variables* data, const std::string& key, bool optional,
                                             const std::string& space) {
  if (!data) {
    if (optional) return std::nullopt;
    return fail(Code::kNotFound, kind, " \"", name, "\" not found");
  }
  auto found = data->find(key);
  if (found != data->end()) return found->second;
  if (optional) return std::nullopt;
  return fail(Code::kNotFound, "couldn't find key ", key, " in ", title, " ", space, "/", name);
}

Result<std::optional<std::string>> value_from(const core::EnvVarSource& source, const EnvironmentInput& in) {
  const std::string& space = in.pod.metadata.namespace_;
  if (source.field_ref) {
    KOBUK_TRY(std::string value, field_value(in.pod, source.field_ref->field_path, in.node));
    return value;
  }
  if (source.resource_field_ref) {
    const std::string& name = source.resource_field_ref->container_name;
    const core::Container* container = name.empty() ? &in.container : find_container(in.pod.spec, name);
    if (!container) return fail(Code::kInvalid, "container ", name, " not found");
    KOBUK_TRY(std::string value, resource_value(*container, *source.resource_field_ref, in.node));
    return value;
  }
  if (source.config_map_key_ref) {
    const auto& ref = *source.config_map_key_ref;
    const core::ConfigMap* map = in.objects.config_map(ref.name);
    return key_value("configmap", "ConfigMap", ref.name, map ? &map->data : nullptr, ref.key, ref.optional.value_or(false),
                     space);
  }
  if (source.secret_key_ref) {
    const auto& ref = *source.secret_key_ref;
    const core::Secret* secret = in.objects.secret(ref.name);
    return key_value("secret", "Secret", ref.name, secret ? &secret->data : nullptr, ref.key,
                     ref.optional.value_or(false), space);
  }
  if (source.file_key_ref) {
    return fail(Code::kUnsupported, "fileKeyRef is not supported by this node: use a ConfigMap or a Secret");
  }
  return std::nullopt;
}

void add_service(Variables& to, const core::Service& service) {
  if (service.spec.ports.empty()) return;
  const std::string name = upper(service.metadata.name), &ip = service.spec.cluster_ip;
  to[name + "_SERVICE_HOST"] = ip;
  to[name + "_SERVICE_PORT"] = cat(service.spec.ports[0].port);
  for (const core::ServicePort& port : service.spec.ports) {
    if (!port.name.empty()) to[cat(name, "_SERVICE_PORT_", upper(port.name))] = cat(port.port);
  }
  for (size_t i = 0; i < service.spec.ports.size(); ++i) {
    const core::ServicePort& port = service.spec.ports[i];
    std::string protocol = port.protocol.empty() ? "TCP" : port.protocol;
    std::string url = cat(to_lower(protocol), "://", ip, ":", port.port);
    std::string prefix = cat(name, "_PORT_", port.port, "_", upper(protocol));
    if (i == 0) to[name + "_PORT"] = url;
    to[prefix] = url;
    to[prefix + "_PROTO"] = to_lower(protocol);
    to[prefix + "_PORT"] = cat(port.port);
    to[prefix + "_ADDR"] = ip;
  }
}

}  // namespace

std::string expand(std::string_view text, const std::function<std::optional<std::string>(const std::string&)>& lookup) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '$' || i + 1 == text.size()) {
      out.push_back(text[i]);
      continue;
    }
    if (text[i + 1] == '$') {
      out.push_back('$');
      ++i;
      continue;
    }
    size_t end = text[i + 1] == '(' ? text.find(')', i + 2) : std::string_view::npos;
    if (end == std::string_view::npos) {
      out.push_back('$');
      continue;
    }
    std::string name(text.substr(i + 2, end - i - 2));
    std::optional<std::string> value = lookup(name);
    out += value ? *value : cat("$(", name, ")");
    i = end;
  }
  return out;
}

std::map<std::string, std::string> service_variables(const std::vector<core::Service>& services, const std::string& space,
                                                     bool links) {
  Variables out;
  // The namespace's own Service wins over default/kubernetes of the same name: it is added last.
  for (bool own : {false, true}) {
    for (const core::Service& service : services) {
      const std::string& ip = service.spec.cluster_ip;
      if (ip.empty() || ip == "None") continue;
      bool is_own = links && service.metadata.namespace_ == space;
      bool is_master = service.metadata.namespace_ == "default" && service.metadata.name == "kubernetes";
      if (own ? is_own : is_master) add_service(out, service);
    }
  }
  return out;
}

Result<Environment> make_environment(const EnvironmentInput& in) {
  Collector out;
  for (const core::EnvFromSource& from : in.container.env_from) KOBUK_CHECK(add_from(out, from, in));
  auto lookup = [&](const std::string& name) -> std::optional<std::string> {
    if (auto value = out.find(name)) return value;
    auto found = in.services.find(name);
    return found == in.services.end() ? std::nullopt : std::optional(found->second);
  };
  for (const core::EnvVar& variable : in.container.env) {
    if (!variable.value_from) {
      out.set(variable.name, expand(variable.value, lookup));
      continue;
    }
    KOBUK_TRY(std::optional<std::string> value, value_from(*variable.value_from, in));
    if (value) out.set(variable.name, *value);
  }
  for (const auto& [name, value] : in.services) {
    if (!out.find(name)) out.set(name, value);
  }
  return out.take();
}

std::string expand_with(std::string_view text, const Environment& environment) {
  return expand(text, [&](const std::string& name) -> std::optional<std::string> {
    auto found = std::ranges::find(environment, name, &std::pair<std::string, std::string>::first);
    return found == environment.end() ? std::nullopt : std::optional(found->second);
  });
}

std::vector<std::string> expand_all(const std::vector<std::string>& texts, const Environment& environment) {
  std::vector<std::string> out;
  for (const std::string& text : texts) out.push_back(expand_with(text, environment));
  return out;
}

}  // namespace kobuk::node
