// DNS messages: RFC 1035 section 4, with compressed names (4.1.4) where receivers must understand them.
#include <algorithm>
#include <array>
#include <map>

#include "codec/dns.h"

namespace kobuk::codec {
namespace {

constexpr size_t kLongestName = 255, kLongestLabel = 63, kLongestText = 255;
constexpr size_t kLargestPointer = 0x3fff;
constexpr size_t kHeaderSize = 12, kOptSize = 11;

std::unexpected<Error> invalid_name(std::string_view name) {
  return fail(Code::kInvalid, "dns: invalid name ", go_quote(name.substr(0, kLongestName)));
}

// The labels of a text, escapes resolved.
Result<std::vector<std::string>> labels_of(std::string_view name) {
  std::vector<std::string> out;
  if (name.empty() || name == ".") return out;
  std::string_view rest = name.ends_with('.') && !name.ends_with("\\.") ? name.substr(0, name.size() - 1) : name;
  size_t wire_size = 1;
  std::string label;
  auto end_label = [&] {
    wire_size += label.size() + 1;
    bool ok = !label.empty() && label.size() <= kLongestLabel && wire_size <= kLongestName;
    out.push_back(std::exchange(label, {}));
    return ok;
  };
  for (size_t i = 0; i < rest.size(); ++i) {
    if (rest[i] == '.') {
      if (!end_label()) return invalid_name(name);
    } else if (rest[i] != '\\') {
      label.push_back(rest[i]);
    } else if (i + 1 < rest.size() && (rest[i + 1] < '0' || rest[i + 1] > '9')) {
      label.push_back(rest[++i]);
    } else {
      auto code = i + 3 < rest.size() ? parse_uint(rest.substr(i + 1, 3)) : std::nullopt;
      if (!code || *code > 255) return invalid_name(name);
      label.push_back(static_cast<char>(*code));
      i += 3;
    }
  }
  if (!end_label()) return invalid_name(name);
  return out;
}

class Writer {
 public:
  size_t size() const { return out_.size(); }
  std::string take() { return std::move(out_); }
  void u8(uint8_t value) { out_.push_back(static_cast<char>(value)); }
  void u16(size_t value) {
    out_.push_back(static_cast<char>(value >> 8));
    out_.push_back(static_cast<char>(value));
  }
  void u32(uint32_t value) {
    u16(value >> 16);
    u16(value & 0xffff);
  }
  void bytes(std::string_view text) { out_.append(text); }
  void set_u16(size_t at, size_t value) {
    out_[at] = static_cast<char>(value >> 8);
    out_[at + 1] = static_cast<char>(value);
  }
  // Forgets everything from `size` on, names too.
  void cut(size_t size) {
    out_.resize(size);
    std::erase_if(names_, [size](const auto& known) { return known.second >= size; });
  }

  Result<void> name(std::string_view text, bool compress) {
    KOBUK_TRY(std::vector<std::string> labels, labels_of(text));
    for (size_t i = 0; i < labels.size(); ++i) {
      std::string suffix;
      for (size_t j = i; j < labels.size(); ++j) cat_to(suffix, static_cast<char>(labels[j].size()), labels[j]);
      auto known = names_.find(suffix);
      if (compress && known != names_.end()) {
        u16(0xc000 | known->second);
        return {};
      }
      if (known == names_.end() && size() <= kLargestPointer) names_.emplace(std::move(suffix), size());
      u8(static_cast<uint8_t>(labels[i].size()));
      bytes(labels[i]);
    }
    u8(0);
    return {};
  }

