#include "controlplane/controllers/accounts.h"

#include "api/decode.h"
#include "api/struct_patch.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {
namespace {

using api::core::v1::ConfigMap;
using api::core::v1::Namespace;
using api::core::v1::ServiceAccount;
const api::GroupVersionResource kAccounts{"", "v1", "serviceaccounts"}, kMaps{"", "v1", "configmaps"};
constexpr const char* kRootCa = "kube-root-ca.crt";

bool is_active(const Namespace& space) { return !is_deleting(space.metadata) && space.status.phase != "Terminating"; }

// Somebody else was as fast, or the namespace is going: both are well.
Result<void> unless_settled(Result<std::string> answer) {
  if (answer || answer.error().code() == Code::kAlreadyExists || is_namespace_terminating(answer.error())) return {};
  return fail(std::move(answer).error());
}

}  // namespace

ServiceAccountController::ServiceAccountController(ControllerContext& context)
    : Controller(context, "service-account-controller", 2),
      namespaces_(context.caches.of<Namespace>()),
      accounts_(context.caches.of<ServiceAccount>()) {
  namespaces_.on_change([this](const api::Cache<Namespace>::Change& change) {
    if (change.after && (!change.before || is_active(*change.before) != is_active(*change.after))) queue_.add(change.key);
  });
  accounts_.on_change([this](const api::Cache<ServiceAccount>::Change& change) {
    if (!change.after && change.before->metadata.name == "default") queue_.add(change.before->metadata.namespace_);
  });
}

io::Task<Result<void>> ServiceAccountController::reconcile(std::string key) {
  auto space = namespaces_.find(key);
  if (!space || !is_active(*space) || accounts_.find(cat(key, "/default"))) co_return Result<void>();
  std::string body = cat(R"({"apiVersion":"v1","kind":"ServiceAccount","metadata":{"name":"default","namespace":")", key, "\"}}");
  auto answer = co_await context_.client.create(kAccounts, key, std::move(body));
  co_return unless_settled(std::move(answer));
}

RootCaPublisher::RootCaPublisher(ControllerContext& context)
    : Controller(context, "root-ca-certificate-publisher", 2),
      namespaces_(context.caches.of<Namespace>()),
      maps_(context.loop, context.client, kMaps, {.field_selector = cat("metadata.name=", kRootCa)}) {
  namespaces_.on_change([this](const api::Cache<Namespace>::Change& change) {
    if (change.after && (!change.before || is_active(*change.before) != is_active(*change.after))) queue_.add(change.key);
  });
  maps_.on_change([this](const api::Cache<ConfigMap>::Change& change) { queue_.add(api::split_key(change.key).space); });
}

io::Task<Result<void>> RootCaPublisher::reconcile(std::string key) {
  if (!maps_.synced()) co_await maps_.wait_synced();
  auto space = namespaces_.find(key);
  if (!space || !is_active(*space)) co_return Result<void>();
  auto there = maps_.find(cat(key, "/", kRootCa));
  ConfigMap wanted = there ? *there : ConfigMap{};
  wanted.metadata.name = kRootCa;
  wanted.metadata.namespace_ = key;
  wanted.metadata.annotations["kubernetes.io/description"] =
      "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service "
      "IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.";
  wanted.data = {{"ca.crt", context_.options.root_ca_pem}};
  if (!there) {
    std::string body = api::to_json(wanted);
    auto answer = co_await context_.client.create(kMaps, key, std::move(body));
    co_return unless_settled(std::move(answer));
  }
  std::string patch = api::merge_patch_of(*there, wanted);
  if (patch.empty()) co_return Result<void>();
  KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kMaps, key, kRootCa, api::PatchType::kMerge, std::move(patch)));
  co_await maps_.reached(resource_version_of(answer));
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
