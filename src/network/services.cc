#include "network/services.h"

#include <netinet/in.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "network/host.h"
#include "network/service_rules.h"

namespace kobuk::network {

using sys::nft::Table;

struct Services::Impl {
  Options options;
  std::unique_ptr<Host> host;
  std::optional<Table> table;  // what the kernel has; nullopt: unknown
  std::vector<std::string> skipped;

  Result<void> open() {
    if (host) return {};
    KOBUK_TRY(host, open_host());
    return {};
  }

  void report_skipped(std::vector<std::string> now) {
    for (const std::string& each : now)
      if (std::ranges::find(skipped, each) == skipped.end())
        log::warn("a part of a Service is not served", {{"reason", each}});
    skipped = std::move(now);
  }

  void forget_stale(const Table& now);
};

namespace {

constexpr size_t kFrontendBytes = 12;  // address, protocol, port: the beginning of a key

bool is_udp(std::string_view frontend) { return static_cast<uint8_t>(frontend[4]) == IPPROTO_UDP; }

// Frontends of UDP whose set of endpoints lost one, or which had none: datagrams on their way go to the wrong place.
std::set<std::string> changed_udp_frontends(const Table* before, const Table& now) {
  static const std::map<std::string, sys::nft::Element> kNone;
  const auto& old = before ? before->sets.at("endpoints").elements : kNone;
  const auto& after = now.sets.at("endpoints").elements;
  std::set<std::string> out;
  for (const auto& [key, endpoint] : old) {
    if (!is_udp(key)) continue;
    auto kept = after.find(key);
    if (kept == after.end() || kept->second != endpoint) out.insert(key.substr(0, kFrontendBytes));
  }
  for (const auto& [key, endpoint] : after) {
    if (!is_udp(key)) continue;
    std::string frontend = key.substr(0, kFrontendBytes);
    if (!old.contains(cat(frontend, sys::nft::number_bytes(0)))) out.insert(std::move(frontend));
  }
  return out;
}

}  // namespace

void Services::Impl::forget_stale(const Table& now) {
  std::set<std::string> changed = changed_udp_frontends(table ? &*table : nullptr, now);
  if (changed.empty()) return;
  const auto& node_addresses = now.sets.at("node-addresses").elements;
  auto stale = [&](const sys::TrackedConnection& connection) {
    std::string rest = cat(sys::nft::protocol_bytes(IPPROTO_UDP), sys::nft::port_bytes(connection.destination_port));
    std::string frontend = cat(connection.destination, rest);
    if (node_addresses.contains(connection.destination) && !changed.contains(frontend))
      frontend = cat(sys::nft::ipv4_bytes("0.0.0.0"), rest);
    return changed.contains(frontend) && !leads_to(now, frontend, connection.answering, connection.answering_port);
  };
  auto forgotten = host->forget_connections(IPPROTO_UDP, stale);
  if (!forgotten)
    log::warn("UDP clients of changed Services may go on to former endpoints until they pause",
              {{"error", forgotten.error().message()}});
}

Services::Services(Options options) : Services(std::move(options), nullptr) {}
Services::Services(Options options, std::unique_ptr<Host> host) : impl_(std::make_unique<Impl>()) {
  impl_->options = std::move(options);
  impl_->host = std::move(host);
}
Services::~Services() = default;

Result<void> Services::apply(const std::vector<ServicePort>& wanted) {
  KOBUK_CHECK(impl_->open());
  RenderedServices rendered = render_services(impl_->options, wanted);
  impl_->report_skipped(std::move(rendered.skipped));
  auto committed = commit_table(impl_->host->nft(), impl_->table ? &*impl_->table : nullptr, rendered.table);
  if (!committed) return fail(std::move(committed).error().context("apply the rules of Services"));
  impl_->forget_stale(rendered.table);
  impl_->table = std::move(rendered.table);
  return {};
}

Result<void> Services::clean_up() {
  KOBUK_CHECK(impl_->open());
  auto removed = impl_->host->nft().commit(sys::nft::removal(services_table_name(impl_->options.profile)));
  if (!removed) return fail(std::move(removed).error().context("remove the rules of Services"));
  impl_->table.reset();
  return {};
}

}  // namespace kobuk::network
