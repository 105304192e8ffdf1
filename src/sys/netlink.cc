// rtnetlink (rtnetlink(7), linux/rtnetlink.h, linux/if_link.h; veth(4) peers: linux/veth.h).
#include "sys/netlink.h"

#include <arpa/inet.h>
#include <linux/if_bridge.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <sched.h>

#include <cerrno>
#include <cstring>
#include <thread>

#include "sys/file.h"
#include "sys/netlink_message.h"

namespace kobuk::sys {
namespace {

std::string mac_text(std::string_view bytes) {
  std::string out;
  for (size_t i = 0; i < bytes.size(); ++i) cat_to(out, i ? ":" : "", hex(bytes.substr(i, 1)));
  return out;
}

Result<std::string> mac_bytes(const std::string& mac) {
  std::string digits;
  for (char c : mac)
    if (c != ':') digits.push_back(c);
  auto bytes = unhex(digits);
  if (!bytes || bytes->size() != 6) return fail(Code::kInvalid, "\"", mac, "\" is no MAC address");
  return *std::move(bytes);
}

std::string address_text(std::string_view bytes) {
  char buffer[INET_ADDRSTRLEN];
  if (bytes.size() != 4 || !inet_ntop(AF_INET, bytes.data(), buffer, sizeof buffer)) return {};
  return buffer;
}

Result<std::string> address_bytes(const std::string& address) {
  in_addr parsed{};
  if (inet_pton(AF_INET, address.c_str(), &parsed) != 1)
    return fail(Code::kInvalid, "\"", address, "\" is no IPv4 address");
  return std::string(bytes_of(parsed));
}

Result<void> check_name(const std::string& name) {
  if (name.empty() || name.size() > kMaxInterfaceName)
    return fail(Code::kInvalid, "\"", name, "\" is no interface name: 1 to 15 bytes");
  return {};
}

std::string with_header(const auto& header, const AttributeWriter& attributes) {
  std::string out(bytes_of(header));
  out.resize((out.size() + 3) & ~size_t{3});
  return out + attributes.bytes();
}

// The attributes behind a message's fixed header.
template <class Header>
std::vector<Attribute> attributes_after(std::string_view body, Header& header) {
  if (body.size() < sizeof header) return {};
  std::memcpy(&header, body.data(), sizeof header);
  size_t skip = (sizeof header + 3) & ~size_t{3};
  return read_attributes(body.substr(std::min(skip, body.size())));
}

Link read_link(std::string_view body) {
  ifinfomsg header{};
  Link out;
  for (const Attribute& attribute : attributes_after(body, header)) {
    switch (attribute.type) {
      case IFLA_IFNAME: out.name = attribute.text(); break;
      case IFLA_ADDRESS: out.mac = mac_text(attribute.data); break;
      case IFLA_IFALIAS: out.alias = attribute.text(); break;
      case IFLA_MTU: out.mtu = static_cast<int>(attribute.u32()); break;
      case IFLA_MASTER: out.master = static_cast<int>(attribute.u32()); break;
      case IFLA_LINKINFO:
        out.kind = find_attribute(read_attributes(attribute.data), IFLA_INFO_KIND).text();
        break;
      default: break;
    }
  }
  out.index = header.ifi_index;
  out.up = header.ifi_flags & IFF_UP;
  return out;
}

class RealNetlink final : public Netlink {
 public:
  explicit RealNetlink(NetlinkSocket socket) : socket_(std::move(socket)) {}

  Result<std::vector<Link>> links() override {
    ifinfomsg header{};
    std::vector<Link> out;
    KOBUK_CHECK(socket_.dump(
        RTM_GETLINK, bytes_of(header), "list links",
        [&out](uint16_t type, std::string_view body) {
          if (type == RTM_NEWLINK) out.push_back(read_link(body));
        },
        [&out] { out.clear(); }));
    return out;
  }

  Result<Link> link(const std::string& name) override {
    KOBUK_TRY(auto all, links());
    for (Link& each : all)
      if (each.name == name) return std::move(each);
    return fail(Error(Code::kNotFound, cat("there is no interface ", name), ENODEV));
  }

  Result<void> add_bridge(const BridgeLink& bridge) override {
    KOBUK_CHECK(check_name(bridge.name));
    AttributeWriter out;
    out.put_text(IFLA_IFNAME, bridge.name);
    out.put_u32(IFLA_MTU, static_cast<uint32_t>(bridge.mtu));
    if (!bridge.mac.empty()) {
      KOBUK_TRY(std::string mac, mac_bytes(bridge.mac));
      out.put(IFLA_ADDRESS, mac);
    }
    size_t info = out.begin(IFLA_LINKINFO);
    out.put_text(IFLA_INFO_KIND, "bridge");
    size_t data = out.begin(IFLA_INFO_DATA);
    if (bridge.filter) out.put_u8(IFLA_BR_NF_CALL_IPTABLES, 1);
    out.end(data);
    out.end(info);
    ifinfomsg header{};
    return create(header, out, cat("create bridge ", bridge.name), "bridge");
  }

