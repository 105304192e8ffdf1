// Rules: Kubernetes' "Downward API": which fields exist, and the form of maps (key="value" lines, sorted).
#include "node/field_ref.h"

#include "api/quantity.h"
#include "base/strings.h"

namespace kobuk::node {
namespace {

std::string map_lines(const std::map<std::string, std::string>& map) {
  std::string out;
  for (const auto& [key, value] : map) cat_to(out, out.empty() ? "" : "\n", key, "=", go_quote(value));
  return out;
}

// The key of "metadata.labels['key']"; nullopt when `path` is not of that form.
std::optional<std::string> subscript(std::string_view path, std::string_view map) {
  if (!path.starts_with(map)) return std::nullopt;
  path.remove_prefix(map.size());
  if (path.size() < 4 || !path.starts_with("['") || !path.ends_with("']")) return std::nullopt;
  return std::string(path.substr(2, path.size() - 4));
}

std::string lookup(const std::map<std::string, std::string>& map, const std::string& key) {
  auto found = map.find(key);
  return found == map.end() ? std::string() : found->second;
}

int64_t ceil_div(int64_t amount, int64_t by) { return (amount + by - 1) / by; }

}  // namespace

Result<std::string> field_value(const core::Pod& pod, const std::string& path, const NodeIdentity& node) {
  if (auto key = subscript(path, "metadata.labels")) return lookup(pod.metadata.labels, *key);
  if (auto key = subscript(path, "metadata.annotations")) return lookup(pod.metadata.annotations, *key);
  if (path == "metadata.annotations") return map_lines(pod.metadata.annotations);
  if (path == "metadata.labels") return map_lines(pod.metadata.labels);
  if (path == "metadata.name") return pod.metadata.name;
  if (path == "metadata.namespace") return pod.metadata.namespace_;
  if (path == "metadata.uid") return pod.metadata.uid;
  if (path == "spec.nodeName") return pod.spec.node_name;
  if (path == "spec.serviceAccountName") return pod.spec.service_account_name;
  if (path == "status.hostIP" || path == "status.hostIPs") return node.host_ip;
  if (path == "status.podIP" || path == "status.podIPs") return node.pod_ip.empty() ? pod.status.pod_ip : node.pod_ip;
  return fail(Code::kInvalid, "unsupported fieldPath: ", path);
}

Result<std::string> resource_value(const core::Container& container, const core::ResourceFieldSelector& selector,
                                   const NodeIdentity& node) {
  auto dot = selector.resource.find('.');
  if (dot == std::string::npos) return fail(Code::kInvalid, "unsupported container resource : ", selector.resource);
  std::string kind = selector.resource.substr(0, dot), name = selector.resource.substr(dot + 1);
  if (kind != "limits" && kind != "requests") {
    return fail(Code::kInvalid, "unsupported container resource : ", selector.resource);
  }
  const auto& resources = container.resources;
  bool limit = kind == "limits";
  const auto& list = limit ? resources.limits : resources.requests.contains(name) ? resources.requests : resources.limits;
  std::string divisor_text = selector.divisor.empty() || selector.divisor == "0" ? "1" : selector.divisor;
  KOBUK_TRY(api::Quantity divisor, api::Quantity::parse(divisor_text));
  if (name == "cpu") {
    int64_t amount = milli_of(list, name);
    if (amount == 0 && limit) amount = node.cpu_millicores;
    return cat(ceil_div(amount, std::max<int64_t>(divisor.milli(), 1)));
  }
  int64_t amount = value_of(list, name);
  if (amount == 0 && limit && name == "memory") amount = node.memory_bytes;
  return cat(ceil_div(amount, std::max<int64_t>(divisor.value(), 1)));
}

}  // namespace kobuk::node
