// nf_tables over nfnetlink: linux/netfilter/nf_tables.h names every attribute; numbers are in network order.
#include "sys/nft_encode.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_nat.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <algorithm>

namespace kobuk::sys::nft {
namespace {

constexpr size_t kMaxElementBytes = 48 << 10;  // of one message's list: its length is 16 bits
constexpr size_t kMaxComment = 120;

uint32_t reg(uint8_t number) { return NFT_REG32_00 + uint32_t{number}; }

std::string family_header(uint8_t family, uint16_t resource) {
  nfgenmsg header{};
  header.nfgen_family = family;
  header.version = NFNETLINK_V0;
  header.res_id = htons(resource);
  return std::string(bytes_of(header));
}

NetlinkMessage message(uint16_t type, uint16_t flags, AttributeWriter& attributes, std::string object) {
  NetlinkMessage out;
  out.type = static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | type);
  out.flags = flags;
  out.payload = family_header(NFPROTO_IPV4, 0) + attributes.take();
  out.object = std::move(object);
  return out;
}

void put_value(AttributeWriter& out, uint16_t type, std::string_view bytes) {
  size_t data = out.begin(type);
  out.put(NFTA_DATA_VALUE, bytes);
  out.end(data);
}

void put_verdict(AttributeWriter& out, uint16_t type, const Verdict& verdict) {
  int code = 0;
  switch (verdict.kind) {
    case Verdict::Kind::kDrop: code = NF_DROP; break;
    case Verdict::Kind::kAccept: code = NF_ACCEPT; break;
    case Verdict::Kind::kReturn: code = NFT_RETURN; break;
    case Verdict::Kind::kJump: code = NFT_JUMP; break;
    case Verdict::Kind::kGoto: code = NFT_GOTO; break;
  }
  size_t data = out.begin(type);
  size_t inner = out.begin(NFTA_DATA_VERDICT);
  out.put_be32(NFTA_VERDICT_CODE, static_cast<uint32_t>(code));
  if (!verdict.chain.empty()) out.put_text(NFTA_VERDICT_CHAIN, verdict.chain);
  out.end(inner);
  out.end(data);
}

struct Encode {
  AttributeWriter& out;

