#include <arpa/inet.h>

#include <cstring>

#include "sys/nft.h"

namespace kobuk::sys::nft {
namespace {

std::string_view verdict_word(Verdict::Kind kind) {
  static constexpr std::string_view kWords[] = {"drop", "accept", "return", "jump", "goto"};
  return kWords[static_cast<size_t>(kind)];
}

std::string verdict_text(const Verdict& verdict) {
  std::string out(verdict_word(verdict.kind));
  if (!verdict.chain.empty()) cat_to(out, " ", verdict.chain);
  return out;
}

std::string field_text(Field field, std::string_view bytes) {
  auto byte = [bytes](size_t i) { return static_cast<unsigned>(static_cast<unsigned char>(bytes[i])); };
  if (field == kIpv4) return cat(byte(0), ".", byte(1), ".", byte(2), ".", byte(3));
  if (field == kPort) return cat(byte(0) << 8 | byte(1));
  if (field == kProtocol) return byte(0) == 6 ? "tcp" : byte(0) == 17 ? "udp" : byte(0) == 132 ? "sctp" : cat(byte(0));
  if (field == kInterface) return std::string(bytes.substr(0, bytes.find('\0')));
  uint32_t number = 0;
  std::memcpy(&number, bytes.data(), sizeof number);
  return cat(number);
}

std::string fields_text(const std::vector<Field>& fields, std::string_view bytes) {
  std::string out;
  for (Field field : fields) {
    if (bytes.size() < field.length) return cat(out, " (short)");
    cat_to(out, out.empty() ? "" : " . ", field_text(field, bytes));
    bytes.remove_prefix(field.length);
  }
  return out;
}

struct Text {
  std::string operator()(const Payload& e) const {
    return cat(e.base == Payload::Base::kNetwork ? "network" : "transport", "[", e.offset, "+", e.length, "]>", e.to);
  }
  std::string operator()(const Meta& e) const {
    std::string_view name = e.key == Meta::Key::kInputName ? "iifname" : e.key == Meta::Key::kOutputName ? "oifname"
                                                                                                        : "l4proto";
    return cat(name, ">", e.to);
  }
  std::string operator()(const Connection& e) const {
    std::string_view name = e.key == Connection::Key::kState           ? "state"
                            : e.key == Connection::Key::kStatus        ? "status"
                            : e.key == Connection::Key::kOriginalPort  ? "original-port"
                                                                       : "original-address";
    return cat("ct-", name, ">", e.to);
  }
  std::string operator()(const AddressType& e) const { return cat("fib-", e.source ? "saddr" : "daddr", "-type>", e.to); }
  std::string operator()(const Immediate& e) const { return cat("0x", hex(e.bytes), ">", e.to); }
  std::string operator()(const Compare& e) const { return cat(e.from, e.equal ? "==" : "!=", "0x", hex(e.bytes)); }
  std::string operator()(const Mask& e) const { return cat(e.at, "&=0x", hex(e.bytes)); }
  std::string operator()(const Lookup& e) const {
    std::string out = cat(e.from, e.absent ? " not in " : " in ", e.set);
    if (e.verdict) out += ">verdict";
    if (e.to) cat_to(out, ">", *e.to);
    return out;
  }
  std::string operator()(const Random& e) const { return cat("random ", e.modulus, "+", e.offset, ">", e.to); }
  std::string operator()(const Update& e) const {
    std::string_view word = e.operation == Update::Operation::kAdd ? "add" : e.operation == Update::Operation::kDelete
                                                                                 ? "delete"
                                                                                 : "refresh";
    std::string out = cat(word, " ", e.key);
    if (e.data) cat_to(out, ":", *e.data);
    cat_to(out, " in ", e.set);
    if (e.timeout_ms) cat_to(out, " for ", e.timeout_ms, "ms");
    return out;
  }
  std::string operator()(const Nat& e) const { return cat("dnat ", e.address, ":", e.port); }
  std::string operator()(const Masquerade&) const { return "masquerade"; }
  std::string operator()(const Reject& e) const { return e.reset ? "reject with reset" : "reject"; }
  std::string operator()(const Verdict& e) const { return verdict_text(e); }
};

void append_set(std::string& out, const std::string& name, const Set& set) {
  cat_to(out, "  set ", name, set.dynamic ? " (dynamic)" : "", "\n");
  for (const auto& [key, element] : set.elements) {
    cat_to(out, "    ", fields_text(set.key, key));
    if (!element.end.empty()) cat_to(out, " - ", fields_text(set.key, element.end));
    if (element.verdict) cat_to(out, " : ", verdict_text(*element.verdict));
    if (!element.data.empty()) cat_to(out, " : ", fields_text(set.data, element.data));
    out += '\n';
  }
}

void append_chain(std::string& out, const std::string& name, const Chain& chain) {
  static constexpr std::string_view kPoints[] = {"prerouting", "input", "forward", "output", "postrouting"};
  cat_to(out, "  chain ", name);
  if (chain.hook)
    cat_to(out, " (", chain.hook->type, " ", kPoints[static_cast<size_t>(chain.hook->point)], " ",
           chain.hook->priority, ")");
  out += '\n';
  for (const Rule& rule : chain.rules) {
    out += "   ";
    for (const Expression& expression : rule.expressions) cat_to(out, " ", std::visit(Text{}, expression));
    if (!rule.comment.empty()) cat_to(out, "  # ", rule.comment);
    out += '\n';
  }
}

}  // namespace

std::string to_text(const Table& table) {
  std::string out = cat("table ", table.name, "\n");
  for (const auto& [name, set] : table.sets) append_set(out, name, set);
  for (const auto& [name, chain] : table.chains) append_chain(out, name, chain);
  return out;
}

}  // namespace kobuk::sys::nft
