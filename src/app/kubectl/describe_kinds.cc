#include <algorithm>

#include "app/kubectl/describe.h"
#include "base/strings.h"
#include "codec/json.h"
#include "codec/yaml.h"

namespace kobuk::app::kubectl {

using codec::Value;

void Description::line(std::string_view title, std::string_view value) {
  lines_.push_back({depth_, title.empty() ? std::string() : cat(title, ":"), std::string(value)});
}
void Description::section(std::string_view title) {
  flush();
  cat_to(out_, std::string(depth_ * 2, ' '), title, ":\n");
  ++depth_;
}
void Description::end_section() {
  flush();
  --depth_;
}
void Description::text(std::string_view text) {
  flush();
  cat_to(out_, std::string(depth_ * 2, ' '), text);
}
void Description::yaml(std::string_view title, const Value& value) {
  flush();
  std::string text = codec::to_yaml(value);
  cat_to(out_, title, ":\n");
  for (std::string_view row : split(trim(text), '\n')) cat_to(out_, "  ", row, "\n");
}
void Description::flush() {
  size_t width = 0;
  for (const Line& line : lines_) width = std::max(width, line.depth * 2 + line.title.size());
  for (const Line& line : lines_) {
    std::string head = std::string(line.depth * 2, ' ') + line.title;
    cat_to(out_, head, std::string(width + 2 - head.size(), ' '), line.value, "\n");
  }
  lines_.clear();
}
void Description::end_table() {
  flush();
  std::vector<size_t> widths;
  for (const auto& row : table_) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const auto& row : table_) {
    out_.append(2 + depth_ * 2, ' ');
    for (size_t i = 0; i < row.size(); ++i) cat_to(out_, row[i], i + 1 < row.size() ? std::string(widths[i] + 2 - row[i].size(), ' ') : std::string("\n"));
  }
  table_.clear();
}
std::string Description::take() {
  flush();
  return std::move(out_);
}

namespace {

std::string text_or(const Value& value, std::string_view fallback = "<none>") {
  if (value.is_null()) return std::string(fallback);
  return value.is_string() ? std::string(value.as_string()) : codec::to_json(value);
}

void add_state(std::string_view title, const Value& state, Description& out) {
  for (const codec::Member& member : state.members()) {
    std::string name(member.key);
    name[0] = static_cast<char>(name[0] - 32);
    out.line(title, name);
    const Value& at = member.value;
    if (!at["reason"].is_null()) out.line("  Reason", at["reason"].as_string());
    if (!at["message"].is_null()) out.line("  Message", at["message"].as_string());
    if (!at["exitCode"].is_null()) out.line("  Exit Code", text_or(at["exitCode"]));
    if (!at["startedAt"].is_null()) out.line("  Started", at["startedAt"].as_string());
    if (!at["finishedAt"].is_null()) out.line("  Finished", at["finishedAt"].as_string());
  }
}

std::string words(const Value& list) {
  std::vector<std::string> out;
  for (const Value& item : list.items()) out.push_back(text_or(item));
  return join(out, " ");
}

void add_amounts(std::string_view title, const Value& amounts, Description& out) {
  if (amounts.empty()) return;
  out.section(title);
  for (const codec::Member& amount : amounts.members()) out.line(amount.key, text_or(amount.value));
  out.end_section();
}

void add_container(const Value& container, const Value& status, Description& out) {
  out.section(container["name"].as_string());
  if (!status.is_null()) out.line("Container ID", status["containerID"].as_string());
  out.line("Image", container["image"].as_string());
  if (!status.is_null()) out.line("Image ID", status["imageID"].as_string());
  std::vector<std::string> ports;
  for (const Value& port : container["ports"].items()) ports.push_back(cat(port["containerPort"].as_int(), "/", port["protocol"].as_string("TCP")));
  out.line(ports.size() > 1 ? "Ports" : "Port", ports.empty() ? "<none>" : join(ports, ", "));
  if (!container["command"].empty()) out.line("Command", words(container["command"]));
  if (!container["args"].empty()) out.line("Args", words(container["args"]));
  add_state("State", status["state"], out);
  add_state("Last State", status["lastState"], out);
  if (!status.is_null()) {
    out.line("Ready", status["ready"].as_bool() ? "True" : "False");
    out.line("Restart Count", cat(status["restartCount"].as_int()));
  }
  add_amounts("Limits", container["resources"]["limits"], out);
  add_amounts("Requests", container["resources"]["requests"], out);
  if (container["env"].empty()) out.line("Environment", "<none>");
  else {
    out.section("Environment");
    for (const Value& variable : container["env"].items()) {
      out.line(variable["name"].as_string(), variable["valueFrom"].is_null() ? std::string(variable["value"].as_string()) : codec::to_json(variable["valueFrom"]));
    }
    out.end_section();
  }
  if (!container["volumeMounts"].empty()) {
    out.section("Mounts");
    for (const Value& mount : container["volumeMounts"].items()) {
      out.line(mount["mountPath"].as_string(), cat("from ", mount["name"].as_string(), mount["readOnly"].as_bool() ? " (ro)" : " (rw)"));
    }
    out.end_section();
  }
  out.end_section();
}

const Value& status_of(const Value& statuses, std::string_view name) {
  static const Value kNone{};
  for (const Value& status : statuses.items()) {
    if (status["name"].as_string() == name) return status;
  }
  return kNone;
}

void add_conditions(const Value& conditions, bool with_reasons, Description& out) {
  if (conditions.empty()) return;
  out.text("Conditions:\n");
  out.table_row(with_reasons ? std::vector<std::string>{"Type", "Status", "Reason"} : std::vector<std::string>{"Type", "Status"});
  for (const Value& condition : conditions.items()) {
    std::vector<std::string> row = {text_or(condition["type"]), text_or(condition["status"])};
    if (with_reasons) row.push_back(text_or(condition["reason"], ""));
    out.table_row(std::move(row));
  }
  out.end_table();
}

std::string pairs_text(const Value& pairs) {
  std::vector<std::string> out;
  for (const codec::Member& pair : pairs.members()) out.push_back(cat(pair.key, "=", pair.value.as_string()));
  return out.empty() ? "<none>" : join(out, ",");
}

}  // namespace