  void operator()(const Payload& e) const {
    out.put_be32(NFTA_PAYLOAD_DREG, reg(e.to));
    out.put_be32(NFTA_PAYLOAD_BASE, static_cast<uint32_t>(e.base));
    out.put_be32(NFTA_PAYLOAD_OFFSET, e.offset);
    out.put_be32(NFTA_PAYLOAD_LEN, e.length);
  }
  void operator()(const Meta& e) const {
    out.put_be32(NFTA_META_KEY, static_cast<uint32_t>(e.key));
    out.put_be32(NFTA_META_DREG, reg(e.to));
  }
  void operator()(const Connection& e) const {
    out.put_be32(NFTA_CT_KEY, static_cast<uint32_t>(e.key));
    bool directed = e.key == Connection::Key::kOriginalAddress || e.key == Connection::Key::kOriginalPort;
    if (directed) out.put_u8(NFTA_CT_DIRECTION, 0);
    out.put_be32(NFTA_CT_DREG, reg(e.to));
  }
  void operator()(const AddressType& e) const {
    out.put_be32(NFTA_FIB_DREG, reg(e.to));
    out.put_be32(NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE);
    out.put_be32(NFTA_FIB_FLAGS, e.source ? NFTA_FIB_F_SADDR : NFTA_FIB_F_DADDR);
  }
  void operator()(const Immediate& e) const {
    out.put_be32(NFTA_IMMEDIATE_DREG, reg(e.to));
    put_value(out, NFTA_IMMEDIATE_DATA, e.bytes);
  }
  void operator()(const Compare& e) const {
    out.put_be32(NFTA_CMP_SREG, reg(e.from));
    out.put_be32(NFTA_CMP_OP, e.equal ? NFT_CMP_EQ : NFT_CMP_NEQ);
    put_value(out, NFTA_CMP_DATA, e.bytes);
  }
  void operator()(const Mask& e) const {
    out.put_be32(NFTA_BITWISE_SREG, reg(e.at));
    out.put_be32(NFTA_BITWISE_DREG, reg(e.at));
    out.put_be32(NFTA_BITWISE_LEN, static_cast<uint32_t>(e.bytes.size()));
    put_value(out, NFTA_BITWISE_MASK, e.bytes);
    put_value(out, NFTA_BITWISE_XOR, std::string(e.bytes.size(), '\0'));
  }
  void operator()(const Lookup& e) const {
    out.put_text(NFTA_LOOKUP_SET, e.set);
    out.put_be32(NFTA_LOOKUP_SREG, reg(e.from));
    if (e.verdict) out.put_be32(NFTA_LOOKUP_DREG, NFT_REG_VERDICT);
    else if (e.to) out.put_be32(NFTA_LOOKUP_DREG, reg(*e.to));
    if (e.absent) out.put_be32(NFTA_LOOKUP_FLAGS, NFT_LOOKUP_F_INV);
  }
  void operator()(const Random& e) const {
    out.put_be32(NFTA_NG_DREG, reg(e.to));
    out.put_be32(NFTA_NG_MODULUS, e.modulus);
    out.put_be32(NFTA_NG_TYPE, NFT_NG_RANDOM);
    out.put_be32(NFTA_NG_OFFSET, e.offset);
  }
  void operator()(const Update& e) const {
    out.put_text(NFTA_DYNSET_SET_NAME, e.set);
    out.put_be32(NFTA_DYNSET_OP, static_cast<uint32_t>(e.operation));
    out.put_be32(NFTA_DYNSET_SREG_KEY, reg(e.key));
    if (e.data) out.put_be32(NFTA_DYNSET_SREG_DATA, reg(*e.data));
    if (e.timeout_ms) out.put_be64(NFTA_DYNSET_TIMEOUT, e.timeout_ms);
  }
  void operator()(const Nat& e) const {
    out.put_be32(NFTA_NAT_TYPE, NFT_NAT_DNAT);
    out.put_be32(NFTA_NAT_FAMILY, NFPROTO_IPV4);
    out.put_be32(NFTA_NAT_REG_ADDR_MIN, reg(e.address));
    out.put_be32(NFTA_NAT_REG_PROTO_MIN, reg(e.port));
  }
  void operator()(const Masquerade&) const {}
  void operator()(const Reject& e) const {
    out.put_be32(NFTA_REJECT_TYPE, e.reset ? NFT_REJECT_TCP_RST : NFT_REJECT_ICMP_UNREACH);
    out.put_u8(NFTA_REJECT_ICMP_CODE, e.reset ? 0 : 3);
  }
  void operator()(const Verdict& e) const {
    out.put_be32(NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    put_verdict(out, NFTA_IMMEDIATE_DATA, e);
  }
};

uint32_t type_of(const std::vector<Field>& fields) {
  uint32_t out = 0;
  for (Field field : fields) out = out << 6 | field.type;
  return out;
}

uint32_t length_of(const std::vector<Field>& fields) {
  uint32_t out = 0;
  for (Field field : fields) out += field.length;
  return out;
}

uint32_t flags_of(const Set& set) {
  uint32_t flags = 0;
  if (set.verdicts || !set.data.empty()) flags |= NFT_SET_MAP;
  if (set.ranges) flags |= NFT_SET_INTERVAL;
  if (set.ranges || set.key.size() > 1) flags |= NFT_SET_CONCAT;
  if (set.dynamic) flags |= NFT_SET_EVAL | NFT_SET_TIMEOUT;
  return flags;
}

void put_description(AttributeWriter& out, const Set& set) {
  size_t description = out.begin(NFTA_SET_DESC);
  if (set.size) out.put_be32(NFTA_SET_DESC_SIZE, set.size);
  if (set.key.size() > 1) {
    size_t fields = out.begin(NFTA_SET_DESC_CONCAT);
    for (Field field : set.key) {
      size_t element = out.begin(NFTA_LIST_ELEM);
      out.put_be32(NFTA_SET_FIELD_LEN, field.length);
      out.end(element);
    }
    out.end(fields);
  }
  out.end(description);
}

void put_element(AttributeWriter& out, const std::string& key, const Element& element, bool with_data) {
  size_t list = out.begin(NFTA_LIST_ELEM);
  put_value(out, NFTA_SET_ELEM_KEY, key);
  if (!element.end.empty()) put_value(out, NFTA_SET_ELEM_KEY_END, element.end);
  if (with_data && element.verdict) put_verdict(out, NFTA_SET_ELEM_DATA, *element.verdict);
  else if (with_data && !element.data.empty()) put_value(out, NFTA_SET_ELEM_DATA, element.data);
  out.end(list);
}

void append_elements(std::vector<NetlinkMessage>& out, bool add, const std::string& table, const std::string& set,
                     const Elements& elements) {
  size_t next = 0;
  while (next < elements.size()) {
    AttributeWriter attributes;
    attributes.put_text(NFTA_SET_ELEM_LIST_TABLE, table);
    attributes.put_text(NFTA_SET_ELEM_LIST_SET, set);
    size_t list = attributes.begin(NFTA_SET_ELEM_LIST_ELEMENTS);
    while (next < elements.size() && attributes.size() < kMaxElementBytes) {
      put_element(attributes, elements[next].first, *elements[next].second, add);
      ++next;
    }
    attributes.end(list);
    out.push_back(message(add ? NFT_MSG_NEWSETELEM : NFT_MSG_DELSETELEM, add ? NLM_F_CREATE : 0, attributes,
                          cat(add ? "add" : "delete", " elements of set ", set, " of table ", table)));
  }
}

}  // namespace

std::string_view expression_name(const Expression& expression) {
  static constexpr std::string_view kNames[] = {"payload", "meta",    "ct",   "fib", "immediate", "cmp",    "bitwise",
                                                "lookup",  "numgen", "dynset", "nat", "masq",      "reject", "immediate"};
  return kNames[expression.index()];
}

NetlinkMessage batch_begin() {
  return {NFNL_MSG_BATCH_BEGIN, 0, family_header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES), "begin of the transaction"};
}
NetlinkMessage batch_end() {
  return {NFNL_MSG_BATCH_END, 0, family_header(AF_UNSPEC, NFNL_SUBSYS_NFTABLES), "end of the transaction"};
}

