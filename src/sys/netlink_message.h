// Netlink messages (netlink(7)): attributes written and read, and a socket that asks the kernel.
//
//   AttributeWriter out;
//   out.put_text(IFLA_IFNAME, "kobuk-1");
//   KOBUK_TRY(NetlinkSocket socket, NetlinkSocket::open(NETLINK_ROUTE));
//   KOBUK_CHECK(socket.request(RTM_NEWLINK, NLM_F_CREATE, cat(header, out.bytes()), "create kobuk-1"));
//
// Of sys alone: others speak to sys/netlink.h and sys/nft.h. A socket acts in the network namespace where it was
// opened, whatever its users do later. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "sys/fd.h"

namespace kobuk::sys {

// Length, type, bytes, padding to 4; nested ones hold others.
class AttributeWriter {
 public:
  void put(uint16_t type, std::string_view data);
  void put_u8(uint16_t type, uint8_t value);
  void put_u32(uint16_t type, uint32_t value);   // host order
  void put_be32(uint16_t type, uint32_t value);  // network order, as nf_tables wants every number
  void put_be64(uint16_t type, uint64_t value);
  void put_text(uint16_t type, std::string_view text);  // with the zero at its end
  void put_raw(std::string_view bytes) { bytes_.append(bytes); }  // of a multiple of 4 bytes
  // Everything written between begin() and end() lies inside. A nested attribute holds at most 65,531 bytes.
  size_t begin(uint16_t type);
  void end(size_t place);
  const std::string& bytes() const { return bytes_; }
  std::string take() { return std::move(bytes_); }
  size_t size() const { return bytes_.size(); }

 private:
  std::string bytes_;
};

// The attributes of a message in their order; stops at the first that does not fit. Views into the message.
struct Attribute {
  uint16_t type = 0;  // without the flags
  std::string_view data;
  uint8_t u8() const;
  uint32_t u32() const;
  uint32_t be32() const;
  std::string_view text() const;  // up to the zero
};
std::vector<Attribute> read_attributes(std::string_view bytes);
// An empty Attribute when there is none.
Attribute find_attribute(const std::vector<Attribute>& attributes, uint16_t type);

template <class T>
std::string_view bytes_of(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

struct NetlinkMessage {
  uint16_t type = 0;
  uint16_t flags = 0;
  std::string payload;  // the family's header and the attributes
  std::string object;   // what it is about, for errors: "chain forward of table kobuk-default"
  bool operator==(const NetlinkMessage&) const = default;
};

class NetlinkSocket {
 public:
  static Result<NetlinkSocket> open(int protocol);  // NETLINK_ROUTE, NETLINK_NETFILTER; in the caller's namespace

  // One question, answered by an acknowledgement. Errors: the kernel's errno with `what` and its explanation.
  Result<void> request(uint16_t type, uint16_t flags, std::string_view payload, std::string_view what);
  // A dump: `each` sees every message (its type and payload). Begins anew when the list changed meanwhile, after
  // calling `restart`.
  Result<void> dump(uint16_t type, std::string_view payload, std::string_view what,
                    const std::function<void(uint16_t, std::string_view)>& each, const std::function<void()>& restart);
  // Many messages in one datagram; the errors of all (index of the message, or -1 for the whole).
  struct Failure {
    int index = -1;
    Error error;
  };
  Result<std::vector<Failure>> send_all(const std::vector<NetlinkMessage>& messages);

 private:
  Result<void> send(std::string_view datagram, std::string_view what);
  Result<std::string_view> receive(int flags, std::string_view what);
  UniqueFd fd_;
  uint32_t sequence_ = 0;
  std::string buffer_;
};

}  // namespace kobuk::sys
