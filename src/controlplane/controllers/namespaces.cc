// Namespace deletion with ordered content (pods before everything else) and the conditions of a namespace that is stuck,
// as "Namespaces" and KEP-5080 describe them.
#include "controlplane/controllers/namespaces.h"

#include <algorithm>
#include <chrono>

#include "api/struct_patch.h"
#include "codec/json.h"
#include "controlplane/controllers/objects.h"

namespace kobuk::controlplane {
namespace {

using api::core::v1::Namespace;
using api::core::v1::NamespaceCondition;
const api::GroupVersionResource kNamespaces{"", "v1", "namespaces"};
constexpr const char* kFinalizer = "kubernetes";
// Content that others finalize: when no change of a pod tells, look again after this.
constexpr Duration kLookAgain = std::chrono::seconds(5);

bool is_terminating(const Namespace& space) { return is_deleting(space.metadata); }

std::string name_of(const api::ServedResource& served) {
  return served.resource.group.empty() ? cat(served.resource.resource, ".") : cat(served.resource.resource, ".", served.resource.group);
}

std::string counts_text(const std::map<std::string, int64_t>& counts, std::string_view between) {
  std::string out;
  for (const auto& [name, count] : counts) cat_to(out, out.empty() ? "" : ", ", name, between, count, " resource instances");
  return out;
}

void set_condition(Namespace& space, std::string_view type, bool bad, std::string_view good_reason, std::string_view bad_reason,
                   std::string good_message, std::string bad_message, const std::string& now) {
  auto found = std::find_if(space.status.conditions.begin(), space.status.conditions.end(),
                            [&](const NamespaceCondition& condition) { return condition.type == type; });
  if (found == space.status.conditions.end()) {
    if (!bad) return;  // only what is wrong is told first
    found = space.status.conditions.insert(found, NamespaceCondition{});
    found->type = std::string(type);
  }
  std::string_view status = bad ? "True" : "False";
  if (found->status != status) found->last_transition_time = now;
  found->status = std::string(status);
  found->reason = std::string(bad ? bad_reason : good_reason);
  found->message = bad ? std::move(bad_message) : std::move(good_message);
}

}  // namespace

NamespaceController::NamespaceController(ControllerContext& context)
    : Controller(context, "namespace-controller", 4), namespaces_(context.caches.of<Namespace>()) {
  namespaces_.on_change([this](const api::Cache<Namespace>::Change& change) {
    if (change.after && is_terminating(*change.after)) queue_.add(change.key);
  });
  // A pod that has gone may have been the last thing.
  context.caches.of<Pod>().on_change([this](const api::Cache<Pod>::Change& change) {
    if (change.after) return;
    auto space = namespaces_.find(change.before->metadata.namespace_);
    if (space && is_terminating(*space)) queue_.add(space->metadata.name);
  });
}

io::Task<Result<void>> NamespaceController::reconcile(std::string key) {
  auto space = namespaces_.find(key);
  if (!space || !is_terminating(*space)) co_return Result<void>();
  if (std::find(space->spec.finalizers.begin(), space->spec.finalizers.end(), kFinalizer) == space->spec.finalizers.end()) {
    co_return Result<void>();
  }
  auto discovered = co_await context_.client.discover();
  Left left;
  if (discovered) left = co_await delete_content(key, *discovered);
  std::string discovery_error = discovered ? "" : discovered.error().message();
  if (discovered && left.empty()) co_return co_await finalize(key);
  auto written = co_await write_conditions(key, discovery_error, left);
  if (!discovered) co_return fail(std::move(discovered).error());
  if (!left.errors.empty()) co_return fail(Code::kUnavailable, left.errors);
  queue_.add_after(key, kLookAgain);
  co_return written;
}

io::Task<NamespaceController::Left> NamespaceController::delete_content(std::string space, std::vector<api::ServedResource> resources) {
  std::erase_if(resources, [](const api::ServedResource& one) { return !one.namespaced || !one.can("delete"); });
  auto is_pods = [](const api::ServedResource& one) { return one.resource.group.empty() && one.resource.resource == "pods"; };
  auto pods = std::find_if(resources.begin(), resources.end(), is_pods);
  if (pods != resources.end()) std::iter_swap(resources.begin(), pods);
  Left left;
  for (const api::ServedResource& resource : resources) {
    auto deleted = co_await delete_all(space, resource);
    if (!deleted && deleted.error().code() != Code::kNotFound) {
      cat_to(left.errors, left.errors.empty() ? "" : "; ", name_of(resource), ": ", deleted.error().message());
    }
    auto counted = co_await count_left(space, resource, &left);
    if (!counted && counted.error().code() != Code::kNotFound) {
      cat_to(left.errors, left.errors.empty() ? "" : "; ", name_of(resource), ": ", counted.error().message());
    }
    // What pods may rely on (policies, volumes, identities) stays until they are gone.
    if (is_pods(resource) && !left.empty()) break;
  }
  co_return left;
}

io::Task<Result<void>> NamespaceController::delete_all(std::string space, api::ServedResource resource) {
  std::string options = R"({"kind":"DeleteOptions","apiVersion":"v1","propagationPolicy":"Background"})";
  if (resource.can("deletecollection")) {
    KOBUK_CO_CHECK(co_await context_.client.remove_collection(resource.resource, space, {}, options));
    co_return Result<void>();
  }
  api::ListOptions list;
  list.metadata_only = true;
  KOBUK_CO_TRY(std::string text, co_await context_.client.list(resource.resource, space, list));
  KOBUK_CO_TRY(codec::Document document, codec::parse_json(text, {.max_bytes = api::kMaxResponseBytes}));
  for (const codec::Value& item : document.root["items"].items()) {
    std::string name(item["metadata"]["name"].as_string());
    auto done = co_await context_.client.remove(resource.resource, space, name, options);
    if (!done && done.error().code() != Code::kNotFound) co_return fail(std::move(done).error());
  }
  co_return Result<void>();
}

io::Task<Result<void>> NamespaceController::count_left(std::string space, api::ServedResource resource, Left* left) {
  api::ListOptions list;
  list.metadata_only = true;
  KOBUK_CO_TRY(std::string text, co_await context_.client.list(resource.resource, space, list));
  KOBUK_CO_TRY(codec::Document document, codec::parse_json(text, {.max_bytes = api::kMaxResponseBytes}));
  for (const codec::Value& item : document.root["items"].items()) {
    ++left->objects[name_of(resource)];
    for (const codec::Value& finalizer : item["metadata"]["finalizers"].items()) ++left->finalizers[std::string(finalizer.as_string())];
  }
  co_return Result<void>();
}

io::Task<Result<void>> NamespaceController::write_conditions(std::string name, std::string discovery_error, Left left) {
  auto space = namespaces_.find(name);
  if (!space) co_return Result<void>();
  Namespace after = *space;
  after.status.phase = "Terminating";
  set_condition(after, "NamespaceDeletionDiscoveryFailure", !discovery_error.empty(), "ResourcesDiscovered", "DiscoveryFailed",
                "All resources successfully discovered", cat("Discovery failed for some groups: ", discovery_error), now());
  set_condition(after, "NamespaceDeletionContentFailure", !left.errors.empty(), "ContentDeleted", "ContentDeletionFailed",
                "All content successfully deleted, may be waiting on finalization",
                cat("Failed to delete all resource types: ", left.errors), now());
  set_condition(after, "NamespaceContentRemaining", !left.objects.empty(), "ContentRemoved", "SomeResourcesRemain",
                "All content successfully removed", cat("Some resources are remaining: ", counts_text(left.objects, " has ")), now());
  set_condition(after, "NamespaceFinalizersRemaining", !left.finalizers.empty(), "ContentHasNoFinalizers", "SomeFinalizersRemain",
                "All content-preserving finalizers finished",
                cat("Some content in the namespace has finalizers remaining: ", counts_text(left.finalizers, " in ")), now());
  std::string patch = api::merge_patch_of(*space, after);
  if (patch.empty()) co_return Result<void>();
  KOBUK_CO_CHECK(co_await context_.client.patch(kNamespaces, "", name, api::PatchType::kMerge, std::move(patch), "status"));
  co_return Result<void>();
}

io::Task<Result<void>> NamespaceController::finalize(std::string name) {
  KOBUK_CO_TRY(std::string text, co_await context_.client.get(kNamespaces, "", name));
  KOBUK_CO_TRY(codec::Document document, codec::parse_json(text));
  codec::Value kept = codec::Value::array();
  for (const codec::Value& finalizer : document.root["spec"]["finalizers"].items()) {
    if (finalizer.as_string() != kFinalizer) kept.push(document.arena, finalizer);
  }
  document.root.get_or_add(document.arena, "spec").set(document.arena, "finalizers", kept);
  std::string body = codec::to_json(document.root);
  KOBUK_CO_CHECK(co_await context_.client.update(kNamespaces, "", name, std::move(body), "finalize"));
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
