// nf_tables: a table as a value, the difference between two tables, and transactions.
//
//   nft::Table table{.name = "kobuk-default"};
//   table.sets["ports"] = {.key = {nft::kIpv4, nft::kPort}, .data = {nft::kIpv4, nft::kPort}, …};
//   table.chains["prerouting"] = {.hook = …, .rules = {{.expressions = {nft::Payload…, nft::Lookup…, nft::Nat…}}}};
//   KOBUK_CHECK(real_nft().commit(nft::difference(&before, table)));
//
// Rendering and comparing are pure: a table has an order, an equality and a text (to_text, for golden tests and logs).
// One commit is one transaction: the kernel takes all of it or nothing. Expressions are those of the kernel's small
// machine: they load registers of 4 bytes (0…15) and act on them; numbers in packets are in network order.
// Any thread; a commit lasts from a tenth of a millisecond to some milliseconds.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "sys/netlink_message.h"

namespace kobuk::sys::nft {

// Expressions. `to`, `from`: registers.
struct Payload {
  enum class Base : uint8_t { kNetwork = 1, kTransport = 2 };
  Base base = Base::kNetwork;
  uint32_t offset = 0, length = 0;
  uint8_t to = 0;
  bool operator==(const Payload&) const = default;
};
struct Meta {
  enum class Key : uint8_t { kInputName = 6, kOutputName = 7, kProtocol = 16 };
  Key key = Key::kProtocol;
  uint8_t to = 0;
  bool operator==(const Meta&) const = default;
};
// Of the connection; the address and port are those of its first packet before any translation.
struct Connection {
  enum class Key : uint8_t { kState = 0, kStatus = 2, kOriginalPort = 12, kOriginalAddress = 20 };
  Key key = Key::kState;
  uint8_t to = 0;
  bool operator==(const Connection&) const = default;
};
inline constexpr uint32_t kEstablishedOrRelated = 2 | 4;
inline constexpr uint32_t kNew = 8;
inline constexpr uint32_t kDestinationTranslated = 1 << 5;
// The type of the packet's source or destination address here: 2 is "local".
struct AddressType {
  bool source = false;
  uint8_t to = 0;
  bool operator==(const AddressType&) const = default;
};
inline constexpr uint32_t kLocalAddress = 2;
struct Immediate {
  std::string bytes;
  uint8_t to = 0;
  bool operator==(const Immediate&) const = default;
};
struct Compare {
  bool equal = true;
  uint8_t from = 0;
  std::string bytes;
  bool operator==(const Compare&) const = default;
};
struct Mask {  // in place
  uint8_t at = 0;
  std::string bytes;
  bool operator==(const Mask&) const = default;
};
// Goes on with the next rule when the key is not in the set (or is, with `absent`).
struct Lookup {
  std::string set;
  uint8_t from = 0;
  std::optional<uint8_t> to;   // of a map
  bool verdict = false;        // of a verdict map: its verdict is followed
  bool absent = false;
  bool operator==(const Lookup&) const = default;
};
struct Random {  // offset … offset + modulus - 1, in host order
  uint32_t modulus = 1, offset = 0;
  uint8_t to = 0;
  bool operator==(const Random&) const = default;
};
// Changes a set from the path of packets.
struct Update {
  enum class Operation : uint8_t { kAdd = 0, kRefresh = 1, kDelete = 2 };  // refresh: adds, or renews the time-out
  Operation operation = Operation::kAdd;
  std::string set;
  uint8_t key = 0;
  std::optional<uint8_t> data;
  uint64_t timeout_ms = 0;
  bool operator==(const Update&) const = default;
};
struct Nat {  // destination
  uint8_t address = 0, port = 1;
  bool operator==(const Nat&) const = default;
};
struct Masquerade {
  bool operator==(const Masquerade&) const = default;
};
struct Reject {
  bool reset = false;  // of TCP; else ICMP port unreachable
  bool operator==(const Reject&) const = default;
};
struct Verdict {
  enum class Kind : int8_t { kDrop, kAccept, kReturn, kJump, kGoto };
  Kind kind = Kind::kAccept;
  std::string chain;
  bool operator==(const Verdict&) const = default;
};
using Expression = std::variant<Payload, Meta, Connection, AddressType, Immediate, Compare, Mask, Lookup, Random, Update,
                                Nat, Masquerade, Reject, Verdict>;

struct Rule {
  std::vector<Expression> expressions;
  std::string comment;  // shown by `nft list ruleset`
  bool operator==(const Rule&) const = default;
};

enum class HookPoint : uint8_t { kPrerouting = 0, kInput = 1, kForward = 2, kOutput = 3, kPostrouting = 4 };
struct Hook {
  std::string type = "filter";  // "nat"
  HookPoint point = HookPoint::kForward;
  int priority = 0;
  bool operator==(const Hook&) const = default;
};
struct Chain {
  std::optional<Hook> hook;
  std::vector<Rule> rules;
  bool operator==(const Chain&) const = default;
};

// Fields of keys and data, for `nft list` and for the lengths.
struct Field {
  uint8_t type = 0;    // of nft's data types
  uint8_t length = 4;  // padded to 4
  bool operator==(const Field&) const = default;
};
inline constexpr Field kIpv4{7, 4};
inline constexpr Field kProtocol{12, 4};
inline constexpr Field kPort{13, 4};
inline constexpr Field kMark{19, 4};
inline constexpr Field kInterface{41, 16};

struct Element {
  std::string end;     // of an interval (inclusive; concatenated keys)
  std::string data;    // of a map
  std::optional<Verdict> verdict;
  bool operator==(const Element&) const = default;
};
struct Set {
  std::vector<Field> key;
  std::vector<Field> data;      // empty: no map
  bool verdicts = false;        // a verdict map
  bool ranges = false;          // elements have an end; keys of at least two fields
  bool dynamic = false;         // filled by Update; its elements are no part of the value
  uint32_t size = 0;            // of a dynamic one
  std::map<std::string, Element> elements;  // by key
  bool same_shape(const Set& other) const;
  bool operator==(const Set&) const = default;
};

struct Table {
  std::string name;  // of family ip
  std::map<std::string, Chain> chains;
  std::map<std::string, Set, std::less<>> sets;
  bool operator==(const Table&) const = default;
};

// "table kobuk-default\n  chain forward filter forward 0\n    ct state & …": stable, one line a rule and element.
std::string to_text(const Table& table);
std::string ipv4_bytes(std::string_view address);  // 4 bytes in network order; empty when it is no IPv4 address
std::string port_bytes(uint16_t port);             // padded to 4
std::string protocol_bytes(uint8_t protocol);
std::string number_bytes(uint32_t number);         // host order
std::string interface_bytes(std::string_view name);  // padded to 16

struct Transaction {
  std::vector<NetlinkMessage> messages;
  bool empty() const { return messages.empty(); }
};
// From nothing, or from whatever the kernel has under that name, when `from` is null or has another shape.
Transaction difference(const Table* from, const Table& to);
Transaction removal(const std::string& table);  // also when it is not there

class Nft {
 public:
  virtual ~Nft() = default;
  // Errors name the object: "add chain forward of table kobuk-default: …". kNotFound: the kernel has not what the
  // difference is from (somebody else flushed it). kUnsupported: names the expressions that this kernel lacks.
  virtual Result<void> commit(const Transaction& transaction) = 0;
  virtual Result<std::vector<std::string>> tables() = 0;  // names, of family ip
  // Chains of families ip and inet that hook into forwarding and drop what no rule accepts: "ip filter FORWARD", as
  // iptables' is called when it was made through nf_tables.
  virtual Result<std::vector<std::string>> dropping_forward_chains() = 0;
};
// In the network namespace of the calling thread.
Result<std::unique_ptr<Nft>> open_nft();

}  // namespace kobuk::sys::nft
