// Whether this host passes on packets between interfaces (net.ipv4.ip_forward). Containers need it; but a host on which
// nobody wanted it must not become a router for whoever is beside it. Where kobuk switches it on, a table of its own, one
// for all profiles, drops what neither comes from nor goes to an interface of kobuk's. It stands for "switched on by us":
// the last profile to go switches forwarding off and takes the table away. A host that forwards by itself is left as it is.
#pragma once

#include <string_view>

#include "network/host.h"

namespace kobuk::network {

inline constexpr std::string_view kForwardingTable = "kobuk.forwarding";  // no profile's name has a dot

sys::nft::Table render_forwarding();

// ours: known to have been switched on by us since the host was started, should the table be lost. Whether it was us.
Result<bool> start_forwarding(Host& host, bool ours);
// Once this profile's interfaces are gone.
Result<void> stop_forwarding(Host& host, bool ours);

}  // namespace kobuk::network
