#include "network/network_rules.h"

#include "codec/digest.h"
#include "network/host.h"
#include "network/rules.h"

namespace kobuk::network {
namespace {

using namespace sys::nft;

constexpr std::string_view kLoopback = "127.0.0.0/8";

// Where a published port leads. Address 0.0.0.0 in the key stands for every address of the host.
Expressions lead_to_container(bool any_address) {
  Expressions out;
  if (any_address) out.push_back(Immediate{ipv4_bytes("0.0.0.0"), 0});
  else out.push_back(destination_address(0));
  out.insert(out.end(), {protocol(1), destination_port(2), Lookup{.set = "published", .from = 0, .to = 0}, Nat{0, 1}});
  return out;
}

Chain translate_at(HookPoint point) {
  Chain out{.hook = Hook{"nat", point, kDestinationNat}};
  out.rules = {rule("published on one address", {to_this_host(), lead_to_container(false)}),
               rule("published on every address", {to_this_host(), lead_to_container(true)})};
  return out;
}

// Bridges take packets for 127.0.0.0/8 (route_localnet) for the answers to local clients; a container must not send
// its own there, for then services that listen on loopback alone would be open to it.
Chain guard_loopback() {
  Chain out{.hook = Hook{"filter", HookPoint::kPrerouting, kRaw}};
  out.rules = {rule("loopback is not for containers", {destination_in(kLoopback), {input_name(0)},
                                                       {Lookup{.set = "bridges", .from = 0}}, {drop()}})};
  return out;
}

Chain forward() {
  Expressions in{input_name(0)}, out_of{output_name(0)};
  Expressions both{input_name(0), output_name(4), Lookup{.set = "same", .from = 0}};
  auto in_set = [](const char* set) { return Expressions{Lookup{.set = set, .from = 0}}; };
  auto not_in_set = [](const char* set) { return Expressions{Lookup{.set = set, .from = 0, .absent = true}}; };
  Chain out{.hook = Hook{"filter", HookPoint::kForward, kFilter}};
  out.rules = {
      rule("answers", {connection_state(kEstablishedOrRelated), {accept()}}),
      rule("within one bridge", {both, {accept()}}),
      rule("nothing leaves an internal network", {in, in_set("internal"), {drop()}}),
      rule("nothing enters an internal network", {out_of, in_set("internal"), {drop()}}),
      rule("published ports and Services", {out_of, in_set("bridges"), destination_translated(), {accept()}}),
      rule("routed networks", {out_of, in_set("routed"), in, not_in_set("bridges"), {accept()}}),
      rule("nobody else enters", {out_of, in_set("bridges"), {drop()}}),
  };
  return out;
}

Chain masquerade(const std::string& profile, const State& state, bool bridge_filter) {
  Chain out{.hook = Hook{"nat", HookPoint::kPostrouting, kSourceNat}};
  out.rules = {
      rule("from loopback into a bridge",
           {source_in(kLoopback), {output_name(0), Lookup{.set = "bridges", .from = 0}, Masquerade{}}}),
      rule("a container to itself through a published port",
           {{source_address(0), destination_address(1), Lookup{.set = "hairpin", .from = 0}},
            destination_translated(),
            {Masquerade{}}}),
  };
  for (const Bridge& bridge : state.bridges) {
    const std::string name = bridge_interface(profile, bridge.spec.name);
    if (!bridge_filter)
      out.rules.push_back(rule(cat("back into network ", bridge.spec.name),
                               {source_in(bridge.spec.subnet), leaves_through(name), destination_translated(),
                                {Masquerade{}}}));
    if (!bridge.spec.masquerade || bridge.spec.internal) continue;
    out.rules.push_back(rule(cat("out of network ", bridge.spec.name),
                             {source_in(bridge.spec.subnet), leaves_through(name, false), {Masquerade{}}}));
  }
  return out;
}

void add_published(Table& table, const Attachment& attachment) {
  const std::string address = ipv4_bytes(attachment.address);
  for (const PortMapping& port : attachment.ports) {
    std::string key = cat(ipv4_bytes(shown_host(port)), protocol_bytes(protocol_number(port.protocol)),
                          port_bytes(port.host_port));
    table.sets["published"].elements[key] = {.data = cat(address, port_bytes(port.container_port))};
  }
  if (!attachment.ports.empty()) table.sets["hairpin"].elements[cat(address, address)] = {};
}

std::string short_hash(std::string_view text) { return std::string(codec::Digest::of(text).hex().substr(0, 8)); }

}  // namespace

std::string table_name(std::string_view profile) { return cat("kobuk-", profile); }

std::string bridge_interface(std::string_view profile, std::string_view network) {
  return cat("kobuk-", short_hash(cat(profile, "/", network)));
}

std::string container_interface(std::string_view profile, std::string_view network, std::string_view container) {
  return cat("kobuk-", short_hash(cat(profile, "/", network, "/", container)), "v");
}

Table render_networks(const std::string& profile, const State& state, bool bridge_filter) {
  Table out{.name = table_name(profile)};
  out.sets["bridges"] = {.key = {kInterface}};
  out.sets["internal"] = {.key = {kInterface}};
  out.sets["routed"] = {.key = {kInterface}};
  out.sets["same"] = {.key = {kInterface, kInterface}};
  out.sets["published"] = {.key = {kIpv4, kProtocol, kPort}, .data = {kIpv4, kPort}};
  out.sets["hairpin"] = {.key = {kIpv4, kIpv4}};
  for (const Bridge& bridge : state.bridges) {
    std::string name = interface_bytes(bridge_interface(profile, bridge.spec.name));
    out.sets["bridges"].elements[name] = {};
    out.sets["same"].elements[cat(name, name)] = {};
    if (bridge.spec.internal) out.sets["internal"].elements[name] = {};
    if (bridge.spec.routed) out.sets["routed"].elements[name] = {};
  }
  for (const Attachment& attachment : state.attachments) add_published(out, attachment);
  out.chains["guard"] = guard_loopback();
  out.chains["prerouting"] = translate_at(HookPoint::kPrerouting);
  out.chains["output"] = translate_at(HookPoint::kOutput);
  out.chains["forward"] = forward();
  out.chains["postrouting"] = masquerade(profile, state, bridge_filter);
  return out;
}

}  // namespace kobuk::network