NetlinkMessage add_table(const std::string& table) {
  AttributeWriter out;
  out.put_text(NFTA_TABLE_NAME, table);
  return message(NFT_MSG_NEWTABLE, NLM_F_CREATE, out, cat("add table ", table));
}

NetlinkMessage delete_table(const std::string& table) {
  AttributeWriter out;
  out.put_text(NFTA_TABLE_NAME, table);
  return message(NFT_MSG_DELTABLE, 0, out, cat("delete table ", table));
}

NetlinkMessage add_chain(const std::string& table, const std::string& name, const Chain& chain) {
  AttributeWriter out;
  out.put_text(NFTA_CHAIN_TABLE, table);
  out.put_text(NFTA_CHAIN_NAME, name);
  if (chain.hook) {
    size_t hook = out.begin(NFTA_CHAIN_HOOK);
    out.put_be32(NFTA_HOOK_HOOKNUM, static_cast<uint32_t>(chain.hook->point));
    out.put_be32(NFTA_HOOK_PRIORITY, static_cast<uint32_t>(chain.hook->priority));
    out.end(hook);
    out.put_be32(NFTA_CHAIN_POLICY, NF_ACCEPT);
    out.put_text(NFTA_CHAIN_TYPE, chain.hook->type);
  }
  return message(NFT_MSG_NEWCHAIN, NLM_F_CREATE, out, cat("add chain ", name, " of table ", table));
}

