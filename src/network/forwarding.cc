#include "network/forwarding.h"

#include <algorithm>

#include "base/log.h"
#include "network/rules.h"

namespace kobuk::network {
namespace {

using namespace sys::nft;

constexpr const char* kSetting = "net/ipv4/ip_forward";
constexpr uint8_t kName = 12;  // registers 12…15 hold a name

// Every profile's interfaces begin with it (bridge_interface()).
Compare not_of_kobuk() { return {.equal = false, .from = kName, .bytes = "kobuk-"}; }

Result<bool> is_guarded(Host& host) {
  KOBUK_TRY(auto tables, host.nft().tables());
  return std::ranges::find(tables, kForwardingTable) != tables.end();
}

}  // namespace

Table render_forwarding() {
  Table out{.name = std::string(kForwardingTable)};
  Chain& chain = out.chains["forward"];
  chain.hook = Hook{"filter", HookPoint::kForward, kFilter};
  chain.rules = {
      rule("answers", {connection_state(kEstablishedOrRelated), {accept()}}),
      // A node's port leads to containers of other nodes too: in and out by the same interface.
      rule("published ports and Services", {destination_translated(), {accept()}}),
      rule("nobody else", {{input_name(kName), not_of_kobuk(), output_name(kName), not_of_kobuk(), drop()}}),
  };
  return out;
}

Result<bool> start_forwarding(Host& host, bool ours) {
  KOBUK_TRY(std::string now, host.setting(kSetting));
  KOBUK_TRY(bool guarded, is_guarded(host));
  if (now == "1" && !ours && !guarded) return false;
  // The guard first: there is no moment without it.
  if (!guarded) KOBUK_CHECK(host.nft().commit(difference(nullptr, render_forwarding())));
  if (now == "1") return true;
  auto on = host.set_setting(kSetting, "1");
  if (!on && !guarded) (void)host.nft().commit(removal(std::string(kForwardingTable)));
  if (!on) return fail(std::move(on).error().context("forward packets for containers"));
  log::info("this host forwards packets for containers now, and for nobody else", {{"table", std::string(kForwardingTable)}});
  return true;
}

Result<void> stop_forwarding(Host& host, bool ours) {
  KOBUK_TRY(bool guarded, is_guarded(host));
  if (!ours && !guarded) return {};
  KOBUK_TRY(auto links, host.links().links());
  bool needed = std::ranges::any_of(links, [](const sys::Link& link) { return link.alias.starts_with("kobuk/"); });
  if (needed) return {};  // by another profile
  KOBUK_CHECK(host.set_setting(kSetting, "0"));
  return host.nft().commit(removal(std::string(kForwardingTable)));
}

}  // namespace kobuk::network