void describe_pod_head(const Value& pod, Description& out) {
  out.line("Priority", cat(pod["spec"]["priority"].as_int()));
  out.line("Service Account", pod["spec"]["serviceAccountName"].as_string());
  std::string node = text_or(pod["spec"]["nodeName"]);
  std::string host = text_or(pod["status"]["hostIP"], "");
  out.line("Node", host.empty() ? node : cat(node, "/", host));
  out.line("Start Time", text_or(pod["status"]["startTime"]));
}

void describe_pod(const Value& pod, Description& out) {
  const Value &spec = pod["spec"], &status = pod["status"];
  bool ending = !pod["metadata"]["deletionTimestamp"].is_null();
  out.line("Status", ending ? cat("Terminating (since ", pod["metadata"]["deletionTimestamp"].as_string(), ")") : text_or(status["phase"]));
  if (!status["reason"].is_null()) out.line("Reason", status["reason"].as_string());
  if (!status["message"].is_null()) out.line("Message", status["message"].as_string());
  out.line("IP", text_or(status["podIP"], ""));
  for (const Value& owner : pod["metadata"]["ownerReferences"].items()) {
    if (owner["controller"].as_bool()) out.line("Controlled By", cat(owner["kind"].as_string(), "/", owner["name"].as_string()));
  }
  if (!spec["initContainers"].empty()) {
    out.section("Init Containers");
    for (const Value& c : spec["initContainers"].items()) add_container(c, status_of(status["initContainerStatuses"], c["name"].as_string()), out);
    out.end_section();
  }
  out.section("Containers");
  for (const Value& c : spec["containers"].items()) add_container(c, status_of(status["containerStatuses"], c["name"].as_string()), out);
  out.end_section();
  add_conditions(status["conditions"], false, out);
  if (spec["volumes"].empty()) {
    out.line("Volumes", "<none>");
  } else {
    out.section("Volumes");
    for (const Value& volume : spec["volumes"].items()) {
      out.section(volume["name"].as_string());
      for (const codec::Member& member : volume.members()) {
        if (member.key != "name") out.line(member.key, codec::to_json(member.value));
      }
      out.end_section();
    }
    out.end_section();
  }
  out.line("QoS Class", text_or(status["qosClass"]));
  out.line("Node-Selectors", pairs_text(spec["nodeSelector"]));
  bool first = true;
  for (const Value& toleration : spec["tolerations"].items()) {
    std::string seconds = toleration["tolerationSeconds"].is_null() ? "" : cat(" for ", toleration["tolerationSeconds"].as_int(), "s");
    std::string value = toleration["value"].is_null() ? "" : cat("=", toleration["value"].as_string());
    out.line(first ? "Tolerations" : "", cat(toleration["key"].as_string(), value, ":", toleration["effect"].as_string(),
                                             toleration["operator"].as_string() == "Exists" ? " op=Exists" : "", seconds));
    first = false;
  }
  if (first) out.line("Tolerations", "<none>");
}