NetlinkMessage delete_chain(const std::string& table, const std::string& name) {
  AttributeWriter out;
  out.put_text(NFTA_CHAIN_TABLE, table);
  out.put_text(NFTA_CHAIN_NAME, name);
  return message(NFT_MSG_DELCHAIN, 0, out, cat("delete chain ", name, " of table ", table));
}

NetlinkMessage add_rule(const std::string& table, const std::string& chain, const Rule& rule) {
  AttributeWriter out;
  out.put_text(NFTA_RULE_TABLE, table);
  out.put_text(NFTA_RULE_CHAIN, chain);
  size_t list = out.begin(NFTA_RULE_EXPRESSIONS);
  for (const Expression& expression : rule.expressions) {
    size_t element = out.begin(NFTA_LIST_ELEM);
    out.put_text(NFTA_EXPR_NAME, expression_name(expression));
    size_t data = out.begin(NFTA_EXPR_DATA);
    std::visit(Encode{out}, expression);
    out.end(data);
    out.end(element);
  }
  out.end(list);
  if (!rule.comment.empty()) {
    std::string text = rule.comment.substr(0, kMaxComment);
    std::string user_data{'\0', static_cast<char>(text.size() + 1)};  // type 0: comment
    user_data += text;
    user_data.push_back('\0');
    out.put(NFTA_RULE_USERDATA, user_data);
  }
  return message(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, out,
                 cat("add rule \"", rule.comment, "\" to chain ", chain, " of table ", table));
}

NetlinkMessage flush_chain(const std::string& table, const std::string& chain) {
  AttributeWriter out;
  out.put_text(NFTA_RULE_TABLE, table);
  out.put_text(NFTA_RULE_CHAIN, chain);
  return message(NFT_MSG_DELRULE, 0, out, cat("flush chain ", chain, " of table ", table));
}

NetlinkMessage add_set(const std::string& table, const std::string& name, const Set& set, uint32_t id) {
  AttributeWriter out;
  out.put_text(NFTA_SET_TABLE, table);
  out.put_text(NFTA_SET_NAME, name);
  out.put_be32(NFTA_SET_FLAGS, flags_of(set));
  out.put_be32(NFTA_SET_KEY_TYPE, type_of(set.key));
  out.put_be32(NFTA_SET_KEY_LEN, length_of(set.key));
  if (set.verdicts) {
    out.put_be32(NFTA_SET_DATA_TYPE, NFT_DATA_VERDICT);
  } else if (!set.data.empty()) {
    out.put_be32(NFTA_SET_DATA_TYPE, type_of(set.data));
    out.put_be32(NFTA_SET_DATA_LEN, length_of(set.data));
  }
  out.put_be32(NFTA_SET_ID, id);
  put_description(out, set);
  return message(NFT_MSG_NEWSET, NLM_F_CREATE, out, cat("add set ", name, " of table ", table));
}

NetlinkMessage delete_set(const std::string& table, const std::string& name) {
  AttributeWriter out;
  out.put_text(NFTA_SET_TABLE, table);
  out.put_text(NFTA_SET_NAME, name);
  return message(NFT_MSG_DELSET, 0, out, cat("delete set ", name, " of table ", table));
}

void add_elements(std::vector<NetlinkMessage>& out, const std::string& table, const std::string& set,
                  const Elements& elements) {
  append_elements(out, true, table, set, elements);
}
void delete_elements(std::vector<NetlinkMessage>& out, const std::string& table, const std::string& set,
                     const Elements& elements) {
  append_elements(out, false, table, set, elements);
}

std::string list_request(uint8_t family) { return family_header(family, 0); }

}  // namespace kobuk::sys::nft
