// cri-api runtime.v1, api.proto: filters, stats and events of RuntimeService.
#include <algorithm>

#include "engine/cri_server.h"

namespace kobuk::engine {
namespace {

bool has_labels(const StringMap& labels, const StringMap& wanted) {
  return std::ranges::all_of(wanted, [&](const auto& pair) {
    auto found = labels.find(pair.first);
    return found != labels.end() && found->second == pair.second;
  });
}

// Of all that happens, what the CRI tells.
std::optional<wire::EventType> type_of(std::string_view action) {
  if (action == "create") return wire::EventType::kCreated;
  if (action == "start") return wire::EventType::kStarted;
  if (action == "die") return wire::EventType::kStopped;
  if (action == "destroy") return wire::EventType::kDeleted;
  return std::nullopt;
}

}  // namespace

io::Task<Result<std::vector<PodSandboxStatus>>> CriServer::matching_sandboxes(wire::Filter filter) {
  std::vector<PodSandboxStatus> list = cri_.sandboxes();
  std::erase_if(list, [&](const PodSandboxStatus& status) {
    bool state = !filter.state || (*filter.state == 0) == status.ready;
    return !status.id.starts_with(filter.id) || !state || !has_labels(status.labels, filter.labels);
  });
  co_return list;
}

io::Task<Result<std::vector<ContainerStatus>>> CriServer::matching_containers(wire::Filter filter) {
  KOBUK_CO_TRY(auto list, co_await cri_.list_containers());
  std::erase_if(list, [&](const ContainerStatus& status) {
    bool state = !filter.state || *filter.state == static_cast<uint64_t>(status.phase);
    bool named = status.id.starts_with(filter.id) && status.sandbox_id.starts_with(filter.sandbox);
    return !named || !state || !has_labels(status.labels, filter.labels);
  });
  co_return list;
}

io::Task<std::vector<wire::ContainerStatsItem>> CriServer::stats_of(std::vector<ContainerStatus> containers) {
  std::vector<wire::ContainerStatsItem> out;
  for (ContainerStatus& container : containers) {
    auto stats = co_await cri_.container_stats(container.id);
    if (stats) out.push_back({std::move(container), *stats});  // else it has just ended
  }
  co_return out;
}

io::Task<wire::SandboxStatsItem> CriServer::stats_of(PodSandboxStatus sandbox) {
  wire::Filter filter{.sandbox = sandbox.id, .state = static_cast<uint64_t>(ContainerPhase::kRunning)};
  wire::SandboxStatsItem out{.of = std::move(sandbox)};
  auto containers = co_await matching_containers(std::move(filter));
  if (containers) out.containers = co_await stats_of(std::move(*containers));
  co_return out;
}

CriServer::Answer CriServer::container_stats(std::string bytes) {
  KOBUK_CO_TRY(std::string id, read_id(bytes));
  KOBUK_CO_TRY(ContainerStatus status, co_await cri_.container_status(id));
  KOBUK_CO_TRY(CriStats stats, co_await cri_.container_stats(std::move(id)));
  co_return wire::encode_container_stats({std::move(status), stats});
}

CriServer::Answer CriServer::list_container_stats(std::string bytes) {
  KOBUK_CO_TRY(wire::Filter filter, wire::decode_container_stats_filter(bytes));
  filter.state = static_cast<uint64_t>(ContainerPhase::kRunning);
  KOBUK_CO_TRY(auto containers, co_await matching_containers(std::move(filter)));
  auto list = co_await stats_of(std::move(containers));
  co_return wire::encode_container_stats_list(list);
}

CriServer::Answer CriServer::pod_sandbox_stats(std::string bytes) {
  KOBUK_CO_TRY(std::string id, read_id(bytes));
  KOBUK_CO_TRY(PodSandboxStatus status, co_await cri_.pod_sandbox_status(std::move(id)));
  auto stats = co_await stats_of(std::move(status));
  co_return wire::encode_sandbox_stats(stats);
}

CriServer::Answer CriServer::list_pod_sandbox_stats(std::string bytes) {
  KOBUK_CO_TRY(wire::Filter filter, wire::decode_sandbox_stats_filter(bytes));
  KOBUK_CO_TRY(auto sandboxes, co_await matching_sandboxes(std::move(filter)));
  std::vector<wire::SandboxStatsItem> list;
  for (PodSandboxStatus& sandbox : sandboxes) {
    auto item = co_await stats_of(std::move(sandbox));
    list.push_back(std::move(item));
  }
  co_return wire::encode_sandbox_stats_list(list);
}

io::Task<wire::Event> CriServer::describe(EngineEvent event, wire::EventType type) {
  wire::Event out{.container_id = event.id, .type = type, .time = event.time};
  auto sandbox = co_await cri_.pod_sandbox_status(event.sandbox_id);
  if (sandbox) out.sandbox = std::move(*sandbox);
  out.sandbox.id = event.sandbox_id;
  wire::Filter filter{.sandbox = std::move(event.sandbox_id)};
  auto containers = co_await matching_containers(std::move(filter));
  if (containers) out.containers = std::move(*containers);
  co_return out;
}

io::Task<Result<void>> CriServer::container_events(std::shared_ptr<io::grpc::ServerStream> call) {
  KOBUK_CO_TRY(auto request, co_await call->read());
  auto events = core_.events().subscribe();
  if (call->metadata().has(kBeginHeader)) KOBUK_CO_CHECK(co_await call->write(std::string()));
  while (true) {
    auto event = co_await events->next(call->cancel());
    if (!event) co_return fail(Code::kUnavailable, "events were lost; list sandboxes and containers again");
    auto type = type_of(event->action);
    if (event->sandbox_id.empty() || !type) continue;
    auto told = co_await describe(std::move(*event), *type);
    KOBUK_CO_CHECK(co_await call->write(wire::encode_event(told)));
  }
}

}  // namespace kobuk::engine
