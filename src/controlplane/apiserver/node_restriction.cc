// Rules and texts: plugin/pkg/admission/noderestriction and plugin/pkg/auth/authorizer/node; Kubernetes documentation "Using Node
// Authorization".
#include "controlplane/apiserver/node_restriction.h"

#include "base/strings.h"
#include "codec/json.h"

namespace kobuk::controlplane::apiserver {
namespace {

using codec::Value;

constexpr std::string_view kNodeUser = "system:node:", kMirror = "kubernetes.io/config.mirror", kLeaseSpace = "kube-node-lease";
constexpr std::string_view kRestricted = "node-restriction.kubernetes.io";

// Labels that only others may set: the first one in which the two differ.
std::string_view restricted_label(const Value& now, const Value& before) {
  for (const Value* one : {&now, &before})
    for (const auto& member : (*one)["metadata"]["labels"].members()) {
      std::string_view space = member.key.substr(0, member.key.find('/'));
      bool restricted = space.size() < member.key.size() && (space == kRestricted || space.ends_with(cat(".", kRestricted)));
      if (restricted && !(now["metadata"]["labels"][member.key] == before["metadata"]["labels"][member.key])) return member.key;
    }
  return {};
}

// Whether a member of `value`, however deep, names the object; with an empty name: any.
using Names = bool (*)(std::string_view key, const Value& value, std::string_view name);
bool refers(const Value& value, Names names, std::string_view name) {
  for (const Value& item : value.items())
    if (refers(item, names, name)) return true;
  for (const auto& member : value.members())
    if (names(member.key, member.value, name) || refers(member.value, names, name)) return true;
  return false;
}

bool is_named(const Value& value, std::string_view name) { return name.empty() ? !value.as_string().empty() : value.as_string() == name; }

bool names_secret(std::string_view key, const Value& value, std::string_view name) {
  if (key == "secretName") return is_named(value, name);
  if (key == "secret" || key == "secretKeyRef" || key.ends_with("ecretRef")) return is_named(value["name"], name);
  if (key != "imagePullSecrets") return false;
  for (const Value& one : value.items())
    if (is_named(one["name"], name)) return true;
  return false;
}

bool names_config_map(std::string_view key, const Value& value, std::string_view name) {
  return (key == "configMap" || key == "configMapRef" || key == "configMapKeyRef") && is_named(value["name"], name);
}

bool names_claim(std::string_view key, const Value& value, std::string_view name) {
  return key == "persistentVolumeClaim" && is_named(value["claimName"], name);
}

// A node that could make a pod which names a Secret could read every one (check_node_read).
std::string_view referenced(const Value& spec) {
  if (!spec["serviceAccountName"].as_string().empty()) return "a service account";
  if (refers(spec, names_secret, "")) return "secrets";
  if (refers(spec, names_config_map, "")) return "configmaps";
  return refers(spec, names_claim, "") ? "persistentvolumeclaims" : "";
}

std::string pod_breach(std::string_view node, const RequestInfo& info, const Value& object, const Value& old) {
  auto is_own = [&](const Value& pod) { return pod["spec"]["nodeName"].as_string() == node; };
  if (old.is_null()) {
    if (object["metadata"]["annotations"][kMirror].is_null())
      return cat("pod does not have ", go_quote(kMirror), " annotation, node ", go_quote(node), " can only create mirror pods");
    if (!is_own(object)) return cat("node ", go_quote(node), " can only create pods with spec.nodeName set to itself");
    std::string_view what = referenced(object["spec"]);
    return what.empty() ? "" : cat("node ", go_quote(node), " can not create pods that reference ", what);
  }
  if (object.is_null()) return is_own(old) ? "" : cat("node ", go_quote(node), " can only delete pods with spec.nodeName set to itself");
  if (info.subresource != "status")
    return cat("unexpected operation \"UPDATE\", node ", go_quote(node), " can only create and delete mirror pods");
  if (!is_own(old)) return cat("node ", go_quote(node), " can only update pod status for pods with spec.nodeName set to itself");
  if (!(object["metadata"]["labels"] == old["metadata"]["labels"]))
    return cat("node ", go_quote(node), " cannot update labels through pod status");
  return {};
}

std::string node_breach(std::string_view node, const Value& object, const Value& old) {
  std::string_view name = (object.is_null() ? old : object)["metadata"]["name"].as_string();
  if (name != node) return cat("node ", go_quote(node), " is not allowed to modify node ", go_quote(name));
  if (object.is_null()) return {};
  if (!old.is_null() && !(object["spec"]["taints"] == old["spec"]["taints"]))
    return cat("node ", go_quote(node), " is not allowed to modify taints");
  std::string_view label = restricted_label(object, old);
  if (label.empty()) return {};
  return old.is_null() ? cat("node ", go_quote(node), " is not allowed to set the following labels: ", label)
                       : cat("is not allowed to modify labels: ", label);
}

std::string lease_breach(std::string_view node, const Value& object, const Value& old) {
  const Value& metadata = (object.is_null() ? old : object)["metadata"];
  if (metadata["namespace"].as_string() != kLeaseSpace) return cat("can only access leases in the ", go_quote(kLeaseSpace), " system namespace");
  return metadata["name"].as_string() == node ? "" : "can only access node lease with the same name as the requesting node";
}

std::string_view node_of(const User& user) { return std::string_view(user.name).substr(kNodeUser.size()); }

Status unrelated(const Call& call, std::string_view why) {
  Status out = authorization_refusal(call.user, call.info);
  cat_to(out.message, ": ", why);
  return out;
}

}  // namespace

bool is_node(const User& user) { return user.name.starts_with(kNodeUser) && !user.in_group("system:masters"); }

io::Task<Answer<void>> check_node_read(Core& core, const Call& call) {
  const RequestInfo& info = call.info;
  bool secret = info.resource == "secrets";
  if (!info.group.empty() || (!secret && info.resource != "configmaps")) co_return Answer<void>();
  if (info.space.empty() || info.name.empty()) co_return refuse(unrelated(call, "can only read namespaced object of this type"));
  auto pods = co_await core.store.range({.range = store::with_prefix(core.core_v1("pods").range_prefix(info.space))});
  API_CO_CHECK(pods);
  std::string_view node = node_of(call.user);
  std::string placed = cat("\"nodeName\":\"", node, '"'), named = cat('"', info.name, '"');
  for (const store::KeyValue& kv : pods->kvs) {
    if (kv.value->find(placed) == std::string::npos || kv.value->find(named) == std::string::npos) continue;  // most of them
    auto pod = codec::parse_json(*kv.value);
    if (!pod || pod->root["spec"]["nodeName"].as_string() != node) continue;
    if (refers(pod->root["spec"], secret ? names_secret : names_config_map, info.name)) co_return Answer<void>();
  }
  co_return refuse(unrelated(call, cat("no relationship found between node '", node, "' and this object")));
}

Answer<void> check_node_write(const User& user, const RequestInfo& info, const Value& object, const Value& old) {
  if (!is_node(user)) return {};
  std::string_view node = node_of(user);
  std::string breach = info.resource == "pods"     ? pod_breach(node, info, object, old)
                       : info.resource == "nodes"  ? node_breach(node, object, old)
                       : info.resource == "leases" ? lease_breach(node, object, old)
                                                   : "";
  if (breach.empty()) return {};
  return refuse(forbidden(info.group, info.resource, (object.is_null() ? old : object)["metadata"]["name"].as_string(), breach));
}

}  // namespace kobuk::controlplane::apiserver
