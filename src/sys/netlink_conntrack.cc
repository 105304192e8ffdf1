// ctnetlink (linux/netfilter/nfnetlink_conntrack.h): IPCTNL_MSG_CT_GET as a dump, IPCTNL_MSG_CT_DELETE by the tuple.
#include "sys/netlink_conntrack.h"

#include <arpa/inet.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <vector>

#include "sys/netlink_message.h"

namespace kobuk::sys {
namespace {

constexpr uint16_t type_of(uint16_t message) { return static_cast<uint16_t>(NFNL_SUBSYS_CTNETLINK << 8 | message); }

struct Tuple {
  std::string source, destination;
  uint8_t protocol = 0;
  uint16_t source_port = 0, destination_port = 0;
};

uint16_t port_of(const Attribute& attribute) {
  uint16_t out = 0;
  if (attribute.data.size() >= sizeof out) std::memcpy(&out, attribute.data.data(), sizeof out);
  return ntohs(out);
}

Tuple read_tuple(const Attribute& attribute) {
  auto parts = read_attributes(attribute.data);
  auto addresses = read_attributes(find_attribute(parts, CTA_TUPLE_IP).data);
  auto ports = read_attributes(find_attribute(parts, CTA_TUPLE_PROTO).data);
  return {std::string(find_attribute(addresses, CTA_IP_V4_SRC).data),
          std::string(find_attribute(addresses, CTA_IP_V4_DST).data), find_attribute(ports, CTA_PROTO_NUM).u8(),
          port_of(find_attribute(ports, CTA_PROTO_SRC_PORT)), port_of(find_attribute(ports, CTA_PROTO_DST_PORT))};
}

std::string header() {
  nfgenmsg out{};
  out.nfgen_family = AF_INET;
  out.version = NFNETLINK_V0;
  return std::string(bytes_of(out));
}

// The attributes that name the connection for its deletion; empty when it is to stay.
std::string name_if_stale(std::string_view body, uint8_t protocol, const ConnectionFilter& stale) {
  if (body.size() < sizeof(nfgenmsg)) return {};
  auto attributes = read_attributes(body.substr(sizeof(nfgenmsg)));
  Attribute original = find_attribute(attributes, CTA_TUPLE_ORIG);
  Tuple first = read_tuple(original), answer = read_tuple(find_attribute(attributes, CTA_TUPLE_REPLY));
  if (first.protocol != protocol) return {};
  if (!stale({first.source, first.destination, first.destination_port, answer.source, answer.source_port})) return {};
  AttributeWriter out;
  out.put(CTA_TUPLE_ORIG | NLA_F_NESTED, original.data);
  Attribute id = find_attribute(attributes, CTA_ID);
  if (!id.data.empty()) out.put(CTA_ID, id.data);
  return out.take();
}

}  // namespace

Result<size_t> forget_connections(uint8_t protocol, const ConnectionFilter& stale) {
  KOBUK_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_NETFILTER));
  std::vector<std::string> names;
  KOBUK_CHECK(socket.dump(
      type_of(IPCTNL_MSG_CT_GET), header(), "list connections",
      [&](uint16_t, std::string_view body) {
        std::string name = name_if_stale(body, protocol, stale);
        if (!name.empty()) names.push_back(std::move(name));
      },
      [&] { names.clear(); }));
  for (const std::string& name : names) {
    auto forgotten = socket.request(type_of(IPCTNL_MSG_CT_DELETE), 0, header() + name, "forget a connection");
    if (!forgotten && forgotten.error().system_errno() != ENOENT) return fail(std::move(forgotten).error());
  }
  return names.size();
}

}  // namespace kobuk::sys
