// DNS messages: what the node's DNS server answers pods with, and asks others.
//
//   KOBUK_TRY(DnsMessage query, decode_dns(packet));
//   DnsMessage answer = dns_reply_to(query);
//   answer.answers.push_back({.name = query.questions[0].name, .type = DnsType::kA, .ttl = 5, .address = "\x0a\x60\0\1"});
//   std::string out = encode_dns(answer, 512);
//
// Names are texts without the last dot ("kubernetes.default.svc.cluster.local", "" for the root) in the case they came
// in; dots and unprintable bytes inside a label are escaped as in zone files (\. \\ \007). Values; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace kobuk::codec {

enum class DnsType : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kOpt = 41,
  kAny = 255,
};  // others may come in; their data is kept as it is

enum class DnsCode : uint8_t { kNoError = 0, kFormatError = 1, kServerFailure = 2, kNameError = 3, kNotImplemented = 4, kRefused = 5 };

inline constexpr uint16_t kDnsInternet = 1;  // class IN

struct DnsQuestion {
  std::string name;
  DnsType type = DnsType::kA;
  uint16_t klass = kDnsInternet;
};

struct DnsSoa {
  std::string primary;
  std::string mailbox;
  uint32_t serial = 0, refresh = 0, retry = 0, expire = 0, minimum = 0;
};

struct DnsRecord {
  std::string name;
  DnsType type = DnsType::kA;
  uint16_t klass = kDnsInternet;
  uint32_t ttl = 0;                // seconds
  std::string address;             // of kA: 4 bytes, of kAaaa: 16 bytes
  std::string target;              // name, of kCname, kNs, kPtr and kSrv
  uint16_t priority = 0, weight = 0, port = 0;  // of kSrv
  std::vector<std::string> texts;  // of kTxt; up to 255 bytes each
  std::optional<DnsSoa> soa;       // of kSoa
  std::string data;                // of all other types, raw
};

struct DnsMessage {
  uint16_t id = 0;
  bool response = false;
  uint8_t opcode = 0;  // 0: a standard query
  bool authoritative = false;
  bool truncated = false;
  bool recursion_desired = false;
  bool recursion_available = false;
  DnsCode code = DnsCode::kNoError;
  std::vector<DnsQuestion> questions;
  std::vector<DnsRecord> answers;
  std::vector<DnsRecord> authority;
  std::vector<DnsRecord> additional;           // without the OPT record
  std::optional<uint16_t> edns_payload_size;   // what the sender takes over UDP, when it said so (RFC 6891)
};

inline constexpr size_t kDnsUdpSize = 512;  // without EDNS
inline constexpr size_t kDnsTcpSize = 65535;

// kInvalid for what is no DNS message. Bytes behind it are ignored, as resolvers do.
Result<DnsMessage> decode_dns(std::string_view packet);

// With compressed names. What does not fit into max_size is left out, whole records from the end, and `truncated` is
// set. kInvalid for names, addresses and texts that cannot be sent.
Result<std::string> encode_dns(const DnsMessage& message, size_t max_size = kDnsTcpSize);

// A response with the query's id, questions, opcode and wish for recursion.
DnsMessage dns_reply_to(const DnsMessage& query);

}  // namespace kobuk::codec
