// nf_tables transactions (NFNL_MSG_BATCH_BEGIN … END): the kernel checks every message, answers those that fail, and
// takes all or nothing.
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <sys/socket.h>

#include <cerrno>

#include "sys/nft.h"
#include "sys/nft_encode.h"

namespace kobuk::sys::nft {
namespace {

constexpr uint16_t type_of(uint16_t message) { return static_cast<uint16_t>(NFNL_SUBSYS_NFTABLES << 8 | message); }

struct Probe {
  std::string chain;
  Rule rule;
  std::string option;  // of the kernel's configuration
};

// What the rules of kobuk are made of, each in a chain where it may stand.
std::vector<Probe> probes() {
  Immediate address{"\1\1\1\1", 0};
  return {{"filter", {{Meta{}}, ""}, "CONFIG_NF_TABLES"},
          {"filter", {{Connection{}}, ""}, "CONFIG_NFT_CT"},
          {"filter", {{AddressType{}}, ""}, "CONFIG_NFT_FIB_IPV4"},
          {"filter", {{Random{}}, ""}, "CONFIG_NFT_NUMGEN"},
          {"filter", {{Reject{}}, ""}, "CONFIG_NFT_REJECT"},
          {"dnat", {{address, Immediate{port_bytes(1), 1}, Nat{}}, ""}, "CONFIG_NFT_NAT"},
          {"snat", {{Masquerade{}}, ""}, "CONFIG_NFT_MASQ"}};
}

class RealNft final : public Nft {
 public:
  explicit RealNft(NetlinkSocket socket) : socket_(std::move(socket)) {}

  Result<void> commit(const Transaction& transaction) override {
    if (transaction.empty()) return {};
    KOBUK_TRY(auto failures, socket_.send_all(transaction.messages));
    if (failures.empty()) return {};
    Error first = std::move(failures.front().error);
    int code = first.system_errno();
    if (code != ENOENT && code != EOPNOTSUPP) return fail(std::move(first));
    KOBUK_TRY(std::string missing, missing_expressions());
    if (missing.empty()) return fail(std::move(first));
    return fail(Error(Code::kUnsupported, cat(first.message(), "; the nf_tables of this kernel lacks ", missing), code));
  }

  Result<std::vector<std::string>> tables() override {
    std::vector<std::string> out;
    KOBUK_CHECK(socket_.dump(
        type_of(NFT_MSG_GETTABLE), list_request(NFPROTO_IPV4), "list nf_tables tables",
        [&out](uint16_t, std::string_view body) {
          if (body.size() < sizeof(nfgenmsg)) return;
          auto attributes = read_attributes(body.substr(sizeof(nfgenmsg)));
          out.emplace_back(find_attribute(attributes, NFTA_TABLE_NAME).text());
        },
        [&out] { out.clear(); }));
    return out;
  }

  Result<std::vector<std::string>> dropping_forward_chains() override {
    std::vector<std::string> out;
    KOBUK_CHECK(socket_.dump(
        type_of(NFT_MSG_GETCHAIN), list_request(NFPROTO_UNSPEC), "list nf_tables chains",
        [&out](uint16_t, std::string_view body) {
          if (body.size() < sizeof(nfgenmsg)) return;
          auto family = static_cast<uint8_t>(body[0]);
          if (family != NFPROTO_IPV4 && family != NFPROTO_INET) return;
          auto attributes = read_attributes(body.substr(sizeof(nfgenmsg)));
          Attribute hook = find_attribute(attributes, NFTA_CHAIN_HOOK);
          Attribute policy = find_attribute(attributes, NFTA_CHAIN_POLICY);
          if (hook.data.empty() || policy.data.size() < 4 || policy.be32() != NF_DROP) return;
          if (find_attribute(read_attributes(hook.data), NFTA_HOOK_HOOKNUM).be32() != NF_INET_FORWARD) return;
          out.push_back(cat(family == NFPROTO_INET ? "inet " : "ip ", find_attribute(attributes, NFTA_CHAIN_TABLE).text(), " ",
                            find_attribute(attributes, NFTA_CHAIN_NAME).text()));
        },
        [&out] { out.clear(); }));
    return out;
  }

 private:
  // A transaction that can not succeed, so that nothing of it ever stands; its failures tell what is unknown.
  Result<std::string> missing_expressions() {
    const std::string table = "kobuk-probe";
    std::vector<NetlinkMessage> messages = {batch_begin(), add_table(table)};
    messages.push_back(add_chain(table, "filter", {.hook = Hook{}}));
    size_t nat_chain = messages.size();
    messages.push_back(add_chain(table, "dnat", {.hook = Hook{"nat", HookPoint::kPrerouting, -100}}));
    messages.push_back(add_chain(table, "snat", {.hook = Hook{"nat", HookPoint::kPostrouting, 100}}));
    size_t first = messages.size();
    auto all = probes();
    for (const Probe& probe : all) messages.push_back(add_rule(table, probe.chain, probe.rule));
    messages.push_back(delete_chain(table, "never-made"));
    messages.push_back(batch_end());
    KOBUK_TRY(auto failures, socket_.send_all(messages));
    std::string out;
    for (const auto& failure : failures) {
      size_t index = static_cast<size_t>(failure.index);
      if (index <= 1) return std::string("nf_tables itself (CONFIG_NF_TABLES)");
      if (index == nat_chain) return std::string("NAT (CONFIG_NFT_NAT, CONFIG_NF_NAT)");
      if (index < first || index - first >= all.size()) continue;
      const Probe& probe = all[index - first];
      cat_to(out, out.empty() ? "" : ", ", "the expression \"", expression_name(probe.rule.expressions.back()), "\" (",
             probe.option, ")");
    }
    return out;
  }

  NetlinkSocket socket_;
};

}  // namespace

Result<std::unique_ptr<Nft>> open_nft() {
  auto socket = NetlinkSocket::open(NETLINK_NETFILTER);
  if (!socket && socket.error().system_errno() == EPROTONOSUPPORT)
    return fail(Error(Code::kUnsupported, "this kernel has no netfilter (CONFIG_NETFILTER_NETLINK)", EPROTONOSUPPORT));
  if (!socket) return fail(std::move(socket).error());
  return std::make_unique<RealNft>(*std::move(socket));
}

}  // namespace kobuk::sys::nft