  Result<void> add_veth(const VethLink& veth) override {
    KOBUK_CHECK(check_name(veth.name));
    KOBUK_CHECK(check_name(veth.peer_name));
    KOBUK_TRY(Link bridge, link(veth.bridge));
    AttributeWriter out;
    out.put_text(IFLA_IFNAME, veth.name);
    out.put_u32(IFLA_MTU, static_cast<uint32_t>(veth.mtu));
    out.put_u32(IFLA_MASTER, static_cast<uint32_t>(bridge.index));
    size_t info = out.begin(IFLA_LINKINFO);
    out.put_text(IFLA_INFO_KIND, "veth");
    size_t data = out.begin(IFLA_INFO_DATA);
    size_t peer = out.begin(VETH_INFO_PEER);
    KOBUK_CHECK(put_peer(out, veth));
    out.end(peer);
    out.end(data);
    out.end(info);
    ifinfomsg header{};
    header.ifi_flags = header.ifi_change = IFF_UP;
    KOBUK_CHECK(create(header, out, cat("create veth pair ", veth.name), "veth"));
    if (!veth.hairpin) return {};
    auto set = set_hairpin(veth.name);
    if (!set) (void)remove_link(veth.name);
    return set;
  }

  Result<void> remove_link(const std::string& name) override {
    AttributeWriter out;
    out.put_text(IFLA_IFNAME, name);
    ifinfomsg header{};
    auto removed = socket_.request(RTM_DELLINK, 0, with_header(header, out), cat("remove interface ", name));
    if (!removed && removed.error().system_errno() == ENODEV) return {};
    return removed;
  }

  Result<void> set_up(const std::string& name) override {
    ifinfomsg header{};
    header.ifi_flags = header.ifi_change = IFF_UP;
    return change(header, name, AttributeWriter{}, cat("bring up interface ", name));
  }

  Result<void> set_mtu(const std::string& name, int mtu) override {
    AttributeWriter out;
    out.put_u32(IFLA_MTU, static_cast<uint32_t>(mtu));
    return change({}, name, out, cat("set the MTU of interface ", name));
  }

  Result<void> set_alias(const std::string& name, const std::string& alias) override {
    AttributeWriter out;
    out.put(IFLA_IFALIAS, alias);
    return change({}, name, out, cat("set the alias of interface ", name));
  }

  Result<void> set_master(const std::string& name, const std::string& bridge) override {
    KOBUK_TRY(Link master, link(bridge));
    AttributeWriter out;
    out.put_u32(IFLA_MASTER, static_cast<uint32_t>(master.index));
    return change({}, name, out, cat("make interface ", name, " a port of ", bridge));
  }

  Result<void> rename(const std::string& name, const std::string& to) override {
    KOBUK_CHECK(check_name(to));
    KOBUK_TRY(Link found, link(name));
    AttributeWriter out;
    out.put_text(IFLA_IFNAME, to);
    ifinfomsg header{};
    header.ifi_index = found.index;
    return socket_.request(RTM_SETLINK, 0, with_header(header, out), cat("rename interface ", name, " to ", to));
  }

  Result<std::vector<LinkAddress>> addresses() override {
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    std::vector<LinkAddress> out;
    KOBUK_CHECK(socket_.dump(
        RTM_GETADDR, bytes_of(header), "list addresses",
        [&out](uint16_t, std::string_view body) {
          ifaddrmsg found{};
          auto attributes = attributes_after(body, found);
          if (found.ifa_family != AF_INET) return;
          Attribute local = find_attribute(attributes, IFA_LOCAL);
          if (local.data.empty()) local = find_attribute(attributes, IFA_ADDRESS);
          out.push_back({static_cast<int>(found.ifa_index), address_text(local.data), found.ifa_prefixlen});
        },
        [&out] { out.clear(); }));
    return out;
  }

  Result<void> add_address(const std::string& name, const std::string& address, int prefix) override {
    auto added = change_address(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, name, address, prefix);
    if (!added && added.error().system_errno() == EEXIST) return {};
    return added;
  }

  Result<void> remove_address(const std::string& name, const std::string& address, int prefix) override {
    return change_address(RTM_DELADDR, 0, name, address, prefix);
  }

  Result<std::vector<Route>> routes() override {
    rtmsg header{};
    header.rtm_family = AF_INET;
    std::vector<Route> out;
    KOBUK_CHECK(socket_.dump(
        RTM_GETROUTE, bytes_of(header), "list routes",
        [&out](uint16_t, std::string_view body) {
          rtmsg found{};
          auto attributes = attributes_after(body, found);
          if (found.rtm_family != AF_INET || found.rtm_table != RT_TABLE_MAIN || found.rtm_type != RTN_UNICAST) return;
          Route route;
          auto destination = find_attribute(attributes, RTA_DST).data;
          route.destination = destination.empty() ? "0.0.0.0" : address_text(destination);
          route.prefix = found.rtm_dst_len;
          route.gateway = address_text(find_attribute(attributes, RTA_GATEWAY).data);
          route.link = static_cast<int>(find_attribute(attributes, RTA_OIF).u32());
          route.metric = find_attribute(attributes, RTA_PRIORITY).u32();
          out.push_back(std::move(route));
        },
        [&out] { out.clear(); }));
    return out;
  }

