#include "network/service_rules.h"

#include <algorithm>
#include <set>

#include "network/host.h"
#include "network/rules.h"
#include "network/subnet.h"

namespace kobuk::network {
namespace {

using namespace sys::nft;

constexpr uint32_t kLocalOffset = 0x10000;  // indexes of endpoints on this node, behind those of all
constexpr uint32_t kMaxEndpoints = kLocalOffset;
constexpr uint32_t kMaxSticky = 262144;     // clients whose endpoint is remembered
constexpr int kBeforeTranslation = kDestinationNat - 10;
constexpr std::string_view kBridgePrefix = "kobuk-";  // of every profile's interfaces
constexpr const char* kEveryAddress = "0.0.0.0";

// Sets of frontends: whose connections get this node's address as their source.
constexpr const char* kOutsiders = "masquerade-outsiders";  // all but pods
constexpr const char* kEverybody = "masquerade-everybody";
constexpr const char* kThisHost = "masquerade-this-host";   // processes of this node only

enum class Frontend : uint8_t { kCluster, kExternal, kNode };

// Loads the frontend of the packet into registers to, to + 1, to + 2.
Expressions frontend(bool node, uint8_t to) {
  Expressions out;
  if (node) out.push_back(Immediate{ipv4_bytes(kEveryAddress), to});
  else out.push_back(destination_address(to));
  out.push_back(protocol(static_cast<uint8_t>(to + 1)));
  out.push_back(destination_port(static_cast<uint8_t>(to + 2)));
  return out;
}

std::string frontend_key(uint32_t address, Protocol protocol, uint16_t port) {
  return cat(address_bytes(address), protocol_bytes(protocol_number(protocol)), port_bytes(port));
}

// An endpoint as the maps hold it: address and port.
using EndpointBytes = std::string;
constexpr size_t kAddressBytes = 4;

// Renders one table. A chain is named by what it does, so that Services share it.
class Renderer {
 public:
  explicit Renderer(const Services::Options& options) : options_(options) {
    table_.name = services_table_name(options.profile);
    add_sets();
  }

  RenderedServices render(const std::vector<ServicePort>& wanted) {
    for (const ServicePort& port : wanted) add_service(port);
    add_hooks();
    return {std::move(table_), std::move(skipped_)};
  }

 private:
  std::map<std::string, Element>& elements(std::string_view set) { return table_.sets.find(set)->second.elements; }

  void add_sets() {
    auto& sets = table_.sets;
    sets["frontends"] = {.key = {kIpv4, kProtocol, kPort}, .verdicts = true};
    sets["node-ports"] = {.key = {kProtocol, kPort}, .verdicts = true};
    sets["endpoints"] = {.key = {kIpv4, kProtocol, kPort, kMark}, .data = {kIpv4, kPort}};
    sets["endpoint-addresses"] = {.key = {kIpv4}};
    // By whom the source is masqueraded. Not a verdict map: with every change of one the kernel walks through all of it,
    // once for every rule that looks into it.
    for (const char* name : {kOutsiders, kEverybody, kThisHost}) sets[name] = {.key = {kIpv4, kProtocol, kPort}};
    sets["refused"] = {.key = {kIpv4, kProtocol, kPort}};
    sets["restricted"] = {.key = {kIpv4, kProtocol, kPort}};
    sets["allowed"] = {.key = {kIpv4, kProtocol, kPort, kIpv4}, .ranges = true};
    sets["node-addresses"] = {.key = {kIpv4}};
    sets["hairpin"] = {.key = {kIpv4, kIpv4}};
    sets["sticky"] = {.key = {kIpv4, kProtocol, kPort, kIpv4}, .data = {kIpv4, kPort}, .dynamic = true, .size = kMaxSticky};
    sets["sticky-endpoints"] = {.key = {kIpv4, kProtocol, kPort, kIpv4, kPort}};
    sets["node-addresses"].elements[ipv4_bytes("127.0.0.1")] = {};
    for (const std::string& address : options_.node_addresses)
      if (parse_ipv4(address)) sets["node-addresses"].elements[ipv4_bytes(address)] = {};
  }

