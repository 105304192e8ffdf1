// nf_tables messages (linux/netfilter/nf_tables.h) of tables, chains, rules, sets and elements. Of sys/nft*.cc alone.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sys/nft.h"

namespace kobuk::sys::nft {

std::string_view expression_name(const Expression& expression);  // as the kernel's modules are called: "numgen"
NetlinkMessage batch_begin();
NetlinkMessage batch_end();
NetlinkMessage add_table(const std::string& table);
NetlinkMessage delete_table(const std::string& table);
NetlinkMessage add_chain(const std::string& table, const std::string& name, const Chain& chain);
NetlinkMessage delete_chain(const std::string& table, const std::string& name);
NetlinkMessage add_rule(const std::string& table, const std::string& chain, const Rule& rule);
NetlinkMessage flush_chain(const std::string& table, const std::string& chain);
// `id` is unique in the transaction.
NetlinkMessage add_set(const std::string& table, const std::string& name, const Set& set, uint32_t id);
NetlinkMessage delete_set(const std::string& table, const std::string& name);
// As many messages as it takes.
using Elements = std::vector<std::pair<std::string, const Element*>>;
void add_elements(std::vector<NetlinkMessage>& out, const std::string& table, const std::string& set,
                  const Elements& elements);
void delete_elements(std::vector<NetlinkMessage>& out, const std::string& table, const std::string& set,
                     const Elements& elements);
std::string list_request(uint8_t family);  // payload of a dump

}  // namespace kobuk::sys::nft
