// Reads /proc/net/route (proc_pid_net(5)): tab-separated columns, addresses as hexadecimal words in the host's byte order.
#include "app/address_plan.h"

#include <algorithm>
#include <charconv>

namespace kobuk::app {
namespace {

constexpr int kFirstOctet = 64;  // above what home and office networks usually take

struct Network {
  uint32_t address = 0, mask = 0;
};

std::optional<uint32_t> parse_word(std::string_view hexadecimal) {
  uint32_t word = 0;
  auto end = std::from_chars(hexadecimal.data(), hexadecimal.data() + hexadecimal.size(), word, 16);
  if (end.ec != std::errc() || end.ptr != hexadecimal.data() + hexadecimal.size()) return std::nullopt;
  return __builtin_bswap32(word);
}

std::vector<Network> routed_networks(std::string_view text) {
  std::vector<Network> out;
  for (std::string_view line : split(text, '\n')) {
    auto columns = split(line, '\t');
    if (columns.size() < 8) continue;
    auto address = parse_word(trim(columns[1])), mask = parse_word(trim(columns[7]));
    if (address && mask && *mask != 0) out.push_back({*address, *mask});  // the default route is in nobody's way
  }
  return out;
}

// Both blocks of a slot are one /15.
bool overlaps(int slot, const Network& other) {
  uint32_t ours = (10u << 24) | (static_cast<uint32_t>(kFirstOctet + 2 * slot) << 16);
  uint32_t common = 0xfffe0000u & other.mask;
  return (ours & common) == (other.address & common);
}

}  // namespace

AddressPlan plan_addresses(int slot) {
  std::string pods = cat("10.", kFirstOctet + 2 * slot), services = cat("10.", kFirstOctet + 2 * slot + 1);
  return {.cluster_cidr = cat(pods, ".0.0/17"),
          .pod_subnet = cat(pods, ".0.0/24"),
          .node_ip = cat(pods, ".0.1"),
          .docker_subnet = cat(pods, ".128.0/17"),
          .service_cidr = cat(services, ".0.0/17"),
          .kubernetes_service = cat(services, ".0.1"),
          .cluster_dns = cat(services, ".0.10"),
          .load_balancer_cidr = cat(services, ".128.0/24")};
}

Result<int> choose_slot(const std::vector<int>& taken, std::string_view proc_net_route) {
  auto networks = routed_networks(proc_net_route);
  for (int slot = 0; slot < kSlots; ++slot) {
    if (std::find(taken.begin(), taken.end(), slot) != taken.end()) continue;
    auto hits = [&](const Network& network) { return overlaps(slot, network); };
    if (std::none_of(networks.begin(), networks.end(), hits)) return slot;
  }
  return fail(Code::kResourceExhausted, "every network between 10.", kFirstOctet, ".0.0 and 10.",
              kFirstOctet + 2 * kSlots - 1, ".255.255 is used by other profiles or by routes of this host; delete a "
              "profile (kobuk delete -p NAME) or the route that is in the way (ip route)");
}

}  // namespace kobuk::app