  std::vector<EndpointBytes> usable(const ServicePort& service, const std::vector<Endpoint>& endpoints) {
    std::vector<EndpointBytes> out;
    out.reserve(endpoints.size());
    for (const Endpoint& each : endpoints) {
      auto address = parse_ipv4(each.address);
      bool loopback = address && *address >> 24 == 127;
      if (address && !loopback && each.port != 0) out.push_back(cat(address_bytes(*address), port_bytes(each.port)));
      else skipped_.push_back(cat(service.name, ": endpoint ", each.address, ":", each.port, " can't be reached from pods"));
    }
    std::ranges::sort(out);
    out.erase(std::ranges::unique(out).begin(), out.end());
    if (out.size() > kMaxEndpoints) out.resize(kMaxEndpoints);
    return out;
  }

  void add_service(const ServicePort& service) {
    auto all = usable(service, service.endpoints), local = usable(service, service.local_endpoints);
    for (const EndpointBytes& each : all) {
      std::string address = each.substr(0, kAddressBytes);
      if (elements("endpoint-addresses").try_emplace(address).second) elements("hairpin")[cat(address, address)] = {};
    }
    if (!service.cluster_ip.empty()) add_frontend(service, Frontend::kCluster, service.cluster_ip, service.port, all, local);
    for (const std::string& address : service.external_ips)
      add_frontend(service, Frontend::kExternal, address, service.port, all, local);
    if (service.node_port != 0) add_frontend(service, Frontend::kNode, kEveryAddress, service.node_port, all, local);
  }

  void add_frontend(const ServicePort& service, Frontend kind, const std::string& address, uint16_t port,
                    const std::vector<EndpointBytes>& all, const std::vector<EndpointBytes>& local) {
    auto parsed = parse_ipv4(address);
    if (!parsed || port == 0) {
      skipped_.push_back(cat(service.name, ": ", address, ":", port, " is no IPv4 address and port"));
      return;
    }
    std::string key = frontend_key(*parsed, service.protocol, port);
    if (!taken_.insert(key).second) {
      skipped_.push_back(cat(service.name, ": ", address, ":", port, " belongs to another Service already"));
      return;
    }
    if (kind == Frontend::kExternal && !service.source_ranges.empty()) restrict(service, key);
    if (all.empty()) {
      elements("refused")[key] = {};
      return;
    }
    bool node = kind == Frontend::kNode;
    int sticky = std::max(service.session_affinity_seconds, 0);
    bool split = service.local_only && kind != Frontend::kCluster;
    add_endpoints(key, all, 0, sticky > 0);
    if (split) add_endpoints(key, local, kLocalOffset, sticky > 0);
    std::string chain = split ? split_chain(node, all.size(), local.size(), sticky) : pick_chain(node, false, all.size(), sticky);
    // A key without the address: NodePorts have a map of their own, which stays small.
    if (node) elements("node-ports")[key.substr(4)] = {.verdict = go_to(chain)};
    else elements("frontends")[key] = {.verdict = go_to(chain)};
    elements(kind == Frontend::kCluster ? kOutsiders : split ? kThisHost : kEverybody)[key] = {};
  }

  void add_endpoints(const std::string& key, const std::vector<EndpointBytes>& endpoints, uint32_t offset, bool sticky) {
    auto& map = elements("endpoints");
    for (uint32_t i = 0; i < endpoints.size(); ++i) {
      map[cat(key, number_bytes(offset + i))] = {.data = endpoints[i]};
      if (sticky) elements("sticky-endpoints")[cat(key, endpoints[i])] = {};
    }
  }

  // Ranges of a set may not overlap: those inside of others go.
  void restrict(const ServicePort& service, const std::string& key) {
    std::vector<Subnet> ranges;
    for (const std::string& text : service.source_ranges) {
      auto subnet = parse_subnet(text);
      if (subnet) ranges.push_back(*subnet);
      else skipped_.push_back(cat(service.name, ": source range ", text, " is no IPv4 range"));
    }
    std::ranges::sort(ranges, {}, &Subnet::prefix);
    std::vector<Subnet> kept;
    for (const Subnet& range : ranges)
      if (std::ranges::none_of(kept, [&](const Subnet& other) { return other.overlaps(range); })) kept.push_back(range);
    elements("restricted")[key] = {};
    for (const Subnet& range : kept)
      elements("allowed")[cat(key, address_bytes(range.first()))] = {
          .end = cat(key, address_bytes(range.last()))};
  }

