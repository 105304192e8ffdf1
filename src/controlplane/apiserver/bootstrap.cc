#include "controlplane/apiserver/bootstrap.h"

#include "api/client.h"
#include "base/log.h"
#include "base/strings.h"
#include "codec/json.h"
#include "controlplane/apiserver/service_range.h"

namespace kobuk::controlplane::apiserver {
namespace {

constexpr auto kCompactEvery = std::chrono::minutes(5);
constexpr std::string_view kNamespaces[] = {"default", "kube-system", "kube-public", "kube-node-lease"};

// Creates what is not there yet. It is looked for first: a Service of an earlier start holds the address that a second
// one would be refused.
io::Task<Result<void>> ensure(api::Client& client, api::GroupVersionResource resource, std::string space, std::string name,
                              std::string object) {
  auto there = co_await client.get(resource, space, name);
  if (there) co_return Result<void>();
  if (there.error().code() != Code::kNotFound) co_return fail(std::move(there).error());
  auto created = co_await client.create(std::move(resource), std::move(space), std::move(object));
  if (!created && created.error().code() != Code::kAlreadyExists) co_return fail(created.error());
  co_return Result<void>();
}

std::string kubernetes_service(const Core& core) {
  return cat(R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"kubernetes","namespace":"default",)",
             R"("labels":{"component":"apiserver","provider":"kubernetes"}},"spec":{"clusterIP":")", ServiceRange(core.options.service_cidr).at(1),
             R"(","ports":[{"name":"https","port":443,"protocol":"TCP","targetPort":)", core.options.secure_port, "}]}}");
}

std::string kubernetes_endpoints(const Core& core) {
  return cat(R"({"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","addressType":"IPv4","metadata":{"name":"kubernetes",)",
             R"("namespace":"default","labels":{"kubernetes.io/service-name":"kubernetes"}},"endpoints":[{"addresses":[")",
             core.options.advertise_address, R"("],"conditions":{"ready":true}}],"ports":[{"name":"https","port":)", core.options.secure_port,
             R"(,"protocol":"TCP"}]})");
}

// The address or the port may be others than at the last start.
io::Task<Result<void>> ensure_endpoints(Core& core, api::Client& client) {
  api::GroupVersionResource slices{"discovery.k8s.io", "v1", "endpointslices"};
  auto made = co_await ensure(client, slices, "default", "kubernetes", kubernetes_endpoints(core));
  KOBUK_CO_CHECK(made);
  std::string patch = cat(R"({"endpoints":[{"addresses":[")", core.options.advertise_address, R"("],"conditions":{"ready":true}}],"ports":[{"name":"https","port":)",
                          core.options.secure_port, R"(,"protocol":"TCP"}]})");
  auto patched = co_await client.patch(slices, "default", "kubernetes", api::PatchType::kMerge, std::move(patch));
  KOBUK_CO_CHECK(patched);
  co_return Result<void>();
}

}  // namespace

io::Task<Result<void>> create_system_objects(Core& core, io::http::Handler& server) {
  api::Client client(io::http::make_in_process_transport(core.loop, server, "system:apiserver", {"system:masters"}));
  for (std::string_view name : kNamespaces) {
    api::GroupVersionResource namespaces{"", "v1", "namespaces"};
    auto made = co_await ensure(client, namespaces, "", std::string(name), cat(R"({"apiVersion":"v1","kind":"Namespace","metadata":{"name":")", name, R"("}})"));
    KOBUK_CO_CHECK(made);
  }
  if (!ServiceRange(core.options.service_cidr).valid())
    co_return fail(Code::kInvalid, "the range of Services ", core.options.service_cidr, " can't be used: it must be IPv4, /8 to /30");
  api::GroupVersionResource services{"", "v1", "services"};
  auto service = co_await ensure(client, services, "default", "kubernetes", kubernetes_service(core));
  KOBUK_CO_CHECK(service);
  if (core.options.advertise_address.empty()) co_return Result<void>();
  auto endpoints = co_await ensure_endpoints(core, client);
  co_return endpoints;
}

void Compaction::changed() {
  if (timer_ != 0 || stopped_) return;
  timer_ = core_->loop.start_timer(kCompactEvery, [this] { tick(); });
}

void Compaction::stop() {
  stopped_ = true;
  if (timer_ != 0) core_->loop.cancel_timer(timer_);
  timer_ = 0;
}

void Compaction::tick() {
  timer_ = 0;
  store::Revision now = core_->store.revision();
  if (last_ > 0) tasks_.spawn(compact(last_));
  if (now == last_) return;  // all is compacted; the next change starts the timer again
  last_ = now;
  changed();
}

io::Task<void> Compaction::compact(store::Revision revision) {
  auto done = co_await core_->store.compact(revision);
  if (!done && done.error().code() != Code::kGone)
    log::warn("the store's history could not be compacted", {{"error", done.error().message()}});
}

}  // namespace kobuk::controlplane::apiserver