 private:
  std::string out_;
  std::map<std::string, size_t> names_;  // labels on the wire, by where they start
};

Result<void> write_texts(Writer& out, const DnsRecord& record) {
  if (record.texts.empty()) out.u8(0);  // a TXT record has at least one text
  for (const std::string& text : record.texts) {
    if (text.size() > kLongestText) return fail(Code::kInvalid, "dns: a text of more than 255 bytes");
    out.u8(static_cast<uint8_t>(text.size()));
    out.bytes(text);
  }
  return {};
}

Result<void> write_data(Writer& out, const DnsRecord& record) {
  switch (record.type) {
    case DnsType::kA:
    case DnsType::kAaaa:
      if (record.address.size() != (record.type == DnsType::kA ? 4u : 16u)) {
        return fail(Code::kInvalid, "dns: the address of ", record.name, " has a wrong size");
      }
      out.bytes(record.address);
      return {};
    case DnsType::kSrv:
      out.u16(record.priority);
      out.u16(record.weight);
      out.u16(record.port);
      return out.name(record.target, false);  // RFC 2782 forbids compression
    case DnsType::kCname:
    case DnsType::kNs:
    case DnsType::kPtr: return out.name(record.target, true);
    case DnsType::kSoa: {
      DnsSoa soa = record.soa.value_or(DnsSoa());
      KOBUK_CHECK(out.name(soa.primary, true));
      KOBUK_CHECK(out.name(soa.mailbox, true));
      for (uint32_t field : {soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum}) out.u32(field);
      return {};
    }
    case DnsType::kTxt: return write_texts(out, record);
    default: out.bytes(record.data); return {};
  }
}

Result<void> write_record(Writer& out, const DnsRecord& record) {
  KOBUK_CHECK(out.name(record.name, true));
  out.u16(static_cast<uint16_t>(record.type));
  out.u16(record.klass);
  out.u32(record.ttl);
  size_t length_at = out.size();
  out.u16(0);
  KOBUK_CHECK(write_data(out, record));
  size_t length = out.size() - length_at - 2;
  if (length > UINT16_MAX) return fail(Code::kTooLarge, "dns: the data of ", record.name, " is too large");
  out.set_u16(length_at, length);
  return {};
}

uint16_t flags_of(const DnsMessage& message, bool truncated) {
  unsigned flags = (message.response ? 0x8000u : 0) | (message.opcode & 0xfu) << 11 | (message.authoritative ? 0x0400u : 0) |
                   (truncated ? 0x0200u : 0) | (message.recursion_desired ? 0x0100u : 0) |
                   (message.recursion_available ? 0x0080u : 0) | (static_cast<unsigned>(message.code) & 0xfu);
  return static_cast<uint16_t>(flags);
}

}  // namespace

Result<std::string> encode_dns(const DnsMessage& message, size_t max_size) {
  max_size = std::min(max_size, kDnsTcpSize);
  size_t room = max_size - std::min(max_size, message.edns_payload_size ? kOptSize : 0);
  Writer out;
  std::array<size_t, 4> counts = {message.questions.size(), 0, 0, 0};
  out.bytes(std::string(kHeaderSize, '\0'));
  for (const DnsQuestion& question : message.questions) {
    KOBUK_CHECK(out.name(question.name, true));
    out.u16(static_cast<uint16_t>(question.type));
    out.u16(question.klass);
  }
  if (out.size() > room) return fail(Code::kTooLarge, "dns: the questions need more than ", max_size, " bytes");
  bool truncated = message.truncated;
  const std::vector<DnsRecord>* sections[] = {&message.answers, &message.authority, &message.additional};
  for (size_t section = 0; section < 3; ++section) {
    for (const DnsRecord& record : *sections[section]) {
      size_t before = out.size();
      KOBUK_CHECK(write_record(out, record));
      if (out.size() > room) {
        out.cut(before);
        // Additional records are a courtesy; a client need not ask again for want of them.
        if (section < 2) truncated = true;
        break;
      }
      ++counts[section + 1];
    }
    if (truncated) break;
  }
  if (message.edns_payload_size) {
    out.u8(0);
    out.u16(static_cast<uint16_t>(DnsType::kOpt));
    out.u16(*message.edns_payload_size);
    out.u32(0);
    out.u16(0);
    ++counts[3];
  }
  out.set_u16(0, message.id);
  out.set_u16(2, flags_of(message, truncated));
  for (size_t i = 0; i < counts.size(); ++i) out.set_u16(4 + 2 * i, counts[i]);
  return out.take();
}

}  // namespace kobuk::codec
