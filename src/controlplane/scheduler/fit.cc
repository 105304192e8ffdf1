#include "controlplane/scheduler/fit.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/strings.h"

namespace kobuk::controlplane {
namespace {

using Labels = std::map<std::string, std::string>;

bool matches_one(const SelectorTerm& term, const Labels& labels) {
  auto found = labels.find(term.key);
  bool present = found != labels.end();
  bool listed = present && std::find(term.values.begin(), term.values.end(), found->second) != term.values.end();
  if (term.op == "In") return listed;
  if (term.op == "NotIn") return !listed;
  if (term.op == "Exists") return present;
  if (term.op == "DoesNotExist") return !present;
  if (!present || term.values.size() != 1) return false;
  auto actual = parse_int(found->second);
  auto bound = parse_int(term.values[0]);
  if (!actual || !bound) return false;
  return term.op == "Gt" ? *actual > *bound : term.op == "Lt" && *actual < *bound;
}

bool selected(const PendingPod& pod, const Candidate& node) {
  for (const auto& [key, value] : pod.node_selector) {
    auto found = node.labels.find(key);
    if (found == node.labels.end() || found->second != value) return false;
  }
  if (pod.required_affinity.empty()) return true;
  return std::any_of(pod.required_affinity.begin(), pod.required_affinity.end(),
                     [&](const auto& term) { return matches(term, node.labels); });
}

bool ports_clash(const HostPort& a, const HostPort& b) {
  if (a.port != b.port || a.protocol != b.protocol) return false;
  return a.address == b.address || a.address == "0.0.0.0" || b.address == "0.0.0.0";
}

std::vector<std::string> shortages(const PendingPod& pod, const Candidate& node) {
  std::vector<std::string> out;
  auto short_of = [&](int64_t wanted, int64_t used, int64_t have, std::string_view name) {
    if (wanted > 0 && used + wanted > have) out.push_back(cat("Insufficient ", name));
  };
  if (node.requested.pods + pod.requests.pods > node.allocatable.pods) out.emplace_back("Too many pods");
  short_of(pod.requests.cpu.value, node.requested.cpu.value, node.allocatable.cpu.value, "cpu");
  short_of(pod.requests.memory.value, node.requested.memory.value, node.allocatable.memory.value, "memory");
  short_of(pod.requests.ephemeral_storage.value, node.requested.ephemeral_storage.value,
           node.allocatable.ephemeral_storage.value, "ephemeral-storage");
  for (const auto& [name, wanted] : pod.requests.extended) {
    auto used = node.requested.extended.find(name);
    auto have = node.allocatable.extended.find(name);
    short_of(wanted, used == node.requested.extended.end() ? 0 : used->second,
             have == node.allocatable.extended.end() ? 0 : have->second, name);
  }
  return out;
}

// Why this pod can't run there; empty when it can. The order is the one in which upstream's filters speak.
std::vector<std::string> obstacles(const PendingPod& pod, const Candidate& node) {
  if (node.unschedulable &&
      !tolerates(pod.tolerations, {"node.kubernetes.io/unschedulable", "", "NoSchedule"})) {
    return {"node(s) were unschedulable"};
  }
  for (const Taint& taint : node.taints) {
    if (taint.effect != "PreferNoSchedule" && !tolerates(pod.tolerations, taint)) {
      return {cat("node(s) had untolerated taint(s) {", taint.key, taint.value.empty() ? "" : ": ", taint.value, "}")};
    }
  }
  if (!selected(pod, node)) return {"node(s) didn't match Pod's node affinity/selector"};
  for (const HostPort& wanted : pod.host_ports) {
    for (const HostPort& used : node.used_ports) {
      if (ports_clash(wanted, used)) return {"node(s) didn't have free ports for the requested pod ports"};
    }
  }
  return shortages(pod, node);
}

double share(int64_t used, int64_t have) {
  return have <= 0 ? 1.0 : std::min(1.0, static_cast<double>(used) / static_cast<double>(have));
}

// Least allocated and balanced, 0–100 each, preferred affinity up to 100, minus what is merely discouraged.
double score(const PendingPod& pod, const Candidate& node) {
  double cpu = share(node.requested.cpu.value + pod.requests.cpu.value, node.allocatable.cpu.value);
  double memory = share(node.requested.memory.value + pod.requests.memory.value, node.allocatable.memory.value);
  double total = (1 - cpu + 1 - memory) * 50 + (1 - std::abs(cpu - memory) / 2) * 100;
  int64_t weights = 0, won = 0;
  for (const auto& [weight, term] : pod.preferred_affinity) {
    weights += weight;
    if (matches(term, node.labels)) won += weight;
  }
  if (weights > 0) total += 200.0 * static_cast<double>(won) / static_cast<double>(weights);
  for (const Taint& taint : node.taints) {
    if (taint.effect == "PreferNoSchedule" && !tolerates(pod.tolerations, taint)) total -= 300;
  }
  return total;
}

}  // namespace

bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint) {
  return std::any_of(tolerations.begin(), tolerations.end(), [&](const Toleration& t) {
    if (!t.effect.empty() && t.effect != taint.effect) return false;
    if (t.key.empty()) return t.op == "Exists";
    if (t.key != taint.key) return false;
    return t.op == "Exists" || t.value == taint.value;
  });
}

// An empty term selects nothing, as in the API.
bool matches(const std::vector<SelectorTerm>& term, const Labels& labels) {
  return !term.empty() &&
         std::all_of(term.begin(), term.end(), [&](const SelectorTerm& one) { return matches_one(one, labels); });
}

Placement place(const PendingPod& pod, const std::vector<Candidate>& nodes) {
  const Candidate* best = nullptr;
  double best_score = 0;
  std::map<std::string, int> reasons;
  for (const Candidate& node : nodes) {
    std::vector<std::string> against = obstacles(pod, node);
    for (std::string& reason : against) ++reasons[std::move(reason)];
    if (!against.empty()) continue;
    double points = score(pod, node);
    if (best == nullptr || points > best_score) best = &node, best_score = points;
  }
  if (best != nullptr) return {best->name, ""};
  if (nodes.empty()) return {"", "no nodes available to schedule pods"};
  std::vector<std::string> counted;
  for (const auto& [reason, count] : reasons) counted.push_back(cat(count, ' ', reason));
  std::sort(counted.begin(), counted.end());
  return {"", cat("0/", nodes.size(), " nodes are available: ", join(counted, ", "), ".")};
}

}  // namespace kobuk::controlplane