  Result<void> add_default_route(const std::string& name, const std::string& gateway) override {
    KOBUK_TRY(Link found, link(name));
    KOBUK_TRY(std::string bytes, address_bytes(gateway));
    rtmsg header{};
    header.rtm_family = AF_INET;
    header.rtm_table = RT_TABLE_MAIN;
    header.rtm_protocol = RTPROT_STATIC;
    header.rtm_scope = RT_SCOPE_UNIVERSE;
    header.rtm_type = RTN_UNICAST;
    AttributeWriter out;
    out.put(RTA_GATEWAY, bytes);
    out.put_u32(RTA_OIF, static_cast<uint32_t>(found.index));
    return socket_.request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL, with_header(header, out),
                           cat("add default route through ", gateway));
  }

 private:
  Result<void> create(const ifinfomsg& header, const AttributeWriter& out, const std::string& what,
                      std::string_view kind) {
    auto created = socket_.request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL, with_header(header, out), what);
    if (!created && created.error().system_errno() == EOPNOTSUPP)
      return fail(Error(Code::kUnsupported, cat(what, ": this kernel has no ", kind, " interfaces (load the module \"",
                                                kind, "\")"), EOPNOTSUPP));
    return created;
  }

  static Result<void> put_peer(AttributeWriter& out, const VethLink& veth) {
    ifinfomsg header{};
    // The peer's ifinfomsg comes before its attributes, without an attribute header of its own.
    out.put_raw(bytes_of(header));
    out.put_text(IFLA_IFNAME, veth.peer_name);
    out.put_u32(IFLA_MTU, static_cast<uint32_t>(veth.mtu));
    if (!veth.peer_mac.empty()) {
      KOBUK_TRY(std::string mac, mac_bytes(veth.peer_mac));
      out.put(IFLA_ADDRESS, mac);
    }
    if (veth.peer_namespace >= 0) out.put_u32(IFLA_NET_NS_FD, static_cast<uint32_t>(veth.peer_namespace));
    return {};
  }

  Result<void> set_hairpin(const std::string& name) {
    KOBUK_TRY(Link found, link(name));
    AttributeWriter out;
    size_t port = out.begin(IFLA_PROTINFO);
    out.put_u8(IFLA_BRPORT_MODE, 1);
    out.end(port);
    ifinfomsg header{};
    header.ifi_family = PF_BRIDGE;
    header.ifi_index = found.index;
    return socket_.request(RTM_SETLINK, 0, with_header(header, out), cat("set hairpin mode of ", name));
  }

  Result<void> change(ifinfomsg header, const std::string& name, const AttributeWriter& attributes,
                      const std::string& what) {
    AttributeWriter out;
    out.put_text(IFLA_IFNAME, name);
    return socket_.request(RTM_NEWLINK, 0, with_header(header, out) + attributes.bytes(), what);
  }

  Result<void> change_address(uint16_t type, uint16_t flags, const std::string& name, const std::string& address,
                              int prefix) {
    KOBUK_TRY(Link found, link(name));
    KOBUK_TRY(std::string bytes, address_bytes(address));
    ifaddrmsg header{};
    header.ifa_family = AF_INET;
    header.ifa_prefixlen = static_cast<uint8_t>(prefix);
    header.ifa_index = static_cast<uint32_t>(found.index);
    AttributeWriter out;
    out.put(IFA_LOCAL, bytes);
    out.put(IFA_ADDRESS, bytes);
    if (prefix < 31) {
      uint32_t host_bits = htonl(0xffffffffu >> prefix), value = 0;
      std::memcpy(&value, bytes.data(), sizeof value);
      value |= host_bits;
      out.put(IFA_BROADCAST, bytes_of(value));
    }
    return socket_.request(type, flags, with_header(header, out),
                           cat(type == RTM_NEWADDR ? "add" : "remove", " address ", address, "/", prefix, " of ", name));
  }

  NetlinkSocket socket_;
};

}  // namespace

Result<std::unique_ptr<Netlink>> open_netlink() {
  KOBUK_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE));
  return std::make_unique<RealNetlink>(std::move(socket));
}

Result<std::unique_ptr<Netlink>> open_netlink_in(int namespace_fd) {
  Result<std::unique_ptr<Netlink>> out = fail(Code::kInternal, "no thread ran");
  std::thread opener([namespace_fd, &out] {
    out = setns(namespace_fd, CLONE_NEWNET) == 0 ? open_netlink() : fail_errno(errno, "enter the network namespace");
  });
  opener.join();
  return out;
}

Result<std::unique_ptr<Netlink>> open_netlink_in(const std::string& namespace_path) {
  KOBUK_TRY(UniqueFd fd, open_file(namespace_path, O_RDONLY));
  return open_netlink_in(fd.get());
}

std::optional<Route> default_route(const std::vector<Route>& routes) {
  std::optional<Route> out;
  for (const Route& route : routes)
    if (route.prefix == 0 && (!out || route.metric < out->metric)) out = route;
  return out;
}

}  // namespace kobuk::sys
