#include "node/node_heartbeat.h"

#include <algorithm>
#include <chrono>

#include "api/cache.h"
#include "api/decode.h"
#include "api/types/coordination_v1.h"
#include "base/log.h"
#include "base/strings.h"

namespace kobuk::node {
namespace {
constexpr Duration kRenew = std::chrono::seconds(10), kReport = std::chrono::minutes(5);
constexpr Duration kFirstRetry = std::chrono::milliseconds(100), kMaxRetry = std::chrono::seconds(7);
constexpr int32_t kLeaseSeconds = 40;
constexpr const char* kLeaseSpace = "kube-node-lease";
}  // namespace

io::Task<Result<void>> NodeHeartbeat::register_node() {
  core::Node wanted = make_node(options_, facts_);
  wanted.status.conditions = make_node_conditions(read_node_pressure(options_.directory), not_ready_(), {}, loop_->now());
  std::string body = api::to_json(wanted);
  auto nodes = api::resource_of<core::Node>();
  auto answer = co_await client_->create(nodes, {}, body);
  if (!answer && answer.error().code() == Code::kAlreadyExists) answer = co_await client_->get(nodes, {}, options_.node_name);
  if (!answer) co_return fail(std::move(answer).error());
  KOBUK_CO_TRY(known_, api::from_json<core::Node>(*answer));
  std::string patch = node_patch(known_, wanted);
  if (!patch.empty()) {
    KOBUK_CO_TRY(std::string patched, co_await client_->patch(nodes, {}, options_.node_name, api::PatchType::kStrategic, patch));
    KOBUK_CO_TRY(known_, api::from_json<core::Node>(patched));
  }
  registered_ = true;
  log::info("node registered", {{"node", options_.node_name}});
  co_return Result<void>();
}

io::Task<Result<void>> NodeHeartbeat::update_status() {
  core::NodeStatus wanted = make_node(options_, facts_).status;
  wanted.conditions = make_node_conditions(read_node_pressure(options_.directory), not_ready_(), known_.status.conditions, loop_->now());
  bool heartbeat = !reported_ || loop_->mono() - *reported_ >= kReport;
  std::string patch = node_status_patch(known_, wanted, heartbeat);
  if (patch.empty()) co_return Result<void>();
  auto nodes = api::resource_of<core::Node>();
  auto answer = co_await client_->patch(nodes, {}, options_.node_name, api::PatchType::kStrategic, patch, "status");
  if (!answer && answer.error().code() == Code::kNotFound) registered_ = false;  // somebody deleted it: it comes back
  if (!answer) co_return fail(std::move(answer).error());
  KOBUK_CO_TRY(known_, api::from_json<core::Node>(*answer));
  reported_ = loop_->mono();
  co_return Result<void>();
}

io::Task<Result<void>> NodeHeartbeat::renew_lease() {
  namespace coordination = api::coordination::v1;
  auto leases = api::resource_of<coordination::Lease>();
  coordination::Lease lease;
  lease.metadata.name = options_.node_name;
  lease.metadata.namespace_ = kLeaseSpace;
  lease.spec.holder_identity = options_.node_name;
  lease.spec.lease_duration_seconds = kLeaseSeconds;
  lease.spec.renew_time = format_rfc3339_micro(loop_->now());
  if (lease_known_) {
    std::string patch = cat(R"({"spec":{"renewTime":")", lease.spec.renew_time, "\"}}");
    auto answer = co_await client_->patch(leases, kLeaseSpace, options_.node_name, api::PatchType::kMerge, patch);
    if (answer) co_return Result<void>();
    lease_known_ = false;
    if (answer.error().code() != Code::kNotFound) co_return fail(std::move(answer).error());
  }
  api::meta::v1::OwnerReference owner;
  owner.api_version = "v1", owner.kind = "Node", owner.name = options_.node_name, owner.uid = known_.metadata.uid;
  lease.metadata.owner_references = {owner};
  std::string body = api::to_json(lease);
  auto answer = co_await client_->create(leases, kLeaseSpace, body);
  if (!answer && answer.error().code() == Code::kAlreadyExists) {
    std::string patch = cat(R"({"spec":{"holderIdentity":")", options_.node_name, R"(","leaseDurationSeconds":)", kLeaseSeconds,
                            R"(,"renewTime":")", lease.spec.renew_time, "\"}}");
    answer = co_await client_->patch(leases, kLeaseSpace, options_.node_name, api::PatchType::kMerge, patch);
  }
  if (!answer) co_return fail(std::move(answer).error());
  lease_known_ = true;
  co_return Result<void>();
}

io::Task<Result<void>> NodeHeartbeat::beat() {
  if (!registered_) KOBUK_CO_CHECK(co_await register_node());
  // The Lease first: it says that the node lives, also while its status can't be written.
  KOBUK_CO_CHECK(co_await renew_lease());
  co_return co_await update_status();
}

io::Task<void> NodeHeartbeat::run() {
  Duration retry{};
  while (true) {
    auto result = co_await beat();
    if (result) {
      retry = {};
      bool slept = co_await io::sleep_or_cancel(*loop_, kRenew, wake_.token());
      if (!slept) wake_ = io::CancelSource();
      continue;
    }
    if (retry == Duration{}) log::warn("the node can't report yet", {{"node", options_.node_name}, {"error", result.error().message()}});
    retry = std::clamp<Duration>(retry * 2, kFirstRetry, kMaxRetry);
    co_await loop_->sleep(retry);
  }
}

}  // namespace kobuk::node
