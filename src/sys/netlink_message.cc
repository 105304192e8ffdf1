// Netlink messages (netlink(7), RFC 3549 §2; extended acknowledgements: linux/netlink.h NLMSGERR_ATTR_*).
#include "sys/netlink_message.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <optional>

namespace kobuk::sys {
namespace {

constexpr size_t kReceiveBytes = 64 << 10;
constexpr int kMaxDumpTries = 8;

size_t padded(size_t size) { return (size + 3) & ~size_t{3}; }

template <class T>
T load(std::string_view bytes) {
  T out{};
  if (bytes.size() >= sizeof out) std::memcpy(&out, bytes.data(), sizeof out);
  return out;
}

void append_message(std::string& out, uint16_t type, uint16_t flags, uint32_t sequence, std::string_view payload) {
  nlmsghdr header{};
  header.nlmsg_len = static_cast<uint32_t>(sizeof header + payload.size());
  header.nlmsg_type = type;
  header.nlmsg_flags = flags;
  header.nlmsg_seq = sequence;
  out.append(bytes_of(header));
  out.append(payload);
  out.append(padded(payload.size()) - payload.size(), '\0');
}

// The body of an NLMSG_ERROR; nullopt for an acknowledgement.
std::optional<Error> error_of(const nlmsghdr& header, std::string_view body, std::string_view what) {
  auto error = load<nlmsgerr>(body);
  if (error.error == 0) return std::nullopt;
  std::string message(what);
  if (header.nlmsg_flags & NLM_F_ACK_TLVS) {
    // With CAP_ACK the failed message is not repeated: attributes follow its header.
    size_t skip = sizeof error;
    if (!(header.nlmsg_flags & NLM_F_CAPPED)) skip += padded(error.msg.nlmsg_len) - sizeof(nlmsghdr);
    if (skip < body.size()) {
      auto text = find_attribute(read_attributes(body.substr(skip)), NLMSGERR_ATTR_MSG).text();
      if (!text.empty()) cat_to(message, " (", text, ")");
    }
  }
  return errno_error(-error.error, message);
}

// Takes the next message off the front of `bytes`; false at the end or when the rest is no message.
bool next_message(std::string_view& bytes, nlmsghdr& header, std::string_view& body) {
  if (bytes.size() < sizeof(nlmsghdr)) return false;
  header = load<nlmsghdr>(bytes);
  if (header.nlmsg_len < sizeof header || header.nlmsg_len > bytes.size()) return false;
  body = bytes.substr(sizeof header, header.nlmsg_len - sizeof header);
  bytes.remove_prefix(std::min(padded(header.nlmsg_len), bytes.size()));
  return true;
}

}  // namespace

void AttributeWriter::put(uint16_t type, std::string_view data) {
  nlattr header{};
  header.nla_len = static_cast<uint16_t>(sizeof header + data.size());
  header.nla_type = type;
  bytes_.append(bytes_of(header));
  bytes_.append(data);
  bytes_.append(padded(data.size()) - data.size(), '\0');
}

void AttributeWriter::put_u8(uint16_t type, uint8_t value) { put(type, bytes_of(value)); }
void AttributeWriter::put_u32(uint16_t type, uint32_t value) { put(type, bytes_of(value)); }
void AttributeWriter::put_be32(uint16_t type, uint32_t value) {
  uint32_t big = htonl(value);
  put(type, bytes_of(big));
}
void AttributeWriter::put_be64(uint16_t type, uint64_t value) {
  uint64_t big = __builtin_bswap64(value);
  if constexpr (std::endian::native == std::endian::big) big = value;
  put(type, bytes_of(big));
}
void AttributeWriter::put_text(uint16_t type, std::string_view text) {
  std::string terminated(text);
  terminated.push_back('\0');
  put(type, terminated);
}

size_t AttributeWriter::begin(uint16_t type) {
  size_t place = bytes_.size();
  put(type | NLA_F_NESTED, {});
  return place;
}

void AttributeWriter::end(size_t place) {
  auto length = static_cast<uint16_t>(bytes_.size() - place);
  std::memcpy(bytes_.data() + place, &length, sizeof length);
}

uint8_t Attribute::u8() const { return load<uint8_t>(data); }
uint32_t Attribute::u32() const { return load<uint32_t>(data); }
uint32_t Attribute::be32() const { return ntohl(load<uint32_t>(data)); }
std::string_view Attribute::text() const { return data.substr(0, data.find('\0')); }

std::vector<Attribute> read_attributes(std::string_view bytes) {
  std::vector<Attribute> out;
  while (bytes.size() >= sizeof(nlattr)) {
    auto header = load<nlattr>(bytes);
    if (header.nla_len < sizeof header || header.nla_len > bytes.size()) break;
    out.push_back({static_cast<uint16_t>(header.nla_type & NLA_TYPE_MASK),
                   bytes.substr(sizeof header, header.nla_len - sizeof header)});
    bytes.remove_prefix(std::min(padded(header.nla_len), bytes.size()));
  }
  return out;
}

Attribute find_attribute(const std::vector<Attribute>& attributes, uint16_t type) {
  for (const Attribute& attribute : attributes)
    if (attribute.type == type) return attribute;
  return {};
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
  NetlinkSocket out;
  out.fd_ = UniqueFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
  if (!out.fd_) return fail_errno(errno, "open a netlink socket");
  int on = 1;  // better messages where the kernel has them; an old one without is fine
  setsockopt(out.fd_.get(), SOL_NETLINK, NETLINK_EXT_ACK, &on, sizeof on);
  setsockopt(out.fd_.get(), SOL_NETLINK, NETLINK_CAP_ACK, &on, sizeof on);
  sockaddr_nl local{};
  local.nl_family = AF_NETLINK;
  if (bind(out.fd_.get(), reinterpret_cast<sockaddr*>(&local), sizeof local) != 0)
    return fail_errno(errno, "bind a netlink socket");
  out.buffer_.resize(kReceiveBytes);
  return out;
}

Result<void> NetlinkSocket::send(std::string_view datagram, std::string_view what) {
  sockaddr_nl kernel{};
  kernel.nl_family = AF_NETLINK;
  for (;;) {
    ssize_t sent = sendto(fd_.get(), datagram.data(), datagram.size(), 0, reinterpret_cast<sockaddr*>(&kernel),
                          sizeof kernel);
    if (sent >= 0) return {};
    if (errno != EINTR) return fail_errno(errno, what);
  }
}

Result<std::string_view> NetlinkSocket::receive(int flags, std::string_view what) {
  for (;;) {
    ssize_t got = recv(fd_.get(), buffer_.data(), buffer_.size(), flags);
    if (got >= 0) return std::string_view(buffer_.data(), static_cast<size_t>(got));
    if (errno != EINTR) return fail_errno(errno, what);
  }
}

Result<void> NetlinkSocket::request(uint16_t type, uint16_t flags, std::string_view payload, std::string_view what) {
  std::string datagram;
  uint32_t sequence = ++sequence_;
  append_message(datagram, type, flags | NLM_F_REQUEST | NLM_F_ACK, sequence, payload);
  KOBUK_CHECK(send(datagram, what));
  for (;;) {
    KOBUK_TRY(std::string_view bytes, receive(0, what));
    nlmsghdr header;
    std::string_view body;
    while (next_message(bytes, header, body)) {
      if (header.nlmsg_seq != sequence || header.nlmsg_type != NLMSG_ERROR) continue;
      if (auto error = error_of(header, body, what)) return fail(*std::move(error));
      return {};
    }
  }
}

Result<void> NetlinkSocket::dump(uint16_t type, std::string_view payload, std::string_view what,
                                 const std::function<void(uint16_t, std::string_view)>& each,
                                 const std::function<void()>& restart) {
  for (int tries = 0; tries < kMaxDumpTries; ++tries) {
    std::string datagram;
    uint32_t sequence = ++sequence_;
    append_message(datagram, type, NLM_F_REQUEST | NLM_F_DUMP, sequence, payload);
    KOBUK_CHECK(send(datagram, what));
    bool done = false, interrupted = false;
    while (!done) {
      KOBUK_TRY(std::string_view bytes, receive(0, what));
      nlmsghdr header;
      std::string_view body;
      while (!done && next_message(bytes, header, body)) {
        if (header.nlmsg_seq != sequence) continue;
        interrupted = interrupted || (header.nlmsg_flags & NLM_F_DUMP_INTR);
        done = header.nlmsg_type == NLMSG_DONE || header.nlmsg_type == NLMSG_ERROR;
        if (header.nlmsg_type == NLMSG_ERROR) {
          if (auto error = error_of(header, body, what)) return fail(*std::move(error));
        }
        if (!done) each(header.nlmsg_type, body);
      }
    }
    if (!interrupted) return {};
    restart();
  }
  return fail(Code::kUnavailable, what, ": the list changes faster than it can be read");
}

Result<std::vector<NetlinkSocket::Failure>> NetlinkSocket::send_all(const std::vector<NetlinkMessage>& messages) {
  std::string datagram;
  uint32_t first = sequence_ + 1;
  for (const NetlinkMessage& message : messages)
    append_message(datagram, message.type, message.flags | NLM_F_REQUEST, ++sequence_, message.payload);
  // The kernel takes a batch whole, and answers before sendto(2) returns: both buffers must hold it.
  int room = static_cast<int>(std::min<size_t>(datagram.size() * 2 + kReceiveBytes, size_t{1} << 30));
  setsockopt(fd_.get(), SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  setsockopt(fd_.get(), SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  KOBUK_CHECK(send(datagram, "send a transaction"));
  std::vector<Failure> failures;
  for (;;) {
    auto received = receive(MSG_DONTWAIT, "read the answers of a transaction");
    if (!received) {
      if (received.error().system_errno() == EAGAIN) return failures;
      return fail(std::move(received).error());
    }
    std::string_view bytes = *received;
    nlmsghdr header;
    std::string_view body;
    while (next_message(bytes, header, body)) {
      uint32_t index = header.nlmsg_seq - first;
      if (header.nlmsg_type != NLMSG_ERROR || index >= messages.size()) continue;
      auto error = error_of(header, body, messages[index].object);
      if (error) failures.push_back({static_cast<int>(index), *std::move(error)});
    }
  }
}

}  // namespace kobuk::sys
