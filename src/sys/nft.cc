#include "sys/nft.h"

#include <arpa/inet.h>

#include "sys/nft_encode.h"

namespace kobuk::sys::nft {
namespace {

// One change of a table, in an order that the kernel accepts: what is referred to exists before and goes after.
class Change {
 public:
  Change(const Table& from, const Table& to) : from_(from), to_(to), name_(to.name) {}

  std::vector<NetlinkMessage> messages() {
    add_objects();
    flush_chains();
    change_elements();
    add_rules();
    delete_objects();
    return std::move(out_);
  }

 private:
  const Chain* old_chain(const std::string& name) const {
    auto found = from_.chains.find(name);
    return found == from_.chains.end() ? nullptr : &found->second;
  }
  bool rules_differ(const std::string& name, const Chain& chain) const {
    const Chain* old = old_chain(name);
    return !old || old->rules != chain.rules;
  }

  void add_objects() {
    for (const auto& [name, chain] : to_.chains)
      if (!old_chain(name)) out_.push_back(add_chain(name_, name, chain));
    uint32_t id = 0;
    for (const auto& [name, set] : to_.sets) {
      ++id;
      if (!from_.sets.contains(name)) out_.push_back(add_set(name_, name, set, id));
    }
  }

  void flush_chains() {
    for (const auto& [name, chain] : from_.chains) {
      auto kept = to_.chains.find(name);
      bool changed = kept == to_.chains.end() || kept->second.rules != chain.rules;
      if (changed && !chain.rules.empty()) out_.push_back(flush_chain(name_, name));
    }
  }

  // Deletions come first: a new range may overlap an old one, and a changed value is a deletion and an addition.
  void change_elements() {
    static const std::map<std::string, Element> kNone;
    std::vector<std::pair<std::string, Elements>> additions;
    for (const auto& [name, set] : to_.sets) {
      auto found = from_.sets.find(name);
      const auto& old = found == from_.sets.end() ? kNone : found->second.elements;
      Elements added, deleted;
      compare(old, set.elements, added, deleted);
      delete_elements(out_, name_, name, deleted);
      if (!added.empty()) additions.emplace_back(name, std::move(added));
    }
    for (const auto& [name, added] : additions) add_elements(out_, name_, name, added);
  }

  static void compare(const std::map<std::string, Element>& old, const std::map<std::string, Element>& wanted,
                      Elements& added, Elements& deleted) {
    auto a = old.begin();
    auto b = wanted.begin();
    while (a != old.end() || b != wanted.end()) {
      if (b == wanted.end() || (a != old.end() && a->first < b->first)) {
        deleted.emplace_back(a->first, &a->second);
        ++a;
      } else if (a == old.end() || b->first < a->first) {
        added.emplace_back(b->first, &b->second);
        ++b;
      } else {
        if (a->second != b->second) {
          deleted.emplace_back(a->first, &a->second);
          added.emplace_back(b->first, &b->second);
        }
        ++a, ++b;
      }
    }
  }

  void add_rules() {
    for (const auto& [name, chain] : to_.chains) {
      if (!rules_differ(name, chain)) continue;
      for (const Rule& rule : chain.rules) out_.push_back(add_rule(name_, name, rule));
    }
  }

  void delete_objects() {
    for (const auto& [name, set] : from_.sets)
      if (!to_.sets.contains(name)) out_.push_back(delete_set(name_, name));
    for (const auto& [name, chain] : from_.chains)
      if (!to_.chains.contains(name)) out_.push_back(delete_chain(name_, name));
  }

  const Table& from_;
  const Table& to_;
  const std::string& name_;
  std::vector<NetlinkMessage> out_;
};

bool can_become(const Table& from, const Table& to) {
  if (from.name != to.name) return false;
  for (const auto& [name, set] : to.sets) {
    auto found = from.sets.find(name);
    if (found != from.sets.end() && !found->second.same_shape(set)) return false;
  }
  for (const auto& [name, chain] : to.chains) {
    auto found = from.chains.find(name);
    if (found != from.chains.end() && found->second.hook != chain.hook) return false;
  }
  return true;
}

}  // namespace

bool Set::same_shape(const Set& other) const {
  return key == other.key && data == other.data && verdicts == other.verdicts && ranges == other.ranges &&
         dynamic == other.dynamic && size == other.size;
}

Transaction difference(const Table* from, const Table& to) {
  Transaction out;
  std::vector<NetlinkMessage> changes;
  if (from && can_become(*from, to)) {
    changes = Change(*from, to).messages();
    if (changes.empty()) return out;
    out.messages.push_back(batch_begin());
  } else {
    Table nothing{.name = to.name};
    changes = Change(nothing, to).messages();
    out = removal(to.name);
    out.messages.pop_back();
    out.messages.push_back(add_table(to.name));
  }
  for (NetlinkMessage& message : changes) out.messages.push_back(std::move(message));
  out.messages.push_back(batch_end());
  return out;
}

// Adding first makes the deletion succeed whether it was there or not.
Transaction removal(const std::string& table) {
  return {{batch_begin(), add_table(table), delete_table(table), batch_end()}};
}

std::string ipv4_bytes(std::string_view address) {
  in_addr parsed{};
  if (inet_pton(AF_INET, std::string(address).c_str(), &parsed) != 1) return {};
  return std::string(bytes_of(parsed));
}

std::string port_bytes(uint16_t port) {
  return {static_cast<char>(port >> 8), static_cast<char>(port & 0xff), '\0', '\0'};
}

std::string protocol_bytes(uint8_t protocol) { return {static_cast<char>(protocol), '\0', '\0', '\0'}; }
std::string number_bytes(uint32_t number) { return std::string(bytes_of(number)); }

std::string interface_bytes(std::string_view name) {
  std::string out(name.substr(0, 15));
  out.resize(16, '\0');
  return out;
}

}  // namespace kobuk::sys::nft
