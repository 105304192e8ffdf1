// DNS messages: RFC 1035 section 4, RFC 3596 (AAAA), RFC 2782 (SRV), RFC 6891 (EDNS).
#include "codec/dns.h"

namespace kobuk::codec {
namespace {

constexpr size_t kLongestName = 255;  // on the wire

std::unexpected<Error> malformed(std::string_view what) { return fail(Code::kInvalid, "dns: ", what); }

void append_label(std::string& out, std::string_view label) {
  for (char c : label) {
    auto byte = static_cast<uint8_t>(c);
    if (c == '.' || c == '\\') {
      cat_to(out, '\\', c);
    } else if (byte <= ' ' || byte >= 0x7f) {
      cat_to(out, '\\', byte / 100, byte / 10 % 10, byte % 10);
    } else {
      out.push_back(c);
    }
  }
}

class Reader {
 public:
  explicit Reader(std::string_view packet) : packet_(packet) {}

  size_t position() const { return position_; }
  size_t left() const { return packet_.size() - position_; }

  Result<std::string_view> bytes(size_t size) {
    if (size > left()) return malformed("unexpected end of the message");
    std::string_view out = packet_.substr(position_, size);
    position_ += size;
    return out;
  }
  Result<uint16_t> u16() {
    KOBUK_TRY(std::string_view two, bytes(2));
    return static_cast<uint16_t>(static_cast<uint8_t>(two[0]) << 8 | static_cast<uint8_t>(two[1]));
  }
  Result<uint32_t> u32() {
    KOBUK_TRY(uint32_t high, u16());
    KOBUK_TRY(uint32_t low, u16());
    return high << 16 | low;
  }
  Result<uint8_t> u8() {
    KOBUK_TRY(std::string_view one, bytes(1));
    return static_cast<uint8_t>(one[0]);
  }

  // Each pointer must point before the label it was reached from, so that following them ends.
  Result<std::string> name() {
    std::string out;
    size_t wire_size = 1, at = position_, before = position_;
    bool jumped = false;
    while (true) {
      if (at >= packet_.size()) return malformed("unexpected end of the message");
      auto length = static_cast<uint8_t>(packet_[at]);
      if ((length & 0xc0) == 0xc0) {
        if (at + 1 >= packet_.size()) return malformed("unexpected end of the message");
        size_t target = (length & 0x3fu) << 8 | static_cast<uint8_t>(packet_[at + 1]);
        if (!jumped) position_ = at + 2;
        jumped = true;
        if (target >= before) return malformed("a compression pointer does not point back");
        at = before = target;
        continue;
      }
      if (length & 0xc0) return malformed("unknown kind of label");
      ++at;
      if (length == 0) break;
      if (length > packet_.size() - at) return malformed("unexpected end of the message");
      wire_size += length + 1u;
      if (wire_size > kLongestName) return malformed("a name is too long");
      if (!out.empty()) out.push_back('.');
      append_label(out, packet_.substr(at, length));
      at += length;
    }
    if (!jumped) position_ = at;
    return out;
  }

 private:
  std::string_view packet_;
  size_t position_ = 0;
};

Result<DnsSoa> read_soa(Reader& reader) {
  DnsSoa soa;
  KOBUK_TRY(soa.primary, reader.name());
  KOBUK_TRY(soa.mailbox, reader.name());
  for (uint32_t* field : {&soa.serial, &soa.refresh, &soa.retry, &soa.expire, &soa.minimum}) {
    KOBUK_TRY(*field, reader.u32());
  }
  return soa;
}

Result<void> read_texts(Reader& reader, size_t end, DnsRecord& record) {
  while (reader.position() < end) {
    KOBUK_TRY(uint8_t size, reader.u8());
    KOBUK_TRY(std::string_view text, reader.bytes(size));
    record.texts.emplace_back(text);
  }
  return {};
}

Result<void> read_data(Reader& reader, size_t size, DnsRecord& record) {
  switch (record.type) {
    case DnsType::kA:
    case DnsType::kAaaa: {
      if (size != (record.type == DnsType::kA ? 4u : 16u)) return malformed("an address has a wrong size");
      KOBUK_TRY(record.address, reader.bytes(size));
      return {};
    }
    case DnsType::kSrv: {
      KOBUK_TRY(record.priority, reader.u16());
      KOBUK_TRY(record.weight, reader.u16());
      KOBUK_TRY(record.port, reader.u16());
      KOBUK_TRY(record.target, reader.name());
      return {};
    }
    case DnsType::kCname:
    case DnsType::kNs:
    case DnsType::kPtr: {
      KOBUK_TRY(record.target, reader.name());
      return {};
    }
    case DnsType::kSoa: {
      KOBUK_TRY(record.soa, read_soa(reader));
      return {};
    }
    case DnsType::kTxt: return read_texts(reader, reader.position() + size, record);
    default: {
      KOBUK_TRY(record.data, reader.bytes(size));
      return {};
    }
  }
}

Result<DnsRecord> read_record(Reader& reader) {
  DnsRecord record;
  KOBUK_TRY(record.name, reader.name());
  KOBUK_TRY(uint16_t type, reader.u16());
  record.type = static_cast<DnsType>(type);
  KOBUK_TRY(record.klass, reader.u16());
  KOBUK_TRY(record.ttl, reader.u32());
  KOBUK_TRY(uint16_t size, reader.u16());
  if (size > reader.left()) return malformed("unexpected end of the message");
  size_t end = reader.position() + size;
  KOBUK_CHECK(read_data(reader, size, record));
  if (reader.position() != end) return malformed("the data of a record has a wrong size");
  return record;
}

}  // namespace

Result<DnsMessage> decode_dns(std::string_view packet) {
  Reader reader(packet);
  DnsMessage out;
  KOBUK_TRY(out.id, reader.u16());
  KOBUK_TRY(uint16_t flags, reader.u16());
  out.response = flags & 0x8000;
  out.opcode = flags >> 11 & 0xf;
  out.authoritative = flags & 0x0400;
  out.truncated = flags & 0x0200;
  out.recursion_desired = flags & 0x0100;
  out.recursion_available = flags & 0x0080;
  out.code = static_cast<DnsCode>(flags & 0xf);
  uint16_t counts[4];
  for (uint16_t& count : counts) {
    KOBUK_TRY(count, reader.u16());
  }
  for (uint16_t i = 0; i < counts[0]; ++i) {
    DnsQuestion question;
    KOBUK_TRY(question.name, reader.name());
    KOBUK_TRY(uint16_t type, reader.u16());
    question.type = static_cast<DnsType>(type);
    KOBUK_TRY(question.klass, reader.u16());
    out.questions.push_back(std::move(question));
  }
  std::vector<DnsRecord>* sections[] = {&out.answers, &out.authority, &out.additional};
  for (size_t section = 0; section < 3; ++section) {
    for (uint16_t i = 0; i < counts[section + 1]; ++i) {
      KOBUK_TRY(DnsRecord record, read_record(reader));
      if (record.type == DnsType::kOpt) {
        out.edns_payload_size = record.klass;
      } else {
        sections[section]->push_back(std::move(record));
      }
    }
  }
  return out;
}

DnsMessage dns_reply_to(const DnsMessage& query) {
  DnsMessage out;
  out.id = query.id;
  out.response = true;
  out.opcode = query.opcode;
  out.recursion_desired = query.recursion_desired;
  out.questions = query.questions;
  return out;
}

}  // namespace kobuk::codec
