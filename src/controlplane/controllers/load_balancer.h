// Addresses of Services of type LoadBalancer, out of ControllerOptions.load_balancer_cidr. An address that a Service has
// stays with it: the Services' status is the only memory, so restarts change nothing.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "controlplane/controllers/controller.h"
#include "controlplane/controllers/endpoints.h"

namespace kobuk::controlplane {

// IPv4 addresses of a range, without the network's own and the broadcast address. Pure.
class AddressPool {
 public:
  // "10.101.128.0/24"; kInvalid for anything else.
  static Result<AddressPool> parse(std::string_view cidr);
  bool contains(std::string_view address) const;
  // False when it is somebody else's already, or not of this range.
  bool take(std::string_view address, const std::string& owner);
  // The lowest free one; kResourceExhausted when there is none.
  Result<std::string> allocate(const std::string& owner);
  void release(const std::string& owner, std::string_view but = {});  // all that it has, but for this one

 private:
  uint32_t first_ = 0, last_ = 0;
  std::map<uint32_t, std::string> taken_;
};

class LoadBalancerController final : public Controller {
 public:
  explicit LoadBalancerController(ControllerContext& context);

 private:
  using ServicePointer = std::shared_ptr<const Service>;
  void started() override;
  io::Task<Result<void>> reconcile(std::string key) override;
  Result<std::string> address_for(const std::string& key, const Service& service);
  io::Task<Result<void>> write(ServicePointer service, std::string address);
  api::Cache<Service>& services_;
  std::optional<AddressPool> pool_;
};

}  // namespace kobuk::controlplane
