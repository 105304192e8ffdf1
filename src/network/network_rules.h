// The nf_tables table of a profile's networks, rendered from their state. Pure.
#pragma once

#include <string>

#include "network/state.h"
#include "sys/nft.h"

namespace kobuk::network {

std::string table_name(std::string_view profile);           // "kobuk-default"
// "kobuk-<8 hex>": of the profile's network; with a container: the host's end of its pair, one letter longer.
std::string bridge_interface(std::string_view profile, std::string_view network);
std::string container_interface(std::string_view profile, std::string_view network, std::string_view container);

// bridge_filter: frames between ports of a bridge pass the rules too (br_netfilter), so that the answers of
// translated connections are translated back. Without it, what returns into the same bridge is masqueraded.
sys::nft::Table render_networks(const std::string& profile, const State& state, bool bridge_filter);

}  // namespace kobuk::network