  std::string pick_chain(bool node, bool local, size_t count, int sticky) {
    std::string name = cat(node ? "node" : "to", local ? "-local-" : "-", count);
    if (sticky > 0) cat_to(name, "-sticky-", sticky);
    if (table_.chains.contains(name)) return name;
    auto modulus = static_cast<uint32_t>(count);
    uint32_t offset = local ? kLocalOffset : 0;
    Chain& chain = table_.chains[name];
    if (sticky > 0) add_sticky_rules(chain, node, modulus, offset, sticky);
    chain.rules.push_back(rule("any endpoint", {pick(node, modulus, offset), {Nat{0, 1}}}));
    return name;
  }

  // A random endpoint of the packet's frontend into registers 0 and 1.
  static Expressions pick(bool node, uint32_t modulus, uint32_t offset) {
    return together({frontend(node, 0), {Random{modulus, offset, 3}, Lookup{.set = "endpoints", .from = 0, .to = 0}}});
  }

  // The endpoint that the client had last, if it still is one; else a new one, which is remembered. The key of what is
  // remembered (registers 8…11) is the frontend and the client's address.
  static void add_sticky_rules(Chain& chain, bool node, uint32_t modulus, uint32_t offset, int seconds) {
    auto timeout = static_cast<uint64_t>(seconds) * 1000;
    Expressions key = together({frontend(node, 8), {source_address(11)}});
    chain.rules.push_back(rule(
        "the endpoint of last time",
        {frontend(node, 0),
         {source_address(3), Lookup{.set = "sticky", .from = 0, .to = 3}, Lookup{.set = "sticky-endpoints", .from = 0}},
         key,
         {Update{Update::Operation::kRefresh, "sticky", 8, 3, timeout}, Nat{3, 4}}}));
    chain.rules.push_back(rule("a new endpoint",
                               {key,
                                {Update{Update::Operation::kDelete, "sticky", 8, 8}},
                                pick(node, modulus, offset),
                                {Update{Update::Operation::kAdd, "sticky", 8, 0, timeout}, Nat{0, 1}}}));
  }

  // externalTrafficPolicy Local: who comes from outside stays on this node and keeps his address; pods and the node
  // itself reach every endpoint.
  std::string split_chain(bool node, size_t all, size_t local, int sticky) {
    std::string name = cat(node ? "node" : "to", "-split-", all, "-", local);
    if (sticky > 0) cat_to(name, "-sticky-", sticky);
    if (table_.chains.contains(name)) return name;
    std::string everywhere = pick_chain(node, false, all, sticky);
    Chain chain;
    if (!options_.cluster_cidr.empty())
      chain.rules.push_back(rule("pods", {source_in(options_.cluster_cidr), {go_to(everywhere)}}));
    chain.rules.push_back(rule("this node", {from_this_host(), {go_to(everywhere)}}));
    if (local == 0) chain.rules.push_back(rule("no endpoint on this node", {{drop()}}));
    else chain.rules.push_back(rule("endpoints on this node", {{go_to(pick_chain(node, true, local, sticky))}}));
    table_.chains[name] = std::move(chain);
    return name;
  }

  // Pods of another profile have Services of their own, maybe with the same addresses.
  std::vector<Rule> leave_others_alone(HookPoint point, const std::string& otherwise) const {
    if (point == HookPoint::kOutput || options_.cluster_cidr.empty()) return {};
    return {rule("pods of another profile", {source_in(options_.cluster_cidr, false),
                                             {input_name(12), Compare{true, 12, std::string(kBridgePrefix)}},
                                             {go_to(otherwise)}})};
  }

  static Expressions to_node() { return {destination_address(0), Lookup{.set = "node-addresses", .from = 0}}; }

  Chain translate(HookPoint point) const {
    Chain out{.hook = Hook{"nat", point, kDestinationNat}, .rules = leave_others_alone(point, "node-ports")};
    Lookup follow{.set = "frontends", .from = 0, .verdict = true};
    out.rules.push_back(rule("addresses of Services", {frontend(false, 0), {follow}}));
    out.rules.push_back(rule("NodePorts", {{go_to("node-ports")}}));
    return out;
  }

