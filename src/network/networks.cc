#include "network/networks.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/log.h"
#include "network/forwarding.h"
#include "network/host.h"
#include "network/network_rules.h"
#include "network/state_files.h"
#include "network/subnet.h"
#include "sys/file.h"

namespace kobuk::network {
namespace {

using sys::nft::Table;

constexpr int kDefaultMtu = 1500;
constexpr size_t kMaxProfile = 64;
constexpr std::string_view kEveryAddress = "0.0.0.0";
constexpr std::string_view kIptablesForward = "ip filter FORWARD";

// As Docker derives it from the address, so that an address that is given out again keeps its entry in neighbours'
// ARP tables true.
std::string mac_of(const std::string& address) {
  uint32_t number = parse_ipv4(address).value_or(0);
  std::string bytes{'\x02', '\x42'};
  for (int shift = 24; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(number >> shift & 255));
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) cat_to(out, i ? ":" : "", hex(std::string_view(bytes).substr(i, 1)));
  return out;
}

Result<void> check_profile(const std::string& profile) {
  bool good = !profile.empty() && profile.size() <= kMaxProfile && std::ranges::all_of(profile, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
  if (!good) return fail(Code::kInvalid, "profile \"", profile, "\": want 1 to 64 of a-z, 0-9, - and _");
  return {};
}

class BridgedNetworks final : public Networks {
 public:
  BridgedNetworks(std::unique_ptr<Host> host, Options options)
      : host_(std::move(host)),
        options_(std::move(options)),
        files_(*host_, options_),
        bridge_filter_(host_->has_setting("net/bridge/bridge-nf-call-iptables")) {}

  Result<void> recover();

  Result<void> ensure_bridge(const BridgeSpec& spec) override;
  Result<void> remove_bridge(const std::string& name) override;
  std::vector<BridgeSpec> bridges() const override;
  io::Task<Result<Attachment>> attach(AttachRequest request) override;
  io::Task<Result<void>> detach(std::string network, std::string container) override;
  std::vector<Attachment> attachments() const override { return state_.attachments; }
  Result<void> clean_up() override;

 private:
  using HeldPorts = std::vector<sys::HeldPort>;

  std::string interface_of(const std::string& network) const { return bridge_interface(options_.profile, network); }
  std::string alias(std::string_view rest) const { return cat("kobuk/", options_.profile, "/", rest); }
  bool is_ours(const sys::Link& link) const { return link.alias.starts_with(alias("")); }
  std::string key(std::string_view network, std::string_view container) const { return cat(network, "/", container); }

  Result<void> commit(const State& state);
  Result<void> become(State next);

  Result<BridgeSpec> complete(const BridgeSpec& spec);
  Result<void> check_overlap(const BridgeSpec& spec);
  Result<std::string> free_subnet();
  Result<int> mtu_of(const BridgeSpec& spec);
  Result<void> raise_bridge(const BridgeSpec& spec);
  Result<void> set_address(const BridgeSpec& spec, const sys::Link& link);
  Result<void> close_ipv6(const std::string& interface);
  Result<void> remove_strangers(const std::vector<sys::Link>& links);
  Result<void> recover_attachments(const std::vector<sys::Link>& links);
  void open_firewall(const std::string& interface);
  void close_firewall(const std::string& interface);

  Result<Attachment> attach_now(const AttachRequest& request);
  Result<std::vector<PortMapping>> hold_ports(const AttachRequest& request, HeldPorts& held);
  Result<void> connect(const AttachRequest& request, const Bridge& bridge, const Attachment& attachment);
  void forget_datagrams(const Attachment& attachment, bool attached);
  Result<void> detach_now(const std::string& network, const std::string& container);

  std::unique_ptr<Host> host_;
  Options options_;
  StateFiles files_;
  bool bridge_filter_;
  bool reported_ = false;
  State state_;
  std::optional<Table> table_;              // what the kernel has; nullopt: unknown
  std::map<std::string, HeldPorts> held_;  // by key()
};

Result<void> BridgedNetworks::commit(const State& state) {
  Table next = render_networks(options_.profile, state, bridge_filter_);
  KOBUK_CHECK(commit_table(host_->nft(), table_ ? &*table_ : nullptr, next));
  table_ = std::move(next);
  return {};
}

// The state on disk first, then the rules; on an error both are as before.
Result<void> BridgedNetworks::become(State next) {
  KOBUK_CHECK(files_.write(next));
  auto committed = commit(next);
  if (!committed) {
    (void)files_.write(state_);
    return committed;
  }
  state_ = std::move(next);
  return {};
}

// --- opening -------------------------------------------------------------------------------------------------------

Result<void> BridgedNetworks::recover() {
  KOBUK_TRY(state_, files_.read());
  KOBUK_TRY(auto links, host_->links().links());
  KOBUK_CHECK(remove_strangers(links));
  if (state_.bridges.empty()) {
    KOBUK_TRY(auto tables, host_->nft().tables());
    if (std::ranges::find(tables, table_name(options_.profile)) == tables.end()) return {};
    return host_->nft().commit(sys::nft::removal(table_name(options_.profile)));
  }
  for (const Bridge& bridge : state_.bridges) KOBUK_CHECK(raise_bridge(bridge.spec));
  KOBUK_CHECK(recover_attachments(links));
  return commit(state_);
}

// Interfaces of this profile that the state does not know: made by a daemon whose state was lost.
Result<void> BridgedNetworks::remove_strangers(const std::vector<sys::Link>& links) {
  for (const sys::Link& link : links) {
    if (!is_ours(link)) continue;
    bool known = std::ranges::any_of(state_.bridges, [&](const Bridge& bridge) {
      return interface_of(bridge.spec.name) == link.name;
    });
    known = known || std::ranges::any_of(state_.attachments, [&](const Attachment& each) {
      return each.host_interface == link.name;
    });
    if (!known) KOBUK_CHECK(host_->links().remove_link(link.name));
  }
  return {};
}

// An attachment whose pair of interfaces is gone has ended: the namespace died, or the host was started anew.
Result<void> BridgedNetworks::recover_attachments(const std::vector<sys::Link>& links) {
  State next = state_;
  next.attachments.clear();
  for (const Attachment& each : state_.attachments) {
    auto link = std::ranges::find(links, each.host_interface, &sys::Link::name);
    if (link == links.end()) continue;
    KOBUK_CHECK(host_->links().set_master(each.host_interface, interface_of(each.network)));
    HeldPorts& held = held_[key(each.network, each.container)];
    for (const PortMapping& port : each.ports) {
      auto one = host_->hold_port(shown_host(port), port.host_port, port.protocol);
      if (one) held.push_back(*std::move(one));
      else log::warn("a published port could not be held again; packets to it go to the container all the same",
                     {{"container", each.container}, {"error", one.error().message()}});
    }
    next.attachments.push_back(each);
  }
  if (next.attachments.size() == state_.attachments.size()) return {};
  KOBUK_CHECK(files_.write(next));
  state_ = std::move(next);
  return {};
}

// --- bridges -------------------------------------------------------------------------------------------------------

Result<void> BridgedNetworks::check_overlap(const BridgeSpec& spec) {
  KOBUK_TRY(Subnet subnet, parse_subnet(spec.subnet));
  for (const Bridge& bridge : state_.bridges) {
    if (bridge.spec.name == spec.name) continue;
    if (parse_subnet(bridge.spec.subnet).value_or(Subnet{}).overlaps(subnet))
      return fail(Code::kAlreadyExists, "subnet ", spec.subnet, " of network ", spec.name, " overlaps with ",
                  bridge.spec.subnet, " of network ", bridge.spec.name);
  }
  KOBUK_TRY(auto links, host_->links().links());
  KOBUK_TRY(auto routes, host_->links().routes());
  for (const sys::Route& route : routes) {
    auto address = parse_ipv4(route.destination);
    if (!address || route.prefix == 0 || !Subnet{*address, route.prefix}.overlaps(subnet)) continue;
    auto link = std::ranges::find(links, route.link, &sys::Link::index);
    if (link == links.end() || link->name == interface_of(spec.name)) continue;
    return fail(Code::kAlreadyExists, "subnet ", spec.subnet, " of network ", spec.name, " overlaps with ",
                route.destination, "/", route.prefix, " of interface ", link->name, " of this host; choose another one");
  }
  return {};
}

// The private ranges in the order in which Docker's users expect them.
Result<std::string> BridgedNetworks::free_subnet() {
  for (int i = 17; i < 32; ++i) {
    BridgeSpec candidate{.name = "", .subnet = cat("172.", i, ".0.0/16")};
    if (check_overlap(candidate)) return candidate.subnet;
  }
  for (int i = 0; i < 256; i += 16) {
    BridgeSpec candidate{.name = "", .subnet = cat("192.168.", i, ".0/20")};
    if (check_overlap(candidate)) return candidate.subnet;
  }
  return fail(Code::kResourceExhausted, "all of 172.17.0.0/12 and 192.168.0.0/16 is in use: give a subnet");
}

Result<BridgeSpec> BridgedNetworks::complete(const BridgeSpec& spec) {
  BridgeSpec out = spec;
  if (spec.name.empty()) return fail(Code::kInvalid, "a network has no name");
  const Bridge* existing = state_.find_bridge(spec.name);
  if (out.subnet.empty()) {
    if (existing) {
      out.subnet = existing->spec.subnet;
    } else {
      KOBUK_TRY(out.subnet, free_subnet());
    }
  }
  KOBUK_TRY(Subnet subnet, parse_subnet(out.subnet));
  if (subnet.prefix < 8 || subnet.prefix > 29)
    return fail(Code::kInvalid, "subnet ", out.subnet, " of network ", out.name, ": want a length of 8 to 29");
  out.subnet = format_subnet(subnet);
  if (existing && existing->spec.subnet != out.subnet) {
    bool used = std::ranges::any_of(state_.attachments, [&](const Attachment& each) { return each.network == out.name; });
    if (used)
      return fail(Code::kFailedPrecondition, "network ", out.name, " has the subnet ", existing->spec.subnet,
                  " and containers in it: remove them before it gets ", out.subnet);
  }
  return out;
}

Result<int> BridgedNetworks::mtu_of(const BridgeSpec& spec) {
  if (spec.mtu > 0) return spec.mtu;
  KOBUK_TRY(auto routes, host_->links().routes());
  auto route = sys::default_route(routes);
  if (!route) return kDefaultMtu;
  KOBUK_TRY(auto links, host_->links().links());
  auto link = std::ranges::find(links, route->link, &sys::Link::index);
  return link == links.end() ? kDefaultMtu : link->mtu;
}

Result<void> BridgedNetworks::set_address(const BridgeSpec& spec, const sys::Link& link) {
  KOBUK_TRY(Subnet subnet, parse_subnet(spec.subnet));
  std::string gateway = gateway_of(spec);
  KOBUK_TRY(auto addresses, host_->links().addresses());
  for (const sys::LinkAddress& each : addresses) {
    if (each.link != link.index || (each.address == gateway && each.prefix == subnet.prefix)) continue;
    KOBUK_CHECK(host_->links().remove_address(link.name, each.address, each.prefix));
  }
  return host_->links().add_address(link.name, gateway, subnet.prefix);
}

// Before the bridge comes up: nothing is offered over IPv6, and what a container says there is not for the host to hear.
// Left as it is by default, the host takes a container that advertises itself for its IPv6 router (CVE-2020-13401).
Result<void> BridgedNetworks::close_ipv6(const std::string& interface) {
  for (auto [file, value] : {std::pair{"accept_ra", "0"}, std::pair{"disable_ipv6", "1"}}) {
    std::string name = cat("net/ipv6/conf/", interface, "/", file);
    if (host_->has_setting(name)) KOBUK_CHECK(host_->set_setting(name, value));
  }
  return {};
}

// Makes the interface what the spec says, whatever is there.
Result<void> BridgedNetworks::raise_bridge(const BridgeSpec& spec) {
  std::string name = interface_of(spec.name);
  sys::Netlink& links = host_->links();
  KOBUK_TRY(int mtu, mtu_of(spec));
  auto found = links.link(name);
  if (!found && found.error().code() != Code::kNotFound) return fail(std::move(found).error());
  if (!found) {
    KOBUK_CHECK(links.add_bridge({.name = name, .mac = mac_of(gateway_of(spec)), .mtu = mtu, .filter = bridge_filter_}));
    KOBUK_TRY(sys::Link made, links.link(name));
    found = std::move(made);
  } else if (found->mtu != mtu) {
    KOBUK_CHECK(links.set_mtu(name, mtu));
  }
  KOBUK_CHECK(links.set_alias(name, alias(spec.name)));
  KOBUK_CHECK(set_address(spec, *found));
  KOBUK_CHECK(close_ipv6(name));
  KOBUK_CHECK(links.set_up(name));
  // Local clients of a published port or a NodePort come from 127.0.0.1 until they are masqueraded.
  KOBUK_CHECK(host_->set_setting(cat("net/ipv4/conf/", name, "/route_localnet"), "1"));
  KOBUK_TRY(bool forwarding, start_forwarding(*host_, state_.forwarding));
  open_firewall(name);
  if (std::exchange(state_.forwarding, forwarding) == forwarding) return {};
  return files_.write(state_);
}

// Our own accepting does not help against another table that drops: every table must let a packet pass.
void BridgedNetworks::open_firewall(const std::string& interface) {
  auto chains = host_->nft().dropping_forward_chains();
  if (!chains || chains->empty()) return;
  bool only_iptables = chains->size() == 1 && chains->front() == kIptablesForward;
  Result<void> accepted = host_->accept_forwarding(interface, true);
  if (only_iptables && accepted) return;
  if (std::exchange(reported_, true)) return;
  log::warn("this host's firewall drops what it does not know, so containers may not reach the outside nor be reached: "
            "let its forwarding accept what comes from or goes to the interfaces kobuk-*",
            {{"chains", join(*chains, ", ")}, {"iptables", accepted ? "accepts them now" : accepted.error().message()}});
}

void BridgedNetworks::close_firewall(const std::string& interface) {
  auto chains = host_->nft().dropping_forward_chains();
  if (chains && !chains->empty()) (void)host_->accept_forwarding(interface, false);
}

Result<void> BridgedNetworks::ensure_bridge(const BridgeSpec& spec) {
  KOBUK_TRY(BridgeSpec wanted, complete(spec));
  KOBUK_CHECK(check_overlap(wanted));
  State next = state_;
  Bridge* bridge = next.find_bridge(wanted.name);
  bool is_new = bridge == nullptr;
  if (is_new) next.bridges.push_back({wanted});
  else bridge->spec = wanted;
  State before = state_;
  KOBUK_CHECK(become(std::move(next)));
  auto raised = raise_bridge(wanted);
  if (raised || !is_new) return raised;
  (void)host_->links().remove_link(interface_of(wanted.name));
  (void)become(std::move(before));
  return fail(std::move(raised).error().context("network ", wanted.name));
}

Result<void> BridgedNetworks::remove_bridge(const std::string& name) {
  if (!state_.find_bridge(name)) return {};
  size_t used = static_cast<size_t>(
      std::ranges::count_if(state_.attachments, [&](const Attachment& each) { return each.network == name; }));
  if (used > 0)
    return fail(Code::kFailedPrecondition, "network ", name, " has ", used, " active endpoints: detach them first");
  // The interface goes first: what is left of a crash in between is known by the state.
  KOBUK_CHECK(host_->links().remove_link(interface_of(name)));
  close_firewall(interface_of(name));
  State next = state_;
  std::erase_if(next.bridges, [&](const Bridge& bridge) { return bridge.spec.name == name; });
  return become(std::move(next));
}

std::vector<BridgeSpec> BridgedNetworks::bridges() const {
  std::vector<BridgeSpec> out;
  for (const Bridge& bridge : state_.bridges) out.push_back(bridge.spec);
  return out;
}

// --- attachments ---------------------------------------------------------------------------------------------------

Result<std::vector<PortMapping>> BridgedNetworks::hold_ports(const AttachRequest& request, HeldPorts& held) {
  State scratch = state_;
  scratch.attachments.push_back({.network = request.network, .container = request.container});
  std::vector<PortMapping>& out = scratch.attachments.back().ports;
  for (PortMapping port : request.ports) {
    if (!port.host_ip.empty() && !parse_ipv4(port.host_ip))
      return fail(Code::kUnsupported, "publish on ", port.host_ip, ": only IPv4 addresses are supported");
    if (port.container_port == 0) return fail(Code::kInvalid, "publish: a container's port is 1 to 65535");
    std::string host = shown_host(port);
    if (port.host_port != 0) KOBUK_CHECK(check_port(scratch, port));
    auto one = host_->hold_port(host, port.host_port, port.protocol);
    if (!one && one.error().code() == Code::kAlreadyExists)
      return fail(Code::kAlreadyExists, "failed to bind host port ", host, ":", port.host_port, "/",
                  protocol_name(port.protocol), ": address already in use");
    bool unknown_protocol = !one && one.error().code() == Code::kUnsupported && port.host_port != 0;
    if (!one && !unknown_protocol) return fail(std::move(one).error().context("publish"));
    if (one) {
      port.host_port = one->port;
      held.push_back(*std::move(one));
    }
    out.push_back(port);
  }
  return std::move(out);
}

Result<void> BridgedNetworks::connect(const AttachRequest& request, const Bridge& bridge,
                                      const Attachment& attachment) {
  KOBUK_TRY(sys::UniqueFd inside_fd, host_->open_namespace(request.netns));
  KOBUK_TRY(auto inside, host_->links_in(inside_fd.get()));
  KOBUK_TRY(int mtu, mtu_of(bridge.spec));
  KOBUK_CHECK(host_->links().add_veth({.name = attachment.host_interface,
                                       .bridge = interface_of(request.network),
                                       .mtu = mtu,
                                       .hairpin = bridge_filter_,
                                       .peer_name = request.interface,
                                       .peer_mac = attachment.mac,
                                       .peer_namespace = inside_fd.get()}));
  KOBUK_CHECK(host_->links().set_alias(attachment.host_interface, alias(key(request.network, request.container))));
  KOBUK_CHECK(inside->set_up("lo"));
  KOBUK_CHECK(inside->add_address(request.interface, attachment.address, attachment.prefix));
  KOBUK_CHECK(inside->set_up(request.interface));
  if (bridge.spec.internal) return {};
  KOBUK_TRY(auto routes, inside->routes());
  if (sys::default_route(routes)) return {};  // of a network that it was attached to before
  return inside->add_default_route(request.interface, attachment.gateway);
}

Result<Attachment> BridgedNetworks::attach_now(const AttachRequest& request) {
  State next = state_;
  Bridge* bridge = next.find_bridge(request.network);
  if (!bridge) return fail(Code::kNotFound, "network ", request.network, " not found");
  if (request.container.empty()) return fail(Code::kInvalid, "an attachment needs the container's id");
  if (state_.find(request.network, request.container))
    return fail(Code::kAlreadyExists, "container ", request.container, " is attached to network ", request.network,
                " already");
  KOBUK_TRY(Subnet subnet, parse_subnet(bridge->spec.subnet));
  Attachment made{.network = request.network, .container = request.container, .prefix = subnet.prefix};
  KOBUK_TRY(made.address, choose_address(state_, *bridge, request.address));
  made.gateway = gateway_of(bridge->spec);
  made.mac = mac_of(made.address);
  made.host_interface = container_interface(options_.profile, request.network, request.container);
  HeldPorts held;
  KOBUK_TRY(made.ports, hold_ports(request, held));
  if (request.address.empty()) bridge->last_address = parse_ipv4(made.address).value_or(0);
  next.attachments.push_back(made);
  State before = state_;
  KOBUK_CHECK(become(std::move(next)));
  bridge = state_.find_bridge(request.network);
  auto connected = connect(request, *bridge, made);
  if (!connected) {
    (void)host_->links().remove_link(made.host_interface);
    (void)become(std::move(before));
    return fail(std::move(connected).error());
  }
  held_[key(request.network, request.container)] = std::move(held);
  forget_datagrams(made, true);
  return made;
}

io::Task<Result<Attachment>> BridgedNetworks::attach(AttachRequest request) {
  auto attached = attach_now(request);
  if (attached) co_return attached;
  bool explained = attached.error().code() == Code::kAlreadyExists;  // Docker's own words, as they are
  if (explained) co_return attached;
  co_return fail(std::move(attached).error().context("attach ", request.container, " to network ", request.network));
}

// A UDP client's packets go where its first one went: to nobody before, or to a container that ended. Only what was sent
// to where the port is published is looked at: others may use the same number for something else.
void BridgedNetworks::forget_datagrams(const Attachment& attachment, bool attached) {
  std::set<std::pair<std::string, uint16_t>> published;  // of one address
  std::set<uint16_t> everywhere;
  for (const PortMapping& port : attachment.ports) {
    if (port.protocol != Protocol::kUdp) continue;
    if (shown_host(port) == kEveryAddress) everywhere.insert(port.host_port);
    else published.emplace(sys::nft::ipv4_bytes(port.host_ip), port.host_port);
  }
  if (published.empty() && everywhere.empty()) return;
  std::set<std::string> own;
  auto addresses = host_->links().addresses();
  if (addresses)
    for (const sys::LinkAddress& each : *addresses) own.insert(sys::nft::ipv4_bytes(each.address));
  auto to_this_host = [&own](const std::string& address) { return address.starts_with('\x7f') || own.contains(address); };
  const std::string address = sys::nft::ipv4_bytes(attachment.address);
  auto stale = [&](const sys::TrackedConnection& connection) {
    if ((connection.answering == address) == attached) return false;
    if (published.contains({connection.destination, connection.destination_port})) return true;
    return everywhere.contains(connection.destination_port) && to_this_host(connection.destination);
  };
  auto forgotten = host_->forget_connections(protocol_number(Protocol::kUdp), stale);
  if (addresses && forgotten) return;
  log::warn("UDP clients of a published port may go on to a former container until they pause",
            {{"container", attachment.container},
             {"error", addresses ? forgotten.error().message() : addresses.error().message()}});
}

Result<void> BridgedNetworks::detach_now(const std::string& network, const std::string& container) {
  const Attachment* known = state_.find(network, container);
  if (!known) return {};
  Attachment found = *known;
  // The interface goes before the address: nobody is given an address that somebody still has.
  KOBUK_CHECK(host_->links().remove_link(found.host_interface));
  State next = state_;
  next.erase(network, container);
  KOBUK_CHECK(become(std::move(next)));
  held_.erase(key(network, container));
  forget_datagrams(found, false);
  return {};
}

io::Task<Result<void>> BridgedNetworks::detach(std::string network, std::string container) {
  auto detached = detach_now(network, container);
  if (detached) co_return detached;
  co_return fail(std::move(detached).error().context("detach ", container, " from network ", network));
}

Result<void> BridgedNetworks::clean_up() {
  KOBUK_TRY(auto links, host_->links().links());
  for (const Attachment& each : state_.attachments) KOBUK_CHECK(host_->links().remove_link(each.host_interface));
  for (const Bridge& bridge : state_.bridges) {
    KOBUK_CHECK(host_->links().remove_link(interface_of(bridge.spec.name)));
    close_firewall(interface_of(bridge.spec.name));
  }
  for (const sys::Link& link : links)
    if (is_ours(link)) KOBUK_CHECK(host_->links().remove_link(link.name));
  KOBUK_CHECK(host_->nft().commit(sys::nft::removal(table_name(options_.profile))));
  KOBUK_CHECK(stop_forwarding(*host_, state_.forwarding));
  table_.reset();
  held_.clear();
  KOBUK_CHECK(files_.remove());
  state_ = {};
  return {};
}

}  // namespace

Result<std::unique_ptr<Networks>> open_networks(std::unique_ptr<Host> host, Networks::Options options) {
  KOBUK_CHECK(check_profile(options.profile));
  auto out = std::make_unique<BridgedNetworks>(std::move(host), std::move(options));
  KOBUK_CHECK(out->recover());
  return out;
}

Result<std::unique_ptr<Networks>> Networks::open(io::Loop&, Options options) {
  KOBUK_CHECK(sys::make_directories(options.state_directory, 0700));
  KOBUK_CHECK(sys::make_directories(options.run_directory, 0700));
  KOBUK_TRY(auto host, open_host());
  return open_networks(std::move(host), std::move(options));
}

}  // namespace kobuk::network