void describe_workload(std::string_view kind, const Value& object, Description& out) {
  const Value &spec = object["spec"], &status = object["status"];
  out.line("Selector", pairs_text(spec["selector"]["matchLabels"]));
  if (kind == "Deployment") {
    out.line("Replicas", cat(spec["replicas"].as_int(1), " desired | ", status["updatedReplicas"].as_int(), " updated | ", status["replicas"].as_int(),
                             " total | ", status["availableReplicas"].as_int(), " available | ", status["unavailableReplicas"].as_int(), " unavailable"));
    out.line("StrategyType", spec["strategy"]["type"].as_string());
    const Value& rolling = spec["strategy"]["rollingUpdate"];
    if (!rolling.is_null()) out.line("RollingUpdateStrategy", cat(text_or(rolling["maxUnavailable"]), " max unavailable, ", text_or(rolling["maxSurge"]), " max surge"));
  } else {
    out.line("Replicas", cat(status["replicas"].as_int(), " current / ", spec["replicas"].as_int(1), " desired"));
    out.line("Ready", cat(status["readyReplicas"].as_int()));
  }
  out.section("Pod Template");
  out.line("Labels", pairs_text(spec["template"]["metadata"]["labels"]));
  out.section("Containers");
  for (const Value& c : spec["template"]["spec"]["containers"].items()) add_container(c, Value{}, out);
  out.end_section();
  out.end_section();
  add_conditions(status["conditions"], true, out);
}

void describe_service(const Value& service, Description& out) {
  const Value& spec = service["spec"];
  out.line("Selector", pairs_text(spec["selector"]));
  out.line("Type", text_or(spec["type"]));
  out.line("IP Family Policy", text_or(spec["ipFamilyPolicy"]));
  out.line("IP", text_or(spec["clusterIP"]));
  for (const Value& ingress : service["status"]["loadBalancer"]["ingress"].items()) {
    out.line("LoadBalancer Ingress", cat(text_or(ingress["ip"], ""), text_or(ingress["hostname"], ""),
                                         ingress["ipMode"].is_null() ? "" : cat(" (", ingress["ipMode"].as_string(), ")")));
  }
  for (const Value& port : spec["ports"].items()) {
    std::string name = text_or(port["name"], "<unset>"), protocol = text_or(port["protocol"]);
    out.line("Port", cat(name, "  ", port["port"].as_int(), "/", protocol));
    out.line("TargetPort", cat(text_or(port["targetPort"]), "/", protocol));
    if (port["nodePort"].as_int() != 0) out.line("NodePort", cat(name, "  ", port["nodePort"].as_int(), "/", protocol));
  }
  out.line("Session Affinity", text_or(spec["sessionAffinity"]));
  if (!spec["externalTrafficPolicy"].is_null()) out.line("External Traffic Policy", spec["externalTrafficPolicy"].as_string());
  out.line("Internal Traffic Policy", text_or(spec["internalTrafficPolicy"]));
}

void describe_node(const Value& node, Description& out) {
  const Value &spec = node["spec"], &status = node["status"];
  out.line("CreationTimestamp", node["metadata"]["creationTimestamp"].as_string());
  bool first = true;
  for (const Value& taint : spec["taints"].items()) {
    std::string value = taint["value"].is_null() ? "" : cat("=", taint["value"].as_string());
    out.line(first ? "Taints" : "", cat(taint["key"].as_string(), value, ":", taint["effect"].as_string()));
    first = false;
  }
  if (first) out.line("Taints", "<none>");
  out.line("Unschedulable", spec["unschedulable"].as_bool() ? "true" : "false");
  add_conditions(status["conditions"], true, out);
  out.section("Addresses");
  for (const Value& address : status["addresses"].items()) out.line(address["type"].as_string(), address["address"].as_string());
  out.end_section();
  add_amounts("Capacity", status["capacity"], out);
  add_amounts("Allocatable", status["allocatable"], out);
  add_amounts("System Info", status["nodeInfo"], out);
  out.line("PodCIDR", text_or(spec["podCIDR"]));
}

}  // namespace kobuk::app::kubectl