  Chain refuse_at(HookPoint point) const {
    Chain out{.hook = Hook{"filter", point, kBeforeTranslation}};
    out.rules.push_back(rule("only first packets", {{Connection{Connection::Key::kState, 15},
                                                     Mask{15, number_bytes(kNew)}, Compare{true, 15, number_bytes(0)},
                                                     accept()}}));
    for (Rule& each : leave_others_alone(point, "refuse-node-ports")) out.rules.push_back(std::move(each));
    out.rules.push_back(rule("sources of a LoadBalancer",
                             {frontend(false, 0), {Lookup{.set = "restricted", .from = 0}, source_address(3),
                              Lookup{.set = "allowed", .from = 0, .absent = true}, drop()}}));
    out.rules.push_back(rule("Services without endpoints",
                             {frontend(false, 0), {Lookup{.set = "refused", .from = 0}, go_to("refuse")}}));
    if (point == HookPoint::kPrerouting && !options_.cluster_cidr.empty() && !options_.service_cidr.empty())
      out.rules.push_back(rule("no such Service",
                               {source_in(options_.cluster_cidr), destination_in(options_.service_cidr),
                                frontend(false, 0),
                                {Lookup{.set = kOutsiders, .from = 0, .absent = true}, go_to("refuse")}}));
    out.rules.push_back(rule("NodePorts", {{go_to("refuse-node-ports")}}));
    return out;
  }

  Chain masquerade() const {
    Expressions status{Connection{Connection::Key::kStatus, 15}, Mask{15, number_bytes(kDestinationTranslated)},
                       Compare{true, 15, number_bytes(0)}};
    Chain out{.hook = Hook{"nat", HookPoint::kPostrouting, kSourceNat}};
    out.rules = {rule("not translated", {status, {accept()}}),
                 // Of another profile, whose frontends may look the same.
                 rule("not to an endpoint", {{destination_address(0),
                                              Lookup{.set = "endpoint-addresses", .from = 0, .absent = true}, accept()}}),
                 rule("a pod to itself", {{source_address(0), destination_address(1),
                                           Lookup{.set = "hairpin", .from = 0}, Masquerade{}}})};
    Expressions outsiders = options_.cluster_cidr.empty() ? Expressions{} : source_in(options_.cluster_cidr, false);
    for (bool node : {false, true}) {
      if (!node) add_masquerade(out, node, kOutsiders, outsiders);
      add_masquerade(out, node, kEverybody, {});
      add_masquerade(out, node, kThisHost, from_this_host());
    }
    return out;
  }

  static void add_masquerade(Chain& chain, bool node, const char* set, const Expressions& condition) {
    Expressions original{Connection{Connection::Key::kOriginalAddress, 0}};
    if (node)
      original.insert(original.end(),
                      {Lookup{.set = "node-addresses", .from = 0}, Immediate{ipv4_bytes(kEveryAddress), 0}});
    Expressions rest{protocol(1), Connection{Connection::Key::kOriginalPort, 2}, Lookup{.set = set, .from = 0}};
    chain.rules.push_back(rule(set, {original, rest, condition, {Masquerade{}}}));
  }

  void add_hooks() {
    table_.chains["prerouting"] = translate(HookPoint::kPrerouting);
    table_.chains["output"] = translate(HookPoint::kOutput);
    table_.chains["refuse-prerouting"] = refuse_at(HookPoint::kPrerouting);
    table_.chains["refuse-output"] = refuse_at(HookPoint::kOutput);
    table_.chains["postrouting"] = masquerade();
    table_.chains["refuse"].rules = {
        rule("TCP", {{protocol(15), Compare{true, 15, std::string(1, '\6')}, Reject{.reset = true}}}),
        rule("others", {{Reject{}}})};
    Lookup follow{.set = "node-ports", .from = 0, .verdict = true};
    table_.chains["node-ports"].rules = {rule("NodePorts", {to_node(), {protocol(0), destination_port(1), follow}})};
    table_.chains["refuse-node-ports"].rules = {
        rule("NodePorts without endpoints",
             {to_node(), frontend(true, 0), {Lookup{.set = "refused", .from = 0}, go_to("refuse")}})};
  }

  const Services::Options& options_;
  Table table_;
  std::vector<std::string> skipped_;
  std::set<std::string> taken_;
};

}  // namespace

std::string services_table_name(std::string_view profile) { return cat("kobuk-", profile, ".services"); }

RenderedServices render_services(const Services::Options& options, const std::vector<ServicePort>& wanted) {
  return Renderer(options).render(wanted);
}

bool leads_to(const Table& table, std::string_view frontend, std::string_view address, uint16_t port) {
  const auto& endpoints = table.sets.at("endpoints").elements;
  std::string wanted = cat(address, port_bytes(port));
  for (auto it = endpoints.lower_bound(std::string(frontend)); it != endpoints.end() && it->first.starts_with(frontend); ++it)
    if (it->second.data == wanted) return true;
  return false;
}

}  // namespace kobuk::network
