// ConfigMap, Secret, Node, Event, Lease. Rules: Kubernetes core/v1, coordination.k8s.io/v1.
#include <set>

#include "api/member_table.h"
#include "api/validation.h"
#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::api::validation {
namespace {

constexpr int64_t kMaxDataBytes = 1 << 20;

int64_t data_bytes(const Value& data, bool coded) {
  int64_t total = 0;
  for (const auto& member : data.members()) {
    std::string_view text = member.value.as_string();
    size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
    total += static_cast<int64_t>(coded && !text.empty() ? text.size() / 4 * 3 - padding : text.size());
  }
  return total;
}

void data_keys(const Path& path, const Value& data, FieldErrors& errors) {
  for (const auto& member : data.members()) breaches(path.key(member.key), member.key, config_map_key(member.key), errors);
}

void immutable_data(const Value& object, const Value& old, std::initializer_list<std::string_view> names, FieldErrors& errors) {
  if (!old["immutable"].as_bool()) return;
  constexpr std::string_view kText = "field is immutable when `immutable` is set";
  if (!object["immutable"].as_bool()) errors.forbidden(Path("immutable"), kText);
  for (auto name : names)
    if (!(object[name] == old[name])) errors.forbidden(Path(name), kText);
}

}  // namespace

void config_map(const Value& object, FieldErrors& errors) {
  Path data("data"), binary("binaryData");
  MemberTable binaries(object["binaryData"]);
  for (const auto& member : object["data"].members()) {
    breaches(data.key(member.key), member.key, config_map_key(member.key), errors);
    if (binaries.find(member.key))
      errors.invalid(data.key(member.key), member.key, "duplicate of key present in binaryData");
  }
  data_keys(binary, object["binaryData"], errors);
  if (data_bytes(object["data"], false) + data_bytes(object["binaryData"], true) > kMaxDataBytes)
    errors.too_long(Path().key(""), kMaxDataBytes);
}

void config_map_update(const Value& object, const Value& old, FieldErrors& errors) {
  immutable_data(object, old, {"data", "binaryData"}, errors);
}

void secret(const Value& object, FieldErrors& errors) {
  const Value& values = object["data"];
  Path data("data");
  data_keys(data, values, errors);
  if (data_bytes(values, true) > kMaxDataBytes) errors.too_long(data, kMaxDataBytes);
  std::string_view type = object["type"].as_string();
  auto need = [&](std::string_view key) {
    if (!values.find(key)) errors.required(data.key(key));
  };
  auto need_json = [&](std::string_view key) {
    need(key);
    auto text = unbase64(values[key].as_string());
    if (auto parsed = codec::parse_json(text ? *text : ""); values.find(key) && !parsed)
      errors.invalid(data.key(key), "<secret contents redacted>", parsed.error().message());
  };
  if (type == "kubernetes.io/service-account-token") {
    Path meta("metadata"), annotations = meta.child("annotations");
    if (object["metadata"]["annotations"]["kubernetes.io/service-account.name"].as_string().empty())
      errors.required(annotations.key("kubernetes.io/service-account.name"));
  } else if (type == "kubernetes.io/dockercfg") {
    need_json(".dockercfg");
  } else if (type == "kubernetes.io/dockerconfigjson") {
    need_json(".dockerconfigjson");
  } else if (type == "kubernetes.io/basic-auth") {
    if (!values.find("username") && !values.find("password")) need("username"), need("password");
  } else if (type == "kubernetes.io/ssh-auth") {
    if (values["ssh-privatekey"].as_string().empty()) errors.required(data.key("ssh-privatekey"));
  } else if (type == "kubernetes.io/tls") {
    need("tls.crt");
    need("tls.key");
  }
}

void secret_update(const Value& object, const Value& old, FieldErrors& errors) {
  immutable(Path("type"), object["type"], old["type"], errors);
  immutable_data(object, old, {"data"}, errors);
}

void node(const Value& object, FieldErrors& errors) {
  constexpr std::string_view kEffects[] = {"NoSchedule", "PreferNoSchedule", "NoExecute"};
  Path spec("spec"), taints = spec.child("taints");
  std::set<std::string> seen;
  for (size_t i = 0; i < object["spec"]["taints"].size(); ++i) {
    const Value& taint = object["spec"]["taints"].at(i);
    Path at = taints.at(i);
    std::string_view key = taint["key"].as_string(), value = taint["value"].as_string();
    breaches(at.child("key"), key, qualified_name(key), errors);
    if (auto wrong = label_value(value); !wrong.empty()) errors.invalid(at.child("value"), value, join(wrong, ";"));
    choice(at.child("effect"), taint["effect"], kEffects, errors);
    if (!seen.insert(cat(key, ":", taint["effect"].as_string())).second) errors.duplicate(at, taint);
  }
  Path cidrs = spec.child("podCIDRs");
  size_t index = 0;
  for (const Value& one : object["spec"]["podCIDRs"].items())
    breaches(cidrs.at(index++), one.as_string(), cidr(one.as_string()), errors);
}

void lease(const Value& object, FieldErrors& errors) {
  Path spec("spec");
  if (const Value& duration = object["spec"]["leaseDurationSeconds"]; !duration.is_null() && duration.as_int() <= 0)
    errors.invalid(spec.child("leaseDurationSeconds"), duration, "must be greater than 0");
  not_negative(spec.child("leaseTransitions"), object["spec"]["leaseTransitions"], errors);
}

void event(const Value& object, FieldErrors& errors) {
  std::string_view about = object["involvedObject"]["namespace"].as_string();
  std::string_view own = object["metadata"]["namespace"].as_string();
  Path involved("involvedObject");
  bool cluster_wide = about.empty() && (own == "default" || own == "kube-system");
  if (!cluster_wide && about != own) errors.invalid(involved.child("namespace"), about, "does not match event.namespace");
}

}  // namespace kobuk::api::validation
