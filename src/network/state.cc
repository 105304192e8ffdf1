// JSON: {"version":1,"forwarding","bridges":[{"name","subnet","masquerade","mtu","internal","routed","last"}],
//        "attachments":[{"network","container","address","prefix","gateway","mac","hostInterface",
//                        "ports":[{"hostIP","hostPort","containerPort","protocol"}]}]}
#include "network/state.h"

#include <algorithm>
#include <set>

#include "codec/json.h"
#include "network/host.h"
#include "network/subnet.h"

namespace kobuk::network {
namespace {

using codec::Arena;
using codec::Value;

constexpr int64_t kVersion = 1;

Value encode_port(Arena& arena, const PortMapping& port) {
  Value out = Value::object(arena, 4);
  out.set(arena, "hostIP", Value::string(arena, port.host_ip));
  out.set(arena, "hostPort", Value::integer(port.host_port));
  out.set(arena, "containerPort", Value::integer(port.container_port));
  out.set(arena, "protocol", Value::string(arena, protocol_name(port.protocol)));
  return out;
}

Value encode_attachment(Arena& arena, const Attachment& attachment) {
  Value out = Value::object(arena, 8);
  out.set(arena, "network", Value::string(arena, attachment.network));
  out.set(arena, "container", Value::string(arena, attachment.container));
  out.set(arena, "address", Value::string(arena, attachment.address));
  out.set(arena, "prefix", Value::integer(attachment.prefix));
  out.set(arena, "gateway", Value::string(arena, attachment.gateway));
  out.set(arena, "mac", Value::string(arena, attachment.mac));
  out.set(arena, "hostInterface", Value::string(arena, attachment.host_interface));
  Value ports = Value::array(arena, attachment.ports.size());
  for (const PortMapping& port : attachment.ports) ports.push(arena, encode_port(arena, port));
  out.set(arena, "ports", ports);
  return out;
}

Value encode_bridge(Arena& arena, const Bridge& bridge) {
  Value out = Value::object(arena, 7);
  out.set(arena, "name", Value::string(arena, bridge.spec.name));
  out.set(arena, "subnet", Value::string(arena, bridge.spec.subnet));
  out.set(arena, "masquerade", Value::boolean(bridge.spec.masquerade));
  out.set(arena, "mtu", Value::integer(bridge.spec.mtu));
  out.set(arena, "internal", Value::boolean(bridge.spec.internal));
  out.set(arena, "routed", Value::boolean(bridge.spec.routed));
  out.set(arena, "last", Value::integer(bridge.last_address));
  return out;
}

std::unexpected<Error> damaged(std::string_view what) {
  return fail(Code::kDataLoss, "the state of the networks is damaged: ", what);
}

Result<uint16_t> decode_port_number(const Value& value, std::string_view what) {
  int64_t number = value.as_int(-1);
  if (number < 1 || number > 65535) return damaged(what);
  return static_cast<uint16_t>(number);
}

Result<PortMapping> decode_port(const Value& value) {
  PortMapping out;
  out.host_ip = value["hostIP"].as_string();
  if (!out.host_ip.empty() && !parse_ipv4(out.host_ip)) return damaged("hostIP");
  KOBUK_TRY(out.host_port, decode_port_number(value["hostPort"], "hostPort"));
  KOBUK_TRY(out.container_port, decode_port_number(value["containerPort"], "containerPort"));
  std::string_view protocol = value["protocol"].as_string();
  for (Protocol each : {Protocol::kTcp, Protocol::kUdp, Protocol::kSctp}) {
    if (protocol_name(each) != protocol) continue;
    out.protocol = each;
    return out;
  }
  return damaged("protocol");
}

Result<Attachment> decode_attachment(const Value& value) {
  Attachment out;
  out.network = value["network"].as_string();
  out.container = value["container"].as_string();
  out.address = value["address"].as_string();
  out.gateway = value["gateway"].as_string();
  out.mac = value["mac"].as_string();
  out.host_interface = value["hostInterface"].as_string();
  int64_t prefix = value["prefix"].as_int(-1);
  if (out.network.empty() || out.container.empty()) return damaged("an attachment without a name");
  if (!parse_ipv4(out.address) || !parse_ipv4(out.gateway)) return damaged("an address");
  if (prefix < 1 || prefix > 32) return damaged("prefix");
  if (out.host_interface.empty() || out.host_interface.size() > sys::kMaxInterfaceName) return damaged("hostInterface");
  out.prefix = static_cast<int>(prefix);
  for (const Value& port : value["ports"].items()) {
    KOBUK_TRY(PortMapping mapping, decode_port(port));
    out.ports.push_back(std::move(mapping));
  }
  return out;
}

Result<Bridge> decode_bridge(const Value& value) {
  Bridge out;
  out.spec.name = value["name"].as_string();
  out.spec.subnet = value["subnet"].as_string();
  out.spec.masquerade = value["masquerade"].as_bool();
  out.spec.internal = value["internal"].as_bool();
  out.spec.routed = value["routed"].as_bool();
  int64_t mtu = value["mtu"].as_int(-1), last = value["last"].as_int(-1);
  if (out.spec.name.empty() || !parse_subnet(out.spec.subnet)) return damaged("a bridge without name or subnet");
  if (mtu < 0 || mtu > 65535) return damaged("mtu");
  if (last < 0 || last > 0xffffffffLL) return damaged("last");
  out.spec.mtu = static_cast<int>(mtu);
  out.last_address = static_cast<uint32_t>(last);
  return out;
}

std::string_view name_of_host(const PortMapping& port) {
  return port.host_ip.empty() ? std::string_view("0.0.0.0") : std::string_view(port.host_ip);
}

bool same_port(const PortMapping& a, const PortMapping& b) {
  if (a.host_port != b.host_port || a.protocol != b.protocol) return false;
  return name_of_host(a) == name_of_host(b) || name_of_host(a) == "0.0.0.0" || name_of_host(b) == "0.0.0.0";
}

}  // namespace

Bridge* State::find_bridge(std::string_view name) {
  for (Bridge& bridge : bridges)
    if (bridge.spec.name == name) return &bridge;
  return nullptr;
}

const Attachment* State::find(std::string_view network, std::string_view container) const {
  for (const Attachment& each : attachments)
    if (each.network == network && each.container == container) return &each;
  return nullptr;
}

void State::erase(std::string_view network, std::string_view container) {
  std::erase_if(attachments, [&](const Attachment& each) {
    return each.network == network && each.container == container;
  });
}

std::string encode_state(const State& state) {
  Arena arena;
  Value root = Value::object(arena, 4);
  root.set(arena, "version", Value::integer(kVersion));
  root.set(arena, "forwarding", Value::boolean(state.forwarding));
  Value bridges = Value::array(arena, state.bridges.size());
  for (const Bridge& bridge : state.bridges) bridges.push(arena, encode_bridge(arena, bridge));
  root.set(arena, "bridges", bridges);
  Value attachments = Value::array(arena, state.attachments.size());
  for (const Attachment& each : state.attachments) attachments.push(arena, encode_attachment(arena, each));
  root.set(arena, "attachments", attachments);
  return codec::to_json(root);
}

Result<State> decode_state(std::string_view bytes) {
  auto document = codec::parse_json(bytes);
  if (!document) return damaged(document.error().message());
  const Value& root = document->root;
  if (root["version"].as_int() != kVersion) return damaged("its version is not 1");
  State out;
  out.forwarding = root["forwarding"].as_bool();
  for (const Value& value : root["bridges"].items()) {
    KOBUK_TRY(Bridge bridge, decode_bridge(value));
    if (out.find_bridge(bridge.spec.name)) return damaged("a bridge occurs twice");
    out.bridges.push_back(std::move(bridge));
  }
  for (const Value& value : root["attachments"].items()) {
    KOBUK_TRY(Attachment attachment, decode_attachment(value));
    if (!out.find_bridge(attachment.network)) return damaged("an attachment to no bridge");
    if (out.find(attachment.network, attachment.container)) return damaged("an attachment occurs twice");
    out.attachments.push_back(std::move(attachment));
  }
  return out;
}

std::string gateway_of(const BridgeSpec& spec) {
  auto subnet = parse_subnet(spec.subnet);
  return subnet ? format_ipv4(subnet->first() + 1) : std::string();
}

Result<std::string> choose_address(const State& state, const Bridge& bridge, const std::string& wanted) {
  KOBUK_TRY(Subnet subnet, parse_subnet(bridge.spec.subnet));
  std::set<uint32_t> used;
  for (const Attachment& each : state.attachments)
    if (each.network == bridge.spec.name) used.insert(parse_ipv4(each.address).value_or(0));
  uint32_t lowest = subnet.first() + 2, highest = subnet.last() - 1;  // behind the gateway, before the broadcast
  if (!wanted.empty()) {
    auto address = parse_ipv4(wanted);
    if (!address || *address < lowest || *address > highest)
      return fail(Code::kInvalid, "address ", wanted, " is none for containers of subnet ", bridge.spec.subnet);
    if (used.contains(*address))
      return fail(Code::kAlreadyExists, "address ", wanted, " of network ", bridge.spec.name, " is in use");
    return wanted;
  }
  uint32_t count = highest - lowest + 1;
  if (used.size() >= count)
    return fail(Code::kResourceExhausted, "network ", bridge.spec.name, " has no address left in ", bridge.spec.subnet);
  uint32_t start = bridge.last_address >= lowest && bridge.last_address < highest ? bridge.last_address + 1 : lowest;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t address = lowest + (start - lowest + i) % count;
    if (!used.contains(address)) return format_ipv4(address);
  }
  return fail(Code::kResourceExhausted, "network ", bridge.spec.name, " has no address left in ", bridge.spec.subnet);
}

std::string shown_host(const PortMapping& port) { return std::string(name_of_host(port)); }

Result<void> check_port(const State& state, const PortMapping& port) {
  for (const Attachment& each : state.attachments)
    for (const PortMapping& taken : each.ports)
      if (same_port(taken, port))
        return fail(Code::kAlreadyExists, "Bind for ", name_of_host(port), ":", port.host_port,
                    " failed: port is already allocated");
  return {};
}

}  // namespace kobuk::network
