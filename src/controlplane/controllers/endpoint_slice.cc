#include "controlplane/controllers/endpoint_slice.h"

#include <algorithm>

#include "api/decode.h"
#include "api/struct_patch.h"

namespace kobuk::controlplane {
namespace {

constexpr const char* kZone = "topology.kubernetes.io/zone";
const api::GroupVersionResource kSlices{"discovery.k8s.io", "v1", "endpointslices"};

std::string label_key(std::string_view space, std::string_view key, std::string_view value) { return cat(space, "/", key, "=", value); }

bool selects(const std::map<std::string, std::string>& selector, const std::map<std::string, std::string>& labels) {
  return std::all_of(selector.begin(), selector.end(), [&](const auto& one) {
    auto found = labels.find(one.first);
    return found != labels.end() && found->second == one.second;
  });
}

// Whether an endpoint of this pod would say something else.
bool looks_other(const Pod& a, const Pod& b) {
  return a.metadata.labels != b.metadata.labels || a.status.pod_ip != b.status.pod_ip || a.status.pod_ips.size() != b.status.pod_ips.size() ||
         is_ready(a) != is_ready(b) || is_finished(a) != is_finished(b) || is_deleting(a.metadata) != is_deleting(b.metadata) ||
         a.spec.node_name != b.spec.node_name;
}

std::string zone_of(const api::core::v1::Node* node) {
  if (node == nullptr) return "";
  auto found = node->metadata.labels.find(kZone);
  return found == node->metadata.labels.end() ? "" : found->second;
}

}  // namespace

EndpointSliceController::EndpointSliceController(ControllerContext& context)
    : Controller(context, "endpoint-slice-controller", 8),
      services_(context.caches.of<Service>()),
      pods_(context.caches.of<Pod>()),
      nodes_(context.caches.of<api::core::v1::Node>()),
      slices_(context.caches.of<EndpointSlice>()),
      slices_by_service_(slices_.index([](const EndpointSlice& slice) {
        auto manager = slice.metadata.labels.find(kManagedBy), service = slice.metadata.labels.find(kServiceName);
        bool ours = manager != slice.metadata.labels.end() && manager->second == kEndpointSliceController;
        if (!ours || service == slice.metadata.labels.end()) return api::Keys{};
        return api::Keys{api::object_key(slice.metadata.namespace_, service->second)};
      })),
      pods_by_label_(pods_.index([](const Pod& pod) {
        api::Keys out;
        for (const auto& [key, value] : pod.metadata.labels) out.push_back(label_key(pod.metadata.namespace_, key, value));
        return out;
      })),
      pods_by_node_(pods_.index([](const Pod& pod) { return api::Keys{pod.spec.node_name}; })) {
  services_.on_change([this](const api::Cache<Service>::Change& change) { queue_.add(change.key); });
  pods_.on_change([this](const api::Cache<Pod>::Change& change) { pod_changed(change); });
  nodes_.on_change([this](const api::Cache<api::core::v1::Node>::Change& change) { node_changed(change); });
  slices_.on_change([this](const api::Cache<EndpointSlice>::Change& change) {
    const EndpointSlice& slice = change.after ? *change.after : *change.before;
    auto service = slice.metadata.labels.find(kServiceName);
    if (service != slice.metadata.labels.end()) queue_.add(api::object_key(slice.metadata.namespace_, service->second));
  });
}

void EndpointSliceController::pod_changed(const api::Cache<Pod>::Change& change) {
  if (change.before && change.after && !looks_other(*change.before, *change.after)) return;
  const Pod& any = change.after ? *change.after : *change.before;
  services_.in_namespace(any.metadata.namespace_, [&](const ServicePointer& service) {
    if (!has_endpoints(*service)) return;
    bool before = change.before && selects(service->spec.selector, change.before->metadata.labels);
    bool after = change.after && selects(service->spec.selector, change.after->metadata.labels);
    if (before || after) queue_.add(key_of(service->metadata));
  });
}

// Only its zone matters; a heartbeat does not.
void EndpointSliceController::node_changed(const api::Cache<api::core::v1::Node>::Change& change) {
  if (zone_of(change.before.get()) == zone_of(change.after.get())) return;
  for (const auto& [key, pod] : pods_by_node_.at(change.key)) pod_changed({key, nullptr, pod});
}

io::Task<Result<void>> EndpointSliceController::reconcile(std::string key) {
  ServicePointer service = services_.find(key);
  // The slices of a Service that is gone go by their owner reference.
  if (!service || is_deleting(service->metadata) || !has_endpoints(*service)) co_return Result<void>();
  std::vector<std::shared_ptr<const Pod>> pods;
  const auto& first = *service->spec.selector.begin();
  for (const auto& [pod_key, pod] : pods_by_label_.at(label_key(service->metadata.namespace_, first.first, first.second))) {
    if (selects(service->spec.selector, pod->metadata.labels)) pods.push_back(pod);
  }
  auto zone = [this](const std::string& node) { return zone_of(nodes_.find(node).get()); };
  std::vector<std::shared_ptr<const EndpointSlice>> existing;
  for (const auto& [slice_key, slice] : slices_by_service_.at(key)) existing.push_back(slice);
  SliceChanges changes = plan_slices(*service, endpoint_groups(*service, pods, zone), existing);
  Result<void> result = co_await apply(service->metadata.namespace_, std::move(changes));
  if (!result && is_namespace_terminating(result.error())) co_return Result<void>();
  co_return result;
}

io::Task<Result<void>> EndpointSliceController::apply(std::string space, SliceChanges changes) {
  for (const EndpointSlice& slice : changes.create) {
    std::string text = api::to_json(slice);
    KOBUK_CO_TRY(std::string answer, co_await context_.client.create(kSlices, space, std::move(text)));
    co_await slices_.reached(resource_version_of(answer));
  }
  for (auto& [before, after] : changes.update) {
    std::string patch = api::merge_patch_of(*before, after);
    KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kSlices, space, before->metadata.name, api::PatchType::kMerge, std::move(patch)));
    co_await slices_.reached(resource_version_of(answer));
  }
  for (const auto& slice : changes.remove) {
    auto done = co_await context_.client.remove(kSlices, space, slice->metadata.name);
    if (!done && done.error().code() != Code::kNotFound) co_return fail(std::move(done).error());
    co_await slices_.removed(key_of(slice->metadata), slice->metadata.uid);
  }
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
