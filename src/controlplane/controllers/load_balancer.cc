#include "controlplane/controllers/load_balancer.h"

#include <algorithm>
#include <charconv>

#include "api/struct_patch.h"
#include "base/log.h"

namespace kobuk::controlplane {
namespace {

const api::GroupVersionResource kServices{"", "v1", "services"};

std::optional<uint32_t> parse_address(std::string_view text) {
  auto parts = split(text, '.');
  if (parts.size() != 4) return std::nullopt;
  uint32_t out = 0;
  for (std::string_view part : parts) {
    auto number = parse_uint(part);
    if (!number || *number > 255) return std::nullopt;
    out = out << 8 | static_cast<uint32_t>(*number);
  }
  return out;
}

std::string address_text(uint32_t address) {
  return cat(address >> 24, ".", address >> 16 & 255, ".", address >> 8 & 255, ".", address & 255);
}

// One with a class is another implementation's.
bool is_ours(const Service& service) {
  return service.spec.type == "LoadBalancer" && service.spec.load_balancer_class.empty() && !is_deleting(service.metadata);
}

std::string current_address(const Service& service) {
  const auto& ingress = service.status.load_balancer.ingress;
  return ingress.empty() ? "" : ingress[0].ip;
}

}  // namespace

Result<AddressPool> AddressPool::parse(std::string_view cidr) {
  size_t slash = cidr.find('/');
  auto address = parse_address(cidr.substr(0, slash));
  auto length = slash == cidr.npos ? std::nullopt : parse_uint(cidr.substr(slash + 1));
  if (!address || !length || *length > 32) return fail(Code::kInvalid, "\"", cidr, "\" is no range of IPv4 addresses");
  uint32_t mask = *length == 0 ? 0 : ~uint32_t{0} << (32 - *length);
  AddressPool out;
  out.first_ = *address & mask;
  out.last_ = out.first_ | ~mask;
  if (*length < 31) ++out.first_, --out.last_;
  return out;
}

bool AddressPool::contains(std::string_view address) const {
  auto number = parse_address(address);
  return number && *number >= first_ && *number <= last_;
}

bool AddressPool::take(std::string_view address, const std::string& owner) {
  if (!contains(address)) return false;
  auto [at, fresh] = taken_.try_emplace(*parse_address(address), owner);
  return fresh || at->second == owner;
}

Result<std::string> AddressPool::allocate(const std::string& owner) {
  uint64_t candidate = first_;
  for (const auto& [taken, by] : taken_) {  // in order: the first gap
    if (taken != candidate) break;
    ++candidate;
  }
  if (candidate > last_) return fail(Code::kResourceExhausted, "no address is left in the range for load balancers");
  taken_[static_cast<uint32_t>(candidate)] = owner;
  return address_text(static_cast<uint32_t>(candidate));
}

void AddressPool::release(const std::string& owner, std::string_view but) {
  auto kept = parse_address(but);
  std::erase_if(taken_, [&](const auto& entry) { return entry.second == owner && entry.first != kept; });
}

LoadBalancerController::LoadBalancerController(ControllerContext& context)
    : Controller(context, "service-controller", 1), services_(context.caches.of<Service>()) {
  if (context.options.load_balancer_cidr.empty()) return;  // they stay pending
  auto pool = AddressPool::parse(context.options.load_balancer_cidr);
  if (!pool) {
    log::error("no addresses for load balancers", {{"error", pool.error().message()}});
    return;
  }
  pool_ = *pool;
  services_.on_change([this](const api::Cache<Service>::Change& change) {
    bool was = change.before && change.before->spec.type == "LoadBalancer";
    if (was || (change.after && change.after->spec.type == "LoadBalancer")) queue_.add(change.key);
  });
}

// Addresses that are in use are taken before the first one is given out.
void LoadBalancerController::started() {
  if (!pool_) return;
  for (const auto& [key, service] : services_.objects()) {
    if (is_ours(*service)) pool_->take(current_address(*service), key);
  }
}

io::Task<Result<void>> LoadBalancerController::reconcile(std::string key) {
  ServicePointer service = services_.find(key);
  if (!service || !is_ours(*service)) {
    pool_->release(key);
    if (service && service->spec.type != "LoadBalancer" && pool_->contains(current_address(*service))) co_return co_await write(service, "");
    co_return Result<void>();
  }
  std::string wanted = service->spec.load_balancer_ip, current = current_address(*service);
  bool keeps = !current.empty() && (wanted.empty() || wanted == current) && pool_->take(current, key);
  if (keeps) co_return Result<void>();
  auto address = address_for(key, *service);
  if (!address) {
    events_.record(api::reference_to(*service), "Warning", "SyncLoadBalancerFailed",
                   cat("Error syncing load balancer: ", address.error().message()));
    co_return fail(std::move(address).error());
  }
  KOBUK_CO_CHECK(co_await write(service, *address));
  pool_->release(key, *address);  // only now: until then its status names the old one
  events_.record(api::reference_to(*service), "Normal", "EnsuredLoadBalancer", "Ensured load balancer");
  co_return Result<void>();
}

Result<std::string> LoadBalancerController::address_for(const std::string& key, const Service& service) {
  const std::string& wanted = service.spec.load_balancer_ip;
  if (wanted.empty()) {
    pool_->release(key);  // what an earlier try took; the status names none that counts
    return pool_->allocate(key);
  }
  if (!pool_->contains(wanted)) return fail(Code::kInvalid, wanted, " is not in ", context_.options.load_balancer_cidr);
  if (!pool_->take(wanted, key)) return fail(Code::kAlreadyExists, wanted, " is in use by another Service");
  return wanted;
}

io::Task<Result<void>> LoadBalancerController::write(ServicePointer service, std::string address) {
  Service after = *service;
  after.status.load_balancer.ingress.clear();
  if (!address.empty()) {
    api::core::v1::LoadBalancerIngress ingress;
    ingress.ip = std::move(address);
    ingress.ip_mode = "VIP";
    after.status.load_balancer.ingress.push_back(std::move(ingress));
  }
  std::string patch = api::merge_patch_of(*service, after);
  if (patch.empty()) co_return Result<void>();
  KOBUK_CO_TRY(std::string answer, co_await context_.client.patch(kServices, service->metadata.namespace_, service->metadata.name,
                                                                  api::PatchType::kMerge, std::move(patch), "status"));
  co_await services_.reached(resource_version_of(answer));
  co_return Result<void>();
}

}  // namespace kobuk::controlplane
