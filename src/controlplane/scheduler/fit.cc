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

int64_t amount(const std::map<std::string, int64_t>& amounts, const std::string& name) {
  auto found = amounts.find(name);
  return found == amounts.end() ? 0 : found->second;
}

// Calls `report` for each resource of which there is too little; stops when it returns false.
template <class F>
bool for_each_shortage(const PendingPod& pod, const Candidate& node, F report) {
  auto lacks = [](int64_t wanted, int64_t used, int64_t have) { return wanted > 0 && used + wanted > have; };
  const ResourceAmounts &wanted = pod.requests, &used = node.requested, &have = node.allocatable;
  if (used.pods + wanted.pods > have.pods && !report("Too many pods", "")) return false;
  if (lacks(wanted.cpu.value, used.cpu.value, have.cpu.value) && !report("Insufficient ", "cpu")) return false;
  if (lacks(wanted.memory.value, used.memory.value, have.memory.value) && !report("Insufficient ", "memory")) return false;
  if (lacks(wanted.ephemeral_storage.value, used.ephemeral_storage.value, have.ephemeral_storage.value) &&
      !report("Insufficient ", "ephemeral-storage")) {
    return false;
  }
  for (const auto& [name, amount_wanted] : wanted.extended) {
    if (lacks(amount_wanted, amount(used.extended, name), amount(have.extended, name)) && !report("Insufficient ", name)) return false;
  }
  return true;
}

bool has_room(const PendingPod& pod, const Candidate& node) {
  return for_each_shortage(pod, node, [](std::string_view, std::string_view) { return false; });
}

bool ports_are_free(const PendingPod& pod, const Candidate& node) {
  return std::none_of(pod.host_ports.begin(), pod.host_ports.end(), [&](const HostPort& wanted) {
    return std::any_of(node.used_ports.begin(), node.used_ports.end(), [&](const HostPort& used) { return ports_clash(wanted, used); });
  });
}

const Taint kUnschedulable{"node.kubernetes.io/unschedulable", "", "NoSchedule"};

const Taint* untolerated(const PendingPod& pod, const Candidate& node) {
  auto found = std::find_if(node.taints.begin(), node.taints.end(), [&](const Taint& taint) {
    return taint.effect != "PreferNoSchedule" && !tolerates(pod.tolerations, taint);
  });
  return found == node.taints.end() ? nullptr : &*found;
}

bool closed(const PendingPod& pod, const Candidate& node) { return node.unschedulable && !tolerates(pod.tolerations, kUnschedulable); }

// The cheap form of obstacles(): what is asked of every node.
bool fits(const PendingPod& pod, const Candidate& node) {
  return has_room(pod, node) && !closed(pod, node) && untolerated(pod, node) == nullptr && selected(pod, node) && ports_are_free(pod, node);
}

// Why this pod can't run there. The order is the one in which upstream's filters speak.
std::vector<std::string> obstacles(const PendingPod& pod, const Candidate& node, const char* excluded, bool& room_helps) {
  if (closed(pod, node)) return {"node(s) were unschedulable"};
  if (const Taint* taint = untolerated(pod, node)) {
    return {cat("node(s) had untolerated taint(s) {", taint->key, taint->value.empty() ? "" : ": ", taint->value, "}")};
  }
  if (!selected(pod, node)) return {"node(s) didn't match Pod's node affinity/selector"};
  room_helps = true;
  if (!ports_are_free(pod, node)) return {"node(s) didn't have free ports for the requested pod ports"};
  std::vector<std::string> out;
  for_each_shortage(pod, node, [&](std::string_view what, std::string_view name) {
    out.push_back(cat(what, name));
    return true;
  });
  if (out.empty() && excluded != nullptr) out.emplace_back(excluded);
  return out;
}

double share(int64_t used, int64_t have) {
  return have <= 0 ? 1.0 : std::min(1.0, static_cast<double>(used) / static_cast<double>(have));
}

// Least allocated and balanced, 0–100 each, preferred affinity up to 200, minus what is merely discouraged, minus up to
// 200 for pods of the same owner.
double score(const PendingPod& pod, const Candidate& node, int32_t siblings, int32_t most_siblings) {
  double cpu = share(node.requested.cpu.value + pod.requests.cpu.value, node.allocatable.cpu.value);
  double memory = share(node.requested.memory.value + pod.requests.memory.value, node.allocatable.memory.value);
  double crowd = most_siblings > 0 ? 200.0 * siblings / most_siblings : 0;
  double total = -crowd + (1 - cpu + 1 - memory) * 50 + (1 - std::abs(cpu - memory) / 2) * 100;
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

bool matches_node(const PendingPod& pod, const Candidate& node) { return selected(pod, node); }

size_t enough_nodes(size_t nodes) {
  constexpr size_t kAll = 100;
  if (nodes <= kAll) return nodes;
  size_t percent = nodes >= 5625 ? 5 : 50 - nodes / 125;
  return std::max(kAll, nodes * percent / 100);
}

namespace {

Placement explain(const PendingPod& pod, const std::vector<Candidate>& nodes, const Search& search) {
  Placement out;
  if (nodes.empty()) {
    out.why = "no nodes available to schedule pods";
    return out;
  }
  std::map<std::string, int> reasons;
  for (size_t i = 0; i < nodes.size(); ++i) {
    for (std::string& reason : obstacles(pod, nodes[i], search.excluded.empty() ? nullptr : search.excluded[i], out.room_helps)) {
      ++reasons[std::move(reason)];
    }
  }
  std::vector<std::string> counted;
  for (const auto& [reason, count] : reasons) counted.push_back(cat(count, ' ', reason));
  std::sort(counted.begin(), counted.end());
  out.why = cat("0/", nodes.size(), " nodes are available: ", join(counted, ", "), ".");
  return out;
}

}  // namespace

Placement place(const PendingPod& pod, const std::vector<Candidate>& nodes, const Search& search) {
  std::vector<size_t> fitting;
  size_t looked_at = 0, enough = search.enough == 0 ? nodes.size() : search.enough;
  for (; looked_at < nodes.size() && fitting.size() < enough; ++looked_at) {
    size_t i = (search.start + looked_at) % nodes.size();
    if (!search.excluded.empty() && search.excluded[i] != nullptr) continue;
    if (fits(pod, nodes[i])) fitting.push_back(i);
  }
  if (fitting.empty()) return explain(pod, nodes, search);
  auto siblings = [&](size_t i) { return search.siblings.empty() ? 0 : search.siblings[i]; };
  int32_t most = 0;
  for (size_t i : fitting) most = std::max(most, siblings(i));
  size_t best = fitting[0];
  double best_score = score(pod, nodes[best], siblings(best), most);
  for (size_t i : fitting) {
    double points = score(pod, nodes[i], siblings(i), most);
    if (points > best_score) best = i, best_score = points;
  }
  Placement out;
  out.node = nodes[best].name;
  out.next_start = (search.start + looked_at) % nodes.size();
  return out;
}

}  // namespace kobuk::controlplane
