// Where a pod fits, and best: the scheduler's filters and scores, pure. The scheduler keeps a Candidate per node up to
// date (cluster_state.h) and asks for every pending pod.
//
//   Placement p = place(pod, nodes);
//   if (p.node.empty()) event(p.why);   // "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable."
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/units.h"

namespace kobuk::controlplane {

struct ResourceAmounts {
  Millicores cpu;
  Bytes memory;
  Bytes ephemeral_storage;
  int64_t pods = 0;
  std::map<std::string, int64_t> extended;  // "example.com/gpu"
};

struct Taint {
  std::string key, value, effect;  // NoSchedule, PreferNoSchedule, NoExecute
};

struct Toleration {
  std::string key, op, value, effect;  // op: Exists or Equal (default); an empty effect or key with Exists is "all"
};

struct SelectorTerm {
  std::string key, op;  // In, NotIn, Exists, DoesNotExist, Gt, Lt
  std::vector<std::string> values;
};
// A term's key for the field metadata.name: no label can be called so.
inline constexpr const char* kNameField = "\x01metadata.name";
// Terms are ORed, the requirements within one are ANDed.
using NodeSelector = std::vector<std::vector<SelectorTerm>>;

struct HostPort {
  std::string protocol = "TCP", address = "0.0.0.0";
  int32_t port = 0;
};

struct PendingPod {
  ResourceAmounts requests;  // pods is 1
  std::map<std::string, std::string> node_selector;
  NodeSelector required_affinity;  // empty: none
  std::vector<std::pair<int32_t, std::vector<SelectorTerm>>> preferred_affinity;  // weight, term
  std::vector<Toleration> tolerations;
  std::vector<HostPort> host_ports;
};

struct Candidate {
  std::string name;
  std::map<std::string, std::string> labels;  // and kNameField
  bool unschedulable = false;
  std::vector<Taint> taints;
  ResourceAmounts allocatable;
  ResourceAmounts requested;  // by the pods that are already there
  std::vector<HostPort> used_ports;
};

struct Placement {
  std::string node;  // empty: nowhere
  std::string why;   // then: the reason, as kubectl describe shows it
  bool room_helps = false;   // then: some node lacks nothing but room, so a pod that goes may help
  size_t next_start = 0;     // for Search::start of the next pod
};

// Which nodes to look at, and what else counts.
struct Search {
  size_t start = 0;   // the first node to look at; the others follow in a ring
  size_t enough = 0;  // stop after that many nodes that fit; 0: all
  // By node: pods of the same owner that are there already; empty: none anywhere.
  std::vector<int32_t> siblings;
  // By node: a reason of another filter against it, or nullptr; empty: none anywhere.
  std::vector<const char*> excluded;
};
// How many fitting nodes are enough: all of up to 100, then ever fewer per cent, as upstream does.
size_t enough_nodes(size_t nodes);

bool tolerates(const std::vector<Toleration>& tolerations, const Taint& taint);
// Node selector and required node affinity.
bool matches_node(const PendingPod& pod, const Candidate& node);
bool matches(const std::vector<SelectorTerm>& term, const std::map<std::string, std::string>& labels);
// Ties go to the node that is looked at first.
Placement place(const PendingPod& pod, const std::vector<Candidate>& nodes, const Search& search = {});

}  // namespace kobuk::controlplane
