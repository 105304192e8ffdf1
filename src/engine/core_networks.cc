// Networks: Docker's three (bridge, host, none), those that users make, and the pods' one. Bridges, addresses and
// published ports are the room network's; here stand names, records and who is in what.
#include <arpa/inet.h>

#include <algorithm>

#include "base/log.h"
#include "base/random.h"
#include "engine/core.h"
#include "engine/names.h"

namespace kobuk::engine {
namespace {

constexpr const char* kPodNetwork = "pods";

struct Subnet {
  uint32_t address = 0;
  int prefix = 0;
  bool overlaps(const Subnet& other) const {
    int shorter = std::min(prefix, other.prefix);
    uint32_t mask = shorter == 0 ? 0 : ~uint32_t{0} << (32 - shorter);
    return (address & mask) == (other.address & mask);
  }
};

std::optional<Subnet> parse_subnet(std::string_view text) {
  size_t slash = text.find('/');
  if (slash == std::string_view::npos) return std::nullopt;
  auto prefix = parse_uint(text.substr(slash + 1));
  in_addr address{};
  if (!prefix || *prefix > 30 || *prefix < 8 || inet_pton(AF_INET, std::string(text.substr(0, slash)).c_str(), &address) != 1) return std::nullopt;
  Subnet out{ntohl(address.s_addr), static_cast<int>(*prefix)};
  out.address &= ~uint32_t{0} << (32 - out.prefix);
  return out;
}

std::string address_text(uint32_t address) {
  return cat(address >> 24, '.', address >> 16 & 255, '.', address >> 8 & 255, '.', address & 255);
}

bool is_built_in(const NetworkRecord& record) { return record.name == "bridge" || record.name == "host" || record.name == "none"; }

std::string free_interface(const Entry& entry) {
  for (int number = 0;; ++number) {
    std::string name = cat("eth", number);
    auto same = [&](const EndpointRecord& endpoint) { return endpoint.interface == name; };
    if (std::none_of(entry.record.endpoints.begin(), entry.record.endpoints.end(), same)) return name;
  }
}

}  // namespace

std::string Core::bridge_name(const NetworkRecord& record) const { return record.name; }

Result<void> Core::ensure(const NetworkRecord& record) {
  if (record.driver != "bridge") return {};
  network::BridgeSpec spec{.name = bridge_name(record), .subnet = record.subnet, .mtu = static_cast<int>(record.mtu), .internal = record.internal};
  auto masquerade = record.options.find(kMasqueradeOption);
  spec.masquerade = !record.internal && (masquerade == record.options.end() || masquerade->second != "false");
  auto made = networks_->ensure_bridge(spec);
  if (!made) return fail(std::move(made).error().context("network ", record.name));
  return {};
}

Result<void> Core::open_networks() {
  KOBUK_TRY(auto stored, records_.load_networks());
  for (NetworkRecord& record : stored) network_records_[record.id] = std::move(record);
  if (!options_.pod_subnet.empty()) {
    auto made = networks_->ensure_bridge({.name = kPodNetwork, .subnet = options_.pod_subnet, .routed = true});
    if (!made) return fail(std::move(made).error().context("the pods' network"));
  }
  for (const auto& [id, record] : network_records_) KOBUK_CHECK(ensure(record));
  return {};
}

Result<std::string> Core::free_subnet() const {
  auto pool = parse_subnet(options_.docker_subnet);
  if (!pool) return fail(Code::kInvalid, "the subnet for containers, \"", options_.docker_subnet, "\", is none like 172.30.0.0/16");
  int prefix = std::min(30, std::max(pool->prefix, std::min(24, pool->prefix + 6)));
  uint32_t step = uint32_t{1} << (32 - prefix);
  for (uint32_t i = 0; i < uint32_t{1} << (prefix - pool->prefix); ++i) {
    Subnet candidate{pool->address + i * step, prefix};
    bool free = true;
    for (const auto& [id, record] : network_records_) {
      auto used = parse_subnet(record.subnet);
      free = free && !(used && used->overlaps(candidate));
    }
    if (free) return cat(address_text(candidate.address), "/", prefix);
  }
  return fail(Code::kResourceExhausted, "all predefined address pools have been fully subnetted: remove networks, or give a subnet");
}

Result<NetworkRecord> Core::find_network(std::string_view reference) const {
  if (auto exact = network_records_.find(std::string(reference)); exact != network_records_.end()) return exact->second;
  for (const auto& [id, record] : network_records_)
    if (record.name == reference) return record;
  const NetworkRecord* found = nullptr;
  for (const auto& [id, record] : network_records_) {
    if (reference.empty() || !id.starts_with(reference)) continue;
    if (found != nullptr) return fail(Code::kInvalid, "network ", reference, " is ambiguous");
    found = &record;
  }
  if (found == nullptr) return fail(Code::kNotFound, "network ", reference, " not found");
  return *found;
}

io::Task<Result<NetworkRecord>> Core::create_network(NetworkRecord record) {
  auto pass = co_await networks_made_.enter();
  KOBUK_CO_CHECK(check_name(record.name, "network"));
  if (record.name == kPodNetwork || record.name == "default" || record.name == "container")
    co_return fail(Code::kPermissionDenied, "operation is not permitted on predefined ", record.name, " network");
  for (const auto& [id, other] : network_records_)
    if (other.name == record.name) co_return fail(Code::kConflict, "network with name ", record.name, " already exists");
  if (record.driver == "bridge") {
    if (record.subnet.empty()) {
      KOBUK_CO_TRY(record.subnet, free_subnet());
    }
    auto wanted = parse_subnet(record.subnet);
    if (!wanted) co_return fail(Code::kInvalid, "invalid subnet ", record.subnet, ": want an IPv4 subnet like 172.30.64.0/24");
    auto pods = parse_subnet(options_.pod_subnet);
    bool taken = pods && pods->overlaps(*wanted);
    for (const auto& [id, other] : network_records_) {
      auto used = parse_subnet(other.subnet);
      taken = taken || (used && used->overlaps(*wanted));
    }
    if (taken) co_return fail(Code::kPermissionDenied, "invalid pool request: Pool overlaps with other one on this address space");
    std::string first = address_text(wanted->address + 1);
    if (!record.gateway.empty() && record.gateway != first)
      co_return fail(Code::kUnsupported, "a gateway other than the subnet's first address (", first, ") is not supported: leave --gateway out");
    record.gateway = first;
  }
  if (record.id.empty()) record.id = new_id();
  record.created = loop_.now();
  KOBUK_CO_CHECK(co_await records_.put(record));
  auto made = ensure(record);
  if (!made) {
    auto undone = records_.remove_network(record.id);
    co_return fail(std::move(made).error());
  }
  network_records_[record.id] = record;
  events_.publish({.type = "network", .action = "create", .id = record.id, .attributes = {{"name", record.name}, {"type", record.driver}}, .time = {}, .sandbox_id = {}});
  co_return record;
}

io::Task<Result<void>> Core::remove_network(std::string reference) {
  KOBUK_CO_TRY(NetworkRecord record, find_network(reference));
  if (is_built_in(record)) co_return fail(Code::kPermissionDenied, record.name, " is a pre-defined network and cannot be removed");
  for (const EntryPtr& entry : attached_to(record.name)) {
    if (!entry->running()) continue;
    co_return fail(Code::kPermissionDenied, "error while removing network: network ", record.name, " has active endpoints (name:\"",
                   entry->record.name, "\" id:\"", short_id(entry->record.id), "\")");
  }
  if (record.driver == "bridge") KOBUK_CO_CHECK(networks_->remove_bridge(bridge_name(record)));
  KOBUK_CO_CHECK(records_.remove_network(record.id));
  network_records_.erase(record.id);
  events_.publish({.type = "network", .action = "destroy", .id = record.id, .attributes = {{"name", record.name}, {"type", record.driver}}, .time = {}, .sandbox_id = {}});
  co_return Result<void>();
}

std::vector<EntryPtr> Core::attached_to(const std::string& network) const {
  std::vector<EntryPtr> out;
  for (const auto& [id, entry] : entries_) {
    auto same = [&](const EndpointRecord& endpoint) { return endpoint.network == network; };
    if (std::any_of(entry->record.endpoints.begin(), entry->record.endpoints.end(), same)) out.push_back(entry);
  }
  return out;
}

io::Task<Result<EndpointRecord>> Core::attach_one(EntryPtr entry, EndpointRecord endpoint, std::vector<network::PortMapping> ports) {
  network::AttachRequest request;
  request.network = endpoint.network;
  request.container = entry->record.id;
  request.netns = entry->live->namespace_path(runtime::NamespaceKind::kNetwork);
  request.interface = endpoint.interface;
  request.address = endpoint.wanted_address;
  request.ports = std::move(ports);
  auto attached = co_await networks_->attach(std::move(request));
  if (!attached) {
    Error error = std::move(attached).error();
    std::string context = cat("failed to set up container networking: driver failed programming external connectivity on endpoint ", entry->record.name);
    co_return fail(std::move(error).context(context));
  }
  endpoint.id = new_id();
  endpoint.address = attached->address;
  endpoint.prefix = attached->prefix;
  endpoint.gateway = attached->gateway;
  endpoint.mac = attached->mac;
  entry->status.endpoints.push_back(endpoint);
  entry->status.ports.insert(entry->status.ports.end(), attached->ports.begin(), attached->ports.end());
  co_return endpoint;
}

io::Task<Result<void>> Core::attach_networks(EntryPtr entry) {
  entry->status.endpoints.clear();
  entry->status.ports.clear();
  // Ports are published through the first network.
  std::vector<network::PortMapping> ports = entry->record.ports;
  std::vector<EndpointRecord> endpoints = entry->record.endpoints;
  for (EndpointRecord& endpoint : endpoints) {
    if (endpoint.network != kPodNetwork) {
      auto network = find_network(endpoint.network);
      if (!network) co_return fail(std::move(network).error().context("failed to set up container networking"));
    }
    std::string network = endpoint.network;
    KOBUK_CO_TRY(EndpointRecord made, co_await attach_one(entry, std::move(endpoint), std::exchange(ports, {})));
    // Written at once: a crash from here on must find what to give back.
    KOBUK_CO_CHECK(records_.put_status(entry->record.id, entry->status));
  }
  co_return Result<void>();
}

io::Task<void> Core::detach_networks(EntryPtr entry) {
  for (const EndpointRecord& endpoint : entry->record.endpoints) {
    auto detached = co_await networks_->detach(endpoint.network, entry->record.id);
    if (!detached && detached.error().code() != Code::kNotFound)
      log::error("a container's address could not be given back", {{"id", entry->record.id}, {"network", endpoint.network}, {"reason", detached.error().message()}});
  }
  entry->status.endpoints.clear();
  entry->status.ports.clear();
}

io::Task<Result<void>> Core::connect(EntryPtr entry, EndpointRecord endpoint) {
  auto pass = co_await entry->turnstile.enter();
  KOBUK_CO_CHECK(still_there(*entry));
  KOBUK_CO_CHECK(adopted(*entry));
  KOBUK_CO_TRY(NetworkRecord network, find_network(endpoint.network));
  if (network.driver != "bridge")
    co_return fail(Code::kPermissionDenied, "container cannot be connected to ", network.name, " network");
  if (entry->record.network_mode == "host" || entry->record.network_mode.starts_with("container:"))
    co_return fail(Code::kPermissionDenied, "container cannot be disconnected from host network or connected to host network: it shares another's network");
  endpoint.network = network.name;
  ContainerRecord changed = entry->record;
  for (const EndpointRecord& other : changed.endpoints)
    if (other.network == endpoint.network)
      co_return fail(Code::kPermissionDenied, "endpoint with name ", entry->record.name, " already exists in network ", network.name);
  endpoint.interface = free_interface(*entry);
  changed.endpoints.push_back(endpoint);
  KOBUK_CO_CHECK(co_await records_.put(changed));
  if (entry->running()) {
    auto attached = co_await attach_one(entry, endpoint, {});
    if (!attached) {
      auto undone = co_await records_.put(entry->record);
      co_return fail(std::move(attached).error());
    }
  }
  entry->record = std::move(changed);
  save_status(*entry);
  if (entry->running()) {
    auto written = write_hosts(*entry);
    refresh_hosts(network.name);
  }
  events_.publish({.type = "network", .action = "connect", .id = network.id, .attributes = {{"container", entry->record.id}, {"name", network.name}, {"type", network.driver}}, .time = {}, .sandbox_id = {}});
  co_return Result<void>();
}

io::Task<Result<void>> Core::disconnect(EntryPtr entry, std::string reference, bool force) {
  auto pass = co_await entry->turnstile.enter();
  KOBUK_CO_CHECK(still_there(*entry));
  KOBUK_CO_CHECK(adopted(*entry));
  KOBUK_CO_TRY(NetworkRecord network, find_network(reference));
  ContainerRecord changed = entry->record;
  size_t before = changed.endpoints.size();
  std::erase_if(changed.endpoints, [&](const EndpointRecord& endpoint) { return endpoint.network == network.name; });
  if (changed.endpoints.size() == before) {
    if (force) co_return Result<void>();
    co_return fail(Code::kPermissionDenied, "container ", entry->record.id, " is not connected to network ", network.name);
  }
  KOBUK_CO_CHECK(co_await records_.put(changed));
  KOBUK_CO_CHECK(co_await networks_->detach(network.name, entry->record.id));
  entry->record = std::move(changed);
  std::erase_if(entry->status.endpoints, [&](const EndpointRecord& endpoint) { return endpoint.network == network.name; });
  save_status(*entry);
  if (entry->running()) {
    auto written = write_hosts(*entry);
    refresh_hosts(network.name);
  }
  events_.publish({.type = "network", .action = "disconnect", .id = network.id, .attributes = {{"container", entry->record.id}, {"name", network.name}, {"type", network.driver}}, .time = {}, .sandbox_id = {}});
  co_return Result<void>();
}

}  // namespace kobuk::engine
