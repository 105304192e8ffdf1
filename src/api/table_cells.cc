// Rows of the server-side tables, kind by kind, as Kubernetes' printers write them.
#include "api/table_cells.h"

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "api/selector.h"
#include "api/table.h"
#include "base/strings.h"

namespace kobuk::api {
namespace {

using codec::Arena;
using codec::Value;

class Row {
 public:
  Row(Arena& arena, WallTime now) : arena_(arena), now_(now) {}
  Row& text(std::string_view text) { return add(Value::string(arena_, text)); }
  // Or "<none>".
  Row& some(std::string_view text) { return add(Value::string(arena_, text.empty() ? "<none>" : text)); }
  Row& number(int64_t number) { return add(Value::integer(number)); }
  Row& name(const Value& object) { return text(object["metadata"]["name"].as_string()); }
  Row& age(const Value& object) { return text(age_since(object["metadata"]["creationTimestamp"], now_)); }
  Value cells() const { return cells_; }
  WallTime now() const { return now_; }

 private:
  Row& add(Value value) {
    cells_.push(arena_, value);
    return *this;
  }
  Arena& arena_;
  WallTime now_;
  Value cells_ = Value::array();
};

std::string list_of(const Value& list, std::string_view field) {
  std::string out;
  for (const Value& item : list.items()) cat_to(out, out.empty() ? "" : ",", field.empty() ? item.as_string() : item[field].as_string());
  return out;
}

void containers_and_selector(Row& row, const Value& spec) {
  const Value& containers = spec["template"]["spec"]["containers"];
  auto selector = LabelSelector::from_value(spec["selector"]);
  row.text(list_of(containers, "name")).text(list_of(containers, "image")).some(selector ? selector->text() : "");
}

void pod(Row& row, const Value& object) {
  PodSummary summary = summarise_pod(object);
  std::string restarts = cat(summary.restarts);
  if (auto when = parse_rfc3339(summary.last_restart); when && summary.restarts > 0)
    cat_to(restarts, " (", human_duration(row.now() - *when), " ago)");
  row.name(object).text(cat(summary.ready, "/", summary.total)).text(summary.status).text(restarts).age(object);
  const Value& status = object["status"];
  std::string_view ip = status["podIPs"].at(0)["ip"].as_string();
  row.some(ip.empty() ? status["podIP"].as_string() : ip);
  row.some(object["spec"]["nodeName"].as_string()).some(status["nominatedNodeName"].as_string());
  int64_t gates = 0, passed = 0;
  for (const Value& gate : object["spec"]["readinessGates"].items()) {
    ++gates;
    for (const Value& condition : status["conditions"].items())
      if (condition["type"] == gate["conditionType"] && condition["status"].as_string() == "True") {
        ++passed;
        break;
      }
  }
  row.some(gates ? cat(passed, "/", gates) : "");
}

void deployment(Row& row, const Value& object) {
  const Value &spec = object["spec"], &status = object["status"];
  row.name(object).text(cat(status["readyReplicas"].as_int(), "/", spec["replicas"].as_int()));
  row.number(status["updatedReplicas"].as_int()).number(status["availableReplicas"].as_int()).age(object);
  containers_and_selector(row, spec);
}

void replica_set(Row& row, const Value& object) {
  const Value &spec = object["spec"], &status = object["status"];
  row.name(object).number(spec["replicas"].as_int()).number(status["replicas"].as_int());
  row.number(status["readyReplicas"].as_int()).age(object);
  containers_and_selector(row, spec);
}

std::string external_ip(const Value& object) {
  const Value& spec = object["spec"];
  std::string_view type = spec["type"].as_string();
  std::string own = list_of(spec["externalIPs"], {});
  if (type == "ExternalName") return std::string(spec["externalName"].as_string());
  if (type != "LoadBalancer") return own.empty() ? "<none>" : own;
  std::set<std::string> ingress;
  for (const Value& one : object["status"]["loadBalancer"]["ingress"].items()) {
    std::string_view ip = one["ip"].as_string();
    ingress.emplace(ip.empty() ? one["hostname"].as_string() : ip);
  }
  std::string out = join({ingress.begin(), ingress.end()}, ",");
  if (!own.empty()) out = out.empty() ? own : cat(out, ",", own);
  return out.empty() ? "<pending>" : out;
}

void service(Row& row, const Value& object) {
  const Value& spec = object["spec"];
  std::string_view ip = spec["clusterIPs"].at(0).as_string(spec["clusterIP"].as_string());
  row.name(object).text(spec["type"].as_string()).some(ip).text(external_ip(object));
  std::string ports;
  for (const Value& port : spec["ports"].items()) {
    cat_to(ports, ports.empty() ? "" : ",", port["port"].as_int());
    if (int64_t node = port["nodePort"].as_int()) cat_to(ports, ":", node);
    cat_to(ports, "/", port["protocol"].as_string());
  }
  row.some(ports).age(object);
  std::vector<std::string> selector;
  for (const auto& member : spec["selector"].members()) selector.push_back(cat(member.key, "=", member.value.as_string()));
  std::ranges::sort(selector);
  row.some(join(selector, ","));
}

std::string node_status(const Value& object) {
  std::string out = "Unknown";
  for (const Value& condition : object["status"]["conditions"].items())
    if (condition["type"].as_string() == "Ready") out = condition["status"].as_string() == "True" ? "Ready" : "NotReady";
  if (object["spec"]["unschedulable"].as_bool()) out += ",SchedulingDisabled";
  return out;
}

void node(Row& row, const Value& object) {
  constexpr std::string_view kRole = "node-role.kubernetes.io/";
  std::set<std::string> roles;
  for (const auto& label : object["metadata"]["labels"].members()) {
    if (label.key.starts_with(kRole) && label.key.size() > kRole.size()) roles.emplace(label.key.substr(kRole.size()));
    if (label.key == "kubernetes.io/role" && !label.value.as_string().empty()) roles.emplace(label.value.as_string());
  }
  const Value& info = object["status"]["nodeInfo"];
  row.name(object).text(node_status(object)).some(join({roles.begin(), roles.end()}, ",")).age(object);
  row.text(info["kubeletVersion"].as_string());
  for (auto type : {"InternalIP", "ExternalIP"}) {
    std::string_view address;
    for (const Value& one : object["status"]["addresses"].items())
      if (address.empty() && one["type"].as_string() == type) address = one["address"].as_string();
    row.some(address);
  }
  for (auto name : {"osImage", "kernelVersion", "containerRuntimeVersion"}) {
    std::string_view text = info[name].as_string();
    row.text(text.empty() ? "<unknown>" : text);
  }
}

// core/v1 and events.k8s.io/v1 name the same things differently.
void event(Row& row, const Value& object) {
  auto either = [&](std::string_view core, std::string_view events) -> const Value& {
    return object[core].is_null() ? object[events] : object[core];
  };
  const Value& about = either("involvedObject", "regarding");
  const Value &first = either("firstTimestamp", "deprecatedFirstTimestamp"), &last = either("lastTimestamp", "deprecatedLastTimestamp");
  std::string first_seen = age_since(first.is_null() ? object["eventTime"] : first, row.now());
  std::string last_seen = last.is_null() ? first_seen : age_since(last, row.now());
  int64_t count = either("count", "deprecatedCount").as_int();
  if (const Value& series = object["series"]; !series.is_null()) {
    last_seen = age_since(series["lastObservedTime"], row.now());
    count = series["count"].as_int();
  }
  const Value& source = either("source", "deprecatedSource");
  std::string from(source["component"].as_string(either("reportingComponent", "reportingController").as_string()));
  if (std::string_view host = source["host"].as_string(); !host.empty()) cat_to(from, ", ", host);
  row.text(last_seen).text(object["type"].as_string()).text(object["reason"].as_string());
  row.text(cat(to_lower(about["kind"].as_string()), "/", about["name"].as_string())).text(about["fieldPath"].as_string());
  row.text(from).text(trim(either("message", "note").as_string())).text(first_seen).number(std::max<int64_t>(count, 1));
}

// "a,b,c + 2 more...", or "<unset>".
std::string shortened(const std::vector<std::string>& texts) {
  constexpr size_t kShown = 3;
  if (texts.empty()) return "<unset>";
  std::string out = join({texts.begin(), texts.begin() + static_cast<ptrdiff_t>(std::min(texts.size(), kShown))}, ",");
  return texts.size() <= kShown ? out : cat(out, " + ", texts.size() - kShown, " more...");
}

void endpoint_slice(Row& row, const Value& object) {
  std::vector<std::string> ports, addresses;
  for (const Value& port : object["ports"].items()) ports.push_back(port["port"].is_null() ? "*" : cat(port["port"].as_int()));
  for (const Value& endpoint : object["endpoints"].items())
    for (const Value& address : endpoint["addresses"].items()) addresses.emplace_back(address.as_string());
  row.name(object).text(object["addressType"].as_string()).text(shortened(ports)).text(shortened(addresses)).age(object);
}

void data_count(Row& row, const Value& object, int64_t count) { row.number(count).age(object); }

bool core_cells(Row& row, std::string_view kind, const Value& object) {
  if (kind == "Pod") return pod(row, object), true;
  if (kind == "Service") return service(row, object), true;
  if (kind == "Node") return node(row, object), true;
  if (kind == "Namespace") return row.name(object).text(object["status"]["phase"].as_string()).age(object), true;
  if (kind == "ConfigMap")
    return data_count(row.name(object), object, static_cast<int64_t>(object["data"].size() + object["binaryData"].size())), true;
  if (kind == "Secret")
    return data_count(row.name(object).text(object["type"].as_string()), object, static_cast<int64_t>(object["data"].size())), true;
  return false;
}

}  // namespace

Value table_cells(const Value& object, const KindInfo& kind, WallTime now, Arena& arena) {
  Row row(arena, now);
  std::string_view name = kind.kind;
  if (name == "Event" && (kind.group.empty() || kind.group == "events.k8s.io")) {
    event(row, object);
  } else if (kind.group == "apps" && name == "Deployment") {
    deployment(row, object);
  } else if (kind.group == "apps" && name == "ReplicaSet") {
    replica_set(row, object);
  } else if (kind.group == "discovery.k8s.io" && name == "EndpointSlice") {
    endpoint_slice(row, object);
  } else if (kind.group == "coordination.k8s.io" && name == "Lease") {
    row.name(object).text(object["spec"]["holderIdentity"].as_string()).age(object);
  } else if (kind.group == "autoscaling" && name == "Scale") {
    row.name(object).number(object["spec"]["replicas"].as_int()).number(object["status"]["replicas"].as_int()).age(object);
  } else if (!kind.group.empty() || !core_cells(row, name, object)) {
    row.name(object).age(object);
  }
  return row.cells();
}

}  // namespace kobuk::api
